"""Trains one built-in task's stack: LoRAs on upper vision layers, mid layer and language model, all else frozen.

Resumable and time-boxed, like vision.py. Not covered here: the losses (answers.py, choosing.py), tasks of users
(course.py).
"""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.exercise import Exercise
from conlora_agent.backbone.nano.processing import invocation_ids, prefix_ids
from conlora_agent.core.types import Message
from conlora_agent.prompts import SYSTEM
from conlora_agent.training.answers import TeacherBatch, answer_ids
from conlora_agent.training.checkpoints import keep, reading
from conlora_agent.training.optimise import MasterAdamW
from conlora_agent.training.stream import Batch, Batches, loader
from conlora_agent.training.vision import log


@dataclass
class StackRun:
    """Settings of one stack's training."""

    task: str
    out: Path
    minutes: float
    batch: int = 16
    rate: float = 1e-3
    seed: int = 0
    workers: int = 1
    device: str = "cpu"
    start: Path | None = None
    """Checkpoint of another stack to begin from."""
    vision: bool = True
    """Whether the LoRAs on vision and mid layers are trained too; else they stay as they start, at half the cost."""
    log_every: int = 20
    save_every: int = 60


class Exercises(Batches[TeacherBatch]):
    """Endless batches of exercises."""

    def __init__(
        self,
        makers: Sequence[Callable[[random.Random], Exercise]],
        tokenizer: Any,
        run: StackRun,
        first: int = 0,
    ) -> None:
        self.makers, self.tokenizer, self.run, self.first = makers, tokenizer, run, first

    def batch(self, number: int) -> TeacherBatch:
        """Batch `number`, of one maker: answers of like length, pictures of one size, so that little is padding."""
        rng = random.Random(f"{self.run.task}/{self.run.seed}/{number}")
        make = rng.choice(self.makers)
        made: list[Exercise] = []
        while len(made) < self.run.batch:
            one = make(rng)
            if not made or _shape(one) == _shape(made[0]):
                made.append(one)
        pictures = list({id(e.picture): e.picture for e in made if e.picture is not None}.values())
        told = list(dict.fromkeys(e.told for e in made if e.told is not None))
        position = {key: i for keys in (map(id, pictures), told) for i, key in enumerate(keys)}
        return TeacherBatch(
            torch.from_numpy(np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2))) if pictures else None,
            prefix_ids(self.tokenizer, random_history(rng)),
            [invocation_ids(self.tokenizer, e.request, _pictured(e)) for e in made],
            [answer_ids(self.tokenizer, e.answer, e.working) for e in made],
            shown=[position[id(e.picture) if pictures else e.told] for e in made] if position else None,
            told=told or None,
            teachable=all(e.read for e in made),
        )


def _shape(exercise: Exercise) -> tuple[int, ...]:
    return exercise.picture.shape if exercise.picture is not None else (int(_pictured(exercise)),)


def _pictured(exercise: Exercise) -> bool:
    """Whether there is a picture, seen or told of."""
    return exercise.picture is not None or exercise.told is not None


SYSTEMS = (
    SYSTEM,
    SYSTEM,
    "You are a helpful AI assistant.",
    "You are a helpful assistant that talks about pictures.",
    "Answer briefly and truthfully.",
)
ROUNDS = (
    ("hello", "Hello! How can I help you?"),
    ("describe this image", "A red car next to a green tree."),
    ("where is the dog?", "I found the dog (91%), on the left."),
    ("what is written on it?", "Grand Opening"),
    ("what is 17% of 240?", "40.8"),
    ("thanks!", "You're welcome!"),
    ("how many apples are there?", "three"),
)


def random_history(rng: random.Random) -> list[Message]:
    """A short conversation as may stand before a picture: mostly none, sometimes a system line and a few rounds."""
    history = [Message(role="system", content=rng.choice(SYSTEMS))] if rng.random() < 0.7 else []
    for user, assistant in rng.sample(ROUNDS, rng.choice((0, 0, 0, 1, 2, 3))):
        history += [Message(role="user", content=user), Message(role="assistant", content=assistant)]
    return history


def train_stack(
    run: StackRun, model: Any, exercises: Batches[Batch], loss_of: Callable[[Any, Batch, str], Tensor]
) -> None:
    """Train the active adapter of PeftModel `model` for `run.minutes` of training time.

    `loss_of(model, batch, device)` says how wrong it is about a batch.
    """
    run.out.mkdir(parents=True, exist_ok=True)
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = MasterAdamW(learned, run.rate)
    step, spent = _resume(run, optimizer)
    exercises.first = step
    model.train()
    start, smooth = time.monotonic() - spent, 0.0
    for batch in loader(exercises, run.workers):
        spent = time.monotonic() - start
        done = spent / (run.minutes * 60)
        if done >= 1:
            break
        optimizer.set_rate(run.rate * min(1.0, (step + 1) / 40) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))))
        loss = loss_of(model, batch, run.device)
        loss.backward()
        optimizer.step()
        step += 1
        smooth = float(loss.detach()) if not smooth else 0.95 * smooth + 0.05 * float(loss.detach())
        if step % run.log_every == 0:
            rate = round(step * run.batch / spent, 1)
            log(
                task=run.task,
                step=step,
                samples=step * run.batch,
                seconds=round(spent),
                per_second=rate,
                loss=round(smooth, 4),
            )
        if step % run.save_every == 0:
            _save(run, optimizer, step, spent)
    _save(run, optimizer, step, spent)
    model.eval()
    log(task=run.task, step=step, done=True)


def _save(run: StackRun, optimizer: MasterAdamW, step: int, spent: float) -> None:
    state = {"optimizer": optimizer.state_dict(), "step": step, "seconds": spent}
    keep(run.out / f"{run.task}.pt", state)


def _resume(run: StackRun, optimizer: MasterAdamW) -> tuple[int, float]:
    path = run.out / f"{run.task}.pt"
    if not path.exists():
        if run.start is not None and run.start.exists():
            with reading(run.start) as state:
                optimizer.take_values(state["optimizer"])
            log(task=run.task, starts_from=run.start.stem)
        return 0, 0.0
    with reading(path) as state:
        optimizer.load_state_dict(state["optimizer"])
        log(task=run.task, resumed=state["step"])
        return int(state["step"]), float(state["seconds"])


def save_stack(model: Any, task: str, folder: Path, backbone: str, revision: str) -> None:
    """Write the adapter as PEFT safetensors in bf16, with the backbone and revision it was trained on."""
    temporary = folder.parent / f".{folder.name}.tmp"
    model.save_pretrained(temporary, selected_adapters=[task])
    source = temporary / task if (temporary / task).is_dir() else temporary
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        os.replace(source / name, folder / name)
    (folder / "stack.json").write_text(json.dumps({"backbone": backbone, "revision": revision}) + "\n")
    for path in sorted(temporary.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    temporary.rmdir()
