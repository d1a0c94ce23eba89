"""Drawn charts: what the facts say is what the pixels and the labels show."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from adapters.chart.data import exercise
from conlora_agent.training.draw import charts
from conlora_agent.training.draw.charts import chart
from conlora_agent.training.draw.sample import Sample
from tests.drawings import WORDS, fonts

SIZE = (256, 256)


@pytest.mark.parametrize("kind", ["bar", "line"])
def test_title_labels_and_ticks_are_written_inside_the_picture(tmp_path: Path, kind: str) -> None:
    for seed in range(12):
        sample = chart(random.Random(seed), SIZE, fonts(tmp_path), WORDS, kind=kind)
        facts, written = sample.facts, [line.text for line in sample.lines]
        assert sample.picture.shape == (256, 256, 3)
        assert written[0] == facts["title"]
        assert [text for text in written if text in facts["labels"]][: len(facts["labels"])] == facts["labels"]
        assert len(facts["values"]) == len(facts["labels"]) == len(set(facts["labels"]))
        most = max(int(text) for text in written[1 : charts.TICKS + 2])
        assert all(0 < value <= most for value in facts["values"])
        for line in sample.lines:
            assert all(0 <= glyph.x < 256 and 0 <= glyph.y < 256 for glyph in line.glyphs), (seed, line.text)


def test_a_bar_is_as_high_as_its_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "degrade", lambda rng, picture, strength: np.asarray(picture))
    for seed in range(8):
        sample = chart(random.Random(seed), SIZE, fonts(tmp_path), WORDS, kind="bar")
        values = sample.facts["values"]
        most = max(int(line.text) for line in sample.lines[1 : charts.TICKS + 2])
        ticks = {int(line.text): line for line in sample.lines[1 : charts.TICKS + 2]}
        axes = charts.Axes(0, 256 * 0.2, 248, 256 * 0.84, most)
        assert len(ticks) == charts.TICKS + 1
        left = ticks[most].box[2] + 4
        for place, value in enumerate(values):
            x = round(left + (248 - left) * (place + 0.5) / len(values))
            column = sample.picture[:, x].astype(int)
            filled = np.abs(column - column[int(axes.bottom) - 4]).sum(axis=1) < 12
            rows = np.flatnonzero(filled[: int(axes.bottom) - 1])
            assert rows.min() == pytest.approx(axes.height_of(value), abs=2), (seed, place)


def test_the_same_seed_draws_the_same_chart(tmp_path: Path) -> None:
    path = fonts(tmp_path)
    one, two = (chart(random.Random(7), SIZE, path, WORDS) for _ in range(2))
    assert np.array_equal(one.picture, two.picture)
    assert one.facts == two.facts


def test_the_exercises_of_the_chart_task_answer_with_what_the_chart_shows(tmp_path: Path) -> None:
    path = fonts(tmp_path)

    class Drawing:
        def chart(self, rng: random.Random) -> Sample:
            self.last = chart(rng, SIZE, path, WORDS)
            return self.last

    studio, kinds = Drawing(), set()
    for seed in range(60):
        made = exercise(random.Random(seed), studio)  # type: ignore[arg-type]
        facts = studio.last.facts
        table = dict(zip(facts["labels"], map(str, facts["values"]), strict=True))
        if "\n" in made.answer:
            assert made.answer.split("\n") == [facts["title"], *(f"{k}: {v}" for k, v in table.items())]
            kinds.add("all")
        elif made.answer == facts["title"]:
            kinds.add("title")
        elif "highest" in made.request or "largest" in made.request:
            assert made.answer in (max(facts["labels"], key=lambda k: int(table[k])), max(table.values(), key=int))
            kinds.add("most")
        else:
            assert made.answer in {*table, *table.values()}
            kinds.add("one")
    assert kinds == {"all", "title", "most", "one"}
