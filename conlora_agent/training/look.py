"""Trains the second look's classifiers: what a box holds and which colour it has.

Pictures are drawn, their boxes shaken a little and cut out, and the frozen trunk's features of each cut kept on disk;
the layers above are then fitted to those. Gathering resumes where it stopped.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.look import SecondLook, crops, thumbnails
from conlora_agent.backbone.nano.vision import NanoVision
from conlora_agent.core.types import Box
from conlora_agent.training.checkpoints import keep
from conlora_agent.training.stream import Batches, loader
from conlora_agent.training.studio import SQUARE, DrawingStudio
from conlora_agent.training.vision import log

SHARD = 2048
"""Objects in one file."""
GENTLER = 6
"""The packaged layers learn so many times slower than the new ones."""
SHAKE = 0.06
"""Standard deviation of a box's shift and stretch, as a share of its sides: what the first look errs by."""


@dataclass
class LookRun:
    """Settings of gathering and fitting."""

    out: Path
    minutes: float
    seed: int = 0
    workers: int = 1
    epochs: int = 5
    rate: float = 3e-3
    device: str = "cpu"


class Cuts(Batches[tuple[Tensor, Tensor, Tensor]]):
    """Endless squares (objects, 3, SIDE, SIDE) uint8 of drawn scenes, with the labels of their names and colours."""

    def __init__(self, studio: DrawingStudio, config: NanoConfig, seed: int, first: int = 0) -> None:
        self.studio, self.seed, self.first = studio, seed, first
        self.names = {name: i for i, name in enumerate(config.names)}
        self.colours = {colour: i for i, colour in enumerate(config.colours)}

    def batch(self, number: int, scenes: int = 16) -> tuple[Tensor, Tensor, Tensor]:
        """All objects of some scenes, in batch `number` of the stream."""
        rng = random.Random(f"{self.seed}/{number}")
        shown: list[Tensor] = []
        names: list[int] = []
        colours: list[int] = []
        while len(shown) < scenes:
            sample = self.studio.mixture(rng, SQUARE)
            if not sample.objects:
                continue
            height, width = sample.picture.shape[:2]
            picture = torch.from_numpy(sample.picture.copy()).permute(2, 0, 1).float()
            boxes = [shaken(rng, item.box, width, height) for item in sample.objects]
            shown.append(crops(picture, boxes).round().to(torch.uint8))
            names += [self.names[item.name] for item in sample.objects]
            colours += [self.colours[item.colour or "none"] for item in sample.objects]
        return torch.cat(shown), torch.tensor(names), torch.tensor(colours)


def shaken(rng: random.Random, box: Box, width: int, height: int) -> Box:
    """A pixel box as the first look might find it, 0..1."""
    w, h = box[2] - box[0], box[3] - box[1]
    x0, x1 = (x + rng.gauss(0, SHAKE) * w for x in (box[0], box[2]))
    y0, y1 = (y + rng.gauss(0, SHAKE) * h for y in (box[1], box[3]))
    return x0 / width, y0 / height, max(x0 + 2, x1) / width, max(y0 + 2, y1) / height


def heldout_cuts(config: NanoConfig, model: NanoVision, size: int = 1500) -> dict[str, Tensor]:
    """Features and labels of objects in the drawing style that is never trained on."""
    return _shard(Cuts(DrawingStudio.open("heldout"), config, seed=77), model, "cpu", 1, size)


def gather(run: LookRun, model: NanoVision, config: NanoConfig, studio: DrawingStudio) -> None:
    """Write shards of features, thumbnails and labels until `run.minutes` are spent."""
    run.out.mkdir(parents=True, exist_ok=True)
    shard = len(list(run.out.glob("*.safetensors")))
    # A new stretch of the stream for each shard, so that a resumed run repeats nothing.
    start = time.monotonic()
    while time.monotonic() - start < run.minutes * 60:
        cuts = Cuts(studio, config, seed=run.seed, first=shard * 10_000)
        # Renamed when whole: what an interrupted run leaves is never taken for a shard.
        save_file(_shard(cuts, model, run.device, run.workers), run.out / "shard.tmp")
        os.replace(run.out / "shard.tmp", run.out / f"{shard:04d}.safetensors")
        shard += 1
        log(stage="look", objects=shard * SHARD, seconds=round(time.monotonic() - start))


def _shard(cuts: Cuts, model: NanoVision, device: str, workers: int, size: int = SHARD) -> dict[str, Tensor]:
    rows: dict[str, list[Tensor]] = {"features": [], "thumbs": [], "names": [], "colours": []}
    for shown, names, colours in loader(cuts, workers):
        pixels = shown.to(device).float() / 255
        rows["features"].append(model.look.features(model.low.trunk, pixels).half().cpu())
        rows["thumbs"].append(thumbnails(pixels).mul(255).round().to(torch.uint8).cpu())
        rows["names"].append(names)
        rows["colours"].append(colours)
        if sum(map(len, rows["names"])) >= size:
            break
    return {key: torch.cat(parts)[:size].contiguous() for key, parts in rows.items()}


def fit(run: LookRun, look: SecondLook, held: dict[str, Tensor]) -> None:
    """Fit the classifiers to all shards and save them; `held` are held-out drawings, for the log only."""
    look.cpu()
    torch.manual_seed(run.seed)
    shards = [load_file(file) for file in sorted(run.out.glob("*.safetensors"))]
    data = {key: torch.cat([shard[key] for shard in shards]) for key in shards[0]}
    packaged = [*look.block.parameters(), *look.expand.parameters()]
    fresh = [p for name, p in look.named_parameters() if not name.startswith(("block.", "expand."))]
    groups = [{"params": packaged, "lr": run.rate / GENTLER}, {"params": fresh, "lr": run.rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.05)
    count, batch = len(data["names"]), 256
    steps = run.epochs * (count // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [run.rate / GENTLER, run.rate], total_steps=steps, pct_start=0.1
    )
    for epoch in range(run.epochs):
        order = torch.randperm(count)
        total = 0.0
        for at in range(0, count - batch + 1, batch):
            rows = order[at : at + batch]
            features, thumbs = data["features"][rows].float(), data["thumbs"][rows].float() / 255
            if epoch % 2:  # mirrored features are nearly those of the mirrored picture
                features, thumbs = features.flip(-1), thumbs.flip(-1)
            seen = look.classify(F.dropout2d(features, 0.1), thumbs)
            loss = F.cross_entropy(seen.name, data["names"][rows], label_smoothing=0.05)
            loss = loss + F.cross_entropy(seen.colour, data["colours"][rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        log(stage="look", epoch=epoch, loss=round(total / (count // batch), 4), **accuracy(look, held))
    keep(run.out / "look.pt", look.state_dict())


@torch.no_grad()
def accuracy(look: SecondLook, held: dict[str, Tensor]) -> dict[str, float]:
    """Shares of a shard's names and colours that are right."""
    look.eval()
    seen = look.classify(held["features"].float(), held["thumbs"].float() / 255)
    look.train()
    return {
        "heldout_names": round(float((seen.name.argmax(-1) == held["names"]).float().mean()), 4),
        "heldout_colours": round(float((seen.colour.argmax(-1) == held["colours"]).float().mean()), 4),
    }
