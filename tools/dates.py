"""Dates in plain English, relative to a given day: "1 May", "next Friday", "3 weeks from now", "Christmas", "Easter".

`find_date` finds the first such phrase in a sentence. Not covered here: times of day, and dates like 1/5/2026 that can
be read in two ways, which raise.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from tools.base import ArgumentsError

Direction = Literal["future", "past", "any"]

MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_SHORT = {name[:3]: number for name, number in MONTHS.items()} | {"sept": 9}
_DAYS = {name.lower(): number for number, name in enumerate(calendar.day_name)}
_COUNTS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_NUMBERS = {word: n for n, word in enumerate(_COUNTS)} | {"a": 1, "an": 1, "a couple of": 2, "a dozen": 12}
_NUMBERS |= {"fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90}
_NUMBERS |= {"hundred": 100, "a hundred": 100, "one hundred": 100, "a thousand": 1000, "fourteen": 14, "eighteen": 18}

_MONTH = rf"(?P<month>{'|'.join(MONTHS)}|{'|'.join(sorted(_SHORT, key=len, reverse=True))})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,? (?:of )?(?P<year>[12]\d{3}))?"
_COUNT = rf"(?P<count>\d{{1,6}}|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"
_UNIT = r"(?P<unit>day|business day|week|fortnight|month|year|decade)s?"
_OF_YEAR = r"(?: (?:(?P<year>[12]\d{3})|(?P<which>this|next|last) year))?"


@dataclass(frozen=True)
class FoundDate:
    """A date phrase in a sentence: the day it names, its words, and where they stand."""

    day: date
    words: str
    start: int
    end: int


def find_date(text: str, today: date, direction: Direction = "any") -> FoundDate | None:
    """The first date phrase in `text`. A day without a year is the next one, or the last one for "past".

    Raises ArgumentsError for a phrase that is no real or no clear date ("31 June", "1/5/2026").
    """
    found = min(_matches(text), key=lambda pair: (pair[0].start(), -pair[0].end()), default=None)
    if found is None:
        return None
    match, reader = found
    end = match.end()
    try:
        day = reader(match, today, direction)
    except (ValueError, OverflowError) as error:
        raise ArgumentsError(f"{match.group().strip()!r} is not a date", "check day and month") from error
    if "anchor" in match.groupdict() and (anchor := find_date(match["anchor"], today, direction)) is not None:
        end = match.start("anchor") + anchor.end
    return FoundDate(day, re.sub(r"\s+", " ", text[match.start() : end]).strip(), match.start(), end)


def shift(day: date, count: int, unit: str) -> date:
    """`day` moved by `count` units; the end of a month stays within the month. Raises OverflowError, ValueError."""
    days = {"day": 1, "week": 7, "fortnight": 14}.get(unit)
    if days is not None:
        return day + timedelta(days=days * count)
    months = count * {"month": 1, "year": 12, "decade": 120}[unit]
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


# -- readers: match, today, direction -> day --------------------------------------------------------------------------

Reader = Callable[["re.Match[str]", date, Direction], date]


def _iso(match: re.Match[str], today: date, direction: Direction) -> date:
    return date(int(match["year"]), int(match["month"]), int(match["day"]))


def _slashed(match: re.Match[str], today: date, direction: Direction) -> date:
    first, second, year = int(match["first"]), int(match["second"]), int(match["year"])
    if match["separator"] == "/" and first <= 12 and second <= 12 and first != second:
        raise ArgumentsError(f"{match.group()} can be read in two ways", "write the month as a word")
    return date(year, first, second) if second > 12 else date(year, second, first)


def _named(match: re.Match[str], today: date, direction: Direction) -> date:
    month = MONTHS.get(match["month"].lower()) or _SHORT[match["month"].lower()]
    day = int(match["day"]) if match["day"] else 1
    if match["year"]:
        return date(int(match["year"]), month, day)
    return _nearest(lambda year: date(year, month, day), today, direction)


def _month_only(match: re.Match[str], today: date, direction: Direction) -> date:
    month = MONTHS[match["month"].lower()]
    year = match["year"]
    return date(int(year), month, 1) if year else _nearest(lambda y: date(y, month, 1), today, direction)


def _holiday(match: re.Match[str], today: date, direction: Direction) -> date:
    name = re.sub(r"['’]s?|\bday\b", "", match["holiday"].lower().replace("years", "year")).strip()
    on = next(rule for pattern, rule in _HOLIDAYS if re.fullmatch(pattern, re.sub(r"\s+", " ", name)))
    if match["year"]:
        return on(int(match["year"]))
    if match["which"]:
        return on(today.year + {"this": 0, "next": 1, "last": -1}[match["which"].lower()])
    return _nearest(on, today, direction)


def _word(match: re.Match[str], today: date, direction: Direction) -> date:
    words = re.sub(r"\s+", " ", match.group().lower()).removeprefix("the ")
    near = {"today": 0, "tomorrow": 1, "yesterday": -1, "day after tomorrow": 2, "day before yesterday": -2}
    return today + timedelta(days=near[words])


def _ahead(match: re.Match[str], today: date, direction: Direction) -> date:
    return _shifted(match, today, 1)


def _ago(match: re.Match[str], today: date, direction: Direction) -> date:
    return _shifted(match, today, -1)


def _beside(match: re.Match[str], today: date, direction: Direction) -> date:
    """ "2 weeks before 1 May": the later phrase is the anchor."""
    anchor = find_date(match["anchor"], today, direction)
    if anchor is None:
        raise ValueError(match["anchor"])
    return _shifted(match, anchor.day, -1 if match["side"].lower() == "before" else 1)


def _weekday(match: re.Match[str], today: date, direction: Direction) -> date:
    ahead = (_DAYS[match["weekday"].lower()] - today.weekday()) % 7
    which = (match["which"] or "").lower()
    if which == "last" or (direction == "past" and not which):
        return today + timedelta(days=ahead - 7)
    return today + timedelta(days=ahead or (7 if which == "next" or direction == "future" else 0))


def _period(match: re.Match[str], today: date, direction: Direction) -> date:
    step = 1 if match["which"].lower() == "next" else -1
    return shift(today, step, match["unit"].lower())


def _end(match: re.Match[str], today: date, direction: Direction) -> date:
    if match["unit"].lower() == "year":
        return date(today.year, 12, 31)
    return date(today.year, today.month, calendar.monthrange(today.year, today.month)[1])


def _year_only(match: re.Match[str], today: date, direction: Direction) -> date:
    return date(int(match["year"]), 1, 1)


def _shifted(match: re.Match[str], day: date, sign: int) -> date:
    if match["unit"].lower() == "business day":
        raise ArgumentsError("business days differ between countries", "ask in days or weeks")
    count = match["count"].lower()
    return shift(day, sign * (int(count) if count.isdigit() else _NUMBERS[count]), match["unit"].lower())


def _nearest(on: Callable[[int], date], today: date, direction: Direction) -> date:
    """The next such day from today on, or the last one before. A 29 February may be eight years away."""
    years = range(today.year, today.year - 9, -1) if direction == "past" else range(today.year, today.year + 9)
    for year in years:
        try:
            day = on(year)
        except ValueError:
            continue
        if (day <= today) if direction == "past" else (day >= today):
            return day
    raise ValueError("no such day")


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous algorithm of 1876)."""
    golden, century, of_century = year % 19, year // 100, year % 100
    skipped = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - century // 4 - skipped + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (of_century // 4) - epact - of_century % 4) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


_HOLIDAYS: list[tuple[str, Callable[[int], date]]] = [
    ("christmas|xmas", lambda year: date(year, 12, 25)),
    ("(?:christmas|xmas) eve", lambda year: date(year, 12, 24)),
    ("boxing", lambda year: date(year, 12, 26)),
    ("new year eve|silvester", lambda year: date(year, 12, 31)),
    ("new year|the new year", lambda year: date(year, 1, 1)),
    ("halloween", lambda year: date(year, 10, 31)),
    ("valentine", lambda year: date(year, 2, 14)),
    ("st patrick|saint patrick", lambda year: date(year, 3, 17)),
    ("april fools?", lambda year: date(year, 4, 1)),
    ("easter|easter sunday", easter),
    ("good friday", lambda year: easter(year) - timedelta(days=2)),
    ("easter monday", lambda year: easter(year) + timedelta(days=1)),
    ("thanksgiving", lambda year: _nth(year, 11, 3, 4)),
    ("bastille", lambda year: date(year, 7, 14)),
    ("leap", lambda year: date(year, 2, 29)),
]
_HOLIDAY = (
    r"christmas eve|xmas eve|christmas(?: day)?|xmas|boxing day|new year['’]?s? eve|silvester|(?:the )?new year['’]?s?"
    r"(?: day)?|halloween|valentine['’]?s?(?: day)?|(?:st|saint) patrick['’]?s?(?: day)?|april fools?['’]?(?: day)?|"
    r"easter sunday|easter monday|easter|good friday|thanksgiving(?: day)?|bastille day|leap day"
)
_SPAN = rf"{_COUNT} {_UNIT}"
_PATTERNS: list[tuple[re.Pattern[str], Reader]] = [
    (re.compile(rf"\b{pattern}", re.IGNORECASE), reader)
    for pattern, reader in [
        (r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})\b", _iso),
        (r"(?P<first>\d{1,2})(?P<separator>[/.])(?P<second>\d{1,2})(?P=separator)(?P<year>\d{4})\b", _slashed),
        (rf"(?:the )?{_DAY}(?: of)? {_MONTH}{_YEAR}\b", _named),
        (rf"{_MONTH} (?:the )?{_DAY}{_YEAR}\b(?!:)", _named),
        (rf"(?P<month>{'|'.join(MONTHS)}){_YEAR}\b", _month_only),
        (rf"(?P<holiday>{_HOLIDAY}){_OF_YEAR}\b", _holiday),
        (r"(?:(?:the )?day (?:after tomorrow|before yesterday)|today|tomorrow|yesterday)\b", _word),
        (rf"{_SPAN} (?P<side>after|before|from|past|following) (?!now\b|today\b)(?P<anchor>\S.*)", _beside),
        (rf"{_SPAN} (?:from (?:now|today)|later|ahead|hence)\b", _ahead),
        (rf"(?:in|after) (?:the next )?{_SPAN}(?: time)?\b", _ahead),
        (rf"{_SPAN} (?:ago|earlier|back|before (?:now|today))\b", _ago),
        (rf"(?:(?P<which>next|this|last|coming) )?(?P<weekday>{'|'.join(_DAYS)})\b", _weekday),
        (r"(?P<which>next|last) (?P<unit>week|month|year)\b", _period),
        (r"(?:the )?end of (?:the|this) (?P<unit>month|year)\b", _end),
        (r"(?P<year>20\d{2})\b(?!-)", _year_only),
    ]
]


def _matches(text: str) -> Iterator[tuple[re.Match[str], Reader]]:
    for pattern, reader in _PATTERNS:
        if (match := pattern.search(text)) is not None and (reader is not _beside or any(_matches(match["anchor"]))):
            yield match, reader
