"""Draws the frozen set evals/data/plots: charts by matplotlib, which nothing here was trained on.

    python -m evals.make_plots --out FOLDER

matplotlib, needed for this alone, is to be installed by hand. Figures stay comparable only as long as nobody runs it
again. Not covered here: the project's own held-out drawings (make_heldout.py).
"""

from __future__ import annotations

import argparse
import io
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from evals.chart_questions import chart_rows

SEED = 20240611
ITEMS = 30
COLOURS, SIDEWAYS = 48, 0.2
"""Of a stored picture; share of bar charts that lie."""
STYLES = (
    "default",
    "default",
    "ggplot",
    "seaborn-v0_8-whitegrid",
    "dark_background",
    "fivethirtyeight",
    "bmh",
    "grayscale",
)
SIZES = ((6.4, 4.8, 75), (6.4, 4.8, 100), (8.0, 4.0, 80), (5.0, 4.0, 100), (6.0, 6.0, 80))
SERIES = (
    "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", "Mon Tue Wed Thu Fri Sat Sun",
    "2015 2016 2017 2018 2019 2020 2021 2022",
    "Q1 Q2 Q3 Q4", "Oslo Paris Rome Lima Cairo Tokyo", "Apples Pears Plums Figs Limes", "Red Green Blue Grey Pink",
    "North South East West", "A B C D E F G H", "Linux Mac Windows Other",
)  # fmt: skip
TITLES = (
    "Monthly sales", "Visitors per year", "Average temperature", "Rainfall in 2021", "Survey results",
    "Revenue by region",
    "Energy use", "Website traffic", "Number of students", "Test scores", "Fruit sold", "Unemployment rate", "Growth",
    "Downloads", "Budget overview",
)  # fmt: skip


@dataclass(frozen=True)
class Plot:
    """A chart and what it shows; `span` is the range of values its axis has room for."""

    picture: Image.Image
    title: str
    labels: list[str]
    values: list[float]
    span: float
    written: bool


def plot(rng: random.Random) -> Plot:
    """One chart in one of matplotlib's styles."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import PercentFormatter, StrMethodFormatter

    series = rng.choice(SERIES).split()
    count = rng.randint(3, min(8, len(series)))
    first = rng.randrange(len(series) - count + 1)
    labels = series[first : first + count]
    kind = rng.choice(("bar", "bar", "line"))
    if kind == "bar" and rng.random() < SIDEWAYS:
        kind = "barh"
    scale, digits = rng.choice(((1, 2), (10, 1), (100, 0), (100, 0), (100, 0), (1000, 0), (50000, -2), (2e6, -4)))
    low = rng.choice((0.05, 0.05, 0.4)) if kind == "line" else 0.05
    values = [round(rng.uniform(low, 1) * scale, digits) for _ in labels]
    if scale <= 100 and rng.random() < 0.12:
        values = [v * rng.choice((1, 1, -1)) for v in values]
    values = [int(v) if digits <= 0 else v for v in values]
    title, written = rng.choice(TITLES), rng.random() < 0.35
    width, height, dpi = rng.choice(SIZES)
    with plt.style.context(rng.choice(STYLES)):
        figure, axes = plt.subplots(figsize=(width, height), dpi=dpi)
        colours = plt.rcParams["axes.prop_cycle"].by_key()["color"]
        fill: Any = rng.choice(colours) if rng.random() < 0.6 else [colours[i % len(colours)] for i in range(count)]
        if kind == "line":
            axes.plot(
                labels,
                values,
                marker=rng.choice(("", "", "o", "s", ".")),
                label="total",
                linewidth=rng.choice((1, 1.5, 3)),
            )
            if written:
                for i, value in enumerate(values):
                    axes.annotate(_text(value), (i, value), (0, 5), textcoords="offset points", ha="center")
        else:
            make = axes.bar if kind == "bar" else axes.barh
            bars = make(labels, values, rng.choice((0.5, 0.8, 0.9)), color=fill, label="total")
            if written:
                axes.bar_label(bars, [_text(value) for value in values], padding=2)
        axes.set_title(title, **({"loc": "left"} if rng.random() < 0.2 else {}))
        value_axis = axes.xaxis if kind == "barh" else axes.yaxis
        if rng.random() < 0.3:
            axes.grid(axis="x" if kind == "barh" else "y")
        if rng.random() < 0.4:
            (axes.set_xlabel if kind == "barh" else axes.set_ylabel)("amount")
        if rng.random() < 0.2 and kind != "barh":
            axes.set_xlabel("period")
        if rng.random() < 0.15:
            axes.legend()
        if rng.random() < 0.3:
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
        if scale == 100 and rng.random() < 0.3:
            value_axis.set_major_formatter(PercentFormatter())
        elif scale >= 1000:
            value_axis.set_major_formatter(StrMethodFormatter("{x:,.0f}" if rng.random() < 0.6 else "{x:.0f}"))
        figure.tight_layout()
        low, high = axes.get_xlim() if kind == "barh" else axes.get_ylim()
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        plt.close(figure)
    picture = Image.open(buffer).convert("RGB")
    if kind == "barh":  # listed from the bottom up
        labels, values = labels[::-1], values[::-1]
    return Plot(picture, title, labels, values, float(high - low), written)


def _text(value: float) -> str:
    return f"{value:,}" if value >= 10000 else str(value)


def main() -> None:
    """Write the set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, required=True, help="folder to write pictures and labels.jsonl into")
    parser.add_argument("--seed", default=SEED, help="another one draws other charts")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(ITEMS):
        rng, name = random.Random(f"{given.seed}/plots/{number}"), f"{number:03d}.png"
        made = plot(rng)
        made.picture.quantize(COLOURS, dither=Image.Dither.NONE).save(given.out / name, optimize=True)
        values = [str(value) for value in made.values]
        about = chart_rows(rng, made.title, made.labels, values, made.span, written=made.written)
        rows += [json.dumps({"image": name, **row}) for row in about]
    (given.out / "labels.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
