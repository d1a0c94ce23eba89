"""Where a family of models takes LoRAs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Places:
    """Where a backbone family's LoRAs go: regular expressions of full module names, one for each part of a stack.

    In `vision`, `{layers}` stands for the numbers of the layers chosen; `depth` is how many there are and `upper` how
    many of the uppermost get LoRAs by default. A part that the family lacks is "". `rank` is that of the language
    model's LoRAs by default, `rate` the learning rate.
    """

    vision: str
    mid: str
    language: str
    depth: int
    upper: int
    rank: int = 16
    rate: float = 8e-4

    def vision_of(self, count: int) -> str:
        """The vision pattern for the `count` uppermost layers."""
        numbers = "|".join(str(number) for number in range(self.depth - count, self.depth))
        return self.vision.replace("{layers}", numbers)

    @property
    def pattern(self) -> str:
        """All parts at their defaults, as PEFT's `target_modules`."""
        parts = (self.vision_of(self.upper), self.mid, self.language)
        return "|".join(f"({part})" for part in parts if part)
