"""Trains what moves the edges of boxes to where objects end (backbone/nano/edges.py), on drawn scenes.

Where an object ends is known from the drawing. Its box is shaken as the first look errs, seldom much and mostly a
little, and the frozen trunk's features around it are what the layers are fitted to.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from conlora_agent.backbone.nano.edges import AROUND, EdgeReader, into
from conlora_agent.backbone.nano.look import crops, seen_below, square
from conlora_agent.backbone.nano.low import Trunk
from conlora_agent.backbone.nano.points import iou
from conlora_agent.core.types import Box
from conlora_agent.training.checkpoints import keep
from conlora_agent.training.draw.relations import share
from conlora_agent.training.draw.sample import Sample
from conlora_agent.training.losses import generalised_iou
from conlora_agent.training.optimise import fit_rows
from conlora_agent.training.stream import Batches, loader
from conlora_agent.training.studio import SQUARE, DrawingStudio
from conlora_agent.training.vision import log

BOXES, HELD = 60_000, 2000
"""Boxes looked at, and those in the held-out style for the log."""
TWICE = 2
"""So many boxes are shaken of each object drawn."""
EPOCHS, BATCH, RATE = 8, 128, 2e-3
SHAKES = (0.03, 0.06, 0.1, 0.15)
"""Standard deviations of an edge, as shares of the box's side, one for each box."""
LOWER = 0.2
"""So many standard deviations is the upper edge found too low on average, as the first look does."""
LEAST = 0.3
"""Share of a side that a shaken box has at least."""
CLOSE = 0.75
"""IoU from which a box counts as close."""
EACH = 50
"""Batches between two lines of the log."""


@dataclass
class EdgeRun:
    """Settings of gathering; `workers` draw, `device` looks."""

    out: Path
    seed: int = 0
    workers: int = 1
    device: str = "cpu"

    @property
    def file(self) -> Path:
        """Where what was fitted is saved."""
        return self.out / "edges.pt"


Rows = tuple[Tensor, Tensor, Tensor]
"""Features (n, CHANNELS, CELLS, CELLS; float16), boxes as found and as they are (n, 4), 0..1 of their squares."""
Squares = tuple[Tensor, Tensor, Tensor]
"""The same with the squares themselves (n, 3, SIDE, SIDE; uint8) in place of the features."""


class Shaken(Batches[Squares]):
    """Endless squares around shaken boxes of drawn objects."""

    def __init__(self, studio: DrawingStudio, seed: int) -> None:
        self.studio, self.seed = studio, seed

    def batch(self, number: int, scenes: int = 16) -> Squares:
        """All objects of some scenes, in batch `number` of the stream."""
        rng = random.Random(f"{self.seed}/{number}")
        rows: list[Squares] = []
        while len(rows) < scenes:
            sample = self.studio.mixture(rng, SQUARE)
            if sample.objects:
                right = [item.box for item in sample.objects for _ in range(TWICE)]
                found = [cut_off(shaken(rng, box), *SQUARE) for box in right]
                rows.append(squares(sample, right, found))
        return _joined(rows)


def train(reader: EdgeReader, trunk: Trunk, studio: DrawingStudio, heldout: DrawingStudio, run: EdgeRun) -> None:
    """Draw scenes, fit `reader` to the boxes in them and save it."""
    held = gathered(trunk, Shaken(heldout, seed=77), HELD, run)
    fit(reader, gathered(trunk, Shaken(studio, run.seed), BOXES, run), held)
    run.out.mkdir(parents=True, exist_ok=True)
    keep(run.file, reader.state_dict())


@torch.no_grad()
def gathered(trunk: Trunk, boxes: Shaken, count: int, run: EdgeRun) -> Rows:
    """So many boxes, with what the trunk sees around them."""
    trunk.to(run.device)
    start, found = time.monotonic(), 0
    rows: list[Rows] = []
    for number, (shown, given, right) in enumerate(loader(boxes, run.workers), 1):
        features = seen_below(trunk, shown.to(run.device).float() / 255)
        rows.append((features.half().cpu(), given, right))
        found += len(given)
        if number % EACH == 0:
            log(stage="edges", boxes=found, seconds=round(time.monotonic() - start))
        if found >= count:
            break
    return _joined(rows)


def _joined(rows: list[Rows]) -> Rows:
    first, given, right = (torch.cat(column) for column in zip(*rows, strict=True))
    return first, given, right


def squares(sample: Sample, right: list[Box], given: list[Box]) -> Squares:
    """Squares around the boxes `given` of a picture; all boxes are in pixels."""
    height, width = sample.picture.shape[:2]
    pixels = torch.from_numpy(sample.picture.copy()).permute(2, 0, 1).float()
    shares = [share(box, sample) for box in given]
    frames = [square(box, width, height, AROUND) for box in shares]
    placed = [
        torch.tensor([into(box, frame, 1, 1) for box, frame in zip(boxes, frames, strict=True)])
        for boxes in (given, right)
    ]
    return crops(pixels, shares, AROUND).round().to(torch.uint8), placed[0], placed[1]


def shaken(rng: random.Random, box: Box) -> Box:
    """A box in pixels as the first look might find it."""
    x0, y0, x1, y1 = box
    width, height, far = x1 - x0, y1 - y0, rng.choice(SHAKES)
    while True:
        left, right = (x + rng.gauss(0, far) * width for x in (x0, x1))
        top, bottom = y0 + rng.gauss(LOWER * far, far) * height, y1 + rng.gauss(0, far) * height
        if right - left > LEAST * width and bottom - top > LEAST * height:
            return left, top, right, bottom


def cut_off(box: Box, width: int, height: int) -> Box:
    """What of a box lies on a picture of this size."""
    x0, y0, x1, y1 = box
    return max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)


def fit(reader: EdgeReader, rows: Rows, held: Rows) -> None:
    """Fit `reader`; the log says how it does on `held`."""
    features, given, right = rows

    def loss_of(picked: Tensor, epoch: int) -> Tensor:
        moved = reader(features[picked].float(), given[picked])
        return edge_loss(moved, right[picked])

    def report(epoch: int, loss: float) -> None:
        log(stage="edges", epoch=epoch, loss=loss, **overlaps(reader, held))

    groups = [{"params": list(reader.parameters()), "lr": RATE}]
    fit_rows(groups, len(given), EPOCHS, BATCH, loss_of, report, decay=0.02)


def edge_loss(moved: Tensor, right: Tensor) -> Tensor:
    """How far boxes (n, 4) are from the right ones: by what they have in common, and edge by edge."""
    # Distances to the four sides from the corner of the square.
    outwards = torch.tensor([-1.0, -1.0, 1.0, 1.0], device=moved.device)
    common = generalised_iou(moved * outwards, right * outwards)
    return (1 - common).mean() + (moved - right).abs().sum(1).mean()


@torch.no_grad()
def overlaps(reader: EdgeReader, held: Rows) -> dict[str, float]:
    """Mean IoU of held-out boxes as found and as moved with the right ones, and the share above CLOSE."""
    features, given, right = held
    moved = torch.cat([reader(*some) for some in zip(features.float().split(BATCH), given.split(BATCH), strict=True)])
    found, after = (_ious(boxes, right) for boxes in (given, moved))
    close = sum(one > CLOSE for one in after) / len(after)
    return {
        "heldout_found": round(fmean(found), 4), "heldout_moved": round(fmean(after), 4),
        "heldout_close": round(close, 4),
    }  # fmt: skip


def _ious(boxes: Tensor, right: Tensor) -> list[float]:
    return [iou(one, other) for one, other in zip(boxes.tolist(), right.tolist(), strict=True)]
