"""Families that read otherwise than the rest: positions of Qwen, attention of PaliGemma, the Q-Former of InstructBLIP.

`hub_profile` chooses the profile of a loaded model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from conlora_agent.backbone.families import INSTRUCTBLIP, PALIGEMMA, QWEN2, QWEN3, Family
from conlora_agent.backbone.hub import HubProfile, Passage
from conlora_agent.backbone.profile import Pixels


class QwenProfile(HubProfile):
    """Positions have three axes: time, height, width. Text moves along all of them together."""

    def _positions(self, ids: Tensor, pixels: Pixels | None, past: int) -> Tensor:
        if pixels is None:
            return super()._positions(ids, pixels, past)[None].expand(3, -1, -1)
        positions, _ = self.model.model.get_rope_index(
            input_ids=ids,
            mm_token_type_ids=(ids == self._image_id).int(),
            image_grid_thw=pixels.inputs["image_grid_thw"],
        )
        moved: Tensor = positions + past
        return moved

    def _step_positions(self, positions: Tensor) -> Tensor:
        return positions[None, :, None].expand(3, -1, -1)

    def _seen_size(self, inputs: dict[str, Tensor], size: tuple[int, int]) -> tuple[int, int]:
        _, rows, columns = inputs["image_grid_thw"][0].tolist()
        patch = int(self.model.config.vision_config.patch_size)
        return columns * patch, rows * patch


class PaligemmaProfile(HubProfile):
    """Picture and instruction are read in both directions, the answer in one."""

    def _attention(self, passages: Sequence[Passage], embeds: Tensor, past: int) -> Tensor | None:
        places = torch.arange(embeds.shape[1], device=embeds.device)
        asked = torch.tensor([len(passage.ids) - passage.answer for passage in passages], device=embeds.device)
        sees = (places <= places[:, None]) | (places < asked[:, None, None])
        mask = embeds.new_zeros(sees.shape).masked_fill(~sees, torch.finfo(embeds.dtype).min)
        return nn.functional.pad(mask, (past, 0))[:, None]


class InstructBlipProfile(HubProfile):
    """The Q-Former reads the instruction beside the picture, through a tokenizer of its own."""

    def mismatches(self) -> Iterator[str]:
        """See HubProfile."""
        yield from super().mismatches()
        known, rows = len(self.processor.mid_tokenizer), self.model.config.qformer_config.vocab_size
        if known > rows:
            yield f"the tokenizer of its Q-Former has {known} tokens, the Q-Former {rows}"

    def asking(self, pixels: Pixels, instruction: str) -> Pixels:
        """See Profile. What the Q-Former has no room for, at the end, is left to the language model."""
        ids = self.processor.mid_tokenizer.encode(
            instruction, split_special_tokens=True, truncation=True,
            max_length=self.model.config.qformer_config.max_position_embeddings,
        )  # fmt: skip
        return replace(pixels, inputs={**pixels.inputs, "qformer_input_ids": self.tensor(ids)}, asked=instruction)


KINDS = {
    QWEN2.name: QwenProfile,
    QWEN3.name: QwenProfile,
    PALIGEMMA.name: PaligemmaProfile,
    INSTRUCTBLIP.name: InstructBlipProfile,
}


def hub_profile(family: Family, model: Any, processor: Any) -> HubProfile:
    """The profile of a loaded model. `processor` has a `tokenizer` and an `image_processor`, and a `mid_tokenizer`
    where the mid layer reads the instruction.

    Raises BackboneError for a model that lacks what its family has.
    """
    return KINDS.get(family.name, HubProfile)(family, model, processor)
