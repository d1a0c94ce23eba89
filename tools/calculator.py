"""The calculator: find the expression in the user's words, evaluate it exactly, complete follow-ups.

"what is 17% of 2480?" holds its expression; "and 20%?" replaces a number of the last one; "divide that by 3" takes the
last result, or the one number in a text that was read. Not covered here: the grammar itself (`arithmetic.py`), and
conversions (`units.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

from pydantic import Field

from tools import units
from tools.arithmetic import evaluate, evaluate_tokens
from tools.base import ArgumentsError, MissingArgument, Tool, ToolContext, ToolModel, ToolResult
from tools.exact import format_number
from tools.expression import Token, normalise, tokenise
from tools.phrasing import rewrite

QUESTION = "What should I calculate?"
US = " (US measure)"
MAX_REQUEST = 1000
"""Characters of a request that are searched for an expression."""
_LONE_FACTORIAL = re.compile(r"\D*\d+!\W*$")
"""In "what is 5!" the mark is arithmetic, in "what is 2 + 5!" it is a shout."""


class CalculatorArgs(ToolModel):
    """`expression`: arithmetic in symbols or plain words, such as "17% of 2480", or a conversion, "5 miles in km"."""

    expression: str = Field(min_length=1, max_length=500)


class CalculatorValue(ToolModel):
    """`result` is decimal notation, a string so that no digit is lost; `exact` is false where it was rounded; `unit` is
    that of a conversion."""

    expression: str
    result: str
    exact: bool
    unit: str | None = None


class Calculator(Tool[CalculatorArgs]):
    """Exact arithmetic with percentages, powers and roots."""

    name = "calculator"
    looks = "ocr"
    pure = True
    title = "Calculator"
    description = (
        "Work out arithmetic: sums, percentages, powers, roots, averages; convert units: miles to km, lb to kg"
    )
    args_model = CalculatorArgs
    result_model = CalculatorValue

    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        """The expression meant. Raises MissingArgument when there is none or it is not clear which."""
        reply = context.answers.get("expression")
        if reply is not None and not _lone_number(_tokens(reply)):
            request = reply
        elif reply is not None:
            context = replace(context, used=(*context.used, reply))
        if (conversion := _conversion(request, context)) is not None:
            return {"expression": conversion}
        tokens = _tokens(request)
        expression = _with_antecedent(tokens, context) or _stated(tokens) or _follow_up(tokens, context)
        if expression is None:
            raise MissingArgument("expression", QUESTION)
        return {"expression": expression}

    def run(self, args: CalculatorArgs) -> ToolResult:
        """Evaluate. Raises ArgumentsError for malformed or too large expressions and division by zero."""
        if units.is_conversion(args.expression):
            return _converted(args.expression)
        evaluation = evaluate(args.expression)
        text, written_exactly = format_number(evaluation.value)
        exact = evaluation.exact and written_exactly
        value = CalculatorValue(expression=args.expression, result=text, exact=exact)
        return ToolResult(value.model_dump(), text)

    def check(self) -> list[str]:
        """Computes a probe."""
        answer = self.call({"expression": "17% of 2480"}).text
        return [] if answer == "421.6" else [f"17% of 2480 gave {answer}"]


def _converted(expression: str) -> ToolResult:
    found = units.convert(expression)
    text, exact = format_number(found.value)
    value = CalculatorValue(expression=expression, result=text, exact=exact, unit=found.unit)
    return ToolResult(
        value.model_dump(), f"{expression.rpartition(' in ')[0]} = {text} {found.unit}{US if found.us else ''}"
    )


# -- where the expression comes from ----------------------------------------------------------------------------------


def _conversion(request: str, context: ToolContext) -> str | None:
    """The conversion asked for: stated, of the last one, or of an amount in a text that was read."""
    request = request[:MAX_REQUEST]
    last = context.last("calculator")
    before = str(last.arguments.get("expression", "")) if last else ""
    texts = (text for text in context.antecedents if isinstance(text, str))
    return (
        units.stated(request)
        or units.continued(request, before)
        or next(filter(None, (units.of_text(request, text[:MAX_REQUEST]) for text in texts)), None)
    )


def _tokens(request: str) -> list[Token]:
    text = normalise(request[:MAX_REQUEST])
    return tokenise(rewrite(text if _LONE_FACTORIAL.match(text) else text.rstrip("!?. ")))


def _stated(tokens: list[Token]) -> str | None:
    """The expression a sentence states: all of its arithmetic if it fits together, else the longest part that does."""
    kept = [token for token in tokens if token.kind not in ("gap", "it")]
    for candidate in (_trimmed(kept), *_parts(tokens)):
        if _computes(candidate):
            return _written(candidate)
    return None


def _with_antecedent(tokens: list[Token], context: ToolContext) -> str | None:
    """The expression with "it" replaced by the number it stands for; None when no "it" takes part in arithmetic."""
    kept = [t for i, t in enumerate(tokens) if t.kind != "gap" and (t.kind != "it" or _operand(tokens, i))]
    if not any(token.kind == "it" for token in kept):
        return None
    probe = [_number("1") if token.kind == "it" else token for token in kept]
    if not _computes(_trimmed(probe)):
        return None
    number = _antecedent(context)
    return _written(_trimmed([number if token.kind == "it" else token for token in kept]))


def _follow_up(tokens: list[Token], context: ToolContext) -> str | None:
    """A fragment completed from the last calculation: "and 20%?", "times 3", "what about 20% off?"."""
    fragment = _trimmed([token for token in tokens if token.kind not in ("gap", "it")])
    last = context.last("calculator")
    if not fragment:
        return None
    if fragment[0].kind in ("operator", "postfix") and _computes([_number("1"), *fragment]):
        return _written([_antecedent(context), *fragment])
    if fragment[-1].kind in ("of", "off") and _computes([*fragment, _number("1")]):
        base = _base_of_percentage(last.arguments) if last else None
        return _written([*fragment, base or _antecedent(context)])
    if last is not None and _lone_number(fragment):
        return _substituted(str(last.arguments.get("expression", "")), fragment)
    return None


def _substituted(expression: str, new: list[Token]) -> str | None:
    """`expression` with its number of the same kind (percentage or plain) replaced; of two, the last; of more, None."""
    tokens = tokenise(normalise(expression))
    is_percent = [i + 1 < len(tokens) and tokens[i + 1].kind == "percent" for i in range(len(tokens))]
    wanted = new[-1].kind == "percent"
    places = [i for i, token in enumerate(tokens) if token.kind == "number" and is_percent[i] == wanted]
    if not places or len(places) > 2:
        return None
    at = places[-1]
    result = [*tokens[:at], *new, *tokens[at + (2 if wanted else 1) :]]
    return _written(result) if _computes(result) else None


def _base_of_percentage(arguments: dict[str, Any]) -> Token | None:
    """The 2480 of "17% of 2480" or "17% off 2480"."""
    tokens = tokenise(normalise(str(arguments.get("expression", ""))))
    kinds = [token.kind for token in tokens]
    is_share = kinds[:2] + kinds[3:] == ["number", "percent", "number"] and kinds[2] in ("of", "off")
    return tokens[-1] if is_share else None


def _antecedent(context: ToolContext) -> Token:
    """The number that "it" stands for: the likeliest earlier result or text holding one. Raises MissingArgument."""
    for antecedent in context.antecedents:
        if isinstance(antecedent, str):
            found = {token.value: token for token in tokenise(normalise(antecedent)) if _is_numeral(token)}
            if len(found) > 1:
                raise MissingArgument("expression", f"Which number do you mean? {QUESTION}")
            if found:
                return next(iter(found.values()))
        elif isinstance(antecedent.value, dict) and (text := _plain_number(antecedent.value.get("result"))):
            return _number(text)
    raise MissingArgument("expression", f"Which number do you mean? {QUESTION}")


# -- tokens -----------------------------------------------------------------------------------------------------------


def _parts(tokens: list[Token]) -> list[list[Token]]:
    """Runs of tokens between words that mean nothing, longest first; then those between commas too."""
    return [*_runs(tokens, ("gap", "it")), *_runs(tokens, ("gap", "it", "comma"))]


def _runs(tokens: list[Token], borders: tuple[str, ...]) -> list[list[Token]]:
    runs: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind in borders:
            runs.append([])
        else:
            runs[-1].append(token)
    return sorted((_trimmed(run) for run in runs if run), key=len, reverse=True)


def _trimmed(tokens: list[Token]) -> list[Token]:
    """Without commas, "and" and "of" that only join the expression to the sentence around it."""
    start, end = 0, len(tokens)
    while start < end and tokens[start].kind in ("comma", "and", "of"):
        start += 1
    while end > start and (tokens[end - 1].kind in ("comma", "and") or tokens[end - 1].value == "="):
        end -= 1
    return tokens[start:end]


def _computes(tokens: list[Token]) -> bool:
    """Whether the tokens are an expression that does something, even when its result turns out to be refused."""
    try:
        return evaluate_tokens(tokens).operations > 0
    except ArgumentsError as error:
        return "by zero" in error.problem or "too large" in error.problem or "no real" in error.problem


def _operand(tokens: list[Token], at: int) -> bool:
    """Whether the "it" at `at` stands next to an operator, so that it is a number and not just a word."""
    before = tokens[at - 1].kind if at else "gap"
    after = tokens[at + 1].kind if at + 1 < len(tokens) else "gap"
    return before in ("operator", "of", "off", "function") or after in ("operator", "postfix")


def _lone_number(tokens: list[Token]) -> bool:
    return [token.kind for token in tokens] in (["number"], ["number", "percent"])


def _is_numeral(token: Token) -> bool:
    return token.kind == "number" and token.text[:1] in "0123456789."


def _plain_number(value: Any) -> str | None:
    text = str(value)
    return text if re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", text) else None


def _number(text: str) -> Token:
    negative = text.startswith("-")
    return Token("number", f"({text})" if negative else text, 0, 0, Fraction(text))


def _written(tokens: list[Token]) -> str:
    """The tokens as one readable expression."""
    return "".join(_spaced(tokens)).strip()


def _spaced(tokens: list[Token]) -> Iterator[str]:
    before = ""
    for token in tokens:
        tight = token.text in ("%", ")", ",", "!") or before == "("
        yield token.text if tight else f" {token.text}"
        before = token.text
