"""Stacks for other families: `tasks train` on tiny models of the real classes, from rows to an answer by the stack."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from adapters.manifest import Training, read_manifest
from adapters.registry import TaskRegistry
from apps.cli.common import open_agent
from conlora_agent.backbone import load_backbone, numbers
from conlora_agent.backbone.local import LocalBackbone
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.core.types import Message
from conlora_agent.settings import Settings
from conlora_agent.training import course
from conlora_agent.training.hub import HubLearner
from conlora_agent.training.user import Order, Watcher, read_rows, train_stack
from tests.command import conlora
from tests.task_folders import write_task
from tests.tiny_families import MAKERS, save_tiny, tiny_profile
from tests.turns import png

COLOURS = ("red", "blue")


def load(kind: str) -> LocalBackbone:
    return LocalBackbone(kind.replace("-", "_"), "tiny", tiny_profile(kind))


def make_order(folder: Path, **training: Any) -> Order:
    """A task `leaves` and pictures whose colour is the answer."""
    task = write_task(folder / "work")
    rows = []
    for number in range(4):
        (folder / f"{number}.png").write_bytes(png((64, 48), COLOURS[number % 2]))
        rows.append(json.dumps({"image": f"{number}.png", "question": "which colour?", "answer": COLOURS[number % 2]}))
    (folder / "data.jsonl").write_text("\n".join(rows))
    table = {"epochs": 3, "batch": 2, "rate": 2e-2, "rank": 4, **training}
    return Order(task, read_manifest(task), Training(**table), folder / "data.jsonl")


def run(order: Order, kind: str, **watched: Any) -> dict[str, Any]:
    watcher, settings = Watcher(**watched), Settings.load()
    report = train_stack(order, read_rows(order, settings, watcher), lambda: load(kind), settings, watcher)
    assert report is not None
    return report


def learned(report: dict[str, Any]) -> dict[str, torch.Tensor]:
    return load_file(Path(report["folder"]) / "adapter_model.safetensors")


@pytest.mark.parametrize("kind", MAKERS)
def test_all_three_parts_learn_and_the_stack_then_answers(kind: str, tmp_path: Path) -> None:
    order = make_order(tmp_path, epochs=6)
    report = run(order, kind)
    first, *_, last = report["curve"]
    assert last["validation_loss"] < first["validation_loss"] - 0.1
    backbone = load(kind)
    ups = {key: value for key, value in learned(report).items() if ".lora_B." in key}
    names = {key.removeprefix("base_model.model.").removesuffix(".lora_B.weight") for key in ups}
    meant = re.compile(backbone.profile.places.pattern)
    assert names == {name for name, _ in backbone.profile.model.named_modules() if meant.fullmatch(name)}
    assert all(value.abs().sum() > 0 for value in ups.values()), "a LoRA is dropped in silence"
    registry = TaskRegistry(tmp_path / "tasks")
    registry.add(order.folder)
    folder = registry.get("leaves").weights(report["backbone"])
    assert folder is not None
    backbone.attach("leaves", folder)
    request = GenerateRequest("which colour?", max_new_tokens=3)
    with_stack, without = (backbone.generate(replace(request, stack=name)) for name in ("leaves", None))
    assert [p.probability for p in with_stack.pieces] != [p.probability for p in without.pieces]


def test_the_same_seed_begins_with_the_same_numbers(tmp_path: Path) -> None:
    """Whatever was drawn at random before, and in every process that trains along."""

    def stack_of(earlier: int, seed: int) -> dict[str, torch.Tensor]:
        def loaded() -> LocalBackbone:
            backbone = load("llava")
            torch.manual_seed(earlier)
            return backbone

        order = make_order(tmp_path / f"{earlier}-{seed}")
        order, settings = replace(order, seed=seed, fresh=True), Settings.load()
        report = train_stack(order, read_rows(order, settings, Watcher()), loaded, settings, Watcher())
        assert report is not None
        return learned(report)

    one, again, other = stack_of(1, 0), stack_of(2, 0), stack_of(1, 5)
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


def test_a_history_is_read_with_adapters_off(tmp_path: Path) -> None:
    """Else what is learned would depend on a prefix that no stack has when it serves."""
    learner = HubLearner(tiny_profile("llava"), "leaves", Training(rank=4), None, lambda lesson: None)
    history = (Message(role="user", content="hello"), Message(role="assistant", content="good day"))
    before = learner._read(history, 2).layers[0].keys
    for name, weight in learner.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    assert torch.equal(learner._read(history, 2).layers[0].keys, before)
    assert len(before) == 2


class Interrupted(Exception):
    pass


def test_an_interrupted_run_ends_as_if_nothing_had_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "SAVE_SECONDS", 0.0)
    whole = run(make_order(tmp_path / "whole", dropout=0.1), "qwen3_vl")

    def stop(step: int, of: int, loss: float) -> None:
        if step == 3:
            raise Interrupted

    order = make_order(tmp_path / "broken", dropout=0.1)
    with pytest.raises(Interrupted):
        run(order, "qwen3_vl", on_step=stop)
    resumed = run(order, "qwen3_vl")
    assert resumed["resumed_from"] == 2
    for key, value in learned(whole).items():
        assert torch.equal(value, learned(resumed)[key])


def test_the_family_says_what_the_manifest_leaves_open(tmp_path: Path) -> None:
    order = make_order(tmp_path, epochs=1, rank=None, rate=None, parts=("language",))
    config = json.loads((Path(run(order, "llava")["folder"]) / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (16, 32)
    assert "vision" not in config["target_modules"]


def test_train_add_and_ask_on_a_folder_of_the_real_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = save_tiny("smolvlm", tmp_path / "Tiny-SmolVLM")
    order = make_order(tmp_path)
    words = ("--data", order.data, "--backbone", folder, "--epochs", "1", "--rate", "0.01")
    ended = conlora("tasks", "train", order.folder, *words, "--json", open_agent=open_agent)
    assert ended.code == 0, ended.err
    assert ended.json["backbone"] == "tiny_smolvlm"
    monkeypatch.setenv("CONLORA_BACKBONE", str(folder))
    added = conlora("tasks", "add", order.folder, open_agent=open_agent)
    assert added.out == "added leaves (LoRA stack on tiny_smolvlm)\n", added.err
    turn = conlora("ask", "which?", "--image", "0.png", "--task", "leaves", "--json", open_agent=open_agent).json
    assert turn["steps"][0]["adapter"] == "leaves"
    start = conlora("tasks", "train", order.folder, *words, "--start", "leaves", "--json", open_agent=open_agent)
    assert start.json["curve"][0]["validation_loss"] == pytest.approx(ended.json["validation_loss"], rel=0.05)


@pytest.mark.parametrize("beside", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("precision", ["8bit", "4bit"])
def test_a_language_model_in_few_bits_learns_a_stack(
    precision: str, beside: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bitsandbytes computes on the CPU, too. Vision encoder and mid layer keep their precision, whatever the machine
    computes in."""
    monkeypatch.setattr(numbers, "native_dtype", lambda device="cpu": beside)
    folder = save_tiny("llava", tmp_path / "tiny")
    settings = Settings.load(backbone=str(folder), precision=precision)
    backbone: Any = load_backbone(settings.backbone, settings)
    kinds = {name: type(module).__name__ for name, module in backbone.profile.model.named_modules()}
    layer = {"8bit": "Linear8bitLt", "4bit": "Linear4bit"}[precision]
    assert kinds["model.language_model.layers.0.self_attn.q_proj"] == layer
    assert kinds["model.vision_tower.encoder.layers.0.self_attn.q_proj"] == kinds["lm_head"] == "Linear"
    order, watcher = make_order(tmp_path, epochs=2), Watcher()
    report = train_stack(order, read_rows(order, settings, watcher), lambda: backbone, settings, watcher)
    assert report is not None
    assert report["validation_loss"] < report["curve"][0]["validation_loss"]
    again: Any = load_backbone(settings.backbone, settings)
    again.attach("leaves", Path(report["folder"]))
    assert again.generate(GenerateRequest("which colour?", stack="leaves", max_new_tokens=3)).pieces


def test_few_bits_are_for_the_language_model_alone(tmp_path: Path) -> None:
    """A Q-Former has layers beside those that stacks adapt."""
    folder = save_tiny("instructblip", tmp_path / "tiny")
    backbone: Any = load_backbone(str(folder), Settings.load(precision="8bit"))
    modules = backbone.profile.model.named_modules()
    few = {name for name, module in modules if type(module).__name__ == "Linear8bitLt"}
    assert few
    assert {name for name in few if not name.startswith(f"{backbone.profile.language_module}.")} == set()


def test_a_stack_may_adapt_the_head_and_shares_a_batch_with_others(tmp_path: Path) -> None:
    report = run(make_order(tmp_path, epochs=1, modules=("lm_head",)), "llava")
    backbone = load("llava")
    backbone.attach("leaves", Path(report["folder"]))
    requests = [GenerateRequest("which colour?", stack=name, max_new_tokens=3) for name in ("leaves", None)]
    alone, together = [backbone.generate(one) for one in requests], backbone.generate_many(requests)
    for one, other in zip(alone, together, strict=True):
        assert [p.probability for p in one.pieces] == pytest.approx([p.probability for p in other.pieces], rel=1e-3)
    assert [p.probability for p in alone[0].pieces] != [p.probability for p in alone[1].pieces]
