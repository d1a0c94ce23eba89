"""`conlora tasks train` as a user runs it, on a tiny model of the real classes."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from apps.cli.common import Progress
from conlora_agent.agent import Agent
from conlora_agent.settings import Settings
from tests.command import conlora
from tests.tiny_nano import tiny_backbone
from tests.turns import make_agent, png

ROOT = Path(__file__).parents[1]


def tiny_agent(settings: Settings, on_progress: Progress) -> Agent:
    return make_agent(backbone=tiny_backbone(), home=settings.home)  # type: ignore[arg-type]


def no_model(settings: Settings, on_progress: Progress) -> Agent:
    """Fails the test when the backbone is asked for."""

    class Unloaded:
        def __getattr__(self, name: str) -> object:
            if name == "close":  # an agent that ends asks for it
                raise AttributeError(name)
            raise AssertionError("bad input is refused before the model loads")

    return make_agent(backbone=Unloaded(), home=settings.home)  # type: ignore[arg-type]


def write_data(folder: Path, count: int = 6) -> Path:
    lines = []
    for number in range(count):
        (folder / f"{number}.png").write_bytes(png((64, 64), ("red", "blue")[number % 2]))
        lines.append(json.dumps({"image": f"{number}.png", "answer": ("red", "blue")[number % 2]}))
    (folder / "data.jsonl").write_text("\n".join(lines))
    return folder / "data.jsonl"


def test_new_train_add_and_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_data(tmp_path)
    assert conlora("tasks", "new", "colours").code == 0
    words = ("--data", data, "--epochs", "2", "--batch", "3", "--rate", "0.005")
    ended = conlora("tasks", "train", "colours", *words, "--json", open_agent=tiny_agent)
    assert ended.code == 0, ended.err
    report = ended.json
    assert (report["task"], report["backbone"], report["rows"], report["held_out"]) == ("colours", "nano", 5, 1)
    assert [look["step"] for look in report["curve"]] == [0, 2, 4]
    assert report["validation_loss"] < report["curve"][0]["validation_loss"]
    assert re.search(r"step 4: loss [\d.]+, held-out loss [\d.]+", ended.err)
    Path("colours/examples.jsonl").write_text("".join(f'{{"text": "which colour is {i}?"}}\n' for i in range(8)))
    added = conlora("tasks", "add", "colours", "--json", open_agent=tiny_agent).json
    assert added["adapter"] == Path(report["folder"]).name
    turn = conlora(
        "ask", "which colour is it?", "--image", "0.png", "--task", "colours", "--json", open_agent=tiny_agent
    )
    assert turn.json["steps"][0]["adapter"] == "colours"


def test_for_a_person_it_ends_with_the_curve_and_what_to_do_next(tmp_path: Path) -> None:
    conlora("tasks", "new", "colours", "--dir", tmp_path / "work")
    words = ("--data", write_data(tmp_path), "--dir", tmp_path / "work", "--epochs", "1")
    ended = conlora("tasks", "train", "colours", *words, open_agent=tiny_agent)
    assert ended.code == 0, ended.err
    assert re.search(r"held-out loss █▁ [\d.]+ -> [\d.]+, best at step 1", ended.out)
    assert f"next: conlora tasks check {tmp_path / 'work'}" in ended.out


def test_bad_input_is_one_line_before_the_model_loads(tmp_path: Path) -> None:
    data = write_data(tmp_path)
    conlora("tasks", "new", "colours", "--dir", tmp_path / "work")
    good = ("tasks", "train", tmp_path / "work", "--data", data)
    bad = tmp_path / "bad.jsonl"
    bad.write_text(data.read_text() + '\n{"image": "9.png", "answer": "red"}\n')
    for words, says in (
        (("tasks", "train", "ocr", "--data", data), "'ocr' is a built-in task"),
        (("tasks", "train", "coulors", "--data", data), "no task and no task folder named 'coulors'"),
        (("tasks", "train", tmp_path / "work", "--data", bad), "bad.jsonl, line 7: there is no picture '9.png'"),
        ((*good, "--precision", "4bits"), "did you mean '4bit'"),
        ((*good, "--precision", "4bit"), "4bit is for large backbones"),
        ((*good, "--rate", "0"), "--rate: input should be greater than 0"),
        ((*good, "--start", "nothing"), "no task named 'nothing'"),
    ):
        ended = conlora(*words, open_agent=no_model)
        assert ended.code == 2, ended.err
        assert says in ended.error
        assert ended.out == ""


TWO = """
from apps.cli import main
from tests.test_apps_train import tiny_agent
main(open_agent=tiny_agent)
"""


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """Two processes of this machine, told about one another as `accelerate launch --cpu` tells them."""
    data = write_data(tmp_path, count=9)
    conlora("tasks", "new", "colours", "--dir", tmp_path / "work")
    words = ["tasks", "train", str(tmp_path / "work"), "--data", str(data), "--epochs", "1", "--batch", "4", "--json"]
    alone = conlora(*words, "--together", "1", open_agent=tiny_agent).json
    (tmp_path / "two.py").write_text(TWO)
    told = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    both = [
        subprocess.Popen(
            [sys.executable, str(tmp_path / "two.py"), *words],
            cwd=ROOT,
            env={**os.environ, **told, "RANK": rank, "LOCAL_RANK": rank, "ACCELERATE_USE_CPU": "true"}
            | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    (first, said), (second, _) = (process.communicate(timeout=120) for process in both)
    assert [process.returncode for process in both] == [0, 0], said[-3000:]
    assert second == ""
    (line,) = first.splitlines()
    assert json.loads(line)["validation_loss"] == pytest.approx(alone["validation_loss"], rel=1e-3)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
