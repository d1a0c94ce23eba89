"""Requests in many words, each with exactly the arguments it means or the question it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from conlora_agent.core.errors import DataError
from evals.arguments import evaluate_arguments, load_rows

DATA = Path(__file__).parents[1] / "evals" / "data"
TOOLS = {"calculator", "clock", "weather", "wikipedia", "currency", "web_search", "dictionary", "web_page"}


def test_the_messages_that_the_readers_were_made_on_are_read_exactly() -> None:
    report = evaluate_arguments(load_rows(DATA / "arguments_dev.jsonl"))
    assert report.misses == []
    assert report.n > 240
    assert set(report.by_tool) == TOOLS


def test_held_out_messages_are_other_ones_and_as_many_as_promised() -> None:
    dev, held_out = (load_rows(DATA / f"arguments_{name}.jsonl") for name in ("dev", "heldout"))
    assert len(held_out) >= 300
    same = {(row.tool, row.text.lower()) for row in dev} & {(row.tool, row.text.lower()) for row in held_out}
    assert len(same) < 10, "a few short ones such as 'open it' are what everybody says"
    assert evaluate_arguments(held_out).exact >= 0.9


def test_a_miss_says_what_was_expected_and_what_came(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"tool": "weather", "text": "weather in Oslo", "args": {"place": "Rome"}}\n'
        '{"tool": "weather", "text": "weather in Oslo", "missing": "place"}\n'
        '{"tool": "weather", "text": "is it raining?", "args": {"place": "Rome"}}\n'
        '{"tool": "calculator", "text": "2 + 2", "args": {"expression": "1 + 3"}}\n',
        encoding="utf-8",
    )
    report = evaluate_arguments(load_rows(path))
    assert report.exact == 0.25
    assert report.misses[0] == {
        "tool": "weather",
        "text": "weather in Oslo",
        "expected": {"place": "Rome"},
        "got": {"place": "Oslo"},
    }
    assert report.misses[1]["expected"] == {"missing": "place"}
    assert report.misses[2]["asked"] == "place"


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"tool": "weather", "text": "x"}',
        '{"tool": "weather", "text": "x", "args": {}, "missing": "place"}',
        '{"tool": "weather", "text": "", "args": {}}',
    ],
)
def test_bad_rows_are_one_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.jsonl, line 1"):
        load_rows(path)


def test_an_unknown_tool_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"tool": "oracle", "text": "x", "args": {}}\n', encoding="utf-8")
    with pytest.raises(DataError, match="no tool named 'oracle'"):
        evaluate_arguments(load_rows(path))
