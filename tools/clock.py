"""The clock: the time and date here or elsewhere, days between dates, date arithmetic, differences between zones.

"and in Berlin?" and "and Easter?" complete the last question. Not covered here: where a place is (`places.py`), what
day a phrase names (`dates.py`), alarms and timers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from tools.base import ArgumentsError, MissingArgument, Tool, ToolContext, ToolModel, ToolResult
from tools.dates import Direction, find_date
from tools.places import Place, UnclearPlace, find_place
from tools.timewords import ClockRequest, place_in, read_request

Now = Callable[[], datetime]
Ask = Literal["time", "date", "count", "difference"]
Unit = Literal["days", "weeks", "months", "years"]


class ClockArgs(ToolModel):
    """What to tell. `time`, `date`: at `place` (None: here); the date of the day that `when` names, as "next Friday".

    `count`: `unit`s between `start` (None: today) and `when`. `difference`: hours between `place` and `other`.
    """

    ask: Ask = "time"
    place: str | None = Field(default=None, min_length=1, max_length=100)
    other: str | None = Field(default=None, min_length=1, max_length=100)
    when: str | None = Field(default=None, min_length=1, max_length=100)
    start: str | None = Field(default=None, min_length=1, max_length=100)
    unit: Unit = "days"


class ClockValue(ToolModel):
    """`at`: ISO 8601 time with offset. `date`: the ISO date asked for. `count`: units or hours, negative for past."""

    at: str
    date: str | None = None
    place: str | None = None
    zone: str | None = None
    count: float | None = None
    unit: str | None = None


class Clock(Tool[ClockArgs]):
    """Times and dates from the system's clock and the IANA time zones."""

    name = "clock"
    looks = "ocr"
    title = "Clock and calendar"
    description = "Tell the time or date, here or in a city or country, days until or since a date, date arithmetic."
    args_model = ClockArgs
    result_model = ClockValue

    def __init__(self, now: Now | None = None) -> None:
        self._now: Now = now or _system_now

    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        """What is asked, completed from the last question to the clock. Raises MissingArgument for unclear places."""
        replies = {name: reply for name, reply in context.answers.items() if name in ClockArgs.model_fields}
        request = f"{request} {replies.pop('ask', '')}".strip()
        context = replace(context, used=(*context.used, *replies.values()))
        last, today = context.last(self.name), self._now().date()
        args = _given(read_request(request, today, context, dict(last.arguments) if last else None))
        args |= {name: place_in(reply) if name in ("place", "other") else reply for name, reply in replies.items()}
        if args["ask"] == "count" and find_date(args.get("when", ""), today) is None:
            raise MissingArgument("when", "Which date do you mean?")
        if args["ask"] == "difference" and "place" not in args:
            raise MissingArgument("place", "Which place do you mean?")
        for name in ("place", "other"):
            if name in args:
                self._require_place(name, args[name])
        return args

    def run(self, args: ClockArgs) -> ToolResult:
        """Tell it. Raises ArgumentsError for unknown places and for words that are no date."""
        now = self._now()
        place = find_place(args.place) if args.place else None
        there = now.astimezone(place.zone) if place else now
        if args.ask == "difference":
            return _difference(now, args, place)
        if args.ask == "count":
            return _count(there, args)
        return _date(there, args, place) if args.ask == "date" else _time(there, place)

    def check(self) -> list[str]:
        """Looks up a zone."""
        return [] if find_place("Tokyo").zone.utcoffset(datetime(2026, 1, 1)) == timedelta(hours=9) else ["wrong zones"]

    def _require_place(self, name: str, place: str) -> None:
        try:
            find_place(place)
        except UnclearPlace as error:
            raise MissingArgument(name, f"{error.problem[0].upper()}{error.problem[1:]}. {error.question}") from error


def _given(found: ClockRequest) -> dict[str, Any]:
    fields = {"ask": found.ask, "place": found.place, "other": found.other, "when": found.when, "start": found.start}
    return {name: value for name, value in fields.items() if value} | ({"unit": found.unit} if found.unit else {})


# -- answers ----------------------------------------------------------------------------------------------------------


def _time(there: datetime, place: Place | None) -> ToolResult:
    where = f" in {place.name}" if place else ""
    text = f"It is {there:%H:%M}{where} ({_long(there.date())}, {_offset(there)})."
    return _result(there, place, text)


def _date(there: datetime, args: ClockArgs, place: Place | None) -> ToolResult:
    today = there.date()
    if args.when is None or args.when.lower() == "today":
        text = f"In {place.name} it is {_long(today)}." if place else f"Today is {_long(today)}."
        return _result(there, place, text, date=today.isoformat())
    day = _day(args.when, today)
    words = args.when[0].upper() + args.when[1:]
    be = "it is" if re.match(r"in\b|after\b", args.when, re.IGNORECASE) else "is" if day >= today else "was"
    return _result(there, place, f"{words} {be} {_long(day)}.", date=day.isoformat())


def _count(there: datetime, args: ClockArgs) -> ToolResult:
    if args.when is None:
        raise ArgumentsError("clock: 'when' is missing", "name a date, such as 25 December")
    today = there.date()
    direction: Direction = "past" if re.match(r"last\b", args.when, re.IGNORECASE) else "any"
    start = _day(args.start, today) if args.start else today
    day = _day(args.when, start if args.start else today, direction)
    count = _between(start, day, args.unit)
    amount = f"{abs(count):,} {args.unit if abs(count) != 1 else args.unit[:-1]}"
    if args.start:
        text = f"{amount} from {_long(start)} to {_long(day)}."
    else:
        text = f"{amount} {'until' if day >= today else 'since'} {_long(day)}."
    return _result(there, None, text, date=day.isoformat(), count=count, unit=args.unit)


def _difference(now: datetime, args: ClockArgs, place: Place | None) -> ToolResult:
    if place is None:
        raise ArgumentsError("clock: 'place' is missing", "name a city or country")
    other = find_place(args.other) if args.other else None
    here, there = now.astimezone(other.zone) if other else now, now.astimezone(place.zone)
    hours = ((there.utcoffset() or timedelta()) - (here.utcoffset() or timedelta())) / timedelta(hours=1)
    than = other.name if other else "here"
    amount = f"{abs(hours):g} hour{'' if abs(hours) == 1 else 's'}"
    text = f"{place.name} is {amount} {'ahead of' if hours > 0 else 'behind'} {than}."
    if not hours:
        text = f"{place.name} has the same time as {than}."
    return _result(there, place, text, count=hours, unit="hours")


def _between(start: date, end: date, unit: Unit) -> int:
    """Whole units from `start` to `end`."""
    if unit in ("days", "weeks"):
        days = (end - start).days
        return days if unit == "days" else int(days / 7)
    sign, (early, late) = (1, (start, end)) if start <= end else (-1, (end, start))
    months = (late.year - early.year) * 12 + late.month - early.month - (late.day < early.day)
    return sign * (months if unit == "months" else months // 12)


def _day(words: str, today: date, direction: Direction = "any") -> date:
    found = find_date(words, today, direction)
    if found is None:
        raise ArgumentsError(f"{words!r} is not a date", "write it like 25 December 2026 or next Friday")
    return found.day


def _result(at: datetime, place: Place | None, text: str, **more: Any) -> ToolResult:
    zone = str(place.zone) if place else _offset(at)
    value = ClockValue(at=at.isoformat(timespec="seconds"), place=place.name if place else None, zone=zone, **more)
    return ToolResult(value.model_dump(mode="json"), text)


def _long(day: date) -> str:
    return f"{day:%A}, {day.day} {day:%B} {day.year}"


def _offset(at: datetime) -> str:
    minutes = int((at.utcoffset() or timedelta()).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}{f':{rest:02}' if rest else ''}"


def _system_now() -> datetime:
    return datetime.now().astimezone()
