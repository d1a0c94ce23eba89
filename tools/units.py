"""Conversions of units: "5 miles in km", "how many feet are 2 m?", "6 feet 2 inches in cm", with pint's definitions.

Values are exact fractions. Gallons, pints, cups, fluid ounces and tons are those of the United States. Not covered
here: currencies (`currency.py`), arithmetic (`arithmetic.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from tools.base import ArgumentsError
from tools.expression import normalise, tokenise

MAX_WORDS = 3
"""Words of the longest name of a unit, such as "miles per hour"."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ALIASES = {
    "c": "degC", "°c": "degC", "celsius": "degC", "centigrade": "degC", "degree celsius": "degC",
    "degrees celsius": "degC", "degrees c": "degC", "f": "degF", "°f": "degF", "fahrenheit": "degF",
    "degrees fahrenheit": "degF", "degree fahrenheit": "degF", "degrees f": "degF", "k": "kelvin", "kmh": "km/h",
    "kph": "km/h", "light years": "light_year", "light year": "light_year", "nautical miles": "nautical_mile",
    "nautical mile": "nautical_mile", "fluid ounces": "fluid_ounce", "fluid ounce": "fluid_ounce",
    "fl oz": "fluid_ounce",
    "kb": "kB", "mb": "MB", "gb": "GB", "tb": "TB", "kwh": "kWh", "stones": "stone", "hp": "horsepower",
}  # fmt: skip
_SHOWN = {"c": "°C", "°c": "°C", "f": "°F", "°f": "°F", "k": "K", "kwh": "kWh", "kb": "kB", "mb": "MB", "gb": "GB"}
_PREFIXED = _words(
    "meter gram liter watt byte bit joule hertz pascal volt ampere second calorie watt_hour newton bar ohm"
)
"""Units that take a prefix: with all of them, "cat" would be a hundredth of an atmosphere."""
_NO_UNITS = _words("a an are as at be by do in is it me my of on or per so the to us we and")
_US = _words("gallon pint quart cup fluid_ounce ton tablespoon teaspoon")
_INTO = r"(?:in|to|into|as|equals?|=)"
_MANY = re.compile(r"\bhow (?:many|much)\s+$")
_LINK = re.compile(rf"\s*{_INTO}\s*$")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_LIKELY = re.compile(rf"\b{_INTO}\b|=|\bhow (?:many|much)\b", re.IGNORECASE)
"""Without one of these there is no conversion, and the units need not be read."""
_WORD = re.compile(r"[^\W\d]+(?:\s?[²³]|[23]\b)?|°[cf]?|[/'\"]")
_SMALL = re.compile(r"\b(half (?:a|an)|an?|one)\s+(?=[a-z])")


@dataclass(frozen=True)
class Conversion:
    """A value in the unit it was asked for, in the words used; `us`: whether a unit is that of the United States."""

    value: Fraction
    unit: str
    us: bool


@dataclass(frozen=True)
class _Found:
    """A unit in a text, with the number before it when there is one, and where it stands."""

    words: str
    number: str | None
    start: int
    end: int


def stated(request: str) -> str | None:
    """The conversion that a request asks for as "5 miles in km", None when it asks for none."""
    if _LIKELY.search(request) is None:
        return None
    text = _plain(request)
    found = list(_units(text))
    wanted = _target(text, found)
    amounts = [unit for unit in found if unit.number is not None]
    if wanted is None or not amounts or (len(found) > len(amounts) + 1 and not _same_kind(amounts, wanted.words)):
        return None
    return f"{_written(amounts)} in {_shown(wanted.words)}"


def continued(request: str, last: str) -> str | None:
    """The conversion `last` with another target ("and in metres?") or another amount ("and 10 miles?")."""
    before = _parts(last)
    if before is None:
        return None
    found = list(_units(_plain(request)))
    amounts = [unit for unit in found if unit.number is not None]
    if amounts and len(amounts) == len(found) and _same_kind(amounts, before[1]):
        return f"{_written(amounts)} in {_shown(before[1])}"
    if len(found) == 1 and not amounts and _same_kind(before[0], found[0].words):
        return f"{_written(before[0])} in {_shown(found[0].words)}"
    return None


def of_text(request: str, text: str) -> str | None:
    """The one amount in a text that was read, in the unit that the request wants: "how many miles is that?"."""
    if _LIKELY.search(request) is None:
        return None
    asked = _plain(request)
    found = list(_units(asked))
    wanted = _target(asked, found)
    if wanted is None or any(unit.number is not None for unit in found):
        return None
    amounts = [u for u in _units(_plain(text)) if u.number is not None and _same_kind([u], wanted.words)]
    return f"{_written(amounts)} in {_shown(wanted.words)}" if len(amounts) == 1 else None


def is_conversion(expression: str) -> bool:
    """Whether an expression is one of units."""
    return _parts(expression) is not None


def convert(expression: str) -> Conversion:
    """The value of "5 miles in km". Raises ArgumentsError for units of different kinds."""
    parts = _parts(expression)
    if parts is None:
        raise ArgumentsError(f"{expression!r} is no conversion", "write it like 5 miles in km")
    amounts, wanted = parts
    for amount in amounts:
        if not _same_kind([amount], wanted):
            problem = f"{_shown(amount.words)} cannot be given in {_shown(wanted)}"
            raise ArgumentsError(problem, "name a unit of the same kind")
    total = sum((_quantity(amount) for amount in amounts[1:]), _quantity(amounts[0]))
    target = _unit(wanted)
    value = Fraction(total.to(target).magnitude)
    named = {name for words in (wanted, *(a.words for a in amounts)) for name in _names(words)}
    return Conversion(value, _shown(wanted), bool(named & _US))


# -- reading ----------------------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """Lower case with numbers as digits: "half a mile", "two feet", "6'2\\"", "3,5 km"."""
    text = re.sub(r"(?<=\d)\s*K(?=\s+(?:in|to|into)\b)", " kelvin", text.replace("’", "'").replace("”", '"')).lower()
    text = re.sub(r"(\d)\s*'\s*(\d+)\s*(?:\"|'')", r"\1 feet \2 inches ", text)
    text = _SMALL.sub(lambda match: "0.5 " if match[1].startswith("half") else "1 ", text)
    squared = text.replace("²", "@2 ").replace("³", "@3 ")
    out, at = "", 0
    for token in tokenise(normalise(squared)):
        if token.kind == "number" and isinstance(token.value, Fraction):
            out += squared[at : token.start] + _decimal(token.value) + " "
            at = token.end
    return re.sub(r"@([23])\s", r"\1 ", out + squared[at:])


def _units(text: str) -> Iterator[_Found]:
    """The units of a plain text, the longest names first."""
    words = list(_WORD.finditer(text))
    taken = 0
    for first in range(len(words)):
        start = words[first].start()
        if start < taken:
            continue
        for last in range(min(first + MAX_WORDS, len(words)) - 1, first - 1, -1):
            name = text[start : words[last].end()]
            number = re.search(rf"({_NUMBER.pattern})\s*$", text[:start])
            if _unit(name, with_number=number is not None) is not None:
                taken = words[last].end()
                yield _Found(" ".join(name.split()), number[1] if number else None, start, taken)
                break


def _target(text: str, found: Sequence[_Found]) -> _Found | None:
    """The unit that is asked for: after "how many", or the last one after "in" or "to"."""
    bare = [unit for unit in found if unit.number is None]
    many = [unit for unit in bare if _MANY.search(text[: unit.start])]
    into = [unit for unit in bare if _LINK.search(text[: unit.start])]
    return next(iter(many or into[::-1]), None)


def _parts(expression: str) -> tuple[list[_Found], str] | None:
    """Amounts and target of a conversion as it is written."""
    before, link, wanted = expression.lower().rpartition(" in ")
    amounts = [unit for unit in _units(before) if unit.number is not None] if link else []
    if not amounts or _unit(wanted.strip(), with_number=True) is None:
        return None
    return amounts, wanted.strip()


def _written(amounts: Sequence[_Found]) -> str:
    return " ".join(f"{amount.number} {_shown(amount.words)}" for amount in amounts)


def _shown(words: str) -> str:
    """A unit as it is usually written."""
    return _SHOWN.get(words, words)


def _decimal(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else repr(float(value))


# -- pint -------------------------------------------------------------------------------------------------------------


@cache
def _registry() -> Any:
    """pint's units with exact fractions; reading their definitions takes a second."""
    import pint

    return pint.UnitRegistry(non_int_type=Fraction, autoconvert_offset_to_baseunit=True)


@cache
def _unit(name: str, *, with_number: bool = False) -> Any:
    """pint's unit of a name, None when it is none. "in" is one only behind a number."""
    name = " ".join(name.split())
    if name in _ALIASES:
        return _registry().parse_units(_ALIASES[name])
    if name in _NO_UNITS and not (with_number and name == "in"):
        return None
    parts = re.split(r"\s*/\s*|\s+per\s+", name)
    if not all(_is_name(re.sub(r"^(?:square|cubic|sq)\s+|[23]$", "", part)) for part in parts):
        return None
    spelled = re.sub(r"(?<=[a-z])([23])\b", r"**\1", name.replace("sq ", "square "))
    try:
        return _registry().parse_units(spelled)
    except Exception:  # pint raises its own, AttributeError, TypeError, tokenize errors, ...
        return None


def _is_name(word: str) -> bool:
    if not re.fullmatch(r"[^\W\d_]+", word) or (word in _NO_UNITS and word != "in"):
        return False
    return any(not prefix or unit in _PREFIXED for prefix, unit, _ in _registry().parse_unit_name(word))


def _names(words: str) -> list[str]:
    """What pint calls the units in a name."""
    return [name for name, _ in _registry().Quantity(1, _unit(words, with_number=True)).unit_items()]


def _quantity(amount: _Found) -> Any:
    return _registry().Quantity(Fraction(str(amount.number)), _unit(amount.words, with_number=True))


def _same_kind(amounts: Sequence[_Found], wanted: str) -> bool:
    target = _unit(wanted, with_number=True)
    units = [_unit(amount.words, with_number=True) for amount in amounts]
    return target is not None and all(unit.dimensionality == target.dimensionality for unit in units)
