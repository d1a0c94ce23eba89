"""Exact numbers: powers, roots and factorials of fractions within a size limit, and their decimal notation.

Not covered here: reading expressions (`arithmetic.py`).
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

from tools.base import ArgumentsError

MAX_BITS = 13_000
"""Numerators and denominators beyond this (3,900 digits) are refused before they are computed."""
MAX_FACTORIAL = 1000
DIGITS = 12
"""Significant digits shown of a number that has no short exact form."""
PI = Fraction("3.1415926535897932384626433832795028841971")


def format_number(value: Fraction) -> tuple[str, bool]:
    """Decimal notation of `value`, and whether it is exact. At most 60 digits, else scientific notation."""
    if value.denominator == 1 and abs(value.numerator) < 10**60:
        return str(value.numerator), True
    with localcontext() as context:
        context.prec = 5000
        decimals = _terminating_decimals(value.denominator)
        if decimals is not None and decimals <= DIGITS and abs(value) < 10**30:
            return f"{Decimal(value.numerator) / Decimal(value.denominator):f}", True
        context.prec = DIGITS
        rounded = Decimal(value.numerator) / Decimal(value.denominator)
        exact = Fraction(rounded) == value
        if Decimal("1e-7") <= abs(rounded) < Decimal("1e21"):
            text = f"{rounded:f}"
            return text.rstrip("0").rstrip(".") if "." in text else text, exact
        mantissa, _, exponent = f"{rounded:e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{exponent}", exact


def _terminating_decimals(denominator: int) -> int | None:
    """Decimals that `1/denominator` needs, None when it needs more than `DIGITS`."""
    return next((n for n in range(DIGITS + 1) if 10**n % denominator == 0), None)


def power(base: Fraction, exponent: Fraction) -> tuple[Fraction, bool]:
    """`base ** exponent` and whether it is exact. Raises ArgumentsError without a real value or beyond `MAX_BITS`."""
    if base == 0 and exponent < 0:
        raise ArgumentsError("zero has no negative power", "change the base or the exponent")
    if exponent.denominator == 1:
        if abs(exponent.numerator) * bits(base) > MAX_BITS:
            raise too_large()
        return base**exponent.numerator, True
    if base < 0:
        raise ArgumentsError("a negative number has no real root here", "use a number from 0 up")
    if base == 0:
        return Fraction(0), True
    return _real_power(base, exponent)


def _real_power(base: Fraction, exponent: Fraction) -> tuple[Fraction, bool]:
    with localcontext() as context:
        context.prec = 40
        decimal = Decimal(base.numerator) / Decimal(base.denominator)
        by = Decimal(exponent.numerator) / Decimal(exponent.denominator)
        if abs(decimal.ln() * by) > MAX_BITS / 2:
            raise too_large()
        result = Fraction(decimal**by)
    near = result.limit_denominator(10**12)
    q, p = exponent.denominator, exponent.numerator
    small = bits(near) * q + bits(base) * abs(p) <= MAX_BITS
    if small and near**q == base**p:
        return near, True
    return result, False


def factorial(value: Fraction) -> Fraction:
    """`value!`. Raises ArgumentsError unless it is a whole number up to `MAX_FACTORIAL`."""
    if value.denominator != 1 or value < 0:
        raise ArgumentsError("only whole numbers from 0 up have a factorial", "use a whole number")
    if value > MAX_FACTORIAL:
        raise too_large()
    return Fraction(math.factorial(value.numerator))


def bits(value: Fraction) -> int:
    """Length of the longer of numerator and denominator."""
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def too_large() -> ArgumentsError:
    """The error for a result beyond `MAX_BITS`."""
    return ArgumentsError("the result would be too large", "use smaller numbers or exponents")
