"""The command line that trains `nano`: what it refuses, and that what it takes reaches the stage."""

from __future__ import annotations

from pathlib import Path

import pytest

from conlora_agent.training import __main__ as training
from conlora_agent.training import nano

STAGES = ("vision", "look", "photographs", "columns", "edges")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("photographs --minutes 5", "the stage photographs takes no --minutes; leave it out"),
        ("photographs --device cuda", "the stage photographs takes no --device; leave it out"),
        ("columns --minutes 5", "the stage columns takes no --minutes; leave it out"),
        ("edges --minutes 5", "the stage edges takes no --minutes; leave it out"),
        ("look --batch 8", "the stage look takes no --batch; leave it out"),
        ("ship --seed 0", "the stage ship takes no --seed; leave it out"),
        ("vision --minutes 0", "--minutes is 0; give more than 0"),
        ("vision --minutes nan", "--minutes is nan; give more than 0"),
        ("look ocr", "the stage look takes no task names; use: stack ocr"),
        ("stack ocrr", "no task to train named 'ocrr'; did you mean 'ocr'?"),
    ],
)
def test_what_a_stage_cannot_honour_is_refused_in_one_line(
    words: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (*(f"train_{stage}" for stage in STAGES), "train_task", "ship"):
        monkeypatch.setattr(nano, name, lambda *_: pytest.fail("it began"))
    with pytest.raises(SystemExit) as ended:
        training.main(words.split())
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"training: {says}\n"


def test_a_gpu_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit):
        training.main(["all", "--device", "cuda"])
    assert capsys.readouterr().err == "training: torch sees no CUDA GPU here; use --device cpu\n"


def test_every_option_reaches_its_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[str, nano.Plan]] = []
    for stage in STAGES:
        monkeypatch.setattr(nano, f"train_{stage}", lambda plan, stage=stage: begun.append((stage, plan)))
    monkeypatch.setattr(nano, "train_task", lambda plan, task: begun.append((task, plan)))
    monkeypatch.setattr(nano, "ship", lambda plan: begun.append(("ship", plan)))
    training.main(f"all --minutes 2.5 --seed 7 --batch 4 --workers 2 --threads 1 --out {tmp_path}".split())
    stacks = [nano.ALIGNMENT, *nano.TASKS, *nano.LANGUAGE_TASKS]
    assert [name for name, _ in begun] == [*STAGES, *stacks, "ship"]
    assert {id(plan) for _, plan in begun} == {id(begun[0][1])}
    assert begun[0][1] == nano.Plan(tmp_path, 2.5, "cpu", 4, 2, 1, 7)
    training.main(["stack", "ocr"])
    assert begun[-1] == ("ocr", nano.Plan(Path("runs"), 60.0, "cpu", 32, 1, None, 0))
