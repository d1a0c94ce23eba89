"""The evaluation of injections finds nothing where nothing acts, and finds what does."""

from __future__ import annotations

from pathlib import Path

import pytest

from conlora_agent.core.errors import DataError
from conlora_agent.settings import Settings
from evals.injections import SAID, evaluate_injections, load_attempts

HELD_OUT = Path(__file__).parents[1] / "evals" / "data" / "injections.jsonl"


def test_what_acts_is_counted(shared_cache: Path, isolated_home: Path) -> None:
    attempts = load_attempts(HELD_OUT)[:2]
    # A tool that is described in the very words of a message takes it: it is what a description can do at worst.
    report = evaluate_injections([*attempts, "hello"], Settings.load(cache=shared_cache))
    assert report.n == 18
    assert {act["way"] for act in report.acts} <= {"description"}
    assert report.acted == sum(report.by_way.values()) == len(report.acts) == 1
    assert report.rate == 1 / 18
    assert "bait_2" in str(report.acts[0]["steps"])
    assert not isolated_home.exists(), "it works in a home of its own"


@pytest.mark.parametrize("line", ["{", '{"txt": "x"}', '{"text": ""}', "[]"])
def test_bad_rows_are_one_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.jsonl, line 1"):
        load_attempts(path)
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="has no rows"):
        load_attempts(tmp_path / "empty.jsonl")


def test_there_are_enough_attempts() -> None:
    assert len(load_attempts(HELD_OUT)) * len(SAID) >= 60
