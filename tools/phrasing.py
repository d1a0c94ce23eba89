"""Turn spoken forms of arithmetic into expressions: "subtract 5 from 12" -> "12 - 5", "15% tip on 48" -> "15% of 48".

A table of rewrites, tried in order, over text made plain by `expression.normalise`. Not covered here: words that are
operators where they stand ("times", "divided by"); the tokeniser knows those.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tools.expression import tokenise

_NEXT = r"(?:add|plus|subtract|minus|multiply|times|divide)\b"
_END = (
    r"(?=\s*(?:[?!=;)]|\.(?!\d)|,(?!\d)|$|\bwhat\b|\bhow\b|\bplease\b|\bfor me\b|"
    rf"\b(?:and|then) (?:then )?{_NEXT}))"
)
_X = r"(\S.*?)"
_N = r"(\d(?:[\d,]*\d)?(?:\.\d+)?)"
_PERCENT = r"(\d[\d.]*\s*(?:%|percent|per cent))"
_SHARE = r"(?:percent|percentage|per cent|%)"
_OFF = r"(?:discount|off|reduction)\b(?! (?:of )?\d)"
_CHARGE = r"(?:tip|gratuity|tax|sales tax|vat|service charge|commission|interest|surcharge|markup|fee)"
_PEOPLE = r"(?:people|persons|friends|of us|ways|equally|evenly|parts|kids|children|guests)"


def _wrap(operand: str) -> str:
    single = all(token.kind in ("number", "fraction", "percent", "it", "gap") for token in tokenise(operand))
    return operand.strip() if single else f"({operand.strip()})"


def _joined(order: str) -> Callable[[re.Match[str]], str]:
    """A replacement with `{1}`, `{2}` standing for the operands, in parentheses where they need them."""
    return lambda match: " " + order.format("", *(_wrap(group) for group in match.groups())) + " "


def _after(operator: str) -> Callable[[re.Match[str]], str]:
    """A replacement for one thing done after the other: all before it comes first."""
    return lambda match: f" ({match[1].strip()}) {operator} {_wrap(match[2])} "


_THEN = r"^(.*\d.*?),? (?:and then|and|then)"
_CHAINS = [
    (re.compile(rf"{_THEN} (?:{words}) {_X}{_END}"), _after(operator))
    for words, operator in [
        ("add|plus", "+"),
        ("subtract|minus|take away", "-"),
        ("multiply(?: it| that)? by|times", "*"),
        ("divide(?: it| that)? by", "/"),
    ]
]
_RULES: list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]] = [
    (re.compile(pattern), _joined(order))
    for pattern, order in [
        (r"\bto the (?:power of )?(?:minus|negative) (\d+)", "^ -{1}"),
        (r"\bto the (\d+)(?:st|nd|rd|th)(?: power)?\b", "^ {1}"),
        (rf"{_N} (?:is|was) {_PERCENT} of what\b", "{1} / {2}"),
        (rf"{_PERCENT} (?:more|higher|greater|bigger) than {_X}{_END}", "{2} + {1}"),
        (rf"{_PERCENT} (?:less|lower|smaller|fewer) than {_X}{_END}", "{2} - {1}"),
        (rf"{_N} dozen\b", "{1} * 12"),
        (rf"\b{_SHARE} (?:change|increase|decrease|growth) from {_X} to {_X}{_END}", "({2} - {1}) / {1} * 100"),
        (rf"\bwhat {_SHARE} of {_X} (?:is|are|was) {_X}{_END}", "{2} / {1} * 100"),
        (rf"\bwhat {_SHARE} (?:is|are|was) {_X} (?:out )?of {_X}{_END}", "{1} / {2} * 100"),
        (rf"{_N} (?:is|are|was) (?:what|which) {_SHARE} of {_X}{_END}", "{1} / {2} * 100"),
        (rf"{_N} (?:is|as|expressed as) (?:a )?{_SHARE} of {_X}{_END}", "{1} / {2} * 100"),
        (rf"{_N} (?:out of|of|/) {_N} (?:as a|in) {_SHARE}{_END}", "{1} / {2} * 100"),
        (rf"\bhow many times (?:does|do|will|can|would) {_N} (?:go|fit) in(?:to)? {_N}", "{2} / {1}"),
        (
            rf"\bremainder (?:of|when|if|from|after) {_X} (?:is )?(?:divided|divide|dividing) by {_X}{_END}",
            "{1} mod {2}",
        ),
        (rf"\bsubtract(?:ing)? {_X} from {_X}{_END}", "{2} - {1}"),
        (rf"\b(?:take|deduct|knock|remove) {_X} (?:off of|off|away from|from) {_X}{_END}", "{2} - {1}"),
        (rf"\badd(?:ing)? {_X} (?:to|onto|on top of) {_X}{_END}", "{2} + {1}"),
        (rf"\badd(?:ing)? (?:up )?(?:together )?([^?]*(?:,| and )[^?]*?)(?: together| up)?{_END}", "sum {1}"),
        (rf"\b(?:multiply|multiplying) {_X} (?:by|with|and) {_X}{_END}", "{1} * {2}"),
        (rf"\b(?:divide|dividing|split|share) {_X} (?:by|between|among|amongst|into|across) {_X}{_END}", "{1} / {2}"),
        (rf"{_N} (?:split|shared|divided) (?:by |between |among )?(\d+|[a-z]+) {_PEOPLE}\b", "{1} / {2}"),
        (rf"\b(?:split|share|divide) (?:[a-z]+ )*{_N}(?: [a-z]+)* (\d+|[a-z]+) {_PEOPLE}\b", "{1} / {2}"),
        (rf"\b(?:increase|raise|mark up|grow|bump) {_X} (?:up )?by {_X}{_END}", "{1} + {2}"),
        (rf"\b(?:decrease|reduce|lower|discount|cut|drop) {_X} (?:down )?by {_X}{_END}", "{1} - {2}"),
        (
            rf"{_N}[^\d?]*? (?:with|at|after|minus|less) (?:a |an )?{_PERCENT} {_OFF}",
            "{1} - {2}",
        ),
        (rf"{_PERCENT} (?:discount|reduction) (?:on|from|for|of) {_X}{_END}", "{1} off {2}"),
        (rf"{_N}[^\d?]*? (?:with|including|incl|plus) (?:a |an )?{_PERCENT} {_CHARGE}\b", "{1} + {2}"),
        (rf"{_PERCENT} (?:[a-z]+ )?{_CHARGE}(?: be| come to)? (?:on|for|of|from|to) (?!top\b){_X}{_END}", "{1} of {2}"),
        (rf"{_PERCENT} on (?!top\b){_X}{_END}", "{1} of {2}"),
        (
            rf"{_N}(?: [a-z]+)+ (?:at|for|costing) {_N}(?: [a-z]+)? (?:each|apiece|per [a-z]+|a piece)\b",
            "{1} * {2}",
        ),
        # What is left is said of an earlier result.
        (rf"\b(?:with|including|plus|add) (?:a |an )?{_PERCENT} {_CHARGE}\b", "plus {1}"),
        (rf"\b(?:take|knock|cut) {_PERCENT} off{_END}", "minus {1}"),
        (r"\badd (?=\d)", "plus"),
        (r"\b(?:subtract|take away|deduct|remove) (?=\d)", "minus"),
        (r"\bmultiply by\b", "times"),
        (r"\bdivide by\b", "divided by"),
    ]
]


def rewrite(text: str) -> str:
    """`text` with the spoken forms it holds written as expressions, one pass over the table."""
    for pattern, replacement in [*_CHAINS, *_RULES]:
        text = pattern.sub(replacement, text)
    return re.sub(r"\s+", " ", text).strip()
