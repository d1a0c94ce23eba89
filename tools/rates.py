"""Exchange rates of the European Central Bank: from Frankfurter (keyless), or from the bank's own daily file.

After https://frankfurter.dev/v1/ and https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml. Not covered here:
currencies the bank publishes no rate for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from conlora_agent.core.errors import ToolError
from tools.http import HttpClient
from tools.responses import NotFound

LATEST = timedelta(hours=1)
PAST = timedelta(days=30)
SOURCE = "https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/"


@dataclass(frozen=True)
class Rate:
    """One unit of `base` in `target` on the ISO day `date`, exactly as published or derived from published rates."""

    base: str
    target: str
    rate: Decimal
    date: str
    provider: str
    source: str
    at: str
    caution: str = ""


def frankfurter(client: HttpClient, url: str, base: str, target: str, day: str | None, *, fresh: bool = False) -> Rate:
    """The latest rate, or that of the ISO `day` (the working day before it). Raises ToolError, ToolUnavailable."""
    address = f"{url}/v1/{day or 'latest'}"
    max_age = None if fresh else PAST if day else LATEST
    try:
        response = client.get(address, {"base": base, "symbols": target}, max_age=max_age)
    except NotFound as error:
        raise _no_rate(base, target) from error
    answer = response.json()
    rates = answer.get("rates") if isinstance(answer, dict) else None
    if not isinstance(rates, dict) or "date" not in answer:
        raise ToolError("Frankfurter answered with something unreadable", "check the setting currency_url")
    if target not in rates:
        raise _no_rate(base, target)
    source = f"{address}?base={base}&symbols={target}"
    return Rate(
        base,
        target,
        _decimal(rates[target]),
        str(answer["date"]),
        "Frankfurter",
        source,
        response.time,
        response.caution,
    )


def central_bank(client: HttpClient, url: str, base: str, target: str, day: str | None) -> Rate:
    """The latest rate, derived from the two euro rates. Raises ToolError, ToolUnavailable."""
    if day:
        raise ToolError("the bank's daily file holds today's rates only", "try again later")
    response = client.get(f"{url}/stats/eurofxref/eurofxref-daily.xml", max_age=LATEST)
    date, rates = _daily_file(response.content)
    if base not in rates or target not in rates:
        raise _no_rate(base, target)
    # As many digits as the published rates have.
    rate = (rates[target] / rates[base]).normalize() if base == "EUR" else round(rates[target] / rates[base], 5)
    return Rate(base, target, rate, date, "European Central Bank", SOURCE, response.time, response.caution)


def _daily_file(content: bytes) -> tuple[str, Mapping[str, Decimal]]:
    """The day and the euro rates of the bank's file."""
    from lxml import etree

    try:
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
        cubes = root.findall(".//{*}Cube")
        date = next(cube.get("time") for cube in cubes if cube.get("time"))
        rates = {cube.get("currency"): _decimal(cube.get("rate")) for cube in cubes if cube.get("currency")}
    except (etree.XMLSyntaxError, StopIteration) as error:
        raise ToolError("the bank answered with something unreadable", "check the setting ecb_url") from error
    return date, {"EUR": Decimal(1), **rates}


def _decimal(value: Any) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ToolError("the exchange rate is not a number", "try again later") from error
    if not number.is_finite() or number <= 0:
        raise ToolError("the exchange rate is not a positive number", "try again later")
    return number


def _no_rate(base: str, target: str) -> ToolError:
    return ToolError(
        f"the European Central Bank publishes no rate between {base} and {target}", "ask for another currency"
    )
