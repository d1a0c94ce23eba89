"""Loads the assembled `nano` and wraps it for use."""

from __future__ import annotations

import logging
from pathlib import Path

from conlora_agent.backbone.nano.assemble import Progress, assembled, revision
from conlora_agent.core.protocols import Backbone


def load_nano(cache: Path, threads: int | None = None, progress: Progress | None = None) -> Backbone:
    """`nano`, assembled under `cache` if need be. `threads` limits torch's threads."""
    import torch
    import transformers

    from conlora_agent.backbone.local import LocalBackbone
    from conlora_agent.backbone.nano import register

    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    if threads:
        torch.set_num_threads(threads)
    folder = assembled(cache, progress)
    register()
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.bfloat16)
    processor = transformers.AutoProcessor.from_pretrained(folder)
    return LocalBackbone("nano", revision(), model, processor)
