"""The benchmarks' procedure and the shape of their report, on a tiny model. Speed itself is not a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evals.bench import BENCHES
from tests.command import conlora
from tests.tiny_nano import tiny_backbone, tiny_stack


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    folders = {name: tiny_stack(tmp_path / name, seed) for seed, name in enumerate(("a", "b", "c", "d"))}
    monkeypatch.setattr("conlora_agent.backbone.load_backbone", lambda *args, **kwargs: tiny_backbone())
    for name in BENCHES:
        monkeypatch.setattr(f"evals.bench.{name}.shipped_stacks", lambda backbone: folders)
    monkeypatch.setattr("evals.bench.switching.TURNS", 1)
    monkeypatch.setattr("evals.bench.switching.ROUNDS", 1)
    monkeypatch.setattr("evals.bench.batching.ROUNDS", 1)
    monkeypatch.setattr("evals.bench.vision.ROUNDS", 1)
    monkeypatch.setattr("evals.bench.load.REQUESTS", 4)
    monkeypatch.setattr("evals.bench.prefix.HISTORIES", {0: 1, 200: 1})
    return folders


@pytest.mark.parametrize("name", BENCHES)
def test_ends_with_one_line_of_json_and_a_ratio(tiny: Any, name: str) -> None:
    ended = conlora("bench", name)
    assert ended.code == 0, ended.err
    report = json.loads(ended.out.splitlines()[-1])
    assert report["name"] == name
    assert report["ratio"] > 0
    assert ("scaling" in report) == (name == "switching")


def test_an_unknown_benchmark_is_refused_before_anything_loads() -> None:
    ended = conlora("bench", "swiching")
    assert ended.code == 2
    assert "switching" in ended.err


def test_a_backbone_without_stacks_or_elsewhere_is_refused_before_anything_loads(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert "no built-in task has a stack for" in conlora("bench", "vision", "--backbone", tmp_path).error
    assert "runs elsewhere" in conlora("bench", "vision", "--backbone", "http://127.0.0.1:9/v1").error
