"""A backbone that a stack can be trained on: which LoRAs it gets, and how wrong it is about some lessons.

`learner_for` makes one from a loaded backbone. Not covered here: the loop around it (course.py), other families than
`nano` (hub.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from adapters.manifest import Training
from conlora_agent.backbone.hub import HubProfile
from conlora_agent.backbone.local import LocalBackbone
from conlora_agent.backbone.nano.processing import detail_of, invocation_ids, pixels_of, prefix_ids
from conlora_agent.backbone.nano.profile import NanoProfile
from conlora_agent.backbone.nano.vision import Closeup
from conlora_agent.backbone.recent import MIB, Recent
from conlora_agent.core.types import Message
from conlora_agent.training.answers import TeacherBatch, answer_ids, answer_loss
from conlora_agent.training.hub import HubLearner
from conlora_agent.training.lessons import Lesson
from conlora_agent.training.lora import NANO_PLACES, with_stack

OpenPicture = Callable[[Lesson], Any]
Canvas = tuple[Tensor, Closeup]
"""Pixels (1, 3, H, W) uint8 of a picture on its canvas, and the picture itself."""
CANVASES_MIB = 256


class Learner(Protocol):
    """A frozen backbone with one stack that learns."""

    model: Any
    """The PeftModel; what requires a gradient is the stack."""

    def loss(self, lessons: Sequence[Lesson], history: Sequence[Message]) -> tuple[Tensor, int]:
        """Cross-entropy summed over the tokens of the answers, and how many tokens that is."""


def learner_for(
    backbone: LocalBackbone, task: str, training: Training, start: Path | None, open_picture: OpenPicture, device: str
) -> Learner:
    """The learner for a loaded backbone. `start`: folder of a stack to begin with.

    Raises ManifestError for what its family has not.
    """
    if isinstance(backbone.profile, NanoProfile):
        return NanoLearner(backbone, task, training, start, open_picture, device)
    assert isinstance(backbone.profile, HubProfile)
    return HubLearner(backbone.profile, task, training, start, open_picture, device)


class NanoLearner:
    """`nano` and its tiny likenesses. The low vision layers are frozen: each picture goes through them as it comes."""

    def __init__(
        self,
        backbone: LocalBackbone,
        task: str,
        training: Training,
        start: Path | None,
        open_picture: OpenPicture,
        device: str = "cpu",
    ) -> None:
        self._tokenizer, self._open, self._device = backbone.profile.tokenizer, open_picture, device
        self._box_range = backbone.box_range
        self._area = backbone.profile.model.config.canvas_area
        self._canvases: Recent[Path, Canvas] = Recent(CANVASES_MIB * MIB)
        base = backbone.profile.model.to(device).requires_grad_(False)
        self.model = with_stack(base, task, NANO_PLACES, training, start).to(base.dtype)

    def loss(self, lessons: Sequence[Lesson], history: Sequence[Message]) -> tuple[Tensor, int]:
        """See Learner. Pictures that share a canvas go through the model together."""
        prefix = prefix_ids(self._tokenizer, history)
        groups: dict[tuple[int, ...], list[tuple[Lesson, Canvas | None]]] = {}
        for lesson in lessons:
            canvas = self._canvas(lesson)
            groups.setdefault(tuple(canvas[0].shape) if canvas else (), []).append((lesson, canvas))
        total, count = torch.zeros((), device=self._device), 0
        for group in groups.values():
            batch = self._batch(prefix, group)
            tokens = sum(map(len, batch.answers))
            total, count = total + answer_loss(self.model, batch, self._device) * tokens, count + tokens
        return total, count

    def _canvas(self, lesson: Lesson) -> Canvas | None:
        """The picture as the model sees it, remembered for the next epoch: decoding a photograph takes longer."""
        if lesson.picture is None:
            return None
        found = self._canvases.get(lesson.picture)
        if found is None:
            picture = self._open(lesson)
            pixels, place = pixels_of(picture, self._area)
            found = (pixels.mul(255).round().to(torch.uint8), Closeup(detail_of(picture), place))
            self._canvases.put(lesson.picture, found)
        return found

    def _batch(self, prefix: list[int], group: list[tuple[Lesson, Canvas | None]]) -> TeacherBatch:
        canvases = [canvas for _, canvas in group if canvas is not None]
        return TeacherBatch(
            torch.cat([pixels for pixels, _ in canvases]) if canvases else None,
            prefix,
            [invocation_ids(self._tokenizer, lesson.instruction, lesson.picture is not None) for lesson, _ in group],
            [answer_ids(self._tokenizer, lesson.written(self._box_range)) for lesson, _ in group],
            [closeup for _, closeup in canvases] or None,
        )
