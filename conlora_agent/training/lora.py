"""Where a stack's LoRAs go and how large they are, per backbone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.manifest import Training
from conlora_agent.core.errors import ManifestError

NANO_MODULES = (
    r"vision\.upper\.layers\.[23]\.attention\.[qv]_proj",
    r"mid\.(glyph|object)_correction\.(up|down)_proj",
    r"language_model\.model\.layers\.\d+\.self_attn\.[qvo]_proj",
)
"""Upper vision layers, mid layer, language model, as full names of `nano`'s modules (regular expressions)."""


def nano_lora(rank: int = 16) -> Any:
    """PEFT configuration of a stack on `nano`."""
    from peft import LoraConfig

    return LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules="|".join(f"({pattern})" for pattern in NANO_MODULES),
        rank_pattern={r".*vision\.upper.*": rank // 2, r".*mid\..*": rank // 2},
        bias="none",
    )


@dataclass(frozen=True)
class Places:
    """Where a backbone family's LoRAs go: regular expressions of full module names, one for each part of a stack.

    In `vision`, `{layers}` stands for the numbers of the layers chosen; `depth` is how many there are and `upper` how
    many of the uppermost get LoRAs by default. A part that the family lacks is "".
    """

    vision: str
    mid: str
    language: str
    depth: int
    upper: int


NANO_PLACES = Places(
    vision=r"vision\.upper\.layers\.({layers})\.attention\.[qv]_proj",
    mid=r"mid\.(glyph|object)_correction\.(up|down)_proj",
    language=r"language_model\.model\.layers\.\d+\.self_attn\.[qvo]_proj",
    depth=4,
    upper=2,
)


def lora_config(places: Places, training: Training) -> Any:
    """PEFT configuration of a stack as its manifest wants it. Raises ManifestError for what the family has not."""
    from peft import LoraConfig

    known = {"vision": _vision(places, training), "mid": places.mid, "language": places.language}
    chosen = {part: known[part] for part in training.parts}
    for part, pattern in chosen.items():
        if not pattern:
            raise ManifestError(f"this backbone has no {part} part to train", f"leave {part!r} out of training.parts")
    half = max(1, training.rank // 2)
    halved = {} if training.modules else {f".*{chosen[part]}": half for part in ("vision", "mid") if part in chosen}
    return LoraConfig(
        r=training.rank,
        lora_alpha=training.alpha or 2 * training.rank,
        lora_dropout=training.dropout,
        target_modules="|".join(f"({pattern})" for pattern in training.modules or chosen.values()),
        rank_pattern=halved,
        bias="none",
    )


def _vision(places: Places, training: Training) -> str:
    """The vision pattern with its layer numbers: the uppermost ones."""
    count = places.upper if training.vision_layers is None else training.vision_layers
    if count > places.depth:
        raise ManifestError(
            f"training.vision_layers is {count}, this backbone has {places.depth} vision layers", "lower it"
        )
    numbers = "|".join(str(number) for number in range(places.depth - count, places.depth))
    return places.vision.replace("{layers}", numbers)
