"""Which values of a JSON schema were said: the words, numbers and choices in a message that could be an argument.

A model that writes arguments is held to these, so that it can choose among what was said and invent nothing. Not
covered here: which of them is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from tools.base import ArgumentsError
from tools.dates import find_date
from tools.expression import normalise, tokenise
from tools.schemas import Schema, fits

MAX_WORDS = 12
"""Words of the longest text taken from a message; one that is longer is taken as a whole or not at all."""
MAX_TEXT = 60
"""Words of each text that are looked at."""
MAX_ITEMS = 8
SHORTEST_STEM = 4
"""Letters of a word from which "wrapped" counts as naming "wrap"."""
MAX_PROPERTIES = 16
"""Properties that are asked for, required ones first."""

_WORD = re.compile(r"\S+")
_EDGES = ".,;:!?\"'“”‘’«»()[]{}…"
_OWNER = re.compile(r"['’]s?$")
_WITHIN = re.compile(r"[\w-]+")
_YES = re.compile(r"\b(?:yes|yeah|yep|true|sure|please do|of course|ok(?:ay)?)\b", re.IGNORECASE)
_NO = re.compile(r"\b(?:no|nope|not|false|without|don'?t|never)\b", re.IGNORECASE)


def values(schema: Schema, texts: Sequence[str], today: date, *, name: str = "") -> list[Any]:
    """What in `texts` could fill a schema that is no object and no array, each value once.

    `name`: of the argument, by which a yes or no is recognised.
    """
    if "const" in schema or "enum" in schema:
        listed = [schema["const"]] if "const" in schema else schema["enum"]
        return [choice for choice in listed if choice is not None and mentions(texts, str(choice))]
    kind = schema.get("type")
    found: Iterable[Any]
    if kind == "boolean":
        found = _truth(name, texts)
    elif kind in ("integer", "number"):
        found = _numbers(texts, whole=kind == "integer")
    elif schema.get("format") == "date":
        found = (day.isoformat() for day in _days(texts, today))
    else:
        found = phrases(texts)
    return list(filter(fits(schema), dict.fromkeys(found)))


def phrases(texts: Iterable[str]) -> Iterator[str]:
    """Every run of up to `MAX_WORDS` words, the marks around it taken off, and every text as a whole."""
    for text in texts:
        words = [match.span() for match in _WORD.finditer(text)][:MAX_TEXT]
        for first, (start, _) in enumerate(words):
            for _, end in words[first : first + MAX_WORDS]:
                phrase = " ".join(text[start:end].strip(_EDGES).split())
                yield from filter(None, (phrase, _OWNER.sub("", phrase)))
        if whole := text.strip():
            yield whole


def mentions(texts: Iterable[str], choice: str) -> bool:
    """Whether one of a schema's choices was named: each of its words, in any form of number or with an ending."""
    said = {_stem(word) for text in texts for word in _WITHIN.findall(text.lower())}
    wanted = [_stem(word) for word in _WITHIN.findall(choice.lower().replace("_", " "))]
    return bool(wanted) and all(any(_is_form(word, other) for other in said) for word in wanted)


def ordered(schema: Schema) -> Schema:
    """The schema of an object with its required properties first, and no more than are asked for at once."""
    required = set(schema.get("required", ()))
    properties = sorted(schema.get("properties", {}).items(), key=lambda item: item[0] not in required)
    return {**schema, "properties": dict(properties[:MAX_PROPERTIES])}


def narrowed(schema: Schema, texts: Sequence[str], today: date) -> Schema:
    """The schema of an object that takes only what was said, and null for what was not.

    Every property has to be written, so that each is decided upon.
    """
    parts = ordered(schema)["properties"]
    properties = {name: _or_null(part, texts, today, name) for name, part in parts.items()}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def without_nulls(value: Any) -> Any:
    """Arguments without what was left open: null, and what is empty once those are gone."""
    if isinstance(value, dict):
        kept = {name: without_nulls(part) for name, part in value.items()}
        return {name: part for name, part in kept.items() if part not in (None, {}, [])}
    if isinstance(value, list):
        return [part for part in map(without_nulls, value) if part not in (None, {}, [])]
    return value


def unsaid(schema: Schema, args: Any, texts: Sequence[str], today: date, path: str = "") -> str | None:
    """The first argument with words or numbers that nobody said, such as "address.city"; None when all were said.

    Choices and yes or no are not looked at: they are a reading of the message, not a part of it.
    """
    if isinstance(args, dict):
        parts = schema.get("properties", {})
        found = (unsaid(parts.get(k, {}), v, texts, today, f"{path}.{k}" if path else k) for k, v in args.items())
    elif isinstance(args, list):
        found = (unsaid(schema.get("items", {}), item, texts, today, path) for item in args)
    elif isinstance(args, bool) or args is None or "enum" in schema or "const" in schema:
        return None
    else:
        kind = {key: value for key, value in schema.items() if key in ("type", "format")}
        return None if _same(args, values(kind, texts, today)) else path
    return next((name for name in found if name is not None), None)


# -- parts ------------------------------------------------------------------------------------------------------------


def _or_null(schema: Schema, texts: Sequence[str], today: date, name: str) -> Schema:
    if schema.get("properties"):
        return {"anyOf": [narrowed(schema, texts, today), {"type": "null"}]}
    if schema.get("type") == "array":
        items = values(schema.get("items") or {}, texts, today, name=name)
        most = min(MAX_ITEMS, schema.get("maxItems", MAX_ITEMS))
        listed = {"type": "array", "items": {"enum": items}, "minItems": 1, "maxItems": most}
        return {"anyOf": [listed, {"type": "null"}]} if items else {"type": "null"}
    return {"enum": [*values(schema, texts, today, name=name), None]}


def _numbers(texts: Iterable[str], *, whole: bool) -> Iterator[int | float]:
    for text in texts:
        try:
            tokens = tokenise(normalise(text))
        except ArgumentsError:
            continue
        for before, token in zip([None, *tokens], tokens, strict=False):
            if token.kind == "number" and isinstance(token.value, Fraction):
                negative = before is not None and before.text == "-" and before.end == token.start
                value = -token.value if negative else token.value
                if value.denominator == 1:
                    yield int(value)
                elif not whole:
                    yield float(value)


def _days(texts: Iterable[str], today: date) -> Iterator[date]:
    for text in texts:
        for _ in range(MAX_ITEMS):
            try:
                found = find_date(text, today, "any")
            except ArgumentsError:
                break
            if found is None:
                break
            yield found.day
            text = text[: found.start] + "|" * (found.end - found.start) + text[found.end :]


def _truth(name: str, texts: Sequence[str]) -> Iterator[bool]:
    """What a message says of a yes or no: something only where its name is spoken of, or where it is a yes or no."""
    short = [text for text in texts if len(text.split()) <= 3]
    spoken = bool(name) and mentions(texts, name)
    if spoken or any(_YES.search(text) for text in short):
        yield True
    if any(_NO.search(text) for text in (texts if spoken else short)):
        yield False


def _stem(word: str) -> str:
    for ending, kept in (("ies", "y"), ("ses", "s"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith("ss"):
            return word[: -len(ending)] + kept
    return word


def _is_form(word: str, said: str) -> bool:
    return said == word or (len(word) >= SHORTEST_STEM and said.startswith(word))


def _same(value: Any, said: Sequence[Any]) -> bool:
    if isinstance(value, str):
        plain = " ".join(value.lower().split()).strip(_EDGES)
        return any(isinstance(other, str) and other.lower().strip(_EDGES) == plain for other in said)
    return value in said
