"""Asks a stack about its probe picture, to find a bad checkpoint before a user does.

The picture and the request are those of the task's manifest; without them a drawn picture and the task's first routing
example. What counts is the kind of the answer, not whether it is right: boxes must be boxes, JSON must be JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from conlora_agent.core.protocols import Backbone, GenerateRequest
from conlora_agent.phrases import about_what
from conlora_agent.prompts import history

if TYPE_CHECKING:
    from PIL.Image import Image

    from adapters.task import Task

SHOWN = 60
"""Characters of an answer that are quoted."""


@dataclass(frozen=True)
class Answer:
    """What a stack said about its probe picture, and what is wrong with that; "" when nothing is."""

    text: str
    problem: str = ""


def probe(task: Task, backbone: Backbone, stack: str | None) -> Answer:
    """Ask `stack` on `backbone`. Raises BackboneError when it cannot run."""
    from adapters.parsers import parse_output

    output, request = task.manifest.output, task.probe_request
    about = about_what(output, request)
    generation = backbone.generate(
        GenerateRequest(
            instruction=task.prompt(about),
            locate=about if output == "boxes" else None,
            history=history((), "", 0),
            picture=probe_picture(task) if task.manifest.needs_image else None,
            stack=stack,
            max_new_tokens=task.manifest.max_new_tokens,
        )
    )
    text = generation.text.strip()
    shown = text if len(text) <= SHOWN else text[:SHOWN] + "..."
    parsed = parse_output(output, text, generation.pieces, label=request, box_range=backbone.box_range)
    if not text or parsed.status == "failed":
        return Answer(shown, f"the stack of {task.name!r} answers its probe picture with {shown!r}, not with {output}")
    if generation.usage.completion_tokens >= task.manifest.max_new_tokens:
        return Answer(shown, f"the stack of {task.name!r} finds no end on its probe picture: {shown!r}")
    return Answer(shown)


def probe_picture(task: Task) -> Image:
    """The task's own probe picture, or a drawn one. Raises ManifestError when its file is no picture."""
    from PIL import Image

    from conlora_agent.core.errors import ManifestError, reason

    path = task.probe_file
    if path is None:
        return _drawn()
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except OSError as error:
        raise ManifestError(f"the probe picture {path} cannot be read ({reason(error)})", "replace it") from error


def _drawn() -> Image:
    """A red square, a blue circle and a word."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (256, 256), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((24, 40, 104, 120), fill=(200, 30, 30))
    draw.ellipse((144, 40, 224, 120), fill=(30, 60, 200))
    draw.text((72, 168), "HELLO", fill="black", font_size=40)
    return picture
