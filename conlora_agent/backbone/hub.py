"""Drives transformers image-text-to-text models of a known family.

The picture goes through `get_image_features`; its tokens are put into the embeddings here, and the language model is
run on those, so that one cache of keys and values and one decoding batch serve every family. Not covered here: where a
family's parts are (families.py), its prompt (chat.py), and families that need more than that (profiles.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from conlora_agent.backbone.chat import ChatFormat
from conlora_agent.backbone.families import Family
from conlora_agent.backbone.keyvalues import KeyValues, Rows
from conlora_agent.backbone.places import Places
from conlora_agent.backbone.profile import Pixels, Profile, VisionLayers
from conlora_agent.backbone.selftest import lacking_tokens, no_numbers, too_few_rows
from conlora_agent.core.errors import BackboneError
from conlora_agent.core.types import Message

LIMIT = 8192
"""Context assumed where a model does not state its own."""


@dataclass(frozen=True)
class Passage:
    """What one row of a batch reads."""

    ids: Sequence[int]
    pixels: Pixels | None = None
    seen: Seen | None = None
    answer: int = 0
    """How many ids, at the end, are the answer already; only training has any."""


class Seen:
    """A picture's features (tokens, hidden), and those that Qwen3-VL adds to inner layers."""

    def __init__(self, tokens: Tensor, deep: tuple[Tensor, ...] = ()) -> None:
        self.tokens, self.deep = tokens, deep

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return self.tokens.nbytes + sum(layer.nbytes for layer in self.deep)


class HubProfile(Profile):
    """A family whose language model takes embeddings, one position per token."""

    def __init__(self, family: Family, model: Any, processor: Any) -> None:
        super().__init__(model, processor)
        self.family = family.name
        self.record = family
        self.language_module = family.language
        self.box_range, self.notation = family.box_range, family.notation
        for option in ("do_image_splitting", "crop_to_patches"):  # a picture is one tile here
            if hasattr(self.processor.image_processor, option):
                setattr(self.processor.image_processor, option, False)
        self._text = model.get_submodule(family.language)
        image_ids = (getattr(model.config, name, None) for name in ("image_token_id", "image_token_index"))
        self._image_id = next((int(number) for number in image_ids if number is not None), -1)
        template = getattr(processor, "chat_template", None) or self.tokenizer.chat_template
        if not family.plain and not template:
            raise BackboneError(
                "the model has no chat template", "choose its variant for conversation (-it, -instruct)"
            )
        self.chat = ChatFormat(family, self.tokenizer, template, self._image_id)

    @property
    def _head(self) -> Any:
        # Looked up each time: while a stack on it is trained, PEFT has a layer of its own in this place.
        return self.model.get_submodule(self.record.head)

    def problems(self) -> Iterator[str]:
        """See Profile."""
        for problem in chain(self.mismatches(), no_numbers(self.model)):
            yield f"{problem}; fetch the model again"

    def mismatches(self) -> Iterator[str]:
        """One line for each way in which tokenizer and model do not belong together; quick to find."""
        if self._image_id not in self.tokenizer.get_added_vocab().values():
            yield f"the tokenizer has no picture token at {self._image_id}, where the model expects one"
        yield from lacking_tokens(self.tokenizer, self.record.around)
        yield from too_few_rows(self.model, self.tokenizer)

    # -- prompt -------------------------------------------------------------------------------------------------------

    def prefix(self, history: Sequence[Message]) -> list[int]:
        """See Profile."""
        return self.chat.prefix(history)

    def invocation(self, instruction: str, pixels: Pixels | None, seen: Any) -> list[int]:
        """See Profile. The picture takes one token for each of its features."""
        return self.chat.invocation(instruction, None if seen is None else len(seen.tokens))

    @property
    def stops(self) -> frozenset[int]:
        """What the model's generation settings, its tokenizer and its template end with."""
        ends = self.model.generation_config.eos_token_id
        listed = ends if isinstance(ends, list) else [ends]
        known = (*listed, self.tokenizer.eos_token_id, self.chat.end)
        return frozenset(int(end) for end in known if end is not None)

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
            rank=self.record.rank,
            rate=self.record.rate,
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

    @property
    def idle(self) -> str:
        """See Profile: layers above the one whose output is taken, and the encoder's own pooling."""
        tower, layers = self.model.get_submodule(self.record.tower), self.record.layers
        numbers = "|".join(map(str, range(self.places.depth, len(tower.get_submodule(layers)))))
        above = rf"|{re.escape(layers)}\.({numbers})\..*" if numbers else ""
        return rf"{re.escape(self.record.tower)}\.(head\..*{above})"

    def pixels(self, picture: Any) -> Pixels:
        """See Profile."""
        made = self.processor.image_processor(images=[picture.convert("RGB")], return_tensors="pt")
        inputs = {key: value.to(self.model.device) for key, value in made.items() if isinstance(value, Tensor)}
        inputs["pixel_values"] = inputs["pixel_values"].to(self.model.dtype)
        return Pixels(inputs, size=self._seen_size(inputs, picture.size))

    def _seen_size(self, inputs: dict[str, Tensor], size: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the picture as the model sees it; only families that write pixels need to know."""
        return size

    def see(self, pixels: Pixels) -> Seen:
        """What the language model gets of the picture."""
        out = self.model.get_image_features(**pixels.inputs, return_dict=True)
        deep = getattr(out, "deepstack_features", None)
        return Seen(_joined(out.pooler_output), tuple(_joined(layer) for layer in deep or ()))

    # -- language model -----------------------------------------------------------------------------------------------

    def read(self, ids: Sequence[int], cache: Any) -> None:
        """See Profile."""
        self.run([Passage(ids)], cache)

    def begin(self, ids: Sequence[int], pixels: Pixels | None, seen: Any, cache: KeyValues) -> tuple[Tensor, int]:
        """See Profile."""
        hidden, positions = self.run([Passage(ids, pixels, seen)], cache)
        logits: Tensor = self._head(hidden[0, -1])
        return logits, int(positions.max()) + 1

    def run(self, passages: Sequence[Passage], cache: Any) -> tuple[Tensor, Tensor]:
        """Hidden states (rows, length, hidden) of passages behind what is in the cache, and their positions.

        Shorter rows are filled up on the right, after everything that is looked at: a causal mask is enough.
        """
        length = max(len(passage.ids) for passage in passages)
        rows = [self.tensor([*passage.ids, *[passage.ids[-1]] * (length - len(passage.ids))]) for passage in passages]
        ids = torch.cat(rows)
        embeds, extra = self._with_pictures(ids, [passage.seen for passage in passages if passage.seen is not None])
        past = cache.get_seq_length()
        positions = torch.cat(
            [self._positions(row, passage.pixels, past) for row, passage in zip(rows, passages, strict=True)], dim=-2
        )
        out = self._text(
            inputs_embeds=embeds, position_ids=positions, past_key_values=cache, use_cache=True,
            attention_mask=self._attention(passages, embeds, past), **extra,
        )  # fmt: skip
        return out.last_hidden_state, positions

    def _with_pictures(self, ids: Tensor, seen: Sequence[Seen]) -> tuple[Tensor, dict[str, Any]]:
        """Embeddings (rows, length, hidden) with the pictures' features in their places, and what goes with them."""
        embeds = self.model.get_input_embeddings()(ids)
        if not seen:
            return embeds, {}
        mask = ids == self._image_id
        embeds = embeds.masked_scatter(mask[..., None], torch.cat([one.tokens for one in seen]).to(embeds.dtype))
        if not seen[0].deep:
            return embeds, {}
        deep = [torch.cat(layer) for layer in zip(*(one.deep for one in seen), strict=True)]
        return embeds, {"visual_pos_masks": mask, "deepstack_visual_embeds": deep}

    def step(self, tokens: Tensor, positions: Tensor, mask: Tensor | None, rows: Rows) -> Tensor:
        """See Profile."""
        embeds = self.model.get_input_embeddings()(tokens[:, None])
        out = self._text(
            inputs_embeds=embeds, position_ids=self._step_positions(positions), attention_mask=mask,
            past_key_values=rows, use_cache=True,
        )  # fmt: skip
        logits: Tensor = self._head(out.last_hidden_state[:, -1:])[:, 0]
        return logits

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states to logits, for training."""
        out: Tensor = self._head(hidden)
        return out

    def _positions(self, ids: Tensor, pixels: Pixels | None, past: int) -> Tensor:
        return torch.arange(past, past + ids.shape[1], device=ids.device)[None]

    def _step_positions(self, positions: Tensor) -> Tensor:
        return positions[:, None]

    def _attention(self, passages: Sequence[Passage], embeds: Tensor, past: int) -> Tensor | None:
        """What to add to attention scores (rows, 1, length, past + length); None is causal."""
        return None


def _joined(features: Any) -> Tensor:
    """Features of all tiles of one picture, (tokens, hidden)."""
    parts = [features] if isinstance(features, Tensor) else list(features)
    return torch.cat([part.flatten(0, -2) for part in parts])
