"""Amounts of money in another currency, at the reference rates of the European Central Bank.

"and in pounds?" completes the last question; "how much is that in euros?" takes the price read from a picture, or the
result of a calculation. Not covered here: reading amounts (`money.py`), where rates come from (`rates.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import Field

from tools.base import ArgumentsError, MissingArgument, Tool, ToolContext, ToolModel, ToolResult
from tools.dates import find_date
from tools.fallback import first_fresh, problems
from tools.http import HttpClient
from tools.money import SHARED, Mention, decimals, mentions, number_in
from tools.rates import Rate, central_bank, frankfurter
from tools.spelling import tidy

MAX_REQUEST = 500
_CODE = Field(pattern=r"^[A-Z]{3}$")


class CurrencyArgs(ToolModel):
    """Convert `amount` from `base` to `target`, ISO 4217 codes, at the rate of the ISO day `on` (None: the latest)."""

    amount: float = Field(default=1.0, ge=0.0, le=1e15)
    base: str = _CODE
    target: str = _CODE
    on: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")


class CurrencyValue(ToolModel):
    """`result` is `amount` times `rate`, rounded to the target's decimals; strings, so that no digit changes."""

    amount: str
    base: str
    target: str
    result: str
    rate: str
    date: str
    provider: str
    at: str


class Currency(Tool[CurrencyArgs]):
    """Conversions at published reference rates."""

    name = "currency"
    looks = "ocr"
    title = "Currency"
    description = "Convert money from one currency to another, or tell the exchange rate: dollars, euros, pounds, yen."
    args_model = CurrencyArgs
    result_model = CurrencyValue

    def __init__(
        self, client: HttpClient, *, currency_url: str, fallback_url: str, now: Callable[[], datetime] | None = None
    ) -> None:
        self._client = client
        self._currency_url = currency_url.rstrip("/")
        self._fallback_url = fallback_url.rstrip("/")
        self._now = now or (lambda: datetime.now().astimezone())

    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        """Amount and currencies meant. Raises MissingArgument rather than choose between two."""
        text = tidy(request, MAX_REQUEST)
        on, text = _past_day(text, self._now().date())
        said = _stated(text)
        found = _completed(said | _replies(context), text, context, refers=_refers(said, text, context))
        if on:
            found["on"] = on
        for name in ("base", "target"):
            _require(name, found)
        return found

    def run(self, args: CurrencyArgs) -> ToolResult:
        """Convert. Raises ArgumentsError for a day to come, ToolError without a rate, ToolUnavailable."""
        if args.on is not None and args.on > self._now().date().isoformat():
            raise ArgumentsError(f"there is no rate of {args.on} yet", "name a day in the past")
        rate = self._rate(args)
        amount = Decimal(str(args.amount))
        places = decimals(args.target)
        result = f"{round(amount * rate.rate, places):.{places}f}"
        written = _written(amount)
        value = CurrencyValue(
            amount=written,
            base=args.base,
            target=args.target,
            result=result,
            rate=str(rate.rate),
            date=rate.date,
            provider=rate.provider,
            at=rate.at,
        )
        text = (
            f"{written} {args.base} = {result} {args.target} (1 {args.base} = {rate.rate} {args.target}, European"
            f" Central Bank reference rate of {rate.date})."
        )
        return ToolResult(value.model_dump(mode="json"), text + rate.caution, rate.source or None)

    def check(self) -> list[str]:
        """Asks for one rate."""
        return problems(lambda: frankfurter(self._client, self._currency_url, "EUR", "USD", None, fresh=True))

    def _rate(self, args: CurrencyArgs) -> Rate:
        if args.base == args.target:
            today = self._now().date().isoformat()
            return Rate(args.base, args.target, Decimal(1), args.on or today, "identity", "", today)
        return first_fresh(
            [
                lambda: frankfurter(self._client, self._currency_url, args.base, args.target, args.on),
                lambda: central_bank(self._client, self._fallback_url, args.base, args.target, args.on),
            ]
        )


# -- where the arguments come from ------------------------------------------------------------------------------------

_INTO = re.compile(r"\b(?:to|in|into|for|as|against|versus|vs|buy)\s+(?:the |a |an )?$|(?:=|->|/)\s*$", re.IGNORECASE)
_HOW_MANY = re.compile(r"\bhow (?:many|much)\s+$", re.IGNORECASE)
_SWAP = re.compile(r"\b(?:other way (?:a?round)?|reverse[d]?|vice versa|swap(?:ped)?|inverse)\b", re.IGNORECASE)
_PRONOUN = re.compile(r"\b(?:that|this|it|these|those)\b", re.IGNORECASE)
_THAT = re.compile(r"\b(?:that|this|it|these|those|price|amount|total|cost|result|sum)\b", re.IGNORECASE)


def _past_day(text: str, today: date) -> tuple[str | None, str]:
    """The past day that a request names, ISO, and the text without it."""
    found = find_date(text, today, "past") if re.search(r"\b(?:on|was|were|last|yesterday|ago|in)\b", text) else None
    if found is None or found.day > today or found.words.isdigit() or found.words.lower() == "today":
        return None, text
    return found.day.isoformat(), f"{text[: found.start]} {text[found.end :]}"


def _stated(text: str) -> dict[str, Any]:
    """What the request itself says."""
    named = mentions(text)
    if not named:
        lone = number_in(text)
        return {} if lone is None else {"amount": lone}
    base, target = _roles(named, text)
    found: dict[str, Any] = {}
    if base is not None:
        found |= {"base": base.currency} | ({"amount": base.amount} if base.amount is not None else {})
    if target is not None:
        found["target"] = target.currency
    if "amount" not in found and (lone := number_in(text)) is not None:
        found["amount"] = lone
    return found


def _roles(named: list[Mention], text: str) -> tuple[Mention | None, Mention | None]:
    """Which currency is given and which is wanted: an amount is given; "to", "in" and "how many" lead to the other."""
    if len(named) == 1:
        only = named[0]
        wanted = only.amount is None and (_INTO.search(text[: only.start]) or not _is_base(only, text))
        return (None, only) if wanted else (only, None)
    first, second = named[0], named[1]
    if _HOW_MANY.search(text[: first.start]) or (first.amount is None and second.amount is not None):
        return second, first
    return first, second


def _is_base(mention: Mention, text: str) -> bool:
    return re.search(r"\b(?:rate|worth|value|price) (?:of|for) (?:the |a |an )?$", text[: mention.start]) is not None


def _replies(context: ToolContext) -> dict[str, Any]:
    """What the user answered to earlier questions."""
    found: dict[str, Any] = {}
    for name, reply in context.answers.items():
        named = mentions(reply)
        if name in ("base", "target") and named:
            found[name] = named[0].currency
        elif name == "amount" and named:
            found |= {"amount": named[0].amount, "base": named[0].currency}
        elif name == "amount" and (number := number_in(reply)) is not None:
            found["amount"] = number
    return found


def _refers(said: dict[str, Any], text: str, context: ToolContext) -> bool:
    """Whether a request is about an amount read or calculated before: "that", or "the price" without a currency."""
    if context.used:
        return True
    words = _PRONOUN if "base" in said else _THAT
    return words.search(text) is not None and not _newest_is_currency(context)


def _completed(found: dict[str, Any], text: str, context: ToolContext, *, refers: bool) -> dict[str, Any]:
    """What is left open, from the price read, the calculation made, or the last conversion."""
    last = context.last("currency")
    if refers and not {"amount", "base"} <= found.keys():
        found = _priced(context) | found
    if last is None or ("base" in found and "target" in found):
        return found
    kept = dict(last.arguments)
    if _SWAP.search(text):
        return {**kept, "base": kept["target"], "target": kept["base"], **found}
    if found.get("base") == kept.get("target") and "target" not in found:
        kept["target"] = kept["base"]
    return {**kept, **found}


def _newest_is_currency(context: ToolContext) -> bool:
    newest = next(iter(context.antecedents), None)
    return newest is not None and not isinstance(newest, str) and newest.route == "currency"


def _priced(context: ToolContext) -> dict[str, Any]:
    """The amount that "that" stands for. Raises MissingArgument when a text read holds several."""
    for antecedent in context.antecedents:
        if isinstance(antecedent, str):
            if price := _price(antecedent):
                return price
        elif isinstance(antecedent.value, dict) and (number := number_in(str(antecedent.value.get("result", "")))):
            return {"amount": number}
    return {}


def _price(text: str) -> dict[str, Any]:
    """The one price in a text; a lone number counts, without a currency."""
    prices = list(dict.fromkeys((m.amount, m.currency) for m in mentions(text) if m.amount is not None))
    if len(prices) > 1:
        listed = ", ".join(f"{_written(Decimal(str(amount)))} {currency}" for amount, currency in prices[:4])
        raise MissingArgument("amount", f"Which amount do you mean: {listed}?")
    if prices:
        return {"amount": prices[0][0], "base": prices[0][1]}
    lone, named = number_in(text), mentions(text)
    return ({"amount": lone} if lone is not None else {}) | ({"base": named[0].currency} if lone and named else {})


def _require(name: str, found: dict[str, Any]) -> None:
    """Raises MissingArgument when a currency is not named, or could be several."""
    currency = found.get(name)
    if currency in SHARED:
        raise MissingArgument(name, f"Which {currency} do you mean: {' or '.join(SHARED[currency])}?")
    if currency is None:
        amount = f" is {_written(Decimal(str(found['amount'])))} in" if name == "base" and "amount" in found else ""
        question = f"Which currency{amount}?" if name == "base" else "Into which currency?"
        raise MissingArgument(name, question if amount or name == "target" else "From which currency?")


def _written(amount: Decimal) -> str:
    """Without an exponent and without zeros that say nothing: 100, 9.99."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
