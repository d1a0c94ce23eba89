"""Time zones by the names people use: cities, countries, a few states and abbreviations, "UTC+3".

Derived from the IANA database that Python's zoneinfo reads (city names in zone ids, `zone.tab`, `iso3166.tab`), plus a
table of large cities it does not name. A country with several times is not guessed: it raises with a question. Not
covered here: geocoding of arbitrary places.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, available_timezones

from tools.aliases import ALIASES, COUNTRIES
from tools.base import ArgumentsError

MAX_WORDS = 5
"""Words that a place name may have."""

# Names that are ordinary words: places only where the sentence says so ("in Nice").
_ORDINARY = {
    "act",
    "casey",
    "center",
    "central",
    "cork",
    "davis",
    "east",
    "easter",
    "et",
    "general",
    "is",
    "knox",
    "la",
    "male",
}
_ORDINARY |= {
    "met",
    "nice",
    "north",
    "oral",
    "pt",
    "reunion",
    "south",
    "states",
    "troll",
    "us",
    "victoria",
    "wake",
    "west",
}
_OFFSET = re.compile(r"(?:utc|gmt)\s*([+-])\s*(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """A place whose time is known, with its name as people write it."""

    name: str
    zone: tzinfo


class UnclearPlace(ArgumentsError):
    """No such place is known, or it has several times. `question` asks the user."""

    def __init__(self, problem: str, question: str) -> None:
        self.question = question
        super().__init__(problem, question)


def find_place(name: str) -> Place:
    """The place called `name`. Raises UnclearPlace when it is unknown or a country with several times."""
    if (offset := _OFFSET.fullmatch(name.strip())) is not None:
        return _fixed(offset)
    words = plain(name).split()
    for spelling in (" ".join(words), re.sub(r" (?:time|city|area|zone)$", "", " ".join(words))):
        if (place := _known(spelling)) is not None:
            return Place(_as_given(name, spelling), place.zone)
    for inner, outer in _splits(name, words):
        if (place := _inside(inner, outer, certain="," in name)) is not None:
            return place
    near = difflib.get_close_matches(" ".join(words), _zones(), n=1, cutoff=0.8)
    hint = f"Did you mean {display(near[0])}?" if near else "Which larger city is nearby?"
    raise UnclearPlace(f"the time zone of {name.strip()!r} is not known", hint)


def mentioned_place(text: str) -> str | None:
    """The place name in `text`, as written there, None when there is none: rather a city than a country, then the
    longest. Ordinary words do not count."""
    words = list(re.finditer(r"[^\W_](?:[\w'’.]*\w)?", text))
    country = None
    for size in range(min(MAX_WORDS, len(words)), 0, -1):
        for first, last in zip(words, words[size - 1 :], strict=False):
            written = text[first.start() : last.end()]
            name = plain(written)
            if name in _ORDINARY or not (name in _zones() or name in _several()):
                continue
            if name not in _codes():
                return written
            country = country or written
    return country


def with_country(place: str, text: str) -> str:
    """`place`, or where it is a country, the town written before it on a sign: "Zermatt, Switzerland"."""
    if plain(place) not in _codes():
        return place
    town = re.search(rf"(?:^|[\n,;:.!?])\s*(?P<name>[^\W\d][^\n,;:.!?\d]*?)\s*[,\n]\s*{re.escape(place)}\b", text)
    return f"{town['name']}, {place}" if town and len(town["name"].split()) <= 3 else place


def plain(name: str) -> str:
    """Lower case without accents, punctuation and a leading article."""
    text = unicodedata.normalize("NFKD", name).casefold()
    text = "".join(c for c in text if not unicodedata.combining(c)).replace("ø", "o").replace("ł", "l")
    text = re.sub(r"[^\w]+", " ", text.replace("'", "").replace("’", "").replace(".", "")).strip()
    return re.sub(r"^the ", "", text)


def display(name: str) -> str:
    """`name` as people write it: "new york" -> "New York", "nyc" -> "NYC"."""
    if name in ("nyc", "uk", "usa", "us", "uae", "utc", "gmt", "la", "sf", "hk", "nz", "cdmx") or len(name) <= 2:
        return name.upper()
    small = {"of", "and", "the", "de", "da", "do", "del"}
    words = name.split()
    return " ".join(word if word in small and i else word.capitalize() for i, word in enumerate(words))


def _as_given(name: str, spelling: str) -> str:
    """The user's own spelling where it has capitals in the right places, else a tidy one."""
    given = name.strip()
    return given if given != given.lower() and given != given.upper() else display(spelling)


def _known(name: str) -> Place | None:
    if name in _several():
        raise UnclearPlace(f"{display(name)} has several times", f"Which city in {display(name)}?")
    zone = _zones().get(name)
    return Place(display(name), ZoneInfo(zone)) if zone else None


def _splits(name: str, words: list[str]) -> list[tuple[str, str]]:
    """Ways to read a name as a city and what it lies in: at the last comma, else between any two words."""
    if "," in name:
        inner, _, outer = name.rpartition(",")
        return [(plain(inner), plain(outer))]
    return [(" ".join(words[:cut]), " ".join(words[cut:])) for cut in range(len(words) - 1, 0, -1)]


def _inside(inner: str, outer: str, *, certain: bool) -> Place | None:
    """A city named with its country or state: the city's time if it lies there, else the state's.

    `certain`: a comma says that it is one, so that the city itself need not be known.
    """
    city, country = _zones().get(inner), _codes().get(outer)
    name = f"{display(inner)}, {display(outer)}"
    if city and country and city in _zones_by_country().get(country, ()):
        return Place(name, ZoneInfo(city))
    if outer in _zones() and outer not in _ORDINARY and (city or certain):
        return Place(name, ZoneInfo(_zones()[outer]))
    return None


def _fixed(offset: re.Match[str]) -> Place:
    sign, hours, minutes = offset.groups()
    delta = timedelta(hours=int(hours), minutes=int(minutes or 0))
    if delta > timedelta(hours=14):
        raise UnclearPlace(f"{offset.group()!r} is no time zone", "Which city do you mean?")
    return Place(offset.group().upper().replace(" ", ""), timezone(delta if sign == "+" else -delta))


# -- tables, read once ------------------------------------------------------------------------------------------------


@cache
def _zones() -> dict[str, str]:
    """Plain names of cities, countries and aliases, each with its zone id."""
    zones: dict[str, str] = {}
    for zone in sorted(available_timezones()):
        region, _, city = zone.rpartition("/")
        if region.split("/")[0] not in ("Etc", "SystemV", "posix", "right") and not city.startswith(("GMT", "UCT")):
            zones[plain(city.replace("_", " "))] = zone
    canonical = {plain(z.rpartition("/")[2].replace("_", " ")): z for zs in _zones_by_country().values() for z in zs}
    zones |= canonical
    for name, code in _codes().items():
        own = _zones_by_country().get(code, ())
        if own and _same_time(own):
            zones.setdefault(name, own[0])
    return zones | {name: zone for zone, names in ALIASES.items() for name in names.split("|")}


@cache
def _several() -> frozenset[str]:
    """Plain names of countries with more than one time that no alias decides."""
    decided = {name for names in ALIASES.values() for name in names.split("|")}
    found = {name for name, code in _codes().items() if not _same_time(_zones_by_country().get(code, ()))}
    return frozenset(found - decided)


@cache
def _codes() -> dict[str, str]:
    """Plain country names, each with its ISO 3166 code."""
    rows = (line.split("\t") for line in _table("iso3166.tab"))
    names: dict[str, str] = {}
    for code, name in rows:
        names[plain(re.sub(r"\(.*\)", "", name))] = code
    return names | COUNTRIES


@cache
def _zones_by_country() -> dict[str, tuple[str, ...]]:
    zones: dict[str, tuple[str, ...]] = {}
    for line in _table("zone.tab"):
        code, _, zone = line.split("\t")[:3]
        zones[code] = (*zones.get(code, ()), zone)
    return zones


def _table(name: str) -> list[str]:
    text = files("tzdata").joinpath("zoneinfo", name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _same_time(zones: tuple[str, ...]) -> bool:
    days = (datetime(2026, 1, 15), datetime(2026, 7, 15))
    return len({tuple(ZoneInfo(zone).utcoffset(day) for day in days) for zone in zones}) == 1
