"""Drives transformers image-text-to-text models of a known family.

The picture goes through `get_image_features`; its tokens are put into the embeddings here, and the language model is
run on those, so that one cache of keys and values and one decoding batch serve every family. Not covered here: where a
family's parts are (families.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jinja2.exceptions import TemplateError
from torch import Tensor

from conlora_agent.backbone.families import BLIP2, PALIGEMMA, QWEN2, QWEN3, Family
from conlora_agent.backbone.keyvalues import KeyValues, Rows
from conlora_agent.backbone.places import Places
from conlora_agent.backbone.profile import Pixels, Profile, VisionLayers
from conlora_agent.core.types import Message

HOLE = "\u2063HOLE\u2063"
"""Stands for the last user message while the chat template is rendered."""
LIMIT = 8192
"""Context assumed where a model does not state its own."""


class HubProfile(Profile):
    """A family whose language model takes embeddings, one position per token."""

    def __init__(self, family: Family, model: Any, processor: Any) -> None:
        super().__init__(model, processor)
        self.family = family.name
        self.record = family
        self.language_module = family.language
        self.box_range = family.box_range
        for option in ("do_image_splitting", "crop_to_patches"):  # a picture is one tile here
            if hasattr(self.processor.image_processor, option):
                setattr(self.processor.image_processor, option, False)
        self._text = model.get_submodule(family.language)
        self._head = model.get_submodule(family.head)
        self._image_id = int(getattr(model.config, "image_token_id", None) or model.config.image_token_index)

    # -- prompt -------------------------------------------------------------------------------------------------------

    def prefix(self, history: Sequence[Message]) -> list[int]:
        """See Profile."""
        return self._encode(self._sides(history)[0])

    def invocation(self, instruction: str, pixels: Pixels | None, seen: Any) -> list[int]:
        """See Profile. The picture takes one token for each of its features."""
        _, begin, end = self._sides(())
        before, after = self.record.around
        picture = (
            [] if seen is None else self._encode(before) + [self._image_id] * len(seen.tokens) + self._encode(after)
        )
        return picture + self._encode(begin + self._plain(instruction) + end)

    def _sides(self, history: Sequence[Message]) -> tuple[str, str, str]:
        """The prompt as text: up to the picture, from there to the last message, and from its end on."""
        if not self.record.template:
            return "", "", "\n"
        said = [_said(message.role, self._plain(message.content)) for message in history]
        try:
            with_picture, text = (self._render([*said, _said("user", HOLE, picture)]) for picture in (True, False))
        except TemplateError:  # some templates know no system message
            said = [message for message in said if message["role"] != "system"]
            with_picture, text = (self._render([*said, _said("user", HOLE, picture)]) for picture in (True, False))
        prefix = _common(with_picture, text)
        begin, end = text[len(prefix) :].split(HOLE)
        return prefix, begin, end

    def _render(self, messages: list[dict[str, Any]]) -> str:
        template = getattr(self.processor, "chat_template", None) or self.tokenizer.chat_template
        text: str = self.tokenizer.apply_chat_template(
            messages, chat_template=template, add_generation_prompt=True, tokenize=False
        )
        return text

    def _plain(self, text: str) -> str:
        """Text from outside: a written-out special token stays text and ends nothing."""
        for token in self.tokenizer.get_added_vocab():
            text = text.replace(token, f"{token[0]}\u200b{token[1:]}")
        return text

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False)) if text else []

    @property
    def stops(self) -> frozenset[int]:
        """What the model's generation settings and its tokenizer end with."""
        ends = self.model.generation_config.eos_token_id
        listed = ends if isinstance(ends, list) else [ends]
        return frozenset(int(end) for end in (*listed, self.tokenizer.eos_token_id) if end is not None)

    @property
    def limit(self) -> int:
        """The language model's context."""
        return int(getattr(self.model.config.get_text_config(), "max_position_embeddings", LIMIT))

    # -- vision -------------------------------------------------------------------------------------------------------

    @property
    def places(self) -> Places:
        """The upper half of the layers that are used."""
        layers = self.model.get_submodule(f"{self.record.tower}.{self.record.layers}")
        depth = self._depth(len(layers))
        where = f"{self.record.tower}.{self.record.layers}".replace(".", r"\.")
        return Places(
            vision=rf"{where}\.({{layers}})\.{self.record.adapted}",
            mid=self.record.mid,
            language=rf"{self.record.language}.layers\.\d+\.self_attn\.[qv]_proj".replace("_model.", r"_model\."),
            depth=depth,
            upper=depth - depth // 2,
        )

    def _depth(self, layers: int) -> int:
        """How many layers reach the output: some families take an inner layer's, and adapting the rest does nothing."""
        taken = getattr(self.model.config, "vision_feature_layer", -1)
        return layers + 1 + taken if isinstance(taken, int) and taken < 0 else layers

    @property
    def vision(self) -> VisionLayers:
        """See Profile."""
        tower = self.model.get_submodule(self.record.tower)
        taps = frozenset(getattr(self.model.config.vision_config, "deepstack_visual_indexes", None) or ())
        places = self.places
        return VisionLayers(tower, list(tower.get_submodule(self.record.layers)), places.depth - places.upper, taps)

    def pixels(self, picture: Any) -> Pixels:
        """See Profile."""
        made = self.processor.image_processor(images=[picture.convert("RGB")], return_tensors="pt")
        inputs = {key: value.to(self.model.device) for key, value in made.items() if isinstance(value, Tensor)}
        inputs["pixel_values"] = inputs["pixel_values"].to(self.model.dtype)
        return Pixels(inputs, size=picture.size)

    def see(self, pixels: Pixels) -> Seen:
        """What the language model gets of the picture."""
        out = self.model.get_image_features(**pixels.inputs, return_dict=True)
        deep = getattr(out, "deepstack_features", None)
        return Seen(_joined(out.pooler_output), tuple(_joined(layer) for layer in deep or ()))

    # -- language model -----------------------------------------------------------------------------------------------

    def read(self, ids: Sequence[int], cache: Any) -> None:
        """See Profile."""
        self.run(ids, None, None, cache)

    def begin(self, ids: Sequence[int], pixels: Pixels | None, seen: Any, cache: KeyValues) -> tuple[Tensor, int]:
        """See Profile."""
        hidden, position = self.run(ids, pixels, seen, cache)
        logits: Tensor = self._head(hidden[0, -1])
        return logits, position

    def run(self, ids: Sequence[int], pixels: Pixels | None, seen: Any, cache: Any) -> tuple[Tensor, int]:
        """Hidden states (1, length, hidden) of ids behind what is in the cache, and the next position."""
        at = self.tensor(ids)
        embeds = self.model.get_input_embeddings()(at)
        extra: dict[str, Any] = {}
        if seen is not None:
            mask = at == self._image_id
            embeds = embeds.masked_scatter(mask[..., None], seen.tokens.to(embeds.dtype))
            if seen.deep:
                extra = {"visual_pos_masks": mask, "deepstack_visual_embeds": list(seen.deep)}
        past = cache.get_seq_length()
        positions = self._positions(at, pixels, past)
        out = self._text(
            inputs_embeds=embeds, position_ids=positions, past_key_values=cache, use_cache=True,
            attention_mask=self._attention(embeds, past), **extra,
        )  # fmt: skip
        return out.last_hidden_state, int(positions.max()) + 1

    def step(self, tokens: Tensor, positions: Tensor, mask: Tensor | None, rows: Rows) -> Tensor:
        """See Profile."""
        embeds = self.model.get_input_embeddings()(tokens[:, None])
        out = self._text(
            inputs_embeds=embeds, position_ids=self._step_positions(positions), attention_mask=mask,
            past_key_values=rows, use_cache=True,
        )  # fmt: skip
        logits: Tensor = self._head(out.last_hidden_state[:, -1])
        return logits

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states to logits, for training."""
        out: Tensor = self._head(hidden)
        return out

    def _positions(self, ids: Tensor, pixels: Pixels | None, past: int) -> Tensor:
        return torch.arange(past, past + ids.shape[1], device=ids.device)[None]

    def _step_positions(self, positions: Tensor) -> Tensor:
        return positions[:, None]

    def _attention(self, embeds: Tensor, past: int) -> Tensor | None:
        """What to add to attention scores; None is causal."""
        return None


class Seen:
    """A picture's features (tokens, hidden), and those that Qwen3-VL adds to inner layers."""

    def __init__(self, tokens: Tensor, deep: tuple[Tensor, ...] = ()) -> None:
        self.tokens, self.deep = tokens, deep

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return self.tokens.nbytes + sum(layer.nbytes for layer in self.deep)


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


class PlainProfile(HubProfile):
    """A family without a chat format: it sees the picture and the instruction, and no conversation."""

    def invocation(self, instruction: str, pixels: Pixels | None, seen: Any) -> list[int]:
        """Picture, then the family's own form of a request."""
        picture = [] if seen is None else [self._image_id] * len(seen.tokens)
        if self.record is PALIGEMMA:
            start = [] if self.tokenizer.bos_token_id is None else [self.tokenizer.bos_token_id]
            return picture + start + self._encode(self._plain(instruction) + "\n")
        return picture + self._encode(f"Question: {self._plain(instruction)} Answer:")

    def _attention(self, embeds: Tensor, past: int) -> Tensor | None:
        """PaliGemma reads picture and instruction in both directions."""
        length = embeds.shape[1]
        return embeds.new_zeros(1, 1, length, past + length) if self.record is PALIGEMMA else None


def hub_profile(family: Family, model: Any, processor: Any) -> HubProfile:
    """The profile of a loaded model. `processor` has a `tokenizer` and an `image_processor`."""
    kind = QwenProfile if family in (QWEN2, QWEN3) else PlainProfile if family in (PALIGEMMA, BLIP2) else HubProfile
    return kind(family, model, processor)


def _said(role: str, text: str, picture: bool = False) -> dict[str, Any]:
    shown = [{"type": "image"}] if picture else []
    return {"role": role, "content": [*shown, {"type": "text", "text": text}]}


def _common(a: str, b: str) -> str:
    """The common beginning of two texts."""
    return a[: next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))]


def _joined(features: Any) -> Tensor:
    """Features of all tiles of one picture, (tokens, hidden)."""
    parts = [features] if isinstance(features, Tensor) else list(features)
    return torch.cat([part.flatten(0, -2) for part in parts])
