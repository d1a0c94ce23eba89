"""Where a stack's LoRAs go and how large they are, per backbone."""

from __future__ import annotations

from typing import Any

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
