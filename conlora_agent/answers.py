"""Wording: what a step found, and the answer of a turn made from its steps.

Not covered here: the wording of tools' results, which each tool gives itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from conlora_agent.core.types import Plan, Region, Step
from conlora_agent.wording import in_words, whereabouts

WEAK = 0.4
"""Answers about a picture below this confidence say that they are not sure."""


def found(phrase: str, regions: Sequence[Region]) -> str:
    """What a search on a picture found, with its scores, and where: "I found the blue book (86%), on the left."."""
    scores = [f"{region.score:.0%}" for region in regions if region.score is not None]
    sure = f" ({', '.join(scores)})" if scores else ""
    places = Counter(whereabouts(region.box) for region in regions)
    if len(regions) > 1:
        where = ", ".join(f"{in_words(number)} {place}" for place, number in places.items())
        return f"I found {len(regions)} places for {phrase}{sure}: {where}."
    (place,) = places
    return f"I found {phrase}{sure}." if phrase.endswith(place) else f"I found {phrase}{sure}, {place}."


def not_found(phrase: str) -> str:
    """What is said when the thing is not there."""
    return f"I can't see {phrase} in the picture."


def compose(plan: Plan, steps: Sequence[Step]) -> str:
    """The answer of a turn: the steps' texts in order, failures explained, and what the step budget left undone."""
    parts = [said(step) for step in steps if step.kind != "clarify"]
    asked = [said(step) for step in steps if step.kind == "clarify"]
    left = plan.steps[len(steps) :]
    if left:
        requests = ", ".join(f"“{step.request}”" for step in left)
        parts.append(
            f"I stopped after {len(steps)} steps, the most I may take in one turn. Not done: {requests}. "
            "Ask for the rest in a new message."
        )
    return "\n".join(part for part in (*parts, *asked) if part)


def confidence(steps: Sequence[Step]) -> float | None:
    """How sure the answer is, 0..1: the least, over the steps that answered, of route confidence times answer
    confidence. None when no step answered (the turn ended in a question or failed).

    A step's own answer confidence is the geometric mean of its tokens' probabilities; for boxes the least of their
    scores; 1 for a tool.
    """
    sure = [step.confidence * step.answer_confidence for step in steps if step.answer_confidence is not None]
    return min(sure) if sure else None


def said(step: Step) -> str:
    """What a step adds to the answer, nothing when another step asks for it. Text that was streamed stands first."""
    if step.kind == "clarify":
        return step.text
    if step.status == "needs_input":
        return ""
    if step.status in ("failed", "unavailable"):
        return f"I could not do that ({step.route}): {step.error}"
    if step.kind == "tool" and step.source:
        return f"{step.text}\n{_cited(step)}"
    weak = step.kind == "task" and step.answer_confidence is not None and step.answer_confidence < WEAK
    notes = [step.note, "I'm not sure." if weak else None]
    return " ".join([step.text, *(f"({note})" for note in notes if note)])


def _cited(step: Step) -> str:
    """Where a tool's result is from, and when: "(Source: https://open-meteo.com/, 24 November 2026, 14:50 UTC)"."""
    said = step.tool_result.get("at") if isinstance(step.tool_result, dict) else None
    try:
        at = datetime.fromisoformat(str(said))
    except ValueError:  # a tool of somebody's own need not say when
        return f"(Source: {step.source})"
    return f"(Source: {step.source}, {at.day} {at:%B %Y, %H:%M %Z})"
