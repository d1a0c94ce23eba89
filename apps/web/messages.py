"""A thread as HTML, one piece for each turn: pictures, trace of the steps, answer, choices, and what can be done next.

Not covered here: a turn that is still running (turns.py), pictures with boxes (figures.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from apps.render import SEPARATOR, call_line, label, region_lines
from apps.web.figures import Figures
from apps.web.markup import attributes, button, code, markdown, plain
from conlora_agent.core.errors import ConloraError
from conlora_agent.core.types import Box, PlannedStep, Route, Step, TurnRecord

if TYPE_CHECKING:
    from conlora_agent.agent import Agent

CHOSEN_KINDS = {"task": "Tasks", "tool": "Tools", "chat": "Others"}
"""Kinds of routes that a user may choose, with the heading they stand under."""


class Renderer:
    """Renders the turns of an agent's threads."""

    def __init__(self, agent: Agent, figures: Figures) -> None:
        self._agent = agent
        self._figures = figures

    def thread(self, thread: str | None) -> list[str]:
        """The turns of a thread; none for a new one or one that is gone. A question at its end offers its choices."""
        if not thread:
            return []
        try:
            turns = self._agent.threads.show(thread).turns
        except ConloraError:
            return []
        routes = self._agent.routes()
        shown = [self._turn(turn, number, routes) for number, turn in enumerate(turns[:-1])]
        open_end = self._choices(thread) + (self._lesson(thread, turns[-1]) if turns else "")
        return [*shown, *(self._turn(turn, len(shown), routes, open_end) for turn in turns[-1:])]

    def said(self, text: str, image: str | None, region: Box | None) -> str:
        """What the user sent."""
        figure = self._figures.figure(image, marked=region) if image is not None else ""
        note = '<small class="note">about the marked region</small>' if region is not None and not figure else ""
        words = f'<div class="words">{plain(text)}</div>' if text else ""
        return f'<div class="said">{figure}{words}{note}</div>'

    def step(self, step: PlannedStep) -> str:
        """The trace of one step: chips that unfold what went in and what came out, and the picture with its boxes."""
        figure = ""
        if isinstance(step, Step) and step.boxes and step.image is not None:
            figure = self._figures.figure(step.image, step.boxes)
        facts = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _facts(step))
        call = f"<code>{plain(call_line(step))}</code>" if isinstance(step, Step) and step.tool_args else ""
        return f'<details class="step"><summary>{chips(step)}{call}</summary><dl>{facts}</dl></details>{figure}'

    def _turn(self, turn: TurnRecord, number: int, routes: Sequence[Route], choices: str = "") -> str:
        steps = "".join(self.step(step) for step in turn.steps)
        answer = f'<div class="answer">{markdown(turn.answer)}</div>'
        said = self.said(turn.text, turn.image, turn.region)
        return f'{said}<div class="done">{steps}{answer}{choices}{_after(number, routes)}</div>'

    def _choices(self, thread: str) -> str:
        """The routes that the thread's open question offers, to be clicked."""
        pending = self._agent.state(thread).get("pending") or {}
        titles = {route.name: route.title for route in self._agent.routes()}
        offered = [titles[name] for name in pending.get("choices", ()) if name in titles]
        buttons = "".join(button(plain(title), "say", class_="choice", text=title) for title in offered)
        return f'<div class="choices" role="group" aria-label="Choices">{buttons}</div>' if buttons else ""

    def _lesson(self, thread: str, turn: TurnRecord) -> str:
        """After a choice was carried out: a button that keeps its words as a routing example."""
        lesson = self._agent.lesson(thread, turn.steps)
        if lesson is None:
            return ""
        words = f"Always take {plain(lesson.route)} for “{plain(lesson.text)}”"
        return f'<div class="choices">{button(words, "teach", class_="choice")}</div>'


def chips(step: PlannedStep) -> str:
    """Route, adapter, confidence, time and status as a row of small labels."""
    status = step.status if isinstance(step, Step) else "running"
    first, *others = (plain(part) for part in label(step).split(SEPARATOR))
    spans = "".join(f'<span class="chip">{part}</span>' for part in others)
    return f'<span class="chips {step.kind} {status}"><span class="chip route">{first}</span>{spans}</span>'


def _facts(step: PlannedStep) -> Iterator[tuple[str, str]]:
    """What a step was given and what it gave, by name, as HTML."""
    yield "Request", plain(step.request)
    if step.uses:
        yield "Uses", plain("the result of step " + ", ".join(str(position + 1) for position in step.uses))
    if not isinstance(step, Step):
        return
    if step.tool_args is not None:
        yield "Arguments", code(step.tool_args)
    if step.tool_result is not None:
        yield "Result", code(step.tool_result)
    for line in region_lines(step.boxes):
        yield "Box", plain(line)
    if step.kind in ("task", "chat") and step.text:
        yield "Gave", plain(step.text)
    if step.source:
        yield "Source", _link(step.source)
    if step.error:
        yield "Error", plain(step.error)


def _link(source: str) -> str:
    if not source.startswith(("https://", "http://")):
        return plain(source)
    return f'<a href="{plain(source)}" target="_blank" rel="noopener noreferrer">{plain(source)}</a>'


def _after(number: int, routes: Sequence[Route]) -> str:
    """What can be done with an answer: copy it, ask again, ask again by another route."""
    groups = ""
    for kind, heading in CHOSEN_KINDS.items():
        options = "".join(
            f'<option value="{plain(r.name)}">{plain(r.title)}</option>' for r in routes if r.kind == kind
        )
        groups += f'<optgroup label="{heading}">{options}</optgroup>' if options else ""
    chosen = attributes(data_do="again", data_turn=number, aria_label="Ask again with another task or tool")
    return (
        '<div class="after">'
        + '<button type="button" data-copy="answer">Copy</button>'
        + button("Retry", "again", turn=number, label="Ask the same again")
        + f'<select {chosen}><option value="">Ask again as …</option>{groups}</select></div>'
    )
