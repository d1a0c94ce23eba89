"""Evaluate arithmetic exactly: a recursive-descent parser over `expression.py`'s tokens, no `eval`.

    sum     = product (("+" | "-" | plus | minus) product)*        80 plus 15% is 92: a lone percentage is of the left
    product = part (("*" | "/" | mod | "of") part | part)*         17% of 2480, 3/4 of 100; 2(3+4) multiplies
    part    = signed ["off" part]                                  20% off 80
    signed  = ("-" | "+") signed | power
    power   = postfix ["^" signed]                                 right-associative, -2^2 is -4
    postfix = primary ("%" | squared | cubed | factorial)*
    primary = number [fraction] | fraction | constant | "(" sum ")" | function argument

Numbers are exact fractions; irrational roots and powers are computed to 40 digits and marked inexact. Not covered
here: units, variables, trigonometry.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tools.base import ArgumentsError
from tools.exact import MAX_BITS, PI, bits, factorial, power, too_large
from tools.expression import Token, normalise, tokenise

MAX_CHARS = 500
MAX_DEPTH = 60
_CLOSING = re.compile(r"(?:[=?.\s]|(?<![\d)])!)+$")
"""Marks that end a sentence; the one of "5!" is arithmetic."""


@dataclass(frozen=True)
class Number:
    """A value on its way through the parser. `percent`: written as a percentage. `exact`: nothing was rounded."""

    value: Fraction
    percent: bool = False
    exact: bool = True


@dataclass(frozen=True)
class Evaluation:
    """Result of an expression. `operations` counts what was done; zero for a lone number."""

    value: Fraction
    exact: bool
    operations: int


def evaluate(expression: str) -> Evaluation:
    """Value of an expression. Raises ArgumentsError when it is malformed, has no value or is too large."""
    if len(expression) > MAX_CHARS:
        raise ArgumentsError(f"the expression has {len(expression)} characters", f"stay within {MAX_CHARS}")
    return evaluate_tokens(tokenise(_CLOSING.sub("", normalise(expression).strip())))


def evaluate_tokens(tokens: Sequence[Token]) -> Evaluation:
    """Value of a tokenised expression. Raises ArgumentsError as `evaluate` does."""
    parser = _Parser(tokens)
    number = parser.parse()
    return Evaluation(number.value, number.exact, parser.operations)


class _Parser:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self.operations = 0

    def parse(self) -> Number:
        if not self._tokens:
            raise ArgumentsError("the expression is empty", "write something like 17% of 2480")
        number = self._sum()
        if (token := self._next()) is not None:
            raise _unexpected(token)
        return number

    # -- grammar, one method a rule -----------------------------------------------------------------------------------

    def _sum(self) -> Number:
        left = self._product()
        while (sign := self._operator("+", "-", "plus", "minus")) is not None:
            right = self._product()
            amount = right.value * left.value if right.percent and not left.percent else right.value
            signed = amount if sign in ("+", "plus") else -amount
            left = self._done(left.value + signed, left, right, percent=left.percent and right.percent)
        return left

    def _product(self) -> Number:
        left = self._part()
        while True:
            name = "of" if self._take("of") else self._operator("*", "/", "mod")
            if name is None and not self._starts_factor():
                return left
            right = self._part()
            if name in ("/", "mod") and right.value == 0:
                raise ArgumentsError("nothing can be divided by zero", "change the divisor")
            if name == "mod":
                left = self._done(left.value % right.value, left, right)
            elif name == "/":
                left = self._done(left.value / right.value, left, right)
            else:
                left = self._done(left.value * right.value, left, right, percent=name == "of" and right.percent)

    def _part(self) -> Number:
        left = self._signed()
        if self._take("off") is None:
            return left
        with_depth = self._enter()
        right = self._part()
        self._depth = with_depth
        return self._done(right.value - (left.value * right.value if left.percent else left.value), left, right)

    def _signed(self) -> Number:
        sign = self._operator("+", "-")
        if sign is None:
            return self._power()
        with_depth = self._enter()
        inner = self._signed()
        self._depth = with_depth
        return Number(-inner.value, inner.percent, inner.exact) if sign == "-" else inner

    def _power(self) -> Number:
        base = self._postfix()
        if self._operator("^") is None:
            return base
        with_depth = self._enter()
        exponent = self._signed()
        self._depth = with_depth
        return self._raise(base, exponent)

    def _postfix(self) -> Number:
        number = self._primary()
        while (kind := self._take("percent", "postfix")) is not None:
            name = self._tokens[self._at - 1].value
            if kind == "percent":
                number = Number(number.value / 100, percent=True, exact=number.exact)
            elif name == "factorial":
                number = self._done(factorial(number.value), number)
            else:
                number = self._raise(number, Number(Fraction(2 if name == "squared" else 3)))
        return number

    def _primary(self) -> Number:
        token = self._next()
        if token is None:
            raise ArgumentsError("the expression ends too early", "complete it")
        self._at += 1
        if token.kind in ("number", "fraction") and isinstance(token.value, Fraction):
            value = token.value
            if token.kind == "number" and self._take("fraction") is not None:
                part = self._tokens[self._at - 1].value
                value *= part if isinstance(part, Fraction) else 1
            return Number(value)
        if token.kind == "constant":
            return Number(PI, exact=False)
        if token.kind == "open":
            return self._closed(self._sum_inside())
        if token.kind == "function":
            return self._function(str(token.value))
        raise _unexpected(token)

    def _sum_inside(self) -> Number:
        with_depth = self._enter()
        number = self._sum()
        self._depth = with_depth
        return number

    def _closed(self, number: Number) -> Number:
        if self._take("close") is None:
            raise ArgumentsError("a parenthesis is not closed", "add the missing )")
        return number

    # -- functions ----------------------------------------------------------------------------------------------------

    def _function(self, name: str) -> Number:
        with_depth = self._enter()
        if name in ("sum", "average", "product", "difference"):
            number = self._of_list(name, self._list())
        else:
            self._take("of")
            number = self._of_one(name, self._signed())
        self._depth = with_depth
        return number

    def _list(self) -> list[Number]:
        opened = self._take("open") is not None
        numbers = [self._sum()]
        while self._take("comma", "and") is not None or self._starts_number():
            self._take("and")
            numbers.append(self._sum())
        if opened:
            self._closed(numbers[-1])
        return numbers

    def _of_list(self, name: str, numbers: list[Number]) -> Number:
        values = [number.value for number in numbers]
        if name == "product":
            if sum(map(bits, values)) > MAX_BITS:
                raise too_large()
            return self._done(math.prod(values, start=Fraction(1)), *numbers)
        if name == "difference":
            return self._done(abs(values[0] - sum(values[1:], Fraction(0))), *numbers)
        total = sum(values, Fraction(0))
        return self._done(total / len(values) if name == "average" else total, *numbers)

    def _of_one(self, name: str, number: Number) -> Number:
        if name == "factorial":
            return self._done(factorial(number.value), number)
        if name in ("square of", "cube of"):
            return self._raise(number, Number(Fraction(2 if name == "square of" else 3)))
        if name == "abs":
            return self._done(abs(number.value), number)
        if name in ("double", "twice", "triple"):
            return self._done(number.value * (3 if name == "triple" else 2), number)
        if name == "cbrt" and number.value < 0:
            root = self._raise(Number(-number.value, exact=number.exact), Number(Fraction(1, 3)))
            return Number(-root.value, exact=root.exact)
        return self._raise(number, Number(Fraction(1, 2 if name == "sqrt" else 3)))

    def _raise(self, base: Number, exponent: Number) -> Number:
        value, exact = power(base.value, exponent.value)
        return self._done(value, base, exponent, Number(value, exact=exact))

    # -- bookkeeping --------------------------------------------------------------------------------------------------

    def _done(self, value: Fraction, *of: Number, percent: bool = False) -> Number:
        self.operations += 1
        if bits(value) > MAX_BITS:
            raise too_large()
        return Number(value, percent, all(number.exact for number in of))

    def _enter(self) -> int:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ArgumentsError("the expression is nested too deeply", f"stay within {MAX_DEPTH} levels")
        return self._depth - 1

    def _next(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _operator(self, *names: str) -> str | None:
        token = self._next()
        if token is None or token.kind != "operator" or token.value not in names:
            return None
        self._at += 1
        return str(token.value)

    def _take(self, *kinds: str) -> str | None:
        token = self._next()
        if token is None or token.kind not in kinds:
            return None
        self._at += 1
        return token.kind

    def _starts_number(self) -> bool:
        token = self._next()
        return token is not None and token.kind == "number"

    def _starts_factor(self) -> bool:
        token = self._next()
        return token is not None and token.kind in ("open", "function", "constant")


def _unexpected(token: Token) -> ArgumentsError:
    return ArgumentsError(f"{token.text!r} does not fit there", "write something like (3 + 4) * 2 or 17% of 2480")
