"""Single facts and short descriptions from Wikidata, keyless: the fallback of `wikipedia.py`, and its exact answers.

After https://www.wikidata.org/w/api.php (wbsearchentities, wbgetentities). Numbers and dates are given as they are
stated there. Not covered here: facts that need a calculation or a comparison of several things.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from conlora_agent.core.errors import ToolError
from tools.http import HttpClient
from tools.responses import Response

Fact = Literal[
    "area", "author", "birthplace", "born", "capital", "composer", "country", "creator", "currency", "died",
    "director", "elevation", "founded", "founder", "height", "language", "population", "published",
]  # fmt: skip

_PROPERTIES: dict[Fact, str] = {
    "area": "P2046",
    "author": "P50",
    "birthplace": "P19",
    "born": "P569",
    "capital": "P36",
    "composer": "P86",
    "country": "P17",
    "creator": "P170",
    "currency": "P38",
    "died": "P570",
    "director": "P57",
    "elevation": "P2044",
    "founded": "P571",
    "founder": "P112",
    "height": "P2048",
    "language": "P37",
    "population": "P1082",
    "published": "P577",
}
_WHEN = r"(?:when|(?:what|which) year)"
_WORDS: dict[Fact, str] = {
    "author": r"\b(?:who|whom) (?:wrote|authored)\b"
    r"|\b(?:author|writer) of\b|\bwho(?:'s| is) the (?:author|writer)\b",
    "creator": r"\bwho (?:painted|sculpted|drew)\b|\bpainter of\b",
    "director": r"\bwho directed\b|\bdirector of\b",
    "composer": r"\bwho composed\b|\bcomposer of\b",
    "founder": r"\bwho (?:founded|started|established)\b|\bfounders? of\b",
    "capital": r"\bcapital(?: city)? of\b",
    "population": r"\bpopulation\b|\bhow many (?:people|inhabitants)\b",
    "area": r"\b(?:area|surface) of\b|\bhow (?:large|big) is\b",
    "currency": r"\b(?:currency|money) (?:of|in|is used in)\b",
    "language": r"\b(?:official )?languages? (?:of|is spoken|do (?:they|people) speak|are spoken)\b",
    "birthplace": r"\bwhere (?:was|were) .+ born\b|\bbirthplace of\b"
    r"|\bwhere (?:is|was) (?:he|she) (?:from|born)\b",
    "born": rf"\b{_WHEN} (?:was|were) .+ born\b|\bdate of birth\b|\bbirthday of\b",
    "died": rf"\b{_WHEN} did .+ die\b|\bdate of death\b",
    "published": rf"\b{_WHEN} (?:was|were|did) .+ (?:published|released|come out|appear)\b|\bpublication date\b",
    "founded": rf"\b{_WHEN} (?:was|were) .+ (?:founded|established)\b",
    "height": r"\bhow (?:tall|high) (?:is|was)\b|\bheight of\b",
    "country": r"\b(?:which|what) country is\b",
}
_STATEMENTS = 3


@dataclass(frozen=True)
class Item:
    """Something Wikidata knows: its label, what it is, and where to read more; `fact` as a sentence when asked for."""

    title: str
    description: str
    fact: str | None
    source: str
    response: Response


def fact_asked(request: str) -> Fact | None:
    """The fact that a question asks for, None when it is no single one."""
    return next((fact for fact, words in _WORDS.items() if re.search(words, request, re.IGNORECASE)), None)


def subject_of(topic: str) -> str | None:
    """What a topic such as "capital of Australia" states a fact of; None where the topic is the thing itself."""
    found = re.match(r"(?:official )?\w+(?: city)? of (?:the )?(?P<subject>.+)$", topic, re.IGNORECASE)
    return found["subject"] if found and fact_asked(topic) else None


def look_up(client: HttpClient, url: str, topic: str, fact: Fact | None) -> Item:
    """The best match for `topic`. Raises ToolError when there is none, ToolUnavailable."""
    api = f"{url}/w/api.php"
    search: dict[str, str | int | float] = {
        "action": "wbsearchentities",
        "search": topic,
        "language": "en",
        "limit": 1,
        "format": "json",
    }
    found = client.get(api, search)
    hits = _read(lambda: found.json()["search"])
    if not hits:
        raise ToolError(f"Wikidata has nothing about {topic!r}", "try other words")
    key = _read(lambda: str(hits[0]["id"]))
    response = client.get(api, _entities(key, "claims|labels|descriptions"))
    entity = _read(lambda: response.json()["entities"][key])
    title = _label(entity) or topic
    stated = _stated(client, api, entity, fact) if fact else []
    text = f"{fact.capitalize()} of {title}: {', '.join(stated)} (Wikidata)." if fact and stated else None
    description = _read(lambda: str(entity.get("descriptions", {}).get("en", {}).get("value", "")))
    return Item(title, description, text, f"https://www.wikidata.org/wiki/{key}", response)


def _stated(client: HttpClient, api: str, entity: dict[str, Any], fact: Fact) -> list[str]:
    """Preferred statements of a property, otherwise the normal ones, as words."""
    claims = _read(lambda: entity.get("claims", {}).get(_PROPERTIES[fact], []))
    for rank in ("preferred", "normal"):
        values = [_value(claim) for claim in claims if claim.get("rank") == rank]
        if known := [value for value in values if value is not None]:
            # Without a preferred one the last stated number is the newest as a rule; several people may be authors.
            chosen = known[-1:] if fact in ("population", "area", "height", "elevation") else known[:_STATEMENTS]
            return _named(client, api, chosen)
    return []


def _value(claim: dict[str, Any]) -> str | None:
    """A statement's value as words; "Q42" for another item."""
    snak = claim.get("mainsnak", {}).get("datavalue", {})
    value = snak.get("value")
    kinds: dict[str, Callable[[Any], str]] = {
        "wikibase-entityid": lambda value: str(value["id"]),
        "quantity": lambda value: str(value["amount"]).lstrip("+") + _unit(value),
        "time": lambda value: _date(str(value["time"]), int(value["precision"])),
        "monolingualtext": lambda value: str(value["text"]),
        "string": str,
    }
    read = kinds.get(str(snak.get("type")))
    return None if read is None or value is None else _read(lambda: read(value))


def _unit(value: dict[str, Any]) -> str:
    units = {"Q11573": " m", "Q712226": " km²", "Q828224": " km", "Q174728": " cm", "Q25343": " m²"}
    return units.get(str(value.get("unit", "")).rpartition("/")[2], "")


def _date(time: str, precision: int) -> str:
    """ "+1952-03-11T00:00:00Z" as "11 March 1952", or only as much of it as is known (9: year, 10: month, 11: day)."""
    match = re.match(r"([+-])(\d+)-(\d\d)-(\d\d)", time)
    if match is None:
        return time
    sign, year, month, day = match[1], int(match[2]), int(match[3]), int(match[4])
    era = " BC" if sign == "-" else ""
    if precision >= 11 and 1 <= year <= 9999 and not era:
        return f"{day} {date(year, month, day):%B} {year}"
    return f"{date(2000, month, 1):%B} {year}{era}" if precision == 10 else f"{year}{era}"


def _named(client: HttpClient, api: str, values: list[str]) -> list[str]:
    """Item ids replaced by their labels."""
    ids = [value for value in values if re.fullmatch(r"Q\d+", value)]
    if not ids:
        return values
    answer = client.get_json(api, _entities("|".join(ids), "labels"))
    labels = _read(lambda: {key: _label(entity) for key, entity in answer["entities"].items()})
    return [labels.get(value) or value for value in values]


def _label(entity: dict[str, Any]) -> str:
    return str(_read(lambda: entity.get("labels", {}).get("en", {}).get("value", "")))


def _entities(ids: str, props: str) -> dict[str, str | int | float]:
    return {"action": "wbgetentities", "ids": ids, "props": props, "languages": "en", "format": "json"}


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ToolError("Wikidata answered with something unreadable", "check the setting wikidata_url") from error
