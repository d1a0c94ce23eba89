"""A task of your own, made and added by a program. It stays until `conlora tasks remove traffic_sign`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from conlora_agent import Agent

MANIFEST = """\
name = "traffic_sign"
title = "Traffic signs"
description = "Says what a traffic sign means."

[prompts]
picture = "What does this traffic sign mean? {request}"
"""
ASKED = (
    "what does this traffic sign mean?", "which road sign is this?", "am I allowed to park here?",
    "explain the traffic sign", "what must drivers do at this sign?", "is this a stop sign?",
    "what does the road sign tell me?", "may I turn left with this sign?",
)  # fmt: skip


def main(agent: Agent) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made, "traffic_sign")
        folder.mkdir()
        (folder / "task.toml").write_text(MANIFEST)
        (folder / "examples.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in ASKED))
        task = agent.tasks.add(folder)
    print("added", task.name, "among", ", ".join(agent.tasks.names()))


if __name__ == "__main__":
    with Agent() as agent:
        main(agent)
