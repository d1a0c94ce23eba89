"""`conlora ask`: one turn, with or without a picture."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apps.cli.common import (
    BackboneOption,
    ImageOption,
    JsonOption,
    TaskOption,
    ThreadOption,
    check_request,
    load_settings,
    terminal_of,
    to_json,
    write_file,
)
from apps.render import turn_lines
from conlora_agent.core.errors import BadInput, Failure

if TYPE_CHECKING:
    from conlora_agent.agent import Agent
    from conlora_agent.core.types import TurnResult
    from conlora_agent.taught import Phrase

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def ask(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What you want to know.")],
    image: ImageOption = None,
    thread: ThreadOption = None,
    task: TaskOption = None,
    backbone: BackboneOption = None,
    draw: Annotated[
        Path | None, typer.Option("--draw", metavar="FILE", help="Save the picture with the boxes found.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask about a picture, or go on with a conversation."""
    terminal = terminal_of(ctx)
    settings = load_settings(backbone)
    check_request(settings, text, image, reply=thread is not None)
    if draw is not None and draw.suffix.lower() not in FORMATS:
        raise BadInput(f"cannot draw to {draw}", f"use one of: {', '.join(FORMATS)}")
    with terminal.agent(settings) as agent:
        result = agent.ask(text, image=image, thread=thread, task=task)
        if draw is not None:
            terminal.note(save_boxes(agent, result, draw))
        lesson = agent.lesson(result.thread, result.steps)
    if as_json:
        terminal.say(to_json(result))
    else:
        steps, answer = turn_lines(result)
        for line in steps:
            terminal.dim(line)
        terminal.say(answer)
    if failed := failure(result):
        raise Failure(failed)
    if not as_json:
        terminal.note(f"go on with: conlora ask --thread {result.thread} TEXT")
        if lesson is not None:
            terminal.note(f"to have that go to {lesson.route} from now on: {teaching(lesson)}")


def failure(result: TurnResult) -> str | None:
    """Why the turn served nothing, None when any of its steps did, or when it ended in a question."""
    if all(step.status == "failed" for step in result.steps):
        return result.steps[-1].error or "the turn failed"
    return None


def teaching(lesson: Phrase) -> str:
    """The command that keeps a phrase."""
    options = [*([] if lesson.has_image else ["--no-image"]), *(["--"] if lesson.text.startswith("-") else [])]
    return shlex.join(["conlora", "tasks", "teach", *options, lesson.route, lesson.text])


def save_boxes(agent: Agent, result: TurnResult, path: Path) -> str:
    """Draw the boxes of a turn's last step that found any; says what was written."""
    from io import BytesIO

    from apps.boxes import draw_boxes

    found = next((step for step in reversed(result.steps) if step.boxes and step.image), None)
    if found is None or found.image is None:
        return f"no boxes in this turn; {path} was not written"
    buffer = BytesIO()
    drawn = draw_boxes(agent.pictures.open(found.image), found.boxes)
    drawn.save(buffer, FORMATS[path.suffix.lower()])
    write_file(path, buffer.getvalue())
    return f"boxes drawn in {path}"
