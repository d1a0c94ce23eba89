"""Writes the beginning of a task: a commented manifest and an empty list of examples.

With eight examples it can be added as it is: a prompt-only task, which works on every backbone without training.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from adapters.manifest import MANIFEST, check_name
from adapters.task import EXAMPLES
from conlora_agent.core.errors import BadInput, StorageError

TEMPLATE = """\
# A task: what a user can ask of a picture. Write at least 8 examples of how users ask for it to examples.jsonl,
# one a line, such as {{"text": "read the sign"}}, then run: conlora tasks add {folder}
name = "{name}"
title = "{title}"
description = "Say in one line what this task does with a picture."

# Whether it makes sense only with a picture.
needs_image = true

# How the model's answer is read: "text", "boxes" (x0 y0 x1 y1; ...), "labels" (a, b, c) or "json".
output = "text"
max_new_tokens = 96

# What the model is told; {{request}} stands for the user's words. `region` is for a part cut out of the picture.
[prompts]
picture = "{{request}}"
# region = "{{request}}"

# A trained stack of LoRAs for a backbone (PEFT safetensors with a stack.json). Without a table: the prompt alone.
# [backbones.nano]
# weights = "nano"
"""


def write_scaffold(name: str, folder: Path) -> Path:
    """Make `folder` with the scaffold of the task `name`. Raises BadInput for a bad name or a folder that exists."""
    try:
        check_name(name)
    except ValueError as error:
        raise BadInput(f"the name {name!r} {error}", "choose another name") from error
    text = TEMPLATE.format(name=name, title=name.replace("_", " ").capitalize(), folder=folder.name)
    if folder.exists():
        raise BadInput(f"{folder} exists already", "name a folder that does not exist yet: --dir FOLDER")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as staged:
            work = Path(staged) / folder.name
            work.mkdir()
            (work / MANIFEST).write_text(text, encoding="utf-8")
            (work / EXAMPLES).touch()
            os.replace(work, folder)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written ({error.strerror})", "choose another --dir") from error
    return folder
