"""How large a stack's LoRAs are. Where they can go is in the profile of the backbone's family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapters.manifest import Training
from conlora_agent.backbone.nano.places import NANO_PLACES
from conlora_agent.backbone.places import Places
from conlora_agent.core.errors import ManifestError

__all__ = ["NANO_PLACES", "Places", "lora_config", "nano_lora", "with_stack"]


def nano_lora() -> Any:
    """PEFT configuration of a stack that ships with `nano`.

    What rank 16 learned, cut to 8, loses 1% of its energy. The scale of 4 is what vision and mid layer had before.
    """
    from peft import LoraConfig

    return LoraConfig(r=8, lora_alpha=32, target_modules=NANO_PLACES.pattern, bias="none")


def with_stack(base: Any, task: str, places: Places, training: Training, start: Path | None) -> Any:
    """The frozen model as PeftModel with a stack that learns: a new one, or the one in the folder `start`."""
    from peft import PeftModel, get_peft_model

    if start is not None:
        return PeftModel.from_pretrained(
            base, start, adapter_name=task, is_trainable=True, autocast_adapter_dtype=False
        )
    return get_peft_model(base, lora_config(places, training), adapter_name=task, autocast_adapter_dtype=False)


def lora_config(places: Places, training: Training) -> Any:
    """PEFT configuration of a stack: what its manifest wants, and the family's own values where it says nothing.

    Raises ManifestError for what the family has not.
    """
    from peft import LoraConfig

    known = {"vision": _vision(places, training), "mid": places.mid, "language": places.language}
    chosen = {part: known[part] for part in training.parts}
    for part, pattern in chosen.items():
        if not pattern:
            raise ManifestError(f"this backbone has no {part} part to train", f"leave {part!r} out of training.parts")
    rank = training.rank or places.rank
    half = max(1, rank // 2)
    halved = {} if training.modules else {f".*{chosen[part]}": half for part in ("vision", "mid") if part in chosen}
    return LoraConfig(
        r=rank,
        lora_alpha=training.alpha or 2 * rank,
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
    return places.vision_of(count)
