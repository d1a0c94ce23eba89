"""Columns of charts: what is cut out, where the datum is said to be, and what that stands for."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from conlora_agent.backbone.nano import columns
from conlora_agent.backbone.nano.assemble import WEIGHTS
from conlora_agent.backbone.nano.columns import ACROSS, ROWS, ColumnReader, column, datum, rounded
from conlora_agent.backbone.nano.plot import Mark
from conlora_agent.training import columns as training
from conlora_agent.training.draw.charts import chart
from conlora_agent.training.draw.sample import Sample
from conlora_agent.training.studio import DrawingStudio
from conlora_agent.wording import Chart, told_chart
from tests.drawings import WORDS, fonts, material


def shipped() -> ColumnReader:
    reader = ColumnReader()
    weights = load_file(WEIGHTS / "columns.safetensors")
    reader.load_state_dict({key.removeprefix("vision.columns."): value.float() for key, value in weights.items()})
    return reader.eval()


def marks(sample: Sample) -> list[Mark]:
    """The lines of a drawn chart as if they had been found and read without a mistake."""
    found = []
    for line in sample.lines:
        height = line.glyphs[0].height
        left, right = (line.glyphs[k].x + d * line.glyphs[k].width / 2 for k, d in ((0, -1), (-1, 1)))
        middle = line.glyphs[0].y
        found.append(Mark(line.text, (left, middle - height / 2, right, middle + height / 2), height))
    return found


def pixels(sample: Sample) -> Tensor:
    return torch.from_numpy(np.array(sample.picture)).permute(2, 0, 1).float() / 255


def test_a_column_shows_its_place_and_what_is_above_zero() -> None:
    picture = torch.zeros(3, 200, 300)
    picture[0, 80:, 140:160] = 1.0
    shown = column(picture, 150, 40, 40, 180, 110.0)
    assert shown.shape == (4, ROWS, ACROSS)
    middle = shown[0, :, ACROSS // 2]
    edge = int((middle > 0.5).nonzero()[0])
    assert edge == pytest.approx((80 - 40) / 140 * ROWS, abs=1)
    assert float(shown[0, -1, 0]) < 0.1
    assert int(shown[3, :, 0].sum()) == pytest.approx((110 - 40) / 140 * ROWS, abs=1)


def test_a_column_at_the_edge_goes_on_with_what_is_there() -> None:
    assert float(column(torch.ones(3, 100, 100), 2, 60, -5, 130, 50.0)[:3].min()) == pytest.approx(1.0)


def test_the_datum_lies_between_rows() -> None:
    logits = torch.full((2, ROWS + 1), -20.0)
    logits[0, 40], logits[0, 41] = 5.0, 5.0
    logits[1, ROWS] = 5.0
    places, sure = datum(logits)
    assert float(places[0]) == pytest.approx(41.0, abs=1e-3)
    assert float(sure[0]) > 0.99
    assert float(sure[1]) < 0.01


@pytest.mark.parametrize(
    ("value", "step", "said"), [(37.4, 10, 37.0), (0.3374, 0.05, 0.337), (41234.0, 10000, 41000.0), (12.34, 2.5, 12.3)]
)
def test_values_are_rounded_as_one_reads_off(value: float, step: float, said: float) -> None:
    assert rounded(value, step) == pytest.approx(said)


def test_the_shipped_reader_reads_drawn_charts(tmp_path: Path) -> None:
    reader, path = shipped(), fonts(tmp_path)
    close = total = 0
    for seed in range(12):
        sample = chart(random.Random(seed), (420, 300), path, WORDS)
        read = reader.read(pixels(sample), marks(sample))
        facts = sample.facts
        if read is None or len(read.labels) != len(facts["labels"]):
            continue
        assert read.title == facts["title"]
        for value, truth in zip(read.values, facts["values"], strict=True):
            got, meant = (float((text or "nan").strip("$%kM").replace("$", "")) for text in (value, truth))
            close += abs(got - meant) < 0.03 * facts["span"]
            total += 1
    assert total > 30
    assert close / total > 0.85


def test_text_with_an_axis_but_nothing_in_its_columns_is_no_chart(tmp_path: Path) -> None:
    sample = chart(random.Random(3), (420, 300), fonts(tmp_path), WORDS)
    assert shipped().read(torch.ones(3, 300, 420), marks(sample)) is None


def test_what_is_in_doubt_is_left_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sample = next(
        s
        for s in (chart(random.Random(k), (420, 300), fonts(tmp_path), WORDS) for k in range(50))
        if not s.facts["written"]
    )
    reader, count = shipped(), len(sample.facts["labels"])
    sure = torch.tensor([0.3] + [0.9] * (count - 1))
    monkeypatch.setattr(columns, "datum", lambda logits: (torch.full((count,), 80.0), sure))
    monkeypatch.setattr(columns, "ANY", 0.0)
    read = reader.read(pixels(sample), marks(sample))
    assert read is not None
    assert [value is None for value in read.values] == [True] + [False] * (count - 1)


def test_a_chart_is_told_with_what_it_comes_to() -> None:
    said = told_chart(Chart("Sales", ("Jan", "Feb", "Mar", "Apr"), ("$37", "$12.5", None, "$37")))
    assert said.split("\n") == [
        " chart title is Sales", " chart shows four values", " Jan is $37", " Feb is $12.5", " Mar is unknown",
        " Apr is $37", " highest is Jan and Apr with $37", " lowest is Feb with $12.5", " order is Jan, Apr, Feb",
        " sum is 86.5", " average is 28.83", "",
    ]  # fmt: skip
    tiny = told_chart(Chart("Rates", ("a", "b"), ("0.00002", "0.00005")))
    assert " sum is 0.00007\n average is 0.000035\n" in tiny
    assert " sum is 0\n" in told_chart(Chart("Loss", ("a", "b", "c"), ("-0.1", "-0.2", "0.3")))
    assert told_chart(Chart(None, ("a", "b"), (None, None))).startswith(
        " chart has no title\n chart shows two values\n"
    )


def test_drawn_columns_say_where_their_datum_is(tmp_path: Path) -> None:
    studio = DrawingStudio(fonts(tmp_path), WORDS, material())
    shown, places = training.chart_columns(random.Random(5), studio)
    assert shown.shape[1:] == (4, ROWS, ACROSS)
    assert shown.dtype == torch.uint8
    assert ((places >= 0) & (places < ROWS)).all()
    others, none = training.other_columns(random.Random(5), studio, count=3)
    assert len(others) == 3
    assert (none == ROWS).all()


def test_fitting_learns_where_the_datum_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "EPOCHS", 1)
    monkeypatch.setattr(training, "BATCH", 8)
    torch.manual_seed(0)
    studio, rng = DrawingStudio(fonts(tmp_path), WORDS, material()), random.Random(1)
    parts = [training.chart_columns(rng, studio) for _ in range(20)]
    rows = torch.cat([shown for shown, _ in parts]), torch.cat([places for _, places in parts])
    reader = ColumnReader()

    @torch.no_grad()
    def loss() -> float:
        return float(training.place_loss(reader(rows[0].float() / 255), rows[1]))

    before = loss()
    training.fit(reader, rows, rows)
    assert loss() < 0.95 * before
