"""`nano` as a transformers model: vision layers, mid layer, and a Llama language model.

Not covered here: pictures to pixels and messages to ids (processing.py), first-use assembly (assemble.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.low import LowFeatures
from conlora_agent.backbone.nano.points import onto
from conlora_agent.backbone.nano.processing import plain_ids
from conlora_agent.backbone.nano.tokens import PointTokens
from conlora_agent.backbone.nano.vision import Closeup, NanoVision, Sight


class NanoForConditionalGeneration(PreTrainedModel):
    """Picture and text in, text out. One image token in `input_ids` is replaced by the picture's visual tokens."""

    config_class = NanoConfig
    base_model_prefix = "nano"
    main_input_name = "input_ids"
    _supports_sdpa = True

    def __init__(self, config: NanoConfig) -> None:
        super().__init__(config)
        self.vision = NanoVision(config)
        self.mid = PointTokens(config)
        self.language_model = AutoModelForCausalLM.from_config(config.text_config)
        self.tokenizer: Any = None
        """Spells what is read on a picture; loaded from the model's own folder where nobody gave one."""
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: Any) -> None:
        """Parts initialise themselves."""

    def get_input_embeddings(self) -> Any:
        """The language model's embedding table."""
        return self.language_model.get_input_embeddings()

    def visual_tokens(
        self,
        pixel_values: Tensor | None = None,
        low: LowFeatures | None = None,
        closeups: Sequence[Closeup] | None = None,
    ) -> tuple[list[Tensor], Sight]:
        """Tokens of each picture and what they spell, from pixels (batch, 3, H, W; 0..1) or from cached low features.

        `closeups`: the pictures themselves and where they lie on their canvases, see NanoVision.see; the tokens give
        boxes of them.
        """
        if low is None:
            if pixel_values is None:
                raise ValueError("give pixel_values or low features")
            sight = self.vision(pixel_values.to(self.dtype), closeups)
        else:
            sight = self.vision.see(low, closeups)
        points = sight.points
        if closeups is not None:
            on = zip(points, closeups, strict=True)
            points = [replace(found, boxes=[onto(box, shown.place) for box in found.boxes]) for found, shown in on]
        return self.mid(sight, points, self.words), sight

    def words(self, text: str) -> Tensor:
        """Input embeddings (length, hidden) of a text."""
        if self.tokenizer is None:
            self.tokenizer = AutoTokenizer.from_pretrained(self.config.name_or_path)
        ids = plain_ids(self.tokenizer, text)
        embeddings: Tensor = self.get_input_embeddings()(torch.tensor(ids, device=self.device))
        return embeddings

    def merge(
        self, input_ids: Tensor, visual: list[Tensor] | None, attention_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Input embeddings with the image token of each row replaced by its visual tokens, and their attention mask.

        Rows are padded on the left to a common length, which grows with the visual tokens.
        """
        embed = self.get_input_embeddings()
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        if visual is None:
            return embed(input_ids), mask
        rows = []
        for ids, keep, tokens in zip(input_ids, mask, visual, strict=True):
            ids = ids[keep.bool()]
            places = torch.nonzero(ids == self.config.image_token_id).flatten().tolist()
            if len(places) != 1:
                raise ValueError(f"expected one image token per row, found {len(places)}")
            words = embed(ids)
            rows.append(torch.cat([words[: places[0]], tokens.to(words.dtype), words[places[0] + 1 :]]))
        longest = max(len(row) for row in rows)
        embeds = torch.stack([torch.nn.functional.pad(row, (0, 0, longest - len(row), 0)) for row in rows])
        positions = torch.arange(longest, device=embeds.device)
        lengths = torch.tensor([len(row) for row in rows], device=embeds.device)
        return embeds, (positions[None] >= longest - lengths[:, None]).long()

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits of the language model over the merged sequence."""
        if inputs_embeds is None:
            if input_ids is None:
                raise ValueError("give input_ids or inputs_embeds")
            visual = self.visual_tokens(pixel_values)[0] if pixel_values is not None else None
            inputs_embeds, attention_mask = self.merge(input_ids, visual, attention_mask)
        out: CausalLMOutputWithPast = self.language_model(
            inputs_embeds=inputs_embeds, attention_mask=attention_mask, **kwargs
        )
        return out

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """As transformers' `generate`; returns the new tokens only, since the prompt has no ids of its own."""
        visual = self.visual_tokens(pixel_values)[0] if pixel_values is not None else None
        embeds, mask = self.merge(input_ids, visual, attention_mask)
        return self.language_model.generate(inputs_embeds=embeds, attention_mask=mask, **kwargs)
