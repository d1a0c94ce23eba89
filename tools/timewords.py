"""Read what a question about time asks for: which of the clock's questions, which place, which day, which unit.

Not covered here: resolving the place and the day themselves (`places.py`, `dates.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from tools.base import MissingArgument, ToolContext
from tools.dates import MONTHS, Direction, FoundDate, find_date, shift
from tools.places import MAX_WORDS, UnclearPlace, find_place, mentioned_place
from tools.spelling import tidy

MAX_REQUEST = 500

Ask = Literal["time", "date", "count", "difference"]
Unit = Literal["days", "weeks", "months", "years"]

_DIFFERENCE = re.compile(
    r"\b(?:time (?:zone )?difference|ahead|behind|hours? apart|hours (?:between|from)|difference in (?:time|hours)|"
    r"same time(?: zone)? as)\b"
)
_COUNT = re.compile(
    r"\bhow (?:many|much) (?:more |full |whole )?(?P<unit>days?|weeks?|months?|years?|nights|sleeps|time)\b"
    r"|\b(?P<bare>days|weeks|months|years) (?:until|till|to|before|since|left|between)\b"
    r"|\bhow long\b|\bcountdown\b|\bhow soon\b|\bhow far (?:away|off)\b|\bhow old\b"
)
_DATE = re.compile(
    r"\b(?:date|day|days|weekday|weekend|month|year|week|calendar|dates)\b|\bwhen(?:'s| is| was| will)\b|\bfall on\b"
    r"|\bwhat (?:is|was) today\b"
)
_IS_IT = re.compile(r"\bis it (?:already|still|really|yet) (?:\w+day|tomorrow)\b|^is it (?!to)\w+day\b")
_INSIDE = re.compile(r"\bhow many \w+ (?:(?:are|were|will be) )?(?:there )?(?:in|does) ")
_TIME = re.compile(r"\b(?:time|clock|o'?clock|hour|late|early|noon|midnight|morning|evening|night|awake|asleep)\b")
_CONTINUES = re.compile(r"(?:ok(?:ay)?,? )?(?:and|also|or|what about|how about)\b")
_PAST = re.compile(r"\b(?:since|ago|was|has (?:it )?been|have passed|passed|last|did)\b")
_HERE = re.compile(r"\b(?:here|local|my (?:time|clock|place)|where i am|at home)\b")
_THAT_DAY = re.compile(r"\b(?:that|this) (?:date|day)\b|\b(?:until|till|since|before) (?:then|that|it)\b")
_THERE = re.compile(
    r"(?<!are )(?<!were )(?<!be )\bthere\b|\b(?:in|for|at) (?:it|the (?:city|place|town|country|capital|location))\b"
    r"|\b(?:that|this) (?:city|place|town|country|capital|location)\b"
)
_IDIOMS = re.compile(
    r"\b(?:at|for|in|by|of) (?:the|this|that|my|our|your|a|an|which|what|how|me|us|now|all|once|least|general|short|"
    r"fact|total|case|order|time|days|weeks|months|years|words|hours|it|there|here|today|being|advance)\b"
)
_STOP = re.compile(
    r"[?!.;|]|:(?!\d)|,(?!\s*[A-Za-z])|\b(?:right|now|today|tonight|currently|please|at the moment|at present|is|are|"
    r"was|will|if|when|compared|ahead|behind|versus|vs|than|what|how|until|till|since|exactly|again|then|too|as|for me|"
    r"instead|like|using|this|these|on|from|to|and|or|i|we|you|they|us)\b",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(r"\b(?:in|at|for|of|between|from|than|and|with|to|as|about|across)\s+(?!in\b|at\b)", re.I)


@dataclass(frozen=True)
class ClockRequest:
    """What was asked; None where nothing was said. `when` and `start` hold the user's words."""

    ask: Ask
    place: str | None = None
    other: str | None = None
    when: str | None = None
    start: str | None = None
    unit: Unit | None = None


def read_request(request: str, today: date, context: ToolContext, last: dict[str, Any] | None) -> ClockRequest:
    """What `request` asks for. `last`: arguments of the clock's last call, for follow-ups. Raises MissingArgument."""
    text = tidy(request, MAX_REQUEST)
    text = re.sub(r"\b(St|Mt)\. ", r"\1 ", text)
    lower = text.lower()
    dates, rest = _dates(text, today, "past" if _PAST.search(lower) else "any")
    ask = _ask(lower, rest.lower(), dates)
    if not dates and _THAT_DAY.search(lower):
        dates = [_day_before(context, today)]
    follows = last is not None and (ask is None or _CONTINUES.match(lower) is not None)
    places = _places(rest, context, several=ask == "difference")
    if ask is None and last is None and not places and not dates:
        raise MissingArgument("ask", "Do you want to know the time, the date, or the days until a date?")
    found = ClockRequest(ask or ("date" if dates else "time"), unit=_unit(lower))
    found = _dated(_placed(found, places), dates, lower)
    return _completed(found, last or {}, lower, ask) if follows else found


def _ask(lower: str, rest: str, dates: list[FoundDate]) -> Ask | None:
    if _DIFFERENCE.search(rest):
        return "difference"
    relative = any(re.search(r"\bago\b|\bfrom (?:now|today)\b", phrase.words) for phrase in dates)
    if _COUNT.search(lower) and not relative:
        return "count"
    if re.search(r"\bdate and time\b|\bwhat time\b|\bthe time\b|\bcurrent time\b|\bo'?clock\b", rest):
        return "time"
    if _DATE.search(rest) or _IS_IT.search(lower):
        return "date"
    return "time" if _TIME.search(rest) else None


def _dates(text: str, today: date, direction: Direction) -> tuple[list[FoundDate], str]:
    """Up to two date phrases, and the text with them blanked out."""
    found: list[FoundDate] = []
    while len(found) < 2 and (phrase := find_date(text, today, direction)) is not None:
        found.append(phrase)
        text = text[: phrase.start] + "|" * (phrase.end - phrase.start) + text[phrase.end :]
    return found, text


def _unit(lower: str) -> Unit | None:
    match = _COUNT.search(lower) or re.search(r"\bin (?P<unit>days|weeks|months|years)\b", lower)
    if match is None:
        return None
    if match.group() == "how old":
        return "years"
    groups = match.groupdict()
    units: dict[str, Unit] = {"week": "weeks", "month": "months", "year": "years"}
    return units.get((groups.get("unit") or groups.get("bare") or "days").rstrip("s"), "days")


def _dated(found: ClockRequest, dates: list[FoundDate], lower: str) -> ClockRequest:
    if not dates or found.ask in ("time", "difference") or _IS_IT.search(lower):
        return found
    first, last = dates[0], dates[-1]
    if _INSIDE.search(lower) and (period := re.fullmatch(rf"({'|'.join(MONTHS)})?\W*(?:\d{{4}})?", first.words, re.I)):
        after = shift(first.day, 1, "month" if period[1] else "year")
        return replace(found, start=first.day.isoformat(), when=after.isoformat())
    if first is not last and re.search(r"\b(?:between|from)\b", lower):
        return replace(found, start=first.words, when=last.words)
    past = found.ask == "count" and _PAST.search(lower)
    return replace(found, when=first.day.isoformat() if past else first.words)


def _placed(found: ClockRequest, places: list[str]) -> ClockRequest:
    if not places:
        return found
    return replace(found, place=places[0], other=places[1] if found.ask == "difference" and places[1:] else None)


def _completed(found: ClockRequest, last: dict[str, Any], lower: str, said: Ask | None) -> ClockRequest:
    """A follow-up: what it names replaces its part of the last question. `said`: the kind it names itself."""
    ask = said or last.get("ask", "time")
    if said is None and found.when and ask == "time":
        ask = "date"
    place = None if _HERE.search(lower) else found.place or last.get("place")
    if said is not None and said != last.get("ask"):
        return replace(found, place=place)
    kept = ClockRequest(ask, place, last.get("other"), last.get("when"), last.get("start"), last.get("unit"))
    return replace(kept, when=found.when or kept.when, start=found.start or kept.start, unit=found.unit or kept.unit)


# -- places -----------------------------------------------------------------------------------------------------------


def _places(rest: str, context: ToolContext, *, several: bool) -> list[str]:
    """Places that the request names, in order; "there" is the place read or named before. Raises MissingArgument."""
    named = _named(rest)
    if _HERE.search(rest.lower()) or (named and not several):
        return named
    mentioned: dict[int, str] = {}
    left = rest
    while (known := mentioned_place(left)) is not None and len(mentioned) < (2 if several else 1):
        start = left.index(known)
        mentioned[start] = known
        left = left[:start] + "|" * len(known) + left[start + len(known) :]
    found = [mentioned[start] for start in sorted(mentioned)] if len(mentioned) > len(named) else named
    return found or ([_place_before(context)] if _THERE.search(rest.lower()) else [])


def _named(rest: str) -> list[str]:
    """Places after a preposition. One that is not known is returned as it is, if it looks like a name."""
    found: list[str] = []
    for match in _PREPOSITION.finditer(rest):
        phrase = rest[match.end() :]
        if (stop := _STOP.search(phrase)) is not None:
            phrase = phrase[: stop.start()]
        phrase = phrase.strip(" ,'\"")
        name = _known_prefix(phrase)
        if name is None and phrase and _may_name_place(rest, match, phrase):
            name = phrase
        if name and name not in found:
            found.append(name)
    return found


def place_in(reply: str) -> str:
    """The place that a reply to "Which place?" names; the whole reply when none is recognised in it."""
    named = _named(reply)
    return named[0] if named else mentioned_place(reply) or reply.strip()


def _known_prefix(phrase: str) -> str | None:
    words = phrase.split()
    for size in range(min(MAX_WORDS, len(words)), 0, -1):
        name = " ".join(words[:size]).strip(",")
        try:
            find_place(name)
        except UnclearPlace as error:
            if "several" in error.problem:
                return name
        else:
            return name
    return None


def _may_name_place(rest: str, match: re.Match[str], phrase: str) -> bool:
    """Whether "in X" can only mean a place: after in or at, short, and no idiom such as "at the moment"."""
    preposition = match.group().strip().lower()
    if preposition not in ("in", "at") or len(phrase.split()) > MAX_WORDS:
        return False
    return _IDIOMS.match(rest[match.start() :].lower()) is None


def _place_before(context: ToolContext) -> str:
    """The place that "there" stands for: one in a text read, or in an earlier result."""
    for antecedent in context.antecedents:
        if isinstance(antecedent, str):
            if (name := mentioned_place(antecedent)) is not None:
                return name
        elif place := antecedent.arguments.get("place"):
            return str(place)
        elif isinstance(antecedent.value, dict) and (name := mentioned_place(str(antecedent.value.get("title", "")))):
            return name
    raise MissingArgument("place", "Which place do you mean?")


def _day_before(context: ToolContext, today: date) -> FoundDate:
    """The day that "that date" stands for: one in a text read, or in an earlier result."""
    for antecedent in context.antecedents:
        value = antecedent if isinstance(antecedent, str) else antecedent.value
        text = value.get("date") if isinstance(value, dict) else value
        if isinstance(text, str) and (found := find_date(text, today)) is not None:
            return found
    raise MissingArgument("when", "Which date do you mean?")
