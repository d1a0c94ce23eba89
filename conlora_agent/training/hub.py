"""Trains stacks on transformers models of a known family, through the profile that serves them.

The conversation is read with adapters off. Pictures then go through the vision encoder one by one, as they do when the
stack serves, and the rows through the language model together. Not covered here: the loop (course.py), `nano`
(learner.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import DynamicCache

from adapters.manifest import Training
from conlora_agent.backbone.hub import HubProfile, Passage
from conlora_agent.backbone.profile import Pixels
from conlora_agent.backbone.recent import MIB, Recent
from conlora_agent.core.types import Message
from conlora_agent.training.lessons import Lesson
from conlora_agent.training.lora import with_stack

PIXELS_MIB = 512


class HubLearner:
    """See learner.Learner."""

    def __init__(
        self,
        profile: HubProfile,
        task: str,
        training: Training,
        start: Path | None,
        open_picture: Callable[[Lesson], Any],
        device: str = "cpu",
    ) -> None:
        self._profile, self._open = profile, open_picture
        self._pixels: Recent[Path, Pixels] = Recent(PIXELS_MIB * MIB)
        base = profile.model
        if not getattr(base, "is_quantized", False):  # a quantised model was loaded where it belongs
            base.to(device)
        self.model = with_stack(base.requires_grad_(False), task, profile.places, training, start)
        for weight in self.model.parameters():
            if weight.requires_grad:
                weight.data = weight.data.to(base.dtype)

    def loss(self, lessons: Sequence[Lesson], history: Sequence[Message]) -> tuple[Tensor, int]:
        """See Learner."""
        passages = [self._passage(lesson) for lesson in lessons]
        hidden, _ = self._profile.run(passages, self._read(history, len(passages)))
        # The last token of an answer is only to be guessed, the token before its first one guesses already.
        spoken = [
            hidden[row, len(passage.ids) - passage.answer - 1 : len(passage.ids) - 1]
            for row, passage in enumerate(passages)
        ]
        targets = torch.tensor([i for passage in passages for i in passage.ids[-passage.answer :]])
        logits = self._profile.logits(torch.cat(spoken)).float()
        return F.cross_entropy(logits, targets.to(logits.device), reduction="sum"), len(targets)

    def _read(self, history: Sequence[Message], rows: int) -> DynamicCache:
        """Keys and values of the conversation, the same for all rows, with adapters off."""
        cache = DynamicCache()
        if prefix := self._profile.prefix(history):
            with torch.no_grad(), self.model.disable_adapter():
                self._profile.read(prefix, cache)
            cache.batch_repeat_interleave(rows)
        return cache

    def _passage(self, lesson: Lesson) -> Passage:
        profile, pixels = self._profile, self._prepared(lesson)
        pixels = None if pixels is None else profile.asking(pixels, lesson.instruction)
        seen = None if pixels is None else profile.see(pixels)
        asked = profile.invocation(lesson.instruction, pixels, seen)
        answer = profile.chat.answer(lesson.written(profile.box_range))
        return Passage([*asked, *answer], pixels, seen, len(answer))

    def _prepared(self, lesson: Lesson) -> Pixels | None:
        """The picture as the model takes it, remembered for the next epoch: decoding a photograph takes longer."""
        if lesson.picture is None:
            return None
        found = self._pixels.get(lesson.picture)
        if found is None:
            found = self._profile.pixels(self._open(lesson))
            self._pixels.put(lesson.picture, found)
        return found
