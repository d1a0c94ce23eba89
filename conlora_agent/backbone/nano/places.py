"""Where stacks on `nano` put their LoRAs."""

from __future__ import annotations

from conlora_agent.backbone.places import Places

NANO_PLACES = Places(
    vision=r"vision\.upper\.layers\.({layers})\.attention\.[qv]_proj",
    mid=r"mid\.object_correction\.(up|down)_proj",
    language=r"language_model\.model\.layers\.\d+\.self_attn\.[qvo]_proj",
    depth=4,
    upper=2,
)
