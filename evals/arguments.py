"""How often a tool finds exactly the arguments that a message means, or asks for the one it leaves out.

Data: JSONL rows `{"tool", "text", "args" or "missing", "used", "last"}`: `args` are the arguments meant, `missing` the
one to be asked for; `used` holds texts of earlier steps, `last` the newest tool result of the conversation as
`{"route", "arguments", "value"}`. Dates are relative to `TODAY`. Arguments count as exact when they are equal once the
schema's defaults are filled in; expressions of the calculator when they are worth the same. Not covered here: choosing
the tool (router), calling it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from conlora_agent.core.errors import ConloraError, DataError
from conlora_agent.core.referents import Focus, ValueReferent
from evals.jsonl import read_rows

TODAY = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Last(BaseModel):
    """The newest tool result of the conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    route: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    value: Any = None


class ArgumentsRow(BaseModel):
    """One message for one tool, with the arguments it means or the one it leaves out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: str
    text: str = Field(min_length=1)
    args: dict[str, Any] | None = None
    missing: str | None = None
    used: tuple[str, ...] = ()
    last: Last | None = None

    @model_validator(mode="after")
    def _one_outcome(self) -> ArgumentsRow:
        if (self.args is None) == (self.missing is None):
            raise ValueError("give either 'args' or 'missing'")
        return self


class ArgumentsReport(BaseModel):
    """`exact`: share of rows with exactly the arguments meant, or the right question; `by_tool`: the same per tool."""

    n: int
    exact: float
    by_tool: dict[str, float]
    misses: list[dict[str, Any]]


def load_rows(path: Path) -> list[ArgumentsRow]:
    """Raises DataError naming file and line."""
    return read_rows(path, ArgumentsRow, 'write {"tool", "text", "args" or "missing", "used", "last"}')


def evaluate_arguments(rows: Sequence[ArgumentsRow]) -> ArgumentsReport:
    """Run the built-in tools' own extraction over `rows`. Raises DataError for an unknown tool."""
    from tools.registry import default_tools

    tools = default_tools(offline=True, now=lambda: TODAY)
    total, right, misses = Counter[str](), Counter[str](), []
    for row in rows:
        if row.tool not in tools.names():
            raise DataError(f"no tool named {row.tool!r}", f"choose one of: {', '.join(tools.names())}")
        got = _outcome(tools.get(row.tool), row)
        total[row.tool] += 1
        if _same(tools.get(row.tool), row, got):
            right[row.tool] += 1
        else:
            misses.append({"tool": row.tool, "text": row.text, "expected": row.args or {"missing": row.missing}} | got)
    return ArgumentsReport(
        n=len(rows),
        exact=sum(right.values()) / len(rows),
        by_tool={name: right[name] / count for name, count in total.items()},
        misses=misses,
    )


def _outcome(tool: Any, row: ArgumentsRow) -> dict[str, Any]:
    """`{"got": arguments}`, `{"asked": name}` or `{"error": line}`."""
    from tools.base import MissingArgument, ToolContext

    last = row.last
    referents = (ValueReferent(route=last.route, arguments=last.arguments, value=last.value),) if last else ()
    try:
        return {"got": tool.arguments(row.text, ToolContext(focus=Focus(referents=referents), used=row.used))}
    except MissingArgument as missing:
        return {"asked": missing.name}
    except ConloraError as error:
        return {"error": str(error)}


def _same(tool: Any, row: ArgumentsRow, outcome: dict[str, Any]) -> bool:
    if row.args is None:
        return outcome.get("asked") == row.missing
    if "got" not in outcome:
        return False
    try:
        meant, got = (tool.args_model.model_validate(args) for args in (row.args, outcome["got"]))
    except ValidationError:
        return False
    return bool(meant == got) or (tool.name == "calculator" and _worth(tool, meant) == _worth(tool, got))


def _worth(tool: Any, args: BaseModel) -> str:
    try:
        return str(tool.run(args).text)
    except ConloraError as error:
        return f"{args}: {error}"
