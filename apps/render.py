"""How steps, boxes and turns look as words: the one renderer of the command line, the terminal chat and the web chat.

Not covered here: boxes drawn on pictures (apps.boxes) and page layout (apps.web).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from conlora_agent.core.types import PlannedStep, Region, Step, TurnResult

SEPARATOR = " · "
MOST_REGIONS = 12
"""Boxes of a step that are put into words; a page has as many as it has lines."""
STATUS_WORDS = {
    "abstained": "not sure enough to answer",
    "unavailable": "not reachable now",
    "failed": "failed",
    "needs_input": "needs an answer from you",
}


def label(step: PlannedStep) -> str:
    """Route, adapter, confidence and time of a step, such as `grounding · adapter grounding · 93% · 1.8 s`."""
    parts = [step.route, _means(step), percent(step.confidence)]
    if isinstance(step, Step) and step.kind != "clarify":
        parts.append(duration(step.ms))
        if step.status != "ok":
            parts.append(STATUS_WORDS[step.status])
    return SEPARATOR.join(part for part in parts if part)


def _means(step: PlannedStep) -> str:
    """What carries the step out."""
    if step.kind == "tool":
        return "tool"
    if isinstance(step, Step) and step.adapter:
        return f"adapter {step.adapter}"
    return "" if step.kind == "clarify" else "no adapter"


def percent(fraction: float | None) -> str:
    """A fraction 0..1 as a whole percentage, empty when there is none."""
    return "" if fraction is None else f"{fraction:.0%}"


def duration(ms: float) -> str:
    """Milliseconds below one second, seconds from there."""
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def region_line(region: Region) -> str:
    """A box in words: its label, score, and place in per cent of the picture's width and height."""
    x0, y0, x1, y1 = (f"{value:.0%}" for value in region.box)
    score = f" ({percent(region.score)})" if region.score is not None else ""
    return f"{printable(region.label)}{score}: across {x0} to {x1}, down {y0} to {y1}"


def region_lines(regions: Sequence[Region]) -> Iterator[str]:
    """Boxes in words; of many only the first."""
    yield from map(region_line, regions[:MOST_REGIONS])
    if len(regions) > MOST_REGIONS:
        yield f"and {len(regions) - MOST_REGIONS} more"


def call_line(step: Step) -> str:
    """A tool call the way one writes it: `calculator(expression="17% of 2480")`."""
    arguments = ", ".join(f"{name}={compact(value)}" for name, value in (step.tool_args or {}).items())
    return f"{step.route}({arguments})"


def compact(value: Any) -> str:
    """A value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False, default=str)


def step_lines(step: Step) -> Iterator[str]:
    """What a step did, without its text: label, tool call, boxes, source, error."""
    yield label(step)
    if step.kind == "tool" and step.tool_args is not None:
        yield f"  {printable(call_line(step))}"
    for line in region_lines(step.boxes):
        yield f"  {line}"
    if step.source:
        yield f"  source: {printable(step.source)}"
    if step.error:
        yield f"  {printable(step.error)}"


def turn_lines(result: TurnResult) -> tuple[list[str], str]:
    """A whole turn for the terminal: lines about its steps, and the answer."""
    return [line for step in result.steps for line in step_lines(step)], printable(result.answer)


def turn_markdown(answer: str, steps: Sequence[Step]) -> str:
    """A whole turn as Markdown: the answer, then a line for each step."""
    notes = "\n".join(f"- {line}" for step in steps for line in step_lines(step))
    return f"{answer}\n\n{notes}\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Left-aligned columns; the last one keeps its length."""
    cells = [[printable(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(padded).rstrip()


def printable(text: str) -> str:
    """The text without control characters, so that no page or picture can steer the terminal. Line breaks stay."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))


def size(count: int) -> str:
    """A number of bytes, in the unit that reads best."""
    amount = float(count)
    for unit in ("B", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def sparkline(values: Sequence[float]) -> str:
    """A curve in one line of text, highest to lowest over eight heights."""
    low, high = min(values), max(values)
    return "".join("▁▂▃▄▅▆▇█"[round(7 * (value - low) / (high - low or 1.0))] for value in values)
