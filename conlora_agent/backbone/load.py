"""Loads the assembled `nano` and wraps it for use."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from conlora_agent.backbone.nano.assemble import Progress, assembled, revision
from conlora_agent.core.protocols import Backbone

if TYPE_CHECKING:
    import torch


def load_nano(cache: Path, threads: int | None = None, progress: Progress | None = None) -> Backbone:
    """`nano`, assembled under `cache` if need be. `threads` limits torch's threads."""
    import torch
    import transformers

    from conlora_agent.backbone.local import LocalBackbone
    from conlora_agent.backbone.nano import register
    from conlora_agent.backbone.nano.profile import NanoProfile

    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    if threads:
        torch.set_num_threads(threads)
    folder = assembled(cache, progress)
    register()
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=number_type())
    processor = transformers.AutoProcessor.from_pretrained(folder)
    return LocalBackbone("nano", revision(), NanoProfile(model, processor))


def number_type() -> torch.dtype:
    """bf16 where the CPU computes in it. Elsewhere it is imitated, several times slower than fp32."""
    import torch

    has = torch.cpu.get_capabilities()
    return torch.bfloat16 if has.get("avx512_bf16") or has.get("amx_bf16") else torch.float32
