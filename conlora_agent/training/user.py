"""Trains a stack for a user's own task from a file of examples, and puts it into the task's folder.

What can be wrong with the request (manifest, rows, pictures) is found before the model loads. Not covered here: the
loop (course.py), `nano` and the built-in tasks (nano.py).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.manifest import Manifest, Training
from adapters.publish import publish_stack
from adapters.weights import check_weights
from conlora_agent.core.errors import BackboneError, ManifestError
from conlora_agent.core.protocols import Backbone
from conlora_agent.settings import Precision, Settings
from conlora_agent.training.lessons import Lesson, divide, load_picture, read_lessons

if TYPE_CHECKING:
    from conlora_agent.training.course import Look, Standing


@dataclass(frozen=True)
class Order:
    """What a user asks for. `training`: the manifest's table, with what the command line says instead."""

    folder: Path
    manifest: Manifest
    training: Training
    data: Path
    validation: Path | None = None
    """Rows to measure on; by default a tenth of `data`."""
    start: Path | None = None
    """Folder of the stack to begin with."""
    seed: int = 0
    together: int = 8
    precision: Precision = "auto"
    fresh: bool = False
    """Forget the checkpoint of an interrupted run."""


@dataclass(frozen=True)
class Watcher:
    """Who is told how training goes."""

    on_check: Callable[[int, int], None] = lambda done, of: None
    on_step: Callable[[int, int, float], None] = lambda step, of, loss: None
    on_look: Callable[[Look], None] = lambda look: None


@dataclass(frozen=True)
class Rows:
    """The rows of an order, checked and divided."""

    lessons: list[Lesson]
    held: list[Lesson]


def read_rows(order: Order, settings: Settings, watcher: Watcher) -> Rows:
    """The rows to learn from and to measure on. Raises DataError naming file and line; loads no model."""
    read = partial(
        read_lessons, manifest=order.manifest, max_pixels=settings.max_picture_pixels, on_row=watcher.on_check
    )
    if order.validation is None:
        return Rows(*divide(read(order.data), order.seed))
    return Rows(read(order.data), read(order.validation))


def train_stack(
    order: Order, rows: Rows, load: Callable[[], Backbone], settings: Settings, watcher: Watcher
) -> dict[str, Any] | None:
    """Train, and make the result the task's stack for the backbone that `load` gives.

    It is loaded once the processes that train together know of one another, so that each has a GPU of its own.
    Returns what there is to say about it; None in every process but the first.
    Raises ManifestError when the backbone has no place for the stack, BackboneError when training fails.
    """
    import torch

    from conlora_agent.backbone.local import LocalBackbone
    from conlora_agent.training.course import Course, Teacher
    from conlora_agent.training.learner import learner_for
    from conlora_agent.training.world import World

    began, world = time.monotonic(), World()
    backbone = load()
    if not isinstance(backbone, LocalBackbone):
        raise ManifestError(f"stacks for {backbone.name!r} cannot be trained here", "choose a model of this machine")
    checkpoint = settings.cache / "training" / f"{order.manifest.name}-{_digest(order, rows, backbone)}.pt"
    if order.fresh and world.first:
        checkpoint.unlink(missing_ok=True)
    world.wait()
    if order.start is not None:
        check_weights(order.start, backbone.name, backbone.revision)
    open_picture = partial(load_picture, where=order.data.name, max_pixels=settings.max_picture_pixels)
    rate = order.training.rate or backbone.profile.places.rate
    # The stack begins, and goes on, with random numbers: the same in every run, and in all processes of it.
    torch.manual_seed(order.seed)
    learner = learner_for(backbone, order.manifest.name, order.training, order.start, open_picture, world.device)
    watcher = watcher if world.first else Watcher()
    course = Course(order.training, rate, order.seed, order.together, checkpoint, watcher.on_step, watcher.on_look)
    try:
        standing = Teacher(course, learner, rows.lessons, rows.held, world).teach()
    except torch.OutOfMemoryError as error:
        problem = f"{order.together} rows at once do not fit in memory"
        raise BackboneError(problem, "lower --together, or choose --precision 8bit or 4bit") from error
    if standing.best_step == 0 and backbone.name in order.manifest.backbones:
        if world.first:
            checkpoint.unlink(missing_ok=True)
        problem = f"the held-out loss never fell: {order.manifest.name!r} keeps the stack that it had"
        raise BackboneError(problem, "lower --rate, or give more rows")
    report = _report(order, rows, backbone, standing, time.monotonic() - began)
    if world.first:
        write = partial(_write, learner.model, backbone, report)
        report["folder"] = str(publish_stack(order.folder, backbone.name, write))
        checkpoint.unlink(missing_ok=True)
    world.wait()
    return report if world.first else None


def _write(model: Any, backbone: Backbone, report: dict[str, Any], folder: Path) -> None:
    """The stack as PEFT writes it, in bf16, with its record."""
    import torch
    from peft.utils import get_peft_model_state_dict
    from safetensors.torch import save_file

    name = model.active_adapter
    tensors = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    save_file(
        {key: value.detach().to("cpu", torch.bfloat16).contiguous() for key, value in tensors.items()},
        folder / "adapter_model.safetensors",
    )
    model.peft_config[name].save_pretrained(folder)
    record = {"backbone": backbone.name, "revision": backbone.revision, "training": report}
    (folder / "stack.json").write_text(json.dumps(record) + "\n", encoding="utf-8")


def _report(order: Order, rows: Rows, backbone: Backbone, standing: Standing, seconds: float) -> dict[str, Any]:
    return {
        "task": order.manifest.name,
        "backbone": backbone.name,
        "revision": backbone.revision,
        "rows": len(rows.lessons),
        "held_out": len(rows.held),
        "steps": standing.step,
        "resumed_from": standing.resumed or None,
        "stopped_early": standing.stopped(order.training.patience),
        "best_step": standing.best_step,
        "validation_loss": standing.best_loss,
        "curve": [asdict(look) for look in standing.curve],
        "seed": order.seed,
        "seconds": round(seconds, 1),
    }


def _digest(order: Order, rows: Rows, backbone: Backbone) -> str:
    """Names a course: the same order on the same rows and backbone resumes, any other begins anew."""
    parts = (order.training, order.start, order.seed, order.precision, backbone.name, backbone.revision, rows)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
