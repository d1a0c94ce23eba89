"""Trains the second look's classifiers: what a box holds and which colour it has.

Pictures are drawn, their boxes shaken a little and cut out, and the frozen trunk's features of each cut kept on disk;
the layers above are then fitted to those. Gathering resumes where it stopped.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.look import MARGIN, SIDE, SecondLook, crops, seen_below, thumbnails
from conlora_agent.backbone.nano.low import Block
from conlora_agent.backbone.nano.vision import NanoVision
from conlora_agent.core.errors import DataError
from conlora_agent.core.types import Box
from conlora_agent.training.checkpoints import keep
from conlora_agent.training.optimise import fit_rows
from conlora_agent.training.stream import Batches, loader
from conlora_agent.training.studio import SQUARE, DrawingStudio
from conlora_agent.training.vision import log

SHARD = 2048
"""Objects in one file."""
BATCH = 64
GENTLER = 6
"""The packaged layers learn so many times slower than the new ones."""
MIXED, TAME = 0.5, 0.3
"""Share of drawings whose features get some of another's style, and how evenly; the smaller, the less often halves."""
WAY = 0.4
"""How far to go from layers that ship to those trained on from them: what lies between names unseen styles better than
either (WiSE-FT, Wortsman et al. 2022, arXiv:2109.01903)."""
SHAKE = 0.03
"""Standard deviation of an edge, as a share of the box's side: what is left when edges have been moved."""
EVERY = 3
"""One batch in so many has only names with few drawings (besides things drawn by code)."""
MARGINS = (0.06, 0.26)
"""Least and most surroundings shown, as look.MARGIN is: names are learned at several sizes."""
TURNS = (0, 0, 1, 2)
"""By how many channels red, green and blue are moved on, one of these at random: names are looked for so, too."""
MOST = 1.4
"""At most so many times as many things of a name are learned from as of the median one."""
UNASKED = -1
"""Label of a thing whose colour is not learned from: its channels were moved on."""


@dataclass
class LookRun:
    """Settings of gathering and fitting."""

    out: Path
    minutes: float
    seed: int = 0
    workers: int = 1
    epochs: int = 4
    colour_epochs: int = 20
    rate: float = 1.5e-3
    """Of the new layers. The colours that ship were fitted at 2e-3."""
    way: float = 1.0
    """What is saved lies between the layers as they were (0) and as fitted (1)."""
    device: str = "cpu"


class Cuts(Batches[tuple[Tensor, Tensor, Tensor]]):
    """Endless squares (objects, 3, SIDE, SIDE) uint8 of drawn scenes, with the labels of their names and colours.
    Batch k is drawn in studio k modulo their number; `margins` and `turns` as MARGINS and TURNS.
    """

    def __init__(
        self,
        studios: Sequence[DrawingStudio],
        config: NanoConfig,
        seed: int,
        first: int = 0,
        margins: tuple[float, float] = MARGINS,
        turns: tuple[int, ...] = TURNS,
    ) -> None:
        self.studios, self.seed, self.first, self.margins, self.turns = studios, seed, first, margins, turns
        self.names = {name: i for i, name in enumerate(config.names)}
        self.colours = {colour: i for i, colour in enumerate(config.colours)}

    def batch(self, number: int, scenes: int = 16) -> tuple[Tensor, Tensor, Tensor]:
        """All objects of some scenes, in batch `number` of the stream."""
        rng, studio = random.Random(f"{self.seed}/{number}"), self.studios[number % len(self.studios)]
        turning = random.Random(f"{self.seed}/{number}/turns")  # its own: the same things are cut out, turned or not
        shown: list[Tensor] = []
        names: list[int] = []
        colours: list[int] = []
        while len(shown) < scenes:
            sample = studio.mixture(rng, SQUARE)
            if not sample.objects:
                continue
            height, width = sample.picture.shape[:2]
            picture = torch.from_numpy(sample.picture.copy()).permute(2, 0, 1).float()
            boxes = [shaken(rng, item.box, width, height) for item in sample.objects]
            turns = [turning.choice(self.turns) for _ in boxes]
            squares = [crops(picture, [box], rng.uniform(*self.margins)) for box in boxes]
            squares = [square.roll(turn, 1) for square, turn in zip(squares, turns, strict=True)]
            shown.append(torch.cat(squares).round().to(torch.uint8))
            names += [self.names[item.name] for item in sample.objects]
            true = [self.colours[item.colour or "none"] for item in sample.objects]
            colours += [UNASKED if turn else colour for turn, colour in zip(turns, true, strict=True)]
        return torch.cat(shown), torch.tensor(names), torch.tensor(colours)


def shaken(rng: random.Random, box: Box, width: int, height: int) -> Box:
    """A pixel box as it might be found, its edges moved; 0..1."""
    w, h = box[2] - box[0], box[3] - box[1]
    x0, x1 = (x + rng.gauss(0, SHAKE) * w for x in (box[0], box[2]))
    y0, y1 = (y + rng.gauss(0, SHAKE) * h for y in (box[1], box[3]))
    return x0 / width, y0 / height, max(x0 + 2, x1) / width, max(y0 + 2, y1) / height


def heldout_cuts(config: NanoConfig, model: NanoVision, size: int = 1500) -> dict[str, Tensor]:
    """Features and labels of objects in the drawing style that is never trained on."""
    cuts = Cuts([DrawingStudio.open("heldout")], config, seed=77, margins=(MARGIN, MARGIN), turns=(0,))
    return _shard(cuts, model, "cpu", 1, size)


def gather(run: LookRun, model: NanoVision, config: NanoConfig, studio: DrawingStudio) -> None:
    """Write shards of features, thumbnails and labels until `run.minutes` are spent.

    Raises DataError where older shards do not fit to what would be added.
    """
    run.out.mkdir(parents=True, exist_ok=True)
    _refuse_others(run.out, model)
    shard = len(list(run.out.glob("*.safetensors")))
    # A new stretch of the stream for each shard, so that a resumed run repeats nothing.
    start = time.monotonic()
    studios = [studio] * (EVERY - 1) + [replace(studio, material=studio.material.with_few())]
    while time.monotonic() - start < run.minutes * 60:
        cuts = Cuts(studios, config, seed=run.seed, first=shard * 10_000)
        # Renamed when whole: what an interrupted run leaves is never taken for a shard.
        save_file(_shard(cuts, model, run.device, run.workers), run.out / "shard.tmp")
        os.replace(run.out / "shard.tmp", run.out / f"{shard:04d}.safetensors")
        shard += 1
        log(stage="look", objects=shard * SHARD, seconds=round(time.monotonic() - start))


@torch.no_grad()
def _refuse_others(folder: Path, model: NanoVision) -> None:
    """Raises DataError naming the first shard that was gathered below other layers or with other thumbnails."""
    blank = torch.zeros(1, 3, SIDE, SIDE, device=next(model.parameters()).device)
    wanted = {"features": seen_below(model.low.trunk, blank), "thumbs": thumbnails(blank)}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as shard:
            if any(shard.get_slice(key).get_shape()[1:] != list(one.shape[1:]) for key, one in wanted.items()):
                raise DataError(f"{file} was gathered below other layers", "remove the older shards")


def _shard(cuts: Cuts, model: NanoVision, device: str, workers: int, size: int = SHARD) -> dict[str, Tensor]:
    rows: dict[str, list[Tensor]] = {"features": [], "thumbs": [], "names": [], "colours": []}
    for shown, names, colours in loader(cuts, workers):
        pixels = shown.to(device).float() / 255
        rows["features"].append(seen_below(model.low.trunk, pixels).half().cpu())
        rows["thumbs"].append(thumbnails(pixels).mul(255).round().to(torch.uint8).cpu())
        rows["names"].append(names)
        rows["colours"].append(colours)
        if sum(map(len, rows["names"])) >= size:
            break
    return {key: torch.cat(parts)[:size].contiguous() for key, parts in rows.items()}


def fit(run: LookRun, look: SecondLook, held: dict[str, Tensor]) -> None:
    """Fit names, then colours, to all shards and save them; `held` are held-out drawings, for the log only."""
    look.cpu()
    torch.manual_seed(run.seed)
    data = _gathered(run.out)
    before = {key: value.clone() for key, value in look.state_dict().items()}
    with _held_filters(look):
        _fit(run, look, data, held)
    look.load_state_dict({key: before[key].lerp(value, run.way) for key, value in look.state_dict().items()})
    log(stage="look", way=run.way, **accuracy(look, held))
    keep(run.out / "look.pt", look.state_dict())


def _fit(run: LookRun, look: SecondLook, data: dict[str, Tensor], held: dict[str, Tensor]) -> None:
    packaged = [p for part in (look.blocks, look.expand) for p in part.parameters() if p.requires_grad]
    fresh = [*look.norm.parameters(), *look.up.parameters(), *look.name.parameters()]
    groups = [{"params": packaged, "lr": run.rate / GENTLER}, {"params": fresh, "lr": run.rate}]

    def names(features: Tensor, rows: dict[str, Tensor]) -> Tensor:
        said = look.name(look.describe(F.dropout2d(mixed(features), 0.1)))
        return F.cross_entropy(said, rows["names"], label_smoothing=0.05)

    def colours(features: Tensor, rows: dict[str, Tensor]) -> Tensor:
        return F.cross_entropy(look.colour(rows["thumbs"].float() / 255, features), rows["colours"])

    rows = evened(data["names"])
    _epochs(run.epochs, groups, data, rows, names, lambda: accuracy(look, held))
    groups = [{"params": list(look.colour.parameters()), "lr": run.rate}]
    asked = torch.nonzero(data["colours"] != UNASKED).flatten()
    _epochs(run.colour_epochs, groups, data, asked, colours, lambda: accuracy(look, held))


def evened(names: Tensor) -> Tensor:
    """Random rows, at most MOST times as many of each name as of the median one: things drawn by code are many and
    soon known.
    """
    counts = names.bincount()
    most = int(MOST * counts[counts > 0].median())
    mixed_up = torch.randperm(len(names))
    by_name = mixed_up[names[mixed_up].argsort(stable=True)]
    place = torch.arange(len(names)) - (counts.cumsum(0) - counts)[names[by_name]]  # among those of its name
    return by_name[place < most]


class _Filter(torch.autograd.Function):
    """A depthwise convolution of stride 1 whose filters stay: its gradient is a convolution with them mirrored."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return F.conv2d(x, weight, bias, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, Tensor]:
        (weight,), (grad,) = ctx.saved_tensors, grads
        grad = grad.contiguous(memory_format=torch.channels_last)
        mirrored = F.conv2d(grad, weight.flip(-1, -2), padding=weight.shape[-1] - 1, groups=len(weight))
        return mirrored, None, grad.sum((0, 2, 3))


def _filtered(conv: nn.Conv2d, x: Tensor) -> Tensor:
    y: Tensor = _Filter.apply(x, conv.weight, conv.bias)  # type: ignore[no-untyped-call]
    return y


@contextmanager
def _held_filters(look: SecondLook) -> Iterator[None]:
    """Keep what each channel is filtered with as it is: a step then takes 0.6 of the time on a CPU."""
    held = [block.depthwise.conv for block in look.blocks.modules() if isinstance(block, Block)]
    for conv in held:
        conv.weight.requires_grad_(False)
        if conv.stride == (1, 1):
            conv.forward = partial(_filtered, conv)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for conv in held:
            conv.weight.requires_grad_(True)
            vars(conv).pop("forward", None)


def mixed(features: Tensor) -> Tensor:
    """Features (objects, channels, h, w), MIXED of them with means and deviations partly those of another object: low
    layers keep a drawing's style there, so that names are learned across styles (MixStyle, Zhou et al. 2021,
    arXiv:2104.02008).
    """
    mean = features.mean((2, 3), keepdim=True)
    deviation = (features.var((2, 3), keepdim=True) + 1e-6).sqrt()
    other = torch.randperm(len(features))
    shape = (len(features), 1, 1, 1)
    own = torch.distributions.Beta(TAME, TAME).sample(shape).to(features.device)
    own = torch.where(torch.rand(shape, device=features.device) < MIXED, own, 1.0)
    plain = (features - mean) / deviation
    return plain * deviation.lerp(deviation[other], 1 - own) + mean.lerp(mean[other], 1 - own)


def _gathered(folder: Path) -> dict[str, Tensor]:
    """All shards in one."""
    shards = [load_file(file) for file in sorted(folder.glob("*.safetensors"))]
    return {key: torch.cat([shard.pop(key) for shard in shards]) for key in list(shards[0])}


def _epochs(
    epochs: int,
    groups: list[dict[str, Any]],
    data: dict[str, Tensor],
    used: Tensor,
    loss_of: Callable[[Tensor, dict[str, Tensor]], Tensor],
    measure: Callable[[], dict[str, float]],
) -> None:
    """Minimise a loss of features and the other columns of `data`, over the rows `used`."""

    def of_rows(picked: Tensor, epoch: int) -> Tensor:
        rows = {key: column[used[picked]] for key, column in data.items()}
        if epoch % 2:  # mirrored features are nearly those of the mirrored picture
            rows |= {key: rows[key].flip(-1) for key in ("features", "thumbs")}
        # On a CPU depthwise convolutions learn twice as fast in this layout.
        return loss_of(rows["features"].float().contiguous(memory_format=torch.channels_last), rows)

    def report(epoch: int, loss: float) -> None:
        log(stage="look", epoch=epoch, loss=loss, **measure())

    fit_rows(groups, len(used), epochs, BATCH, of_rows, report, decay=0.05)


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
