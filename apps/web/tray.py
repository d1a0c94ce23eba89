"""What lies above the message box: thumbnails of the conversation's pictures, the marked region, how far the model is.

Not covered here: the pictures in the conversation (figures.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from apps.preparation import Preparation
from apps.web.desk import Desk
from apps.web.figures import Figures
from apps.web.markup import button, plain
from conlora_agent.notice import Notice

REGION_QUESTIONS = ("What is written here?", "What is this?")
"""What people ask of a region they marked, to be clicked."""


def tray(desk: Desk, figures: Figures) -> str:
    """The pictures of a conversation, the current one marked, and the region that the next message is about."""
    thumbs = "".join(
        figures.thumbnail(key, number, current=key == desk.current) for number, key in enumerate(desk.pictures, start=1)
    )
    group = f'<div class="thumbs" role="group" aria-label="Pictures">{thumbs}</div>' if thumbs else ""
    return group + (_region(desk) if desk.region is not None else "")


def _region(desk: Desk) -> str:
    number = desk.pictures.index(desk.current) + 1 if desk.current in desk.pictures else 1
    quick = "".join(button(plain(words), "say", class_="quick", text=words) for words in REGION_QUESTIONS)
    forget = button("×", "unmark", class_="forget", label="Forget the marked region")
    return f'<div class="region" role="status"><span>Marked on picture {number}</span>{quick}{forget}</div>'


def banner(preparation: Preparation, trainings: Sequence[Notice] = ()) -> str:
    """How far it is with the model and with trainings, or why the model cannot be used; empty when all is well."""
    if preparation.failure:
        return f'<div class="banner failed" role="alert">{plain(preparation.failure)}</div>'
    bars = [_bar(preparation.title, preparation.done)] if preparation.running else []
    bars += [
        _bar(f"Training {one.task}: step {one.step} of {one.steps}, loss {one.loss:.3f}", one.step / max(one.steps, 1))
        for one in trainings
    ]
    return "".join(bars)


def _bar(title: str, done: float) -> str:
    return (
        f'<div class="banner" role="status"><label>{plain(title)}'
        f'<progress max="1" value="{done:.2f}">{done:.0%}</progress></label></div>'
    )
