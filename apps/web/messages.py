"""A thread as messages of the chat: pictures, route chips, boxes drawn, tool calls to unfold, choices to click.

All text comes from users, models and the web, so it is escaped here. Not covered here: streaming (turns.py).
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from apps.boxes import draw_boxes
from apps.render import SEPARATOR, call_line, compact, label, printable, region_line
from conlora_agent.core.errors import ConloraError
from conlora_agent.core.types import PlannedStep, Region, Step, TurnRecord

if TYPE_CHECKING:
    from PIL.Image import Image

    from conlora_agent.agent import Agent

Message = dict[str, Any]
"""What gr.Chatbot takes: {"role", "content", and maybe "metadata" and "options"}."""

SHOWN_SIDE = 1024
"""Pixels of the longer side of a picture in the conversation."""


def user(text: str) -> Message:
    """What the user wrote."""
    return {"role": "user", "content": escaped(text)}


def agent_says(content: Any, **more: Any) -> Message:
    """A message of the agent's."""
    return {"role": "assistant", "content": content, **more}


def thread_messages(agent: Agent, thread: str | None) -> list[Message]:
    """A whole thread; nothing for a new one or one that is gone. A question at its end offers its choices."""
    if not thread:
        return []
    try:
        turns = agent.threads.show(thread).turns
    except ConloraError:
        return []
    messages = [message for turn in turns for message in turn_messages(agent, turn)]
    choices = pending_choices(agent, thread)
    if messages and choices:
        messages[-1]["options"] = choices
    return messages


def turn_messages(agent: Agent, turn: TurnRecord) -> Iterator[Message]:
    """One turn: what the user sent, a trace for each step, the answer."""
    if turn.image is not None:
        yield {"role": "user", "content": picture(agent, turn.image)}
    yield user(turn.text)
    for step in turn.steps:
        yield from step_messages(agent, step)
    yield agent_says(escaped(turn.answer))


def step_messages(agent: Agent, step: Step) -> Iterator[Message]:
    """The trace of one step: chips, the picture with its boxes, the tool call folded up."""
    yield agent_says(chips(step))
    if step.boxes and step.image is not None:
        yield agent_says(picture(agent, step.image, step.boxes))
    if step.kind == "tool" and step.tool_args is not None:
        yield agent_says(
            call_details(step),
            metadata={"title": escaped(call_line(step)), "status": "done"},
        )


def chips(step: PlannedStep) -> str:
    """Route, adapter, confidence, time and status as a row of small labels."""
    status = step.status if isinstance(step, Step) else "running"
    first, *others = (escaped(part) for part in label(step).split(SEPARATOR))
    spans = "".join(f'<span class="chip">{part}</span>' for part in others)
    return f'<span class="chips {step.kind} {status}"><span class="chip route">{first}</span>{spans}</span>'


def call_details(step: Step) -> str:
    """Arguments, result and source of a tool call."""
    lines = [f"**Arguments** {code(compact(step.tool_args))}"]
    if step.tool_result is not None:
        lines.append(f"**Result** {code(compact(step.tool_result))}")
    if step.source:
        lines.append(f"**Source** {escaped(step.source)}")
    if step.error:
        lines.append(escaped(step.error))
    return "\n\n".join(lines)


def code(text: str) -> str:
    """The text as it is, in a fixed-width font."""
    return f"<code>{html.escape(printable(text))}</code>"


def escaped(text: str) -> str:
    """Markdown without HTML and without pictures from elsewhere, which would call third parties."""
    return html.escape(printable(text), quote=False).replace("![", "!\\[")


def pending_choices(agent: Agent, thread: str) -> list[dict[str, str]]:
    """The routes that the thread's open question offers, as options to click."""
    pending = agent.state(thread).get("pending") or {}
    titles = {route.name: route.title for route in agent.routes()}
    return [{"label": titles[name], "value": titles[name]} for name in pending.get("choices", ()) if name in titles]


def picture(agent: Agent, key: str, boxes: Sequence[Region] = ()) -> Message | str:
    """A stored picture, its boxes drawn; a word in its place when it is gone."""
    try:
        path = _picture_file(agent, key, tuple(boxes))
    except ConloraError as error:
        return escaped(f"(picture {key[:12]}: {error.problem})")
    found = "; ".join(region_line(region) for region in boxes)
    return {"path": path, "alt_text": f"picture with {found}" if found else "picture"}


@lru_cache(maxsize=256)
def _picture_file(agent: Agent, key: str, boxes: tuple[Region, ...]) -> str:
    """Path of the picture as it is shown, in the cache that Gradio serves from and clears."""
    from gradio.processing_utils import save_pil_to_cache
    from gradio.utils import get_upload_folder

    original: Image = agent.pictures.open(key)
    if boxes:
        original = draw_boxes(original, boxes)
    else:
        original.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    path: str = save_pil_to_cache(original, get_upload_folder(), name="picture", format="webp")
    return path
