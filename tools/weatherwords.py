"""Read what a question about the weather asks for: which place, which days, which units.

A place stands after a preposition ("in Oslo") or is what remains without the words of weather ("Oslo forecast please").
Not covered here: where the place is (`geocoding.py`).
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

from tools.base import ToolContext
from tools.dates import MONTHS, find_date
from tools.places import mentioned_place, with_country
from tools.spelling import tidy

MAX_REQUEST = 500
MAX_WORDS = 5
"""Words that a place name may have."""

_SPANS = re.compile(
    r"\b(?:(?:(?:over |for |in )?the )?(?:next|coming) (?P<count>\d{1,2}|\w+) days|(?P<days>\d{1,2}|\w+)[- ]day(?= )"
    r"|(?:this|the|next|over the|at the)? ?weekend|(?:this|the|next|coming) week|all week|tonight"
    r"|(?:this|tomorrow) (?:morning|afternoon|evening))\b",
    re.IGNORECASE,
)
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "ten": 10, "few": 3, "fourteen": 14}
_UNITS = re.compile(r",? ?\b(?:in |as )?(?:degrees )?(?P<unit>fahrenheit|celsius|imperial|metric)(?: units?)?\b", re.I)
_THERE = re.compile(
    r"\bthere(?!(?:'s| is| are| was| be| going)\b(?! there))|\b(?:that|this|the|same) (?:city|place|town|country"
    r"|village"
    r"|location|destination)\b|\b(?:in|at|for) (?:it|that|this)\b",
    re.IGNORECASE,
)
_IS_THERE = re.compile(r"\b(?:is|are|was|will|be) there\b(?! (?:today|now|tomorrow|at|right|this|on)\b)", re.IGNORECASE)
_NOW = re.compile(r"\b(?:at (?:the moment|present|this (?:time|moment)|night)|these days|right now)\b", re.IGNORECASE)
_DAY_AFTER = re.compile(r"\bthe day after(?: that)?\b(?! tomorrow)", re.IGNORECASE)
_CONTINUES = re.compile(r"^(?:ok(?:ay)?,? )?(?:and|also|or|what about|how about)\b", re.IGNORECASE)
_STOP = re.compile(
    r"[?!.;:|]|,(?=\s*(?-i:[a-z]|I\b))|\s-\s|\b(?:right|now|today|tonight|currently|please|at|is|are|was|will|if|when|what|how|do"
    r"|should|until|exactly|again|then|too|for|instead|like|using|this|next|on|over|from|and|or|i|we|you|they|be|going|get|looks?"
    r"|there|later|these|thanks|during|weather)\b",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(r"\b(?P<word>in|at|near|around|for|to|of|about)\s+(?:the (?=(?-i:[A-Z])))?", re.IGNORECASE)
_NO_PLACE = re.compile(
    r"(?:(?:a|an|my|your|our|this|that|me|us|it|here|general|case|total|you|do|be|go|wear|take|bring|know|have|get|see|rain"
    r"|snow|expect|come|stop|work|walk|run|drive|outside|degrees|weather|rain\w*|snow\w*|sun\w*|umbrella|the"
    r" (?:[a-z])\S*"
    r"|which|what|how|whether|if|there)\b|\d)",
    re.IGNORECASE,
)
# The words of weather and of asking for it: what is left beside them names the place.
_VOCABULARY = re.compile(
    r"\b(?:weather|forecasts?|temperatures?|temp|conditions?|report|outlook|rain(?:s|y|ing|ed|fall)?"
    r"|snow(?:s|y|ing|ed|fall|storms?)?|sun(?:ny|nier|shine)?|wind(?:s|y|ier)?|cloud(?:s|y|ier)?|fog(?:gy)?|mist(?:y)?"
    r"|storms?|stormy|thunder(?:y|ing|storms?)?|hail(?:s|ing|storms?)?|humid(?:ity)?|freez(?:e|es|ing)|frost(?:y|s)?"
    r"|cold(?:er|est)?|warm(?:er|est|th)?|hot(?:ter|test)?|cool(?:er|est)?|mild|dry|wet|nice"
    r"|degrees?|umbrella|coat|jacket|sweater|raincoat|scarf|gloves|sunscreen|shorts|chances?|probability|precipitation|uv"
    r"|highs?|high(?:er|est)|lows?|low(?:er|est)|max(?:imum)?|min(?:imum)?|sunrise|sunset|what|what's|how|how's|is|are|was|will|would|going|gonna|be|do|does"
    r"|did|can|could|should|shall|need|get|give|show|tell|check|look|find|know|say|up|me|us|i|i'm|we|you|it|it's|its|the|a|an"
    r"|of|in|at|for|on|to|and|or|with|like|out|outside|outdoors|right|now|current(?:ly)?|today|moment|please|thanks|thank|hey|hi|hello"
    r"|ok|okay|so|any|much|many|more|there|here|about|also|then|too|again|as|well|my|this|that|later|during|day|days|week|next"
    r"|new|good|enough|still|yet|expected|expect|coming|have|has|take|bring|wear|go|if|when|stop|start|whether|just|kindly|quick"
    r"|hourly|daily|local|live|detailed|short|latest|update|info|information|details|not|no|or|they|there's|bad|heavy|light"
    r"|blow(?:s|ing)?|blue|sky|skies|clear|air|feels?|feeling|very|really|actually|expecting|over)\b|[?!.,;:|]|\d+",
    re.IGNORECASE,
)
_COMMON = re.compile(r"\b(?:the|an?|my|our)\s+(?-i:[a-z])\w*", re.IGNORECASE)
"""What is no name as it is written: "to the beach"."""
_WELCOME = re.compile(
    r"\b(?:welcome to|welcome in|bienvenue (?:à|a)|bienvenidos? a|benvenuti a|willkommen in|city of|town of|ville de"
    r"|stadt)\s+"
    r"(?P<place>[^\n,.;:!?]+)",
    re.IGNORECASE,
)


def read_request(request: str, today: date, context: ToolContext, last: dict[str, Any] | None) -> dict[str, Any]:
    """Arguments that a request states, completed from the place read or named before, and from the last question."""
    text = tidy(request, MAX_REQUEST)
    text = _DAY_AFTER.sub("the day after tomorrow", _NOW.sub("|", re.sub(r"\b(St|Mt)\. ", r"\1 ", text)))
    found: dict[str, Any] = {}
    if (unit := _UNITS.search(text)) is not None:
        found["units"] = "imperial" if unit["unit"].lower() in ("fahrenheit", "imperial") else "metric"
        text = _without(text, unit.start(), unit.end())
    when, text = _when(text, today)
    if when:
        found["when"] = when
    if place := _place(text, context):
        found["place"] = place
    if last is not None and (_CONTINUES.match(request) or "place" not in found):
        kept = {name: value for name, value in last.items() if value is not None}
        return {**kept, **found}
    return found


def place_in(reply: str) -> str:
    """The place that a reply to "Which city?" names; the whole reply when none stands out."""
    return _named(reply) or _left_over(reply) or reply.strip(" .?!")


def days_asked(when: str, today: date) -> tuple[date, date]:
    """First and last day that `when` names. Raises ArgumentsError for a phrase that is no real date."""
    text = when.lower()
    if (span := _SPANS.search(f"{text} ")) is not None:
        return _span(span, text, today)
    found = find_date(text, today, "future")
    day = found.day if found else today
    return day, day + timedelta(days=6 if text == "next week" else 0)


def _span(span: re.Match[str], text: str, today: date) -> tuple[date, date]:
    count = span["count"] or span["days"]
    if count is not None:
        days = int(count) if count.isdigit() else _COUNTS.get(count, 7)
        return today, today + timedelta(days=max(1, days) - 1)
    if "weekend" in text:
        saturday = today + timedelta(
            days=(5 - today.weekday()) % 7 + (7 if "next" in text and today.weekday() < 5 else 0)
        )
        return (
            (today, today) if today.weekday() == 6 and "next" not in text else (saturday, saturday + timedelta(days=1))
        )
    if "week" in text:
        monday = today + timedelta(days=7 - today.weekday())
        return (
            (monday, monday + timedelta(days=6))
            if "next" in text or "coming" in text
            else (today, monday - timedelta(days=1))
        )
    day = today + timedelta(days=1) if "tomorrow" in text else today
    return day, day


def _when(text: str, today: date) -> tuple[str | None, str]:
    """The words that name the days, and the text without them."""
    if (span := _SPANS.search(f"{text} ")) is not None and (span["days"] is None or _is_count(span["days"])):
        words = span.group().strip()
        words = re.sub(r"^(?:over|for|in|at) (?=the\b)", "", words, flags=re.IGNORECASE)
        return words, _without(text, span.start(), span.end())
    found = find_date(text, today, "future")
    if found is None or found.words.lower() in MONTHS or found.words.isdigit():
        return None, text
    return found.words, _without(text, found.start, found.end)


def _is_count(word: str) -> bool:
    return word.isdigit() or word.lower() in _COUNTS


def _without(text: str, start: int, end: int) -> str:
    """`text` with a border where a phrase was; the preposition that led to it goes too."""
    before = re.sub(r"\b(?:on|for|in|at|during)\s+(?:the\s+)?$", "", text[:start], flags=re.IGNORECASE)
    return f"{before.rstrip()} | {text[end:].lstrip()}".strip(" |") if before.strip() else text[end:].strip(" ,|")


# -- places -----------------------------------------------------------------------------------------------------------


def _place(text: str, context: ToolContext) -> str | None:
    named = _named(text) or _left_over(text)
    if named:
        return named
    refers = _THERE.search(_IS_THERE.sub(" ", text)) is not None
    return _place_before(context) if refers or context.used else None


def _named(text: str) -> str | None:
    """The place after a preposition, "in" and "at" before the others."""
    found = [
        (match["word"].lower() not in ("in", "at", "near", "around"), -match.start(), _phrase(text, match))
        for match in _PREPOSITION.finditer(text)
    ]
    ranked = sorted((weak, position, phrase) for weak, position, phrase in found if phrase)
    return ranked[0][2] if ranked else None


def _phrase(text: str, match: re.Match[str]) -> str:
    rest = text[match.end() :]
    if _NO_PLACE.match(rest) or _THERE.match(rest):
        return ""
    if (stop := _STOP.search(rest)) is not None:
        rest = rest[: stop.start()]
    phrase = rest.strip(" ,'\"")
    return phrase if 0 < len(phrase.split()) <= MAX_WORDS else ""


def _left_over(text: str) -> str | None:
    """The one run of words that does not belong to the vocabulary of weather."""
    if _THERE.search(_IS_THERE.sub(" ", text)):
        return None
    spaced = re.sub(r"'s\b", " ", re.sub(r"\b(what|how|it|there|that)'s\b", r"\1", text, flags=re.IGNORECASE))
    spaced = _COMMON.sub(lambda noun: noun.group() if mentioned_place(noun.group()) else "|", spaced)
    runs = [run.strip(" '\"-") for run in _VOCABULARY.sub(_border, spaced).split("|")]
    names = [run for run in runs if re.search(r"[^\W\d_]{2,}", run)]
    known = mentioned_place(text)
    if known is not None and len(known.split()) > 1 and not any(known in name for name in names):
        return known  # "new york", of which "new" is no name alone
    return names[0] if len(names) == 1 and len(names[0].split()) <= MAX_WORDS else None


def _border(word: re.Match[str]) -> str:
    """A border in the place of a word of weather, unless capitals say that it is a name: "weather Nice"."""
    before = word.string[: word.start()].rstrip()
    is_name = re.match(r"(?-i:[A-Z][a-z]+)$", word.group()) and before and before[-1] not in ".!?"
    return word.group() if is_name and re.search(r"\b[a-z]{2,}", word.string) else "|"


def _place_before(context: ToolContext) -> str | None:
    """The place that "there" stands for: one in a text read, or in an earlier result."""
    for antecedent in context.antecedents:
        if isinstance(antecedent, str):
            if place := place_in_text(antecedent):
                return place
        elif place := antecedent.arguments.get("place"):
            return str(place)
        elif isinstance(antecedent.value, dict) and (title := antecedent.value.get("title")):
            return mentioned_place(str(title)) or str(title)
    return None


def place_in_text(text: str) -> str | None:
    """The place that a text read from a picture or a page names: a known one, what it welcomes to, or all of a short
    text."""
    plain = re.sub(r"\s+", " ", text).strip()
    if (welcome := _WELCOME.search(text)) is not None:
        return _title(welcome["place"])
    if (known := mentioned_place(plain)) is not None:
        return _title(with_country(known, text))
    words = re.sub(r"[^\w' -]|\d", " ", plain).split()
    return _title(" ".join(words)) if 0 < len(words) <= 3 else None


def _title(name: str) -> str:
    """Signs are often in capitals."""
    name = " ".join(name.split())
    return name.title() if name.isupper() and len(name) > 3 else name
