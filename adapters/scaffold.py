"""Writes the beginning of a task: a commented manifest, an empty list of examples and a dataset card.

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

# What a stack is asked when it is first loaded, to see whether it answers in its kind; by default the first example.
# [probe]
# request = "..."
# picture = "probe.png"

# How `conlora tasks train` makes a stack; these are the defaults, on nano where they depend on the backbone.
# [training]
# parts = ["vision", "mid", "language"]
# vision_layers = 2          # the uppermost ones
# rank = 16
# rate = 0.0008
# epochs = 20                # at most: training stops when the held-out rows no longer improve
# batch = 16                 # rows a step learns from
# start = "ocr"              # begin with the stack of a task that does something alike

# A trained stack of LoRAs for a backbone (PEFT safetensors with a stack.json); `tasks train` writes this table.
# Without it: the prompt alone.
# [backbones.nano]
# weights = "nano"
"""
CARD = "DATASET.md"
CARD_TEMPLATE = """\
# {title}: the data

Fill this in before you pass the task on; it travels with it.

* What the pictures show, and where they come from:
* Who wrote the answers, and how they were checked:
* Licence, and whether people or private papers are on the pictures:
* What it should not be used for:

## Format

`conlora tasks train {name} --data DATA.jsonl` takes one JSON object a line. Pictures are named relative to the file;
`request` (or `question`) is what a user would say, and may be left out where the task's prompt says it all. A tenth of
the rows is held out to measure on, whole pictures at a time; `--validation FILE` gives rows of your own for that.

| output in task.toml | row |
|---|---|
| `text` | `{{"image": "a.png", "request": "what is the total?", "answer": "12.50"}}` |
| `boxes` | `{{"image": "a.png", "request": "the red car", "boxes": [[0.1, 0.2, 0.5, 0.6]]}}`; `[]`: it is not there |
| `labels` | `{{"image": "a.png", "request": "what is wrong?", "labels": ["rust", "mildew"]}}` |
| `json` | `{{"image": "a.png", "request": "read the receipt", "json": {{"total": 12.5}}}}` |

A box is `[x0, y0, x1, y1]`, each 0..1 of the upright picture's width and height.

`examples.jsonl` is something else: it teaches the router how users ask, at least eight lines of
`{{"text": "...", "has_image": true, "previous": []}}`. `previous` lists the routes of the turns before and `has_image`
says whether a picture is there; both may be left out.
"""


def write_scaffold(name: str, folder: Path) -> Path:
    """Make `folder` with the scaffold of the task `name`. Raises BadInput for a bad name or a folder that exists."""
    try:
        check_name(name)
    except ValueError as error:
        raise BadInput(f"the name {name!r} {error}", "choose another name") from error
    title = name.replace("_", " ").capitalize()
    if folder.exists():
        raise BadInput(f"{folder} exists already", "name a folder that does not exist yet: --dir FOLDER")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as staged:
            work = Path(staged) / folder.name
            work.mkdir()
            manifest = TEMPLATE.format(name=name, title=title, folder=folder.name)
            (work / MANIFEST).write_text(manifest, encoding="utf-8")
            (work / CARD).write_text(CARD_TEMPLATE.format(name=name, title=title), encoding="utf-8")
            (work / EXAMPLES).touch()
            os.replace(work, folder)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written ({error.strerror})", "choose another --dir") from error
    return folder
