"""What differs from one family of models to the next, behind one interface.

A profile knows its family's prompt, where its vision layers, mid layer and language model are, how it writes boxes, and
how to run each part. The driver (local.py) owns the rest: stacks, caches, batches. Training uses the same profile, so
stacks are trained in the layout they serve in: history with adapters off, then picture and instruction with the stack.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from conlora_agent.backbone.boxes import Notation
from conlora_agent.backbone.keyvalues import KeyValues, Rows
from conlora_agent.backbone.places import Places
from conlora_agent.core.types import Message, Region


@dataclass(frozen=True)
class Pixels:
    """A picture as the vision layers take it."""

    inputs: dict[str, Any]
    """Keyword arguments of `see`: `pixel_values` and whatever the family adds."""
    size: tuple[int, int] = (0, 0)
    """Width and height in pixels as the model saw it; families that write boxes in pixels need it."""
    asked: str = ""
    """The instruction that it is seen with, in families where that makes a difference."""


@dataclass(frozen=True)
class VisionLayers:
    """The vision encoder in the order it runs."""

    tower: nn.Module
    """The whole encoder."""
    layers: Sequence[nn.Module]
    """Its layers, the frozen first ones included."""
    upper: int
    """Number of the first layer that stacks adapt; the ones below are shared."""
    taps: frozenset[int] = field(default_factory=frozenset)
    """Layers whose output is used beside the last one's."""


class Profile(ABC):
    """One family of models, around one loaded model. Ids and tensors are of a single request unless said otherwise."""

    family: str
    language_module: str
    """Full name of the language model: what stands neither in it nor in the vision encoder is the mid layer."""
    box_range = 100
    """Stacks write boxes as integers 0..box_range-1."""
    notation: Notation | None = None
    """How the model without a stack writes boxes, where it does so in another way."""
    working: int | None = None
    """The token, if any, that marks the first line of an answer as working: not for the user."""
    chat_penalty = 1.0
    """How much less likely plain chat makes a token it has used before; stacks must copy freely."""

    opening: Sequence[Message] = ()
    """Rounds that plain chat begins with, see core.protocols.Opening."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor
        self.tokenizer: Any = getattr(processor, "tokenizer", processor)

    def problems(self) -> Iterator[str]:
        """One line for each thing that is wrong with the model."""
        yield from ()

    @property
    @abstractmethod
    def places(self) -> Places:
        """Where stacks put their LoRAs."""

    # -- prompt -------------------------------------------------------------------------------------------------------

    @abstractmethod
    def prefix(self, history: Sequence[Message]) -> list[int]:
        """Ids of the conversation so far, up to where the picture of the last user message stands."""

    @abstractmethod
    def invocation(self, instruction: str, pixels: Pixels | None, seen: Any) -> list[int]:
        """Ids of the last user message, the picture's tokens first, and the beginning of the answer.

        `seen` is what `see` made of `pixels`; both are None without a picture.
        """

    def length(self, ids: Sequence[int], seen: Any) -> int:
        """Positions that the language model gives to an invocation, which may have fewer ids than that."""
        return len(ids)

    @property
    @abstractmethod
    def stops(self) -> frozenset[int]:
        """Tokens that end an answer."""

    @property
    @abstractmethod
    def limit(self) -> int:
        """Tokens that prompt and answer may have together."""

    # -- vision -------------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def vision(self) -> VisionLayers:
        """The vision encoder."""

    @property
    def idle(self) -> str:
        """Full names, a regular expression, of vision layers whose output nothing uses: a LoRA there does nothing."""
        return ""

    @abstractmethod
    def pixels(self, picture: Any) -> Pixels:
        """An upright RGB picture, prepared."""

    def asking(self, pixels: Pixels, instruction: str) -> Pixels:
        """The picture as it is seen with this instruction; in most families that makes no difference."""
        return pixels

    @abstractmethod
    def see(self, pixels: Pixels) -> Any:
        """Vision encoder and mid layer: what the language model gets to see of the picture."""

    def lines(self, seen: Any) -> tuple[Region, ...] | None:
        """The lines of text on a picture that was seen, boxes and all; None where the family does not tell."""
        return None

    def blank(self, seen: Any) -> bool:
        """Whether nothing was recognised on a picture that was seen; False where the family does not tell."""
        return False

    # -- language model -----------------------------------------------------------------------------------------------

    @abstractmethod
    def read(self, ids: Sequence[int], cache: KeyValues) -> None:
        """Read text behind what is in the cache."""

    @abstractmethod
    def begin(self, ids: Sequence[int], pixels: Pixels | None, seen: Any, cache: KeyValues) -> tuple[Tensor, int]:
        """Read an invocation behind what is in the cache.

        Returns the logits (vocabulary,) of the answer's first token and the position of that token.
        """

    @abstractmethod
    def step(self, tokens: Tensor, positions: Tensor, mask: Tensor | None, rows: Rows) -> Tensor:
        """Logits (rows, vocabulary) after one more token (rows,) at these positions (rows,) in each row of a batch."""

    def tensor(self, ids: Sequence[int]) -> Tensor:
        """Ids as a batch of one, on the model's device."""
        import torch

        return torch.tensor([list(ids)], device=self.model.device)
