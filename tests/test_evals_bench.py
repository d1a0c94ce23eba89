"""The benchmarks' procedure and the shape of their report, on a tiny model. Speed itself is not a test."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from apps.cli.common import Progress, open_agent
from conlora_agent.agent import Agent
from conlora_agent.backbone.local import LocalBackbone
from conlora_agent.settings import Settings
from evals.bench import BENCHES
from tests.command import Ended, conlora
from tests.task_folders import write_task
from tests.tiny_families import tiny_family_stack, tiny_profile
from tests.tiny_nano import tiny_backbone, tiny_stack
from tests.turns import make_agent


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evals.bench.switching.TURNS", 1)
    monkeypatch.setattr("evals.bench.switching.ROUNDS", 1)
    monkeypatch.setattr("evals.bench.batching.ROUNDS", 1)
    monkeypatch.setattr("evals.bench.vision.ROUNDS", 1)
    monkeypatch.setattr("evals.bench.load.REQUESTS", 4)
    monkeypatch.setattr("evals.bench.prefix.HISTORIES", {0: 1, 200: 1, 9000: 1})


def bench(name: str, backbone: LocalBackbone, folders: dict[str, Path]) -> Ended:
    """Run a benchmark on a backbone for which the user's tasks have these stacks."""

    def open_agent(settings: Settings, on_progress: Progress) -> Agent:
        agent = make_agent(backbone=backbone, home=settings.home)  # type: ignore[arg-type]
        for task, folder in folders.items():
            record = {"backbone": backbone.name, "revision": backbone.revision}
            (folder / "stack.json").write_text(json.dumps(record))
            more = f'[backbones.{backbone.name}]\nweights = "weights"\n'
            shutil.copytree(folder, write_task(agent.tasks.user_dir, task, more=more) / "weights")
        return agent

    return conlora("bench", name, open_agent=open_agent)


@pytest.mark.parametrize("name", BENCHES)
def test_ends_with_one_line_of_json_and_a_ratio(tmp_path: Path, name: str) -> None:
    backbone = tiny_backbone()
    backbone.name = "tiny"
    folders = {task: tiny_stack(tmp_path / task, seed) for seed, task in enumerate(("one", "two", "three", "four"))}
    ended = bench(name, backbone, folders)
    assert ended.code == 0, ended.err
    report = json.loads(ended.out.splitlines()[-1])
    assert (report["name"], report["backbone"]) == (name, "tiny")
    assert report["ratio"] > 0
    assert ("scaling" in report) == (name == "switching")


@pytest.mark.parametrize("name", BENCHES)
def test_a_family_with_one_stack_is_measured_as_well(tmp_path: Path, name: str) -> None:
    """A history that it has no room for is left out."""
    backbone = LocalBackbone("idefics", "tiny", tiny_profile("idefics3"))
    ended = bench(name, backbone, {"leaves": tiny_family_stack("idefics3", tmp_path / "leaves", 0)})
    assert ended.code == 0, ended.err
    assert json.loads(ended.out.splitlines()[-1])["ratio"] > 0
    assert ("more than idefics takes" in ended.out) == (name == "prefix")


def test_a_family_that_sees_no_conversation_has_no_prefix_to_measure(tmp_path: Path) -> None:
    backbone = LocalBackbone("pali", "tiny", tiny_profile("paligemma"))
    ended = bench("prefix", backbone, {"leaves": tiny_family_stack("paligemma", tmp_path / "leaves", 0)})
    assert (ended.code, ended.error) == (
        2, "conlora: pali sees no conversation, only the question; measure another backbone"
    )  # fmt: skip


def test_an_unknown_benchmark_is_refused_before_anything_loads() -> None:
    ended = conlora("bench", "swiching")
    assert ended.code == 2
    assert "switching" in ended.err


def test_a_backbone_without_stacks_or_elsewhere_is_refused_before_anything_loads(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert "no task has a stack for" in conlora("bench", "vision", "--backbone", tmp_path, open_agent=open_agent).error
    assert "runs elsewhere" in conlora("bench", "vision", "--backbone", "http://127.0.0.1:9/v1").error
