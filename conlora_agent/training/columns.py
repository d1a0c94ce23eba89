"""Trains what reads the columns of charts (backbone/nano/columns.py), on charts drawn in many styles.

Where a column begins and ends is known from the drawing, and shaken a little, as what is found of a chart's text is.
Columns of pictures that are no charts teach it to say so.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conlora_agent.backbone.nano.columns import ROWS, ColumnReader, column, datum
from conlora_agent.backbone.numbers import compute_in
from conlora_agent.training.checkpoints import keep
from conlora_agent.training.optimise import fit_rows
from conlora_agent.training.studio import SQUARE, DrawingStudio
from conlora_agent.training.vision import log

CHARTS, OTHERS, HELD = 2000, 200, 100
"""Pictures drawn: charts, other ones, and charts in held-out fonts for the log."""
EPOCHS, BATCH, RATE = 8, 64, 3e-3
WIDTHS, SHAPES = (240, 560), (0.45, 1.0)
"""Pixels of a chart's width, and its height in widths."""
SHAKE = 0.06
"""Standard deviation of a column's middle, in columns."""
CLOSE = 0.02
"""What is read off is right within this share of the axis."""

Rows = tuple[Tensor, Tensor]
"""Columns (n, 4, ROWS, ACROSS) uint8, and the row of the datum of each (n,), ROWS where there is none."""


def train(reader: ColumnReader, studio: DrawingStudio, heldout: DrawingStudio, out: Path, seed: int) -> None:
    """Draw columns, fit `reader` to them and save it."""
    rng = random.Random(seed)
    drawn = [chart_columns(rng, studio) for _ in range(CHARTS)]
    drawn += [other_columns(rng, studio) for _ in range(OTHERS)]
    held = _joined([chart_columns(random.Random(f"held/{i}"), heldout) for i in range(HELD)])
    fit(reader, _joined(drawn), held)
    out.mkdir(parents=True, exist_ok=True)
    keep(out / "columns.pt", reader.state_dict())


def chart_columns(rng: random.Random, studio: DrawingStudio) -> Rows:
    """The columns of one drawn chart."""
    width = rng.randint(*WIDTHS)
    sample = studio.chart(rng, (width, round(width * rng.uniform(*SHAPES))))
    picture, facts = _pixels(sample.picture), sample.facts
    axes, tops = facts["axes"], facts["tops"]
    pitch, gap = axes.pitch(len(tops)), (axes.bottom - axes.top) / 5
    zero = axes.height_of(0.0)
    shown, places = [], []
    for x, y in tops:
        top = max(0.0, axes.top - rng.uniform(0, 1.2) * gap)
        bottom = facts["beneath"] + rng.uniform(-2, 4)
        top, bottom = float(round(top)), float(min(picture.shape[1], round(bottom)))
        shown.append(
            column(picture, x + rng.gauss(0, SHAKE) * pitch, pitch * rng.uniform(0.94, 1.06), top, bottom, zero)
        )
        places.append((y - top) / (bottom - top) * ROWS)
    flipped = rng.random() < 0.5
    stacked = torch.stack(shown)
    return _bytes(stacked.flip(-1) if flipped else stacked), torch.tensor(places).clamp(0, ROWS - 1e-3)


def other_columns(rng: random.Random, studio: DrawingStudio, count: int = 6) -> Rows:
    """Columns of a picture that is no chart."""
    picture = _pixels(studio.mixture(rng, SQUARE).picture)
    shown = []
    for _ in range(count):
        top, bottom = sorted(rng.sample(range(0, 257, 8), 2))
        pitch = rng.uniform(12, 80)
        shown.append(column(picture, rng.uniform(0, 256), pitch, top, max(bottom, top + 40), rng.uniform(top, bottom)))
    return _bytes(torch.stack(shown)), torch.full((count,), float(ROWS))


def _pixels(picture: Any) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


def _bytes(shown: Tensor) -> Tensor:
    return (shown * 255).round().clamp(0, 255).to(torch.uint8)


def _joined(parts: list[Rows]) -> Rows:
    return torch.cat([shown for shown, _ in parts]), torch.cat([places for _, places in parts])


def fit(reader: ColumnReader, rows: Rows, held: Rows) -> None:
    """Fit `reader`; the log says how it does on `held`."""
    shown, places = rows

    def loss_of(picked: Tensor, epoch: int) -> Tensor:
        with compute_in("cpu"):
            logits = reader(_shown(shown[picked]))
        return place_loss(logits.float(), places[picked])

    def report(epoch: int, loss: float) -> None:
        log(stage="columns", epoch=epoch, loss=loss, **accuracy(reader, held))

    groups = [{"params": list(reader.parameters()), "lr": RATE}]
    fit_rows(groups, len(shown), EPOCHS, BATCH, loss_of, report, decay=0.02)


def _shown(columns: Tensor) -> Tensor:
    return columns.float() / 255


def place_loss(logits: Tensor, places: Tensor) -> Tensor:
    """Cross-entropy against the two rows whose middles a place lies between; `places` ROWS means none."""
    none = places >= ROWS
    middle = (places - 0.5).clamp(0, ROWS - 1)
    lower = middle.floor().long().clamp(max=ROWS - 2)
    share = middle - lower
    chances = logits.log_softmax(-1)
    there = chances.gather(1, lower[:, None])[:, 0] * (1 - share) + chances.gather(1, lower[:, None] + 1)[:, 0] * share
    return -torch.where(none, chances[:, -1], there).mean()


@torch.no_grad()
def accuracy(reader: ColumnReader, held: Rows) -> dict[str, float]:
    """Of held-out columns: the share read within CLOSE of their height, and the mean chance given."""
    parts = [datum(reader(_shown(some))) for some in held[0].split(BATCH)]
    places, sure = (torch.cat(column) for column in zip(*parts, strict=True))
    off = (places - held[1]).abs() / ROWS
    return {
        "heldout_close": round(float((off < CLOSE).float().mean()), 4),
        "heldout_off": round(float(off.median()), 5),
        "heldout_sure": round(float(sure.mean()), 4),
    }
