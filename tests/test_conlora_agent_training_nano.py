"""What a training writes into the repository."""

from __future__ import annotations

import json
from pathlib import Path

from conlora_agent.training import nano
from tests.tiny_nano import tiny_stack


def test_a_stack_that_goes_on_with_a_new_backbone_keeps_the_scores_of_its_boxes(tmp_path: Path) -> None:
    tiny_stack(tmp_path / "own", 1)
    (tmp_path / "own" / "stack.json").write_text('{"backbone": "nano", "revision": "old", "scores": {"slope": 2.0}}')
    nano.copy_stack(tmp_path / "own", tmp_path / "own", "new")
    kept = json.loads((tmp_path / "own" / "stack.json").read_text())
    assert kept == {"backbone": "nano", "revision": "new", "scores": {"slope": 2.0}}
    tiny_stack(tmp_path / "trained", 2)
    nano.copy_stack(tmp_path / "trained", tmp_path / "own", "new")
    assert json.loads((tmp_path / "own" / "stack.json").read_text()) == {"backbone": "nano", "revision": "new"}
