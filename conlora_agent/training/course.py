"""The loop that teaches one stack: steps of an effective batch, looks at held-out rows, early stopping, resuming.

The same seed and rows give the same stack, interrupted or not: a checkpoint holds everything that the next step needs.
Not covered here: what a loss is (learner.py) and where weights go afterwards (user.py).
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from adapters.manifest import Training
from conlora_agent.core.errors import BackboneError
from conlora_agent.core.types import Message
from conlora_agent.prompts import SYSTEM
from conlora_agent.training.checkpoints import keep, reading
from conlora_agent.training.learner import Learner
from conlora_agent.training.lessons import Lesson
from conlora_agent.training.optimise import MasterAdamW
from conlora_agent.training.stacks import random_history
from conlora_agent.training.world import World

WARM_UP = 0.05
"""Share of all steps over which the rate rises."""
LAST_RATE = 0.05
MOST_STEPS_UNSEEN = 100
"""Held-out rows are looked at once an epoch, and at least this often."""
PROGRESS = 1e-3
"""The held-out loss must fall by this share to count as progress."""
SAVE_SECONDS = 15.0
PLAIN_HISTORY = (Message(role="system", content=SYSTEM),)


@dataclass(frozen=True)
class Look:
    """One point of the validation curve. Losses are means over the tokens of answers."""

    step: int
    train_loss: float | None
    validation_loss: float


@dataclass
class Standing:
    """How far a course is."""

    step: int = 0
    resumed: int = 0
    best_step: int = 0
    best_loss: float = math.inf
    unimproved: int = 0
    curve: list[Look] = field(default_factory=list)
    best: list[Tensor] = field(default_factory=list)

    def stopped(self, patience: int) -> bool:
        """Whether there was no progress for too long."""
        return self.unimproved >= patience


@dataclass(frozen=True)
class Course:
    """Settings of one course, and who is told how it goes."""

    training: Training
    rate: float
    """The learning rate at its height."""
    seed: int
    together: int
    """Rows that go through the model at once; an effective batch of more is gathered over several passes."""
    checkpoint: Path
    on_step: Callable[[int, int, float], None] = lambda step, of, loss: None
    on_look: Callable[[Look], None] = lambda look: None


class Teacher:
    """Runs one course. What is random beyond the order of rows comes from torch as the caller seeded it."""

    def __init__(
        self, course: Course, learner: Learner, lessons: Sequence[Lesson], held: Sequence[Lesson], world: World
    ) -> None:
        self._course, self._learner, self._world = course, learner, world
        self._lessons, self._held = lessons, held
        self._params = [p for p in learner.model.parameters() if p.requires_grad]
        self._optimizer = MasterAdamW(self._params, course.rate)
        self._epoch = -(-len(lessons) // course.training.batch)
        """Steps of one epoch."""
        self._total = course.training.epochs * self._epoch
        self._losses: list[float] = []
        """Of the steps since the last look."""

    def teach(self) -> Standing:
        """Run the course to its end, from its checkpoint where there is one. The learner ends with its best weights.

        Raises BackboneError when the losses are no numbers.
        """
        training, standing, saved = self._course.training, self._resume(), time.monotonic()
        if not standing.curve:
            self._look(standing)
        while standing.step < self._total and not standing.stopped(training.patience):
            self._optimizer.set_rate(self._course.rate * share_of_rate(standing.step, self._total))
            self._losses.append(self._gradients(standing.step))
            self._optimizer.step()
            standing.step += 1
            self._course.on_step(standing.step, self._total, self._losses[-1])
            due = standing.step % min(self._epoch, MOST_STEPS_UNSEEN) == 0 or standing.step == self._total
            if due:
                self._look(standing)
            if self._world.first and (due or time.monotonic() - saved > SAVE_SECONDS):
                self._save(standing)
                saved = time.monotonic()
        self._optimizer.take_values({"masters": standing.best})
        self._learner.model.eval()
        return standing

    def _batch(self, step: int) -> list[Lesson]:
        """The rows of a step: every epoch in an order of its own, known from the seed alone."""
        order, size = list(range(len(self._lessons))), self._course.training.batch
        random.Random(f"{self._course.seed}/{step // self._epoch}").shuffle(order)
        start = step % self._epoch * size
        return [self._lessons[k] for k in order[start : start + size]]

    def _gradients(self, step: int) -> float:
        """Gradients of one effective batch, summed over passes and processes. Returns its mean loss."""
        self._learner.model.train()
        batch, history = self._batch(step), random_history(random.Random(f"{self._course.seed}/history/{step}"))
        mean = torch.zeros(1, device=self._world.device)
        for some in self._passes(self._world.share(batch)):
            loss, tokens = self._learner.loss(some, history)
            part = loss / tokens * (len(some) / len(batch))
            cast(Any, part).backward()
            mean = mean + part.detach()
        for param in self._params:
            param.grad = self._world.sum(torch.zeros_like(param) if param.grad is None else param.grad)
        return float(self._world.sum(mean))

    def _look(self, standing: Standing) -> None:
        """Measure on the held-out rows and keep the weights if they are the best so far."""
        self._learner.model.eval()
        sums = torch.zeros(2, device=self._world.device)
        with torch.no_grad():
            for some in self._passes(self._world.share(self._held)):
                loss, tokens = self._learner.loss(some, PLAIN_HISTORY)
                sums += torch.stack([loss.float(), torch.tensor(float(tokens), device=sums.device)])
        total, count = self._world.sum(sums).tolist()
        if not math.isfinite(total):
            raise BackboneError("training diverged: the losses are no numbers", "lower training.rate in task.toml")
        look = Look(standing.step, sum(self._losses) / len(self._losses) if self._losses else None, total / count)
        self._losses.clear()
        standing.curve.append(look)
        if look.validation_loss < standing.best_loss * (1 - PROGRESS):
            standing.best_loss, standing.best_step, standing.unimproved = look.validation_loss, standing.step, 0
            standing.best = [master.detach().clone() for master in self._optimizer.masters]
        else:
            standing.unimproved += 1
        self._course.on_look(look)

    def _passes(self, lessons: Sequence[Lesson]) -> Iterator[Sequence[Lesson]]:
        for start in range(0, len(lessons), self._course.together):
            yield lessons[start : start + self._course.together]

    def _save(self, standing: Standing) -> None:
        checkpoint = self._course.checkpoint
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        state = {"optimizer": self._optimizer.state_dict(), "standing": asdict(standing), "losses": self._losses}
        keep(checkpoint, {**state, "random": torch.get_rng_state()})

    def _resume(self) -> Standing:
        """The standing of the checkpoint, with weights, optimiser and random numbers as they were there."""
        standing = Standing()
        if self._course.checkpoint.exists():
            with reading(self._course.checkpoint, "add --fresh to begin anew") as state:
                self._optimizer.load_state_dict(state["optimizer"])
                torch.set_rng_state(state["random"])
                self._losses = list(state["losses"])
                standing = Standing(**state["standing"])
                standing.curve = [Look(**look) for look in state["standing"]["curve"]]
                standing.resumed = standing.step
        # Nobody may write a new checkpoint while another still reads the old one.
        self._world.wait()
        return standing


def share_of_rate(step: int, total: int) -> float:
    """Share of the full rate at a step: a short rise, then half a cosine."""
    rise = max(1, round(total * WARM_UP))
    fall = 0.5 * (1 + math.cos(math.pi * step / total))
    return min(1.0, (step + 1) / rise) * (LAST_RATE + (1 - LAST_RATE) * fall)
