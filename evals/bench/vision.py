"""The next question about the same picture: how much of looking at it is done already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from evals.bench.timing import language_only, milliseconds, picture, seconds

if TYPE_CHECKING:
    from conlora_agent.backbone.local import LocalBackbone
    from conlora_agent.backbone.stacks import Stack

ROUNDS = 5


def run(backbone: LocalBackbone, stacks: Mapping[str, Path], note: Callable[[str], None]) -> dict[str, Any]:
    """Time from picture to visual tokens: cold, then for a second stack with and without a vision part."""
    for name, folder in stacks.items():
        backbone.attach(name, folder)
    # Last those that adapt the encoder: others see what is there already.
    first, *_, second = sorted(stacks, key=lambda name: backbone.sight.parts(backbone.loras.get(name)).tower)
    with language_only(stacks[second], backbone.profile.language_module) as folder:
        backbone.attach("language_only", folder)
    with torch.inference_mode():
        taken = look_times(backbone, *(backbone.loras.get(name) for name in (first, second, "language_only")))
    note("vision, cold: {cold} ms; warm: {warm} ms; without a vision LoRA: {without} ms".format(**taken))
    return {
        "ratio": round(taken["cold"] / taken["warm"], 2),
        "without_vision_lora": round(taken["cold"] / taken["without"], 1),
        "cold_ms": taken["cold"],
        "warm_ms": taken["warm"],
        "without_ms": taken["without"],
    }


def look_times(
    backbone: LocalBackbone, first: Stack | None, second: Stack | None, plain: Stack | None
) -> dict[str, float]:
    """Median milliseconds of a look at a new picture, then with other stacks at the same one."""
    times: dict[str, list[float]] = {"cold": [], "warm": [], "without": []}
    pictures = [picture(number) for number in range(ROUNDS + 1)]

    def look(number: int, stack: Stack | None) -> float:
        return seconds(lambda: backbone.sight.look(pictures[number], str(number), stack, ""))

    look(ROUNDS, first)  # the first run of all sets up kernels
    for number in range(ROUNDS):
        times["cold"].append(look(number, first))
        times["warm"].append(look(number, second))
        look(number, None)
        times["without"].append(look(number, plain))
    return {name: milliseconds(sorted(taken)[len(taken) // 2]) for name, taken in times.items()}
