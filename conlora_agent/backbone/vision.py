"""Looks at a picture once: what one task saw of it is used again by the next.

Three things are kept per picture. What the low layers made of it, which is the same for every stack; the whole vision
encoder's output, for stacks that leave the encoder alone; and what reached the language model, for the same stack or,
with adapters off, for any; where the mid layer reads the instruction, too, for the same instruction. Not covered here:
what is computed (profile.py).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import nn

from conlora_agent.backbone.profile import Pixels, Profile
from conlora_agent.backbone.recent import MIB, Recent, bytes_of
from conlora_agent.backbone.stacks import Stack, Stacks

PICTURES_MIB = 256


@dataclass(frozen=True)
class Parts:
    """Which parts of the way from pixels to visual tokens a stack adapts."""

    lowest: int
    """Its lowest adapted vision layer, the number of layers when there is none."""
    tower: bool
    """Whether it adapts anything in the vision encoder."""
    mid: bool
    """Whether it adapts anything between the vision encoder and the language model."""


class Sight:
    """Sees pictures through a profile. Not safe to call from several threads: the backbone's lock is around it."""

    def __init__(self, profile: Profile, stacks: Stacks, budget_mib: int = PICTURES_MIB) -> None:
        self._profile, self._stacks = profile, stacks
        self._vision = profile.vision
        names = {module: name for name, module in profile.model.named_modules()}
        self._order = list(names.values())
        self._layers = [names[layer] for layer in self._vision.layers]
        self._tower = names[self._vision.tower]
        self._kept: Recent[tuple[str, ...], Any] = Recent(budget_mib * MIB)
        self._memory: dict[int, list[Any]] | None = None
        self._replayed: dict[int, int] | None = None
        self._whole: tuple[str, ...] | None = None
        for number, layer in enumerate(self._vision.layers[: self._vision.upper]):
            layer.forward = self._remembering(number, layer)
        self._vision.tower.forward = self._remembering_whole(self._vision.tower)

    def look(self, picture: Image.Image, key: str | None, stack: Stack | None, instruction: str) -> tuple[Pixels, Any]:
        """The prepared picture and what the language model sees of it through `stack`; without `key` none is kept."""
        if key is None:
            pixels = self._profile.asking(self._profile.pixels(picture), instruction)
            return pixels, self._see(pixels, stack)
        pixels = self._kept.get(("pixels", key)) or self._profile.pixels(picture)
        self._kept.put(("pixels", key), pixels)
        pixels = self._profile.asking(pixels, instruction)
        parts = self.parts(stack)
        name = stack_key(stack) if stack is not None and (parts.tower or parts.mid) else ""
        seen = self._kept.get(("seen", key, name, pixels.asked))
        if seen is None:
            seen = self._see_again(pixels, key, stack, parts)
            self._kept.put(("seen", key, name, pixels.asked), seen)
        return pixels, seen

    def forget(self) -> None:
        """Drop everything kept."""
        self._kept = Recent(self._kept.budget)

    def parts(self, stack: Stack | None) -> Parts:
        """What a stack adapts on the way from pixels to visual tokens."""
        adapted = list(stack.layers) if stack is not None else []
        tower = [name for name in adapted if _within(name, self._tower)]
        language = [name for name in adapted if _within(name, self._profile.language_module)]
        lowest = min(map(self._number, tower), default=len(self._layers))
        return Parts(lowest, bool(tower), len(tower) + len(language) < len(adapted))

    def _number(self, name: str) -> int:
        """The vision layer that a module belongs to; outside of them, how many are defined before it."""
        at = self._order.index(name)
        before = sum(self._order.index(layer) < at for layer in self._layers)
        return before - any(_within(name, layer) for layer in self._layers)

    def _see(self, pixels: Pixels, stack: Stack | None) -> Any:
        with self._stacks.on(stack):
            return self._profile.see(pixels)

    def _see_again(self, pixels: Pixels, key: str, stack: Stack | None, parts: Parts) -> Any:
        """See with whatever is known of the picture already."""
        self._whole = None if parts.tower else ("whole", key)
        if parts.lowest >= self._vision.upper and self._vision.upper:
            known = self._kept.get(("low", key))
            self._replayed, self._memory = (None, {}) if known is None else ({}, known)
        try:
            seen = self._see(pixels, stack)
            if self._memory and self._replayed is None:
                self._kept.put(("low", key), self._memory)
            return seen
        finally:
            self._memory, self._replayed, self._whole = None, None, None

    def _remembering(self, number: int, layer: nn.Module) -> Callable[..., Any]:
        """A low layer's forward that answers from memory. Only outputs that something uses are kept.

        A layer may run several times for one picture, in the same order every time.
        """
        forward, last = layer.forward, self._vision.upper - 1
        used = number == last or number in self._vision.taps

        def remember(*args: Any, **kwargs: Any) -> Any:
            if self._memory is None:
                return forward(*args, **kwargs)
            if self._replayed is not None:
                time = self._replayed.get(number, 0)
                self._replayed[number] = time + 1
                return self._memory[min(kept for kept in self._memory if kept >= number)][time]
            out = forward(*args, **kwargs)
            if used:
                self._memory.setdefault(number, []).append(out)
            return out

        return remember

    def _remembering_whole(self, tower: nn.Module) -> Callable[..., Any]:
        forward = tower.forward

        def remember(*args: Any, **kwargs: Any) -> Any:
            if self._whole is None:
                return forward(*args, **kwargs)
            out = self._kept.get(self._whole)
            if out is None:
                out = forward(*args, **kwargs)
                self._kept.put(self._whole, out, bytes_of(out))
            # Families write on what their encoder returned.
            return copy.copy(out)

        return remember


def stack_key(stack: Stack) -> str:
    """Tells a stack from every other, one of the same name that was trained again included."""
    return f"{stack.name}#{stack.version}"


def _within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")
