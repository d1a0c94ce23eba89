"""Dense pretraining of the vision layers: which character, object and colour is where. No language model involved.

Resumable and time-boxed: a run of `minutes` may be cut into several; the learning rate follows the time spent.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from conlora_agent.backbone.nano.vision import NanoVision
from conlora_agent.backbone.numbers import compute_in
from conlora_agent.training.checkpoints import keep, reading
from conlora_agent.training.losses import dense_loss
from conlora_agent.training.stream import DrawnBatches, loader


@dataclass
class VisionRun:
    """Settings of one pretraining run."""

    out: Path
    minutes: float
    batch: int = 32
    rate: float = 8e-4
    seed: int = 0
    workers: int = 1
    device: str = "cpu"
    log_every: int = 25
    save_every: int = 100


def log(**fields: Any) -> None:
    """One JSON line on stderr."""
    sys.stderr.write(json.dumps(fields) + "\n")
    sys.stderr.flush()


def pretrain(run: VisionRun, model: NanoVision, batches: DrawnBatches, check: Any) -> NanoVision:
    """Train until `run.minutes` of training time are spent. `check(model) -> dict` measures on held-out pictures."""
    run.out.mkdir(parents=True, exist_ok=True)
    model.to(run.device).train()
    model.low.trunk.requires_grad_(False)
    for part in (model.look, model.photographs, model.reader, model.columns, model.edges):
        part.requires_grad_(False)
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=run.rate, betas=(0.9, 0.98), weight_decay=0.02)
    step, spent = _resume(run, model, optimizer)
    batches.first = step
    start, seen = time.monotonic() - spent, 0
    sums: dict[str, float] = {}
    for batch in loader(batches, run.workers):
        spent = time.monotonic() - start
        done = spent / (run.minutes * 60)
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = run.rate * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        parts = _step(model, optimizer, learned, batch, run.device)
        step, seen = step + 1, seen + len(batch["pixels"])
        for key, value in parts.items():
            sums[key] = 0.95 * sums.get(key, value) + 0.05 * value
        if step % run.log_every == 0:
            rounded = {k: round(v, 4) for k, v in sums.items()}
            log(step=step, samples=step * run.batch, seconds=round(spent), per_second=round(seen / spent, 1), **rounded)
        if step % run.save_every == 0:
            _save(run, model, optimizer, step, spent)
            log(step=step, **check(model))
    _save(run, model, optimizer, step, spent)
    log(step=step, done=True, **check(model))
    return model


def _step(
    model: NanoVision,
    optimizer: torch.optim.Optimizer,
    learned: Sequence[Tensor],
    batch: dict[str, Tensor],
    device: str,
) -> dict[str, float]:
    batch = {k: v.to(device, non_blocking=True) for k, v in batch.items()}
    pixels = batch.pop("pixels").float() / 255
    with compute_in(device):
        out = model.describe(model.low(pixels))
    loss, parts = dense_loss(out, batch)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(learned, 1.0)
    optimizer.step()
    return parts


def _save(run: VisionRun, model: NanoVision, optimizer: torch.optim.Optimizer, step: int, spent: float) -> None:
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "seconds": spent}
    keep(run.out / "vision.pt", state)


def _resume(run: VisionRun, model: NanoVision, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    """Load the checkpoint if there is one; heads whose size has changed start afresh, with a fresh optimizer."""
    path = run.out / "vision.pt"
    if not path.exists():
        return 0, 0.0
    with reading(path) as state:
        own = model.state_dict()
        fitting = {k: v for k, v in state["model"].items() if k in own and own[k].shape == v.shape}
        model.load_state_dict(fitting, strict=False)
        if len(fitting) == len(own):
            optimizer.load_state_dict(state["optimizer"])
        log(resumed=state["step"], fresh=sorted(set(own) - set(fitting)))
        return int(state["step"]), float(state["seconds"])
