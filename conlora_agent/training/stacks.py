"""Trains one task's stack: LoRAs on upper vision layers, mid layer and language model, everything else frozen.

The prompt layout is the one used later: a text-only history computed with adapters off, then picture and instruction
with the stack on. Resumable and time-boxed, like vision.py.
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
from torch.nn import functional as F

from adapters.exercise import Exercise
from conlora_agent.backbone.nano.processing import END, invocation_ids, plain_ids, prefix_ids
from conlora_agent.backbone.nano.vision import Closeup
from conlora_agent.core.types import Message
from conlora_agent.prompts import SYSTEM
from conlora_agent.training.checkpoints import keep, reading
from conlora_agent.training.optimise import MasterAdamW
from conlora_agent.training.stream import Batches, loader
from conlora_agent.training.vision import log

HOPELESS = 1.5
"""Mean loss per token, in nats, beyond which a text to be read counts as illegible."""
ROWS_TOGETHER = 16
"""Rows of a batch that the language model sees together, sorted by length so that little of them is padding."""


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


@dataclass
class TeacherBatch:
    """Pictures of one canvas with tokenised instructions and answers, behind one shared history."""

    pixels: Tensor | None
    """(batch, 3, H, W) uint8; None where the task sees no picture"""
    history: list[int]
    prompts: list[list[int]]
    answers: list[list[int]]
    closeups: list[Closeup] | None = None
    """The pictures themselves, which may be larger; what is on the canvas by default."""
    shown: list[int] | None = None
    """Which picture each row is about; by default each has its own."""
    told: list[str] | None = None
    """In place of pictures: what the mid layer says of each, in words."""
    teachable: bool = False
    """Whether to leave out rows that the model is lost on, because the picture does not show them clearly enough."""


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
            [answer_ids(self.tokenizer, e.answer) for e in made],
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
    ("where is the dog?", "I found the dog (91%)."),
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


def answer_ids(tokenizer: Any, text: str) -> list[int]:
    """Ids the model should produce, the end mark included."""
    return [*plain_ids(tokenizer, text), tokenizer.convert_tokens_to_ids(END)]


def answer_loss(model: Any, batch: TeacherBatch, device: str, *, vision: bool = True) -> Tensor:
    """Mean cross-entropy of the answers' tokens. `model` is the PeftModel with the stack active.

    History and pictures go through the language model once, however many rows are about them. Without `vision` no
    gradient reaches the vision and mid layers.
    """
    nano = model.base_model.model
    context, prompts, shown = _history(model, nano, batch.history, device), batch.prompts, [0] * len(batch.prompts)
    if batch.pixels is not None or batch.told:
        shown = batch.shown or list(range(len(prompts)))
        tokens = _seen(nano, batch, device, vision)
        _, context = context.chosen([0] * len(tokens)).read(nano, tokens)
        prompts = [prompt[1:] for prompt in prompts]  # the picture's own token has been replaced
    embed = nano.get_input_embeddings()
    rows, targets = [], []
    for prompt, answer in zip(prompts, batch.answers, strict=True):
        rows.append(embed(torch.tensor(prompt + answer[:-1], device=device)))
        targets.append(torch.tensor([-100] * (len(rows[-1]) - len(answer)) + answer, device=device))
    total = torch.zeros((), device=device)
    order = sorted(range(len(rows)), key=lambda k: len(rows[k]))
    for start in range(0, len(order), ROWS_TOGETHER):
        some = order[start : start + ROWS_TOGETHER]
        hidden, _ = context.chosen([shown[k] for k in some]).read(nano, [rows[k] for k in some])
        total = total + _summed_loss(nano, hidden, [targets[k] for k in some], batch.teachable)
    return total / sum(map(len, batch.answers))


@dataclass
class Context:
    """Key-values that several rows go on from, behind which rows may be padded: `mask` (rows, length) tells."""

    cache: Any
    mask: Tensor

    def chosen(self, rows: list[int]) -> Context:
        """These rows of it, some perhaps several times; reading on leaves this one as it is."""
        from transformers import DynamicCache

        layers = [(layer.keys[rows], layer.values[rows]) for layer in self.cache.layers]
        return Context(DynamicCache(layers), self.mask[rows])

    def read(self, nano: Any, rows: list[Tensor]) -> tuple[Tensor, Context]:
        """Hidden states (rows, longest, hidden) of embeddings that go on here, and what has been read with them."""
        longest = max(map(len, rows))
        embeds = torch.stack([F.pad(row, (0, 0, 0, longest - len(row))) for row in rows])
        steps = torch.arange(longest, device=embeds.device)
        there = steps < torch.tensor([len(row) for row in rows], device=embeds.device)[:, None]
        mask = torch.cat([self.mask, there.long()], 1)
        out = nano.language_model.model(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=self.mask.sum(1, keepdim=True) + steps,
            past_key_values=self.cache,
            use_cache=True,
        )
        return out.last_hidden_state, Context(out.past_key_values, mask)


def _seen(nano: Any, batch: TeacherBatch, device: str, vision: bool) -> list[Tensor]:
    """Visual tokens of each picture."""
    if batch.told:
        # Lines of text are last, and the end of a message stands behind them.
        end = nano.mid.ending[None]
        return [torch.cat([nano.words(text), end[: not text.endswith("\n")]]) for text in batch.told]
    assert batch.pixels is not None
    with torch.no_grad():
        low = nano.vision.low(batch.pixels.to(device).to(nano.dtype) / 255)
    with torch.set_grad_enabled(vision):
        tokens: list[Tensor] = nano.visual_tokens(low=low, closeups=batch.closeups)[0]
    return [some.to(nano.dtype) for some in tokens]


def _history(model: Any, nano: Any, ids: list[int], device: str) -> Context:
    """Key-values of a history, computed once and with adapters off."""
    from transformers import DynamicCache

    cache = DynamicCache(config=nano.config.text_config)
    with torch.no_grad(), model.disable_adapter():
        nano.language_model.model(input_ids=torch.tensor([ids], device=device), past_key_values=cache, use_cache=True)
    return Context(cache, torch.ones(1, len(ids), dtype=torch.long, device=device))


def _summed_loss(nano: Any, hidden: Tensor, targets: list[Tensor], teachable: bool) -> Tensor:
    """Cross-entropy summed over the answers' tokens of rows of like length."""
    longest = hidden.shape[1]
    target = torch.stack([F.pad(t, (0, longest - len(t)), value=-100) for t in targets])
    # Only answer positions go through the 49k-word head, a fifth of the cost otherwise.
    logits = nano.language_model.lm_head(hidden[target != -100]).float()
    loss = F.cross_entropy(logits, target[target != -100], reduction="none")
    if not teachable:
        return loss.sum()
    # What the vision layers cannot make out teaches nothing but guessing.
    rows_of = torch.nonzero(target != -100)[:, 0]
    mean = torch.zeros(len(targets), device=loss.device).index_reduce(
        0, rows_of, loss.detach(), "mean", include_self=False
    )
    return (loss * (mean < HOPELESS)[rows_of]).sum()


def train_stack(run: StackRun, model: Any, exercises: Exercises) -> None:
    """Train the active adapter of PeftModel `model` for `run.minutes` of training time."""
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
        loss = answer_loss(model, batch, run.device, vision=run.vision)
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
