"""Split arithmetic written in symbols or English words into tokens: "20% off 80", "twenty five times 4", "√16".

Words that mean nothing here become `gap` tokens, so that a sentence can be searched for its expression. Not covered
here: what the tokens add up to (`arithmetic.py`) and which words of a request matter (`calculator.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from tools.base import ArgumentsError

Kind = Literal["number", "fraction", "operator", "of", "off", "percent", "postfix", "function", "constant"]
Other = Literal["open", "close", "comma", "and", "it", "gap"]

MAX_EXPONENT = 1000
"""Largest power of ten that a number may be written with."""


@dataclass(frozen=True)
class Token:
    """One piece of an expression. `value` is a number's value or an operator's, function's or constant's name."""

    kind: Kind | Other
    text: str
    start: int
    end: int
    value: Fraction | str = ""


_CHARACTERS = str.maketrans(
    {"×": "*", "·": "*", "∙": "*", "÷": "/", "∕": "/", "⁄": "/", "−": "-", "–": "-", "—": "-", "²": " squared "}
    | {"³": " cubed ", "√": " sqrt ", "½": " 0.5 ", "¼": " 0.25 ", "¾": " 0.75 ", "π": " pi ", "’": "'", "‘": "'"}
    | {"\u00a0": " ", "\u202f": " ", "\u2009": " ", "％": "%", "[": "(", "]": ")", "{": "(", "}": ")"}
    | dict.fromkeys("$€£¥₹", "")
)

_UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_UNITS += ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SMALL = {word: n for n, word in enumerate(_UNITS)} | {word: 10 * n for n, word in enumerate(_TENS, start=2)}
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SUFFIXES = {**_SCALES, "dozen": 12, "k": 1000, "bn": 10**9}
_FRACTIONS = {"half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7}
_FRACTIONS |= {"eighth": 8, "ninth": 9, "tenth": 10, "twentieth": 20, "hundredth": 100}

_PHRASES: dict[str, tuple[Kind | Other, str]] = {
    **dict.fromkeys(["plus", "increased by", "added to"], ("operator", "plus")),
    **dict.fromkeys(["minus", "less", "decreased by", "reduced by", "take away"], ("operator", "minus")),
    **dict.fromkeys(["times", "multiplied by", "multiplied with", "x"], ("operator", "*")),
    **dict.fromkeys(["divided by", "divided between", "divided among", "over", "out of"], ("operator", "/")),
    **dict.fromkeys(["split by", "split between", "split among", "split into"], ("operator", "/")),
    **dict.fromkeys(["mod", "modulo", "modulus"], ("operator", "mod")),
    **dict.fromkeys(["to the power of", "to the power", "raised to the power of", "raised to"], ("operator", "^")),
    **dict.fromkeys(["percent", "per cent", "pct", "percents"], ("percent", "%")),
    **dict.fromkeys(["squared", "cubed", "factorial"], ("postfix", "")),
    **dict.fromkeys(["square root of", "square root", "sqrt of", "sqrt", "root of"], ("function", "sqrt")),
    **dict.fromkeys(["cube root of", "cube root", "cbrt"], ("function", "cbrt")),
    **dict.fromkeys(["square of", "cube of"], ("function", "")),
    **dict.fromkeys(["double", "twice", "triple"], ("function", "")),
    **dict.fromkeys(["sum of", "total of", "sum"], ("function", "sum")),
    **dict.fromkeys(["average of", "mean of", "average"], ("function", "average")),
    **dict.fromkeys(["product of", "product"], ("function", "product")),
    **dict.fromkeys(["difference between", "difference of"], ("function", "difference")),
    **dict.fromkeys(["factorial of"], ("function", "factorial")),
    **dict.fromkeys(["absolute value of", "abs"], ("function", "abs")),
    **dict.fromkeys(["it", "that", "this", "those", "them", "ans", "result", "answer"], ("it", "it")),
    **dict.fromkeys(["total", "price", "amount", "number", "sum total", "bill", "cost"], ("it", "it")),
    **dict.fromkeys(["pi"], ("constant", "pi")),
    "of": ("of", "of"),
    "off": ("off", "off"),
    "and": ("and", "and"),
}
_IGNORED = {"a", "an", "the"}

_SMALL_WORDS = "|".join(sorted(_SMALL, key=len, reverse=True))
_NUMBER_WORD = rf"(?:{_SMALL_WORDS}|{'|'.join(_SCALES)})"
_NUMERAL = r"(?:\d{1,3}(?:[ ,_']\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?"
_PHRASE = "|".join(re.escape(p).replace(r"\ ", r"\s+") for p in sorted(_PHRASES, key=len, reverse=True))
_LEXER = re.compile(
    rf"""
    (?P<space>\s+)
  | (?P<number>{_NUMERAL})
  | (?P<times>(?<=[\d)\s])x(?=\s*[\d(.]))
  | (?P<suffix>(?:{"|".join(_SUFFIXES)})\b)
  | (?P<words>{_NUMBER_WORD}(?:(?:\s+|-|\s+and\s+){_NUMBER_WORD})*\b)
  | (?P<fraction>(?:{"|".join(_FRACTIONS)})s?\b)
  | (?P<phrase>(?:{_PHRASE})\b)
  | (?P<word>[^\W\d_](?:[\w']|-(?=[^\W\d_]))*)
  | (?P<factorial>(?<=[\d)])!)
  | (?P<symbol>\*\*|[-+*/^%(),])
  | (?P<other>.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_LIST = re.compile(r"\b(?:sum|total|average|mean|product|difference)\b")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d{1,2}(?![\d,]))")
"""The comma of "3,5", outside of lists."""


def normalise(text: str) -> str:
    """`text` in lower case with typographic signs made plain and currency signs dropped."""
    return text.translate(_CHARACTERS).lower()


def tokenise(text: str) -> list[Token]:
    """Tokens of an already normalised text. Raises ArgumentsError for a number too large to write out."""
    tokens: list[Token] = []
    for match in _LEXER.finditer(text if _LIST.search(text) else _DECIMAL_COMMA.sub(".", text)):
        if (token := _token(match, tokens)) is not None:
            if tokens and token.start == tokens[-1].start:
                tokens.pop()
            tokens.append(token)
    return tokens


def _token(match: re.Match[str], before: list[Token]) -> Token | None:
    group, text, start, end = match.lastgroup, match.group(), match.start(), match.end()
    if group == "space" or text in _IGNORED:
        return None
    if group == "number":
        return Token("number", text, start, end, _numeral(text))
    if group == "words":
        return Token("number", text, start, end, Fraction(_from_words(text)))
    if group == "suffix":
        return _scaled(text, start, end, before)
    if group == "fraction":
        return Token("fraction", text, start, end, Fraction(1, _FRACTIONS.get(text, 0) or _FRACTIONS[text[:-1]]))
    if group == "phrase":
        kind, value = _PHRASES[re.sub(r"\s+", " ", text)]
        return Token(kind, text, start, end, value or text)
    if group == "times":
        return Token("operator", text, start, end, "*")
    if group == "factorial":
        return Token("postfix", text, start, end, "factorial")
    if group == "symbol":
        return _symbol(match)
    return Token("gap", text, start, end)


def _symbol(match: re.Match[str]) -> Token:
    text, start, end = match.group(), match.start(), match.end()
    kinds: dict[str, Other] = {"(": "open", ")": "close", ",": "comma"}
    if text in kinds:
        return Token(kinds[text], text, start, end)
    if text == "%":
        kind: Kind = "operator" if _is_modulo(match.string, start) else "percent"
        return Token(kind, text, start, end, "mod" if kind == "operator" else "%")
    return Token("operator", text, start, end, "^" if text == "**" else text)


def _is_modulo(text: str, at: int) -> bool:
    """`17 % 5` and `17%5` are remainders; `17% 5` is a percentage with a word missing."""
    spaced_before = at > 0 and text[at - 1].isspace()
    following = text[at + 1 :]
    operand = following.lstrip()[:1]
    return (operand.isdigit() or operand == "(") and (spaced_before or following[:1] == operand)


def _scaled(text: str, start: int, end: int, before: list[Token]) -> Token:
    """ "2.5 million", "3k", "4 dozen"; a bare "million" or "dozen" counts one of them, a bare "k" is no number."""
    last = before[-1] if before else None
    if last is not None and last.kind == "number" and isinstance(last.value, Fraction):
        return Token("number", f"{last.text} {text}", last.start, end, last.value * _SUFFIXES[text])
    return Token("gap" if text in ("k", "bn") else "number", text, start, end, Fraction(_SUFFIXES[text]))


def _numeral(text: str) -> Fraction:
    plain = re.sub(r"[ ,_']", "", text)
    mantissa, _, exponent = plain.partition("e")
    if exponent and abs(int(exponent[:8])) > MAX_EXPONENT:
        raise ArgumentsError(f"{text} is too large a number", f"stay within 1e{MAX_EXPONENT}")
    return Fraction(mantissa) * Fraction(10) ** int(exponent or 0)


def _from_words(text: str) -> int:
    total = current = 0
    for word in re.split(r"[\s-]+", text):
        if word in _SMALL:
            current += _SMALL[word]
        elif word == "hundred":
            current = (current or 1) * 100
        elif word in _SCALES:
            total += (current or 1) * _SCALES[word]
            current = 0
    return total + current
