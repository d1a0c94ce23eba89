"""Drawn and told charts: what the facts say is what the pixels, the labels and the words show."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from adapters.chart import data
from adapters.chart.data import NO_CHART, amount, asked, exercise, table
from conlora_agent.training.draw import charts
from conlora_agent.training.draw.charts import chart
from conlora_agent.training.draw.figures import figures
from conlora_agent.training.draw.told_charts import chart_layout
from conlora_agent.training.studio import DrawingStudio, SceneSeries
from conlora_agent.wording import Chart, told_chart
from tests.drawings import WORDS, fonts, material

SIZE = (360, 260)


@pytest.mark.parametrize("kind", ["bar", "line"])
def test_title_labels_and_ticks_are_written_inside_the_picture(tmp_path: Path, kind: str) -> None:
    for seed in range(12):
        sample = chart(random.Random(seed), SIZE, fonts(tmp_path), WORDS, kind=kind)
        facts, written = sample.facts, [line.text for line in sample.lines]
        assert sample.picture.shape == (SIZE[1], SIZE[0], 3)
        assert written[0] == facts["title"]
        assert [text for text in written[1:] if text in facts["labels"]][: len(facts["labels"])] == facts["labels"]
        assert len(facts["values"]) == len(facts["labels"]) == len(set(facts["labels"]))
        for line in sample.lines[1:]:
            assert all(0 <= glyph.y < SIZE[1] for glyph in line.glyphs), (seed, line.text)


def test_a_bar_ends_where_its_value_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "degrade", lambda rng, picture, strength: np.asarray(picture))
    checked = 0
    for seed in range(40):
        sample = chart(random.Random(seed), SIZE, fonts(tmp_path), WORDS, kind="bar")
        axes = sample.facts["axes"]
        for (x, y), value in zip(sample.facts["tops"], sample.facts["values"], strict=True):
            if sample.facts["written"] or amount(value) <= 0 or axes.least < 0 or axes.bottom - y < 20:
                continue
            pixels = sample.picture[:, round(x)].astype(int)
            inside, above = pixels[round(y) + 4], pixels[max(0, round(y) - 4)]
            checked += 1
            if np.abs(inside - above).sum() > 60:
                change = np.abs(np.diff(pixels[round(y) - 4 : round(y) + 5], axis=0)).sum(1)
                assert abs(int(change.argmax()) + round(y) - 3 - y) < 2.5, (seed, value)
    assert checked > 40


def test_the_same_seed_draws_the_same_chart(tmp_path: Path) -> None:
    path = fonts(tmp_path)
    one, two = (chart(random.Random(7), SIZE, path, WORDS) for _ in range(2))
    assert np.array_equal(one.picture, two.picture)
    assert one.facts == two.facts


def test_ticks_are_even_and_hold_the_values() -> None:
    for seed in range(200):
        shown = figures(random.Random(seed), WORDS, zero=seed % 2 == 0)
        assert np.allclose(np.diff(shown.ticks), shown.step)
        assert all(shown.ticks[0] - 1e-9 <= value <= shown.ticks[-1] + 1e-9 for value in shown.values), seed
        for tick in shown.ticks:
            said = shown.ticked(tick).replace(",", "").strip("$%kM").replace("-$", "-")
            assert float(said) == pytest.approx(tick), (seed, said)
        assert all(amount(shown.said(value)) == pytest.approx(value) for value in shown.values)


def test_a_told_chart_says_what_the_mid_layer_would_say() -> None:
    for seed in range(20):
        sample = chart_layout(random.Random(seed), (256, 256), WORDS)
        assert told_chart(sample.facts["chart"]) in sample.facts["told"]
        assert sample.facts["told"].endswith(sample.lines[-1].text)


SOME = Chart("Sales", ("Jan", "Feb", "Mar"), ("12", "30", None))


def said(forms: tuple[str, ...], *words: tuple[str, ...]) -> set[str]:
    return {form.format(word) for form in forms for some in words for word in some}


def test_answers_are_true_of_the_chart() -> None:
    rng, seen = random.Random(2), set()
    for _ in range(400):
        request, answer = asked(rng, SOME)
        if request in data.EVERYTHING:
            assert answer == table(SOME) == "Sales\nJan: 12\nFeb: 30\nMar: unknown"
            seen.add("table")
        elif any(request == phrase for phrase in data.TITLE):
            assert answer == "Sales"
            seen.add("title")
        elif answer.endswith("on the chart."):
            assert not any(label in answer for label in SOME.labels)
            seen.add("absent")
        elif request in data.RANKING:
            assert answer == "Feb, Jan"
            seen.add("ranking")
        elif request in data.SECOND or request in said(data.WHICH, data.LOWEST, data.SHORTEST):
            assert answer == "Jan with 12"
            seen.add("least")
        elif request in said(data.WHICH, data.HIGHEST, data.TALLEST):
            assert answer == "Feb with 30"
            seen.add("most")
        elif request in said(data.HOW_MUCH, data.HIGHEST, data.LOWEST):
            assert answer == ("30" if request in said(data.HOW_MUCH, data.HIGHEST) else "12")
            seen.add("how much")
        elif answer == "42" or answer == "21":
            seen.add("together")
        elif "jan" in request.lower() and answer == "12":
            seen.add("value")
    assert seen == {"table", "title", "absent", "ranking", "least", "most", "how much", "together", "value"}


def test_other_pictures_have_no_chart(tmp_path: Path) -> None:
    studio = SceneSeries(DrawingStudio(fonts(tmp_path), WORDS, material()), 4)
    made = [exercise(random.Random(seed), studio) for seed in range(120)]
    for one in made:
        assert one.picture is None
        assert (one.answer == NO_CHART) == (" chart shows " not in (one.told or ""))
    assert 3 < sum(one.answer == NO_CHART for one in made) < 35
