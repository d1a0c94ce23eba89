"""Axis and labels of charts, found from lines of text alone."""

from __future__ import annotations

from itertools import pairwise

import pytest

from conlora_agent.backbone.nano.plot import Mark, find_plots, numbers, title_of

WIDTH, SIZE = 400.0, 12.0


def mark(text: str, x: float, y: float) -> Mark:
    """A line of text around a place, letters as wide as half their height."""
    half = len(text) * SIZE / 4
    return Mark(text, (x - half, y - SIZE / 2, x + half, y + SIZE / 2), SIZE)


def axis(*ticks: str, top: float = 60.0, gap: float = 40.0) -> list[Mark]:
    """Numbers under one another, their right edges in line."""
    return [mark(tick, 40 - len(tick) * SIZE / 4, top + gap * k) for k, tick in enumerate(ticks)]


def row(*labels: str, y: float = 250.0) -> list[Mark]:
    return [mark(label, 80 + 60 * k, y) for k, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("42", (42.0,)), ("-3.5", (-3.5,)), ("40%", (40.0,)), ("1.250", (1250.0, 1.25)), ("2,000,000", (2e6,)),
        ("0.350", (0.35,)), ("3,5", (3.5,)), ("100-", (100.0,)), ("o", (0.0,)), ("$15", (15.0,)), ("10k", (10.0,)),
        ("Q2", ()), ("3 x 4", ()), ("", ()),
    ],
)  # fmt: skip
def test_what_a_text_may_mean_as_a_number(text: str, means: tuple[float, ...]) -> None:
    assert numbers(text)[0] == means


def test_an_axis_and_its_labels_are_found() -> None:
    marks = [mark("Sales", 200, 20), *axis("80", "60", "40-", "20", "0"), *row("Jan", "Feb", "Mar")]
    (plot, *_) = find_plots(marks, WIDTH)
    assert plot.labels == ("Jan", "Feb", "Mar")
    assert plot.middles == pytest.approx((80, 140, 200))
    assert plot.scale.value(60) == pytest.approx(80)
    assert plot.scale.value(130) == pytest.approx(45)
    assert plot.scale.step == 20
    assert plot.written == (None, None, None)
    assert title_of(marks, 60) == "Sales"


def test_misread_ticks_are_outvoted_and_lost_signs_come_back() -> None:
    marks = [*axis("50", "25", "o", "25-", "S0", "-75"), *row("A1", "B1", "C1", y=300)]
    (plot, *_) = find_plots(marks, WIDTH)
    assert plot.scale.value(60 + 40 * 4) == pytest.approx(-50)
    assert -25 in plot.scale.values


def test_commas_read_as_points_are_thousands() -> None:
    (plot, *_) = find_plots([*axis("40.000", "30,000", "20,000", "10.000"), *row("x1", "y1")], WIDTH)
    assert plot.scale.value(60) == pytest.approx(40000)


def test_labels_in_one_line_are_taken_apart() -> None:
    labels = mark("2015 20162017 2018", 200, 250)
    (plot, *_) = find_plots([*axis("3", "2", "1"), labels], WIDTH)
    assert plot.labels == ("2015", "2016", "2017", "2018")
    assert all(b - a == pytest.approx(plot.pitch) for a, b in pairwise(plot.middles))


def test_a_missing_label_leaves_its_column_empty() -> None:
    labels = row("Jan", "Feb", "Mar", "Apr")
    (plot, *_) = find_plots([*axis("3", "2", "1"), labels[0], labels[1], labels[3]], WIDTH)
    assert plot.labels == ("Jan", "Feb", "Apr")
    assert plot.pitch == pytest.approx(60)


def test_numbers_at_the_data_are_theirs_and_the_axis_is_no_datum() -> None:
    # 80 stands for y 60, so the datum 55 is at y 110, and its number above it.
    marks = [*axis("80", "60", "40", "20", "0"), *row("Jan", "Feb"), mark("55", 80, 98), mark("7", 140, 60)]
    (plot, *_) = find_plots(marks, WIDTH)
    assert plot.written == (55.0, None)


def test_lying_bars_are_a_chart_turned() -> None:
    labels = [mark(label, 40 - len(label) * SIZE / 4, 60 + 40 * k) for k, label in enumerate(("Oslo", "Rome", "Lima"))]
    ticks = [mark(str(10 * k), 60 + 80 * k, 200) for k in range(4)]
    (plot, *_) = find_plots([mark("Rain", 200, 20), *labels, *ticks], WIDTH)
    assert plot.turned
    assert plot.labels == ("Oslo", "Rome", "Lima")
    assert plot.scale.value(WIDTH - 60) == pytest.approx(0)
    assert plot.scale.value(WIDTH - 300) == pytest.approx(30)


def test_numbers_above_bars_are_enough() -> None:
    heights = {"Jan": 30, "Feb": 80, "Mar": 50}
    marks = [mark(str(v), 80 + 60 * k, 220 - 2 * v) for k, v in enumerate(heights.values())]
    (plot, *_) = find_plots([*marks, *row(*heights)], WIDTH)
    assert plot.exact
    assert plot.written == (30.0, 80.0, 50.0)


def test_receipts_tables_and_lists_are_no_charts() -> None:
    prices = [mark(price, 300, 60 + 20 * k) for k, price in enumerate(("1.20", "3.40", "12.00", "0.99", "17.59"))]
    goods = [mark(name, 60, 60 + 20 * k) for k, name in enumerate(("Milk", "Bread", "Wine", "Salt", "TOTAL"))]
    assert not list(find_plots([*goods, *prices, *row("Thank", "you")], WIDTH))
    table = [
        mark(str(v), 80 + 60 * k, 100.0 + 20 * r)
        for r, vs in enumerate(((5, 9, 2), (7, 3, 8)))
        for k, v in enumerate(vs)
    ]
    assert not list(find_plots([*row("Jan", "Feb", "Mar", y=80), *table], WIDTH))
    counted = [mark(str(k + 1), 40, 60 + 30.0 * k) for k in range(5)]
    assert not list(find_plots([*counted, *row("see", "over")], WIDTH))


def test_a_second_line_goes_on_with_a_title_only_below_it() -> None:
    marks = [mark("Rainfall in", 200, 15), mark("the north", 200, 30), mark("legend", 350, 30)]
    assert title_of(marks, 80) == "Rainfall in the north"
    assert title_of([marks[0], marks[2]], 80) == "Rainfall in"
    assert title_of([], 80) is None
