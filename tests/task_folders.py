"""Builds task folders and stacks for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

MANIFEST = """\
name = "{name}"
title = "Count leaves"
description = "Counts the leaves of a plant."

[prompts]
picture = "Count the leaves. {{request}}"
"""


def write_task(parent: Path, name: str = "leaves", *, manifest: str = "", examples: int = 8, more: str = "") -> Path:
    """A valid prompt-only task in `parent/name`; `more` is appended to its manifest."""
    folder = parent / name
    folder.mkdir(parents=True)
    (folder / "task.toml").write_text((manifest or MANIFEST.format(name=name)) + more)
    lines = (json.dumps({"text": f"{name}: how many leaves has plant {i}?"}) for i in range(examples))
    (folder / "examples.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


def write_stack(folder: Path, *, backbone: str = "nano", revision: str = "r1", **config: Any) -> Path:
    """A tiny stack as PEFT writes it, with its record."""
    folder.mkdir(parents=True)
    content = {"peft_type": "LORA", "r": 4, "target_modules": ["q_proj"], **config}
    (folder / "adapter_config.json").write_text(json.dumps(content))
    save_file(
        {"base_model.model.q_proj.lora_A.weight": np.zeros((4, 8), "float32")}, folder / "adapter_model.safetensors"
    )
    (folder / "stack.json").write_text(json.dumps({"backbone": backbone, "revision": revision, "steps": 10}))
    return folder
