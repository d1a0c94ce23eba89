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

from tools.base import ArgumentsError

MAX_WORDS = 5
"""Words that a place name may have."""

# Large cities, states and everyday names that are no IANA city; "|" separates names of the same zone.
_ALIASES = {
    "America/New_York": "new york city|nyc|washington|washington dc|boston|philadelphia|miami|atlanta|orlando|baltimore"
    "|pittsburgh|cleveland|charlotte|east coast|eastern|eastern time|est|edt|et|florida|ohio|pennsylvania"
    "|virginia|massachusetts|new jersey|michigan|north carolina|south carolina|maryland|connecticut|maine|vermont",
    "America/Chicago": "houston|dallas|austin|san antonio|new orleans|memphis|nashville|minneapolis|milwaukee|st louis"
    "|kansas city|texas|illinois|wisconsin|minnesota|louisiana|alabama|oklahoma|iowa|missouri|central time|cst|cdt"
    "|arkansas|mississippi",
    "America/Denver": "colorado|utah|salt lake city|albuquerque|new mexico|montana|wyoming|mountain time|mst|mdt",
    "America/Phoenix": "arizona|tucson",
    "America/Los_Angeles": "la|los angeles|san francisco|sf|seattle|san diego|portland|las vegas|vegas|sacramento"
    "|san jose|silicon valley|hollywood|oakland|california|oregon|nevada|washington state|west coast|pacific time|pst"
    "|pdt|pt|bay area",
    "Pacific/Honolulu": "hawaii",
    "America/Anchorage": "alaska",
    "America/Toronto": "ottawa|montreal|quebec|quebec city|ontario",
    "America/Vancouver": "victoria bc|british columbia",
    "America/Edmonton": "calgary|alberta",
    "America/Sao_Paulo": "rio|rio de janeiro|brasilia|sao paulo",
    "America/Santiago": "chile",
    "America/Guayaquil": "ecuador|quito",
    "America/Mexico_City": "guadalajara|ciudad de mexico|cdmx",
    "America/Cancun": "playa del carmen|tulum",
    "America/Bogota": "medellin|cali",
    "Europe/London": "uk|u k|great britain|britain|england|scotland|wales|northern ireland|edinburgh|glasgow|manchester"
    "|birmingham|liverpool|leeds|bristol|oxford|cambridge|cardiff|belfast|bst|united kingdom",
    "Europe/Dublin": "cork|galway",
    "Europe/Paris": "lyon|marseille|nice|toulouse|bordeaux|strasbourg|lille|nantes",
    "Europe/Berlin": "munich|muenchen|hamburg|frankfurt|cologne|koeln|stuttgart|dusseldorf|leipzig|dresden|bremen"
    "|hanover|nuremberg|cet|cest",
    "Europe/Madrid": "spain|barcelona|valencia|seville|sevilla|malaga|bilbao|granada|mallorca|ibiza",
    "Europe/Lisbon": "portugal|porto",
    "Europe/Rome": "milan|milano|naples|venice|florence|turin|bologna|palermo|genoa|pisa|sicily",
    "Europe/Zurich": "geneva|basel|bern|lausanne",
    "Europe/Vienna": "salzburg|innsbruck|graz",
    "Europe/Amsterdam": "rotterdam|the hague|hague|utrecht|eindhoven|holland|netherlands",
    "Europe/Brussels": "antwerp|ghent|bruges",
    "Europe/Warsaw": "krakow|cracow|gdansk|wroclaw|poznan",
    "Europe/Prague": "brno|czech republic",
    "Europe/Stockholm": "gothenburg|malmo|goteborg",
    "Europe/Oslo": "bergen|trondheim|tromso",
    "Europe/Copenhagen": "aarhus",
    "Europe/Kyiv": "ukraine|lviv|odesa|odessa|kharkiv",
    "Europe/Moscow": "st petersburg|saint petersburg|msk",
    "Europe/Istanbul": "turkey|ankara|izmir|antalya",
    "Asia/Tokyo": "osaka|kyoto|yokohama|sapporo|nagoya|hiroshima|fukuoka|kobe|jst",
    "Asia/Seoul": "south korea|korea|busan|kst|incheon",
    "Asia/Pyongyang": "north korea",
    "Asia/Shanghai": "china|beijing|peking|shenzhen|guangzhou|chengdu|wuhan|nanjing|hangzhou|xian",
    "Asia/Hong_Kong": "hk",
    "Asia/Taipei": "taiwan",
    "Asia/Kolkata": "india|mumbai|bombay|delhi|new delhi|bangalore|bengaluru|chennai|hyderabad|pune|ahmedabad|goa|ist"
    "|jaipur",
    "Asia/Karachi": "lahore|islamabad",
    "Asia/Ho_Chi_Minh": "hanoi|da nang|vietnam",
    "Asia/Bangkok": "phuket|chiang mai|pattaya",
    "Asia/Makassar": "bali|denpasar",
    "Asia/Kuala_Lumpur": "malaysia|penang",
    "Asia/Manila": "cebu|philippines",
    "Asia/Dubai": "abu dhabi|uae|emirates",
    "Asia/Riyadh": "mecca|medina|jeddah",
    "Asia/Jerusalem": "haifa",
    "Asia/Tehran": "isfahan|shiraz",
    "Asia/Almaty": "astana",
    "Africa/Cairo": "alexandria|giza|luxor",
    "Africa/Johannesburg": "cape town|durban|pretoria|soweto",
    "Africa/Casablanca": "marrakesh|marrakech|rabat|fez",
    "Africa/Lagos": "abuja|kano",
    "Africa/Nairobi": "mombasa",
    "Africa/Addis_Ababa": "ethiopia",
    "Australia/Sydney": "new south wales|canberra|aest|aedt",
    "Australia/Melbourne": "victoria",
    "Australia/Brisbane": "queensland|gold coast|cairns",
    "Australia/Perth": "western australia",
    "Pacific/Auckland": "new zealand|nz|wellington|christchurch|queenstown",
    "UTC": "utc|gmt|greenwich|zulu|coordinated universal time|greenwich mean time",
}
_COUNTRIES = {"usa": "US", "us": "US", "u s": "US", "america": "US", "united states of america": "US", "states": "US"}
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
    """The longest place name in `text`, as written there, None when there is none. Ordinary words do not count."""
    words = list(re.finditer(r"[^\W_](?:[\w'’.]*\w)?", text))
    for size in range(min(MAX_WORDS, len(words)), 0, -1):
        for first, last in zip(words, words[size - 1 :], strict=False):
            written = text[first.start() : last.end()]
            name = plain(written)
            if name not in _ORDINARY and (name in _zones() or name in _several()):
                return written
    return None


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
    return zones | {name: zone for zone, names in _ALIASES.items() for name in names.split("|")}


@cache
def _several() -> frozenset[str]:
    """Plain names of countries with more than one time that no alias decides."""
    decided = {name for names in _ALIASES.values() for name in names.split("|")}
    found = {name for name, code in _codes().items() if not _same_time(_zones_by_country().get(code, ()))}
    return frozenset(found - decided)


@cache
def _codes() -> dict[str, str]:
    """Plain country names, each with its ISO 3166 code."""
    rows = (line.split("\t") for line in _table("iso3166.tab"))
    names: dict[str, str] = {}
    for code, name in rows:
        names[plain(re.sub(r"\(.*\)", "", name))] = code
    return names | _COUNTRIES


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
