"""`nano` as a family of models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from conlora_agent.backbone.keyvalues import KeyValues, Rows
from conlora_agent.backbone.nano import selftest
from conlora_agent.backbone.nano.places import NANO_PLACES
from conlora_agent.backbone.nano.processing import WORKING, detail_of, invocation_ids, pixels_of, prefix_ids
from conlora_agent.backbone.nano.tokens import BOX_RANGE
from conlora_agent.backbone.nano.vision import Closeup
from conlora_agent.backbone.places import Places
from conlora_agent.backbone.profile import Pixels, Profile, VisionLayers
from conlora_agent.core.types import Message, Region

OPENING = (
    Message(role="user", content="who are you?"),
    Message(role="assistant", content="I'm ConLoRA Agent. Show me a picture and ask me about it."),
    Message(role="user", content="thanks!"),
    Message(role="assistant", content="You're welcome!"),
)
"""Manners to copy: a language model this small hardly takes instructions."""


@dataclass(frozen=True)
class Seen:
    """What the language model gets to see of a picture."""

    tokens: Tensor
    """(length, hidden)"""
    lines: tuple[Region, ...]
    """The lines of text that they spell."""


class NanoProfile(Profile):
    """The embedded backbone. Its picture is one token of the prompt, replaced by as many as there is to see."""

    family = "conlora_nano"
    box_range = BOX_RANGE
    chat_penalty = 1.15  # a small language model decoding greedily falls into loops
    opening = OPENING
    language_module = "language_model"

    def __init__(self, model: Any, processor: Any) -> None:
        super().__init__(model, processor)
        model.tokenizer = self.tokenizer
        self.working = self.tokenizer.convert_tokens_to_ids(WORKING)

    @property
    def places(self) -> Places:
        """See Profile."""
        return NANO_PLACES

    def problems(self) -> Iterator[str]:
        """Special tokens that are none, weights that are no numbers."""
        return selftest.problems(self.model, self.tokenizer)

    def prefix(self, history: Sequence[Message]) -> list[int]:
        """See Profile."""
        return prefix_ids(self.tokenizer, history)

    def invocation(self, instruction: str, pixels: Pixels | None, seen: Seen | None) -> list[int]:
        """See Profile."""
        return invocation_ids(self.tokenizer, instruction, pixels is not None)

    def length(self, ids: Sequence[int], seen: Seen | None) -> int:
        """See Profile."""
        return len(ids) + (0 if seen is None else len(seen.tokens) - 1)

    @property
    def stops(self) -> frozenset[int]:
        """The end of a message, or of a document."""
        return frozenset({self.tokenizer.eos_token_id, self.tokenizer.convert_tokens_to_ids("<|endoftext|>")})

    @property
    def limit(self) -> int:
        """The language model's context."""
        return int(self.model.config.text_config.max_position_embeddings)

    @property
    def vision(self) -> VisionLayers:
        """What finds things on photographs and the low layers count as the first layers; both are looked at again."""
        tower = self.model.vision
        upper = len(tower.upper.layers) // 2
        return VisionLayers(tower, [tower.photographs, tower.low, *tower.upper.layers], 2 + upper, frozenset({0, 1}))

    def pixels(self, picture: Any) -> Pixels:
        """The picture on its canvas, and in the detail that text is read in."""
        values, place = pixels_of(picture, self.model.config.canvas_area)
        height, width = values.shape[-2:]
        closeup = Closeup(detail_of(picture).to(self.model.device), place)
        inputs = {"pixel_values": values.to(self.model.device), "closeups": [closeup]}
        return Pixels(inputs, size=(width, height))

    def see(self, pixels: Pixels) -> Seen:
        """Visual tokens and lines of text."""
        tokens, sight = self.model.visual_tokens(**pixels.inputs)
        return Seen(tokens[0], sight.lines(0, pixels.inputs["closeups"][0].place))

    def lines(self, seen: Seen) -> tuple[Region, ...]:
        """See Profile."""
        return seen.lines

    def blank(self, seen: Seen) -> bool:
        """See Profile. A bare newline stands for nothing."""
        return len(seen.tokens) == 1

    def read(self, ids: Sequence[int], cache: KeyValues) -> None:
        """See Profile."""
        self.model.language_model.model(input_ids=self.tensor(ids), past_key_values=cache, use_cache=True)

    def begin(
        self, ids: Sequence[int], pixels: Pixels | None, seen: Seen | None, cache: KeyValues
    ) -> tuple[Tensor, int]:
        """See Profile."""
        embeds, _ = self.model.merge(self.tensor(ids), None if seen is None else [seen.tokens])
        out = self.model.language_model(inputs_embeds=embeds, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[0, -1], cache.length

    def step(self, tokens: Tensor, positions: Tensor, mask: Tensor | None, rows: Rows) -> Tensor:
        """See Profile."""
        out = self.model.language_model(
            input_ids=tokens[:, None],
            position_ids=positions[:, None],
            attention_mask=mask,
            past_key_values=rows,
            use_cache=True,
        )
        logits: Tensor = out.logits[:, -1]
        return logits
