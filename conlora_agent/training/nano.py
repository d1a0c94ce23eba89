"""The training campaign of `nano`: which data, which order, how it is measured, what is shipped."""

from __future__ import annotations

import importlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from adapters.exercise import Exercise
from adapters.task import load_task
from conlora_agent.backbone.nano import assemble
from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.vision import NanoVision
from conlora_agent.core.errors import BadInput
from conlora_agent.phrases import referring_phrase
from conlora_agent.training.lora import nano_lora
from conlora_agent.training.stacks import Exercises, StackRun, save_stack, train_stack
from conlora_agent.training.stream import DrawnBatches
from conlora_agent.training.studio import DrawingStudio, known_names
from conlora_agent.training.vision import VisionRun, pretrain

TASKS = ("ocr", "grounding", "caption", "vqa")
ALIGNMENT = "alignment"
ADAPTERS = Path(__file__).parents[2] / "adapters"
HELDOUT_BATCHES = 3
CORRECTION_SEED = 20


@dataclass
class Plan:
    """Settings that all stages share."""

    out: Path
    minutes: float
    device: str
    batch: int
    workers: int
    threads: int | None
    seed: int

    def begin(self) -> None:
        """Seed and limit torch."""
        torch.manual_seed(self.seed)
        if self.threads:
            torch.set_num_threads(self.threads)


def train_vision(plan: Plan) -> None:
    """Dense pretraining of glyph stem, upper layers and heads on text and scenes, mixed."""
    plan.begin()
    studio = DrawingStudio.open()
    known = known_names()
    config = NanoConfig(names=known["names"], colours=known["colours"])
    model = NanoVision(config)
    model.low.trunk.load_imagenet(assemble.imagenet_file())
    heldout = DrawnBatches(DrawingStudio.open("heldout").mixture, 32, config.names, config.colours, seed=77)
    held = [heldout.batch(i) for i in range(HELDOUT_BATCHES)]
    batches = DrawnBatches(studio.mixture, plan.batch, config.names, config.colours, seed=plan.seed + 1)
    run = VisionRun(
        plan.out / "vision", plan.minutes, plan.batch, seed=plan.seed, workers=plan.workers, device=plan.device
    )
    plan.out.mkdir(parents=True, exist_ok=True)
    (plan.out / "names.json").write_text(json.dumps(known))
    pretrain(run, config, model, batches, lambda m: dense_accuracy(m, held, plan.device))


def dense_accuracy(model: NanoVision, batches: list[dict[str, Any]], device: str) -> dict[str, float]:
    """On held-out pictures: glyphs right at their exact cell, false glyphs per glyph, objects named right."""
    model.eval()
    right = total = false = named = objects = 0
    for batch in batches:
        with torch.no_grad(), torch.autocast(device, torch.bfloat16):
            out = model(batch["pixels"].to(device).float() / 255)
        guess, truth = out.glyph.float().argmax(-1).cpu(), batch["glyph"]
        there = truth > 0
        right += int((guess[there] == truth[there]).sum())
        false += int((guess[~there] > 0).sum())
        total += int(there.sum())
        centre = batch["heat"] == 1
        named += int((out.name.float().argmax(-1).cpu()[centre] == batch["name"][centre]).sum())
        objects += int(centre.sum())
    model.train()
    return {
        "heldout_glyphs": round(right / max(1, total), 4),
        "heldout_false": round(false / max(1, total), 4),
        "heldout_names": round(named / max(1, objects), 4),
    }


def compose(plan: Plan) -> tuple[Any, Any]:
    """`nano` with the pretrained vision of this run (or, without one, the shipped weights), and its tokenizer."""
    # The corrections' first layer is drawn at random and never pretrained: stack and shipped base must share it.
    torch.manual_seed(CORRECTION_SEED)
    tokenizer, language_model = assemble.language_model()
    checkpoint = plan.out / "vision" / "vision.pt"
    if not checkpoint.exists():
        model = assemble.compose(tokenizer, language_model)
        assemble.load_trained(model)
    else:
        model = assemble.compose(tokenizer, language_model, json.loads((plan.out / "names.json").read_text()))
        model.vision.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["model"])
    return model.to(plan.device, torch.bfloat16), tokenizer


def train_task(plan: Plan, name: str) -> None:
    """One stack, trained on what the task's own `data.py` makes, written under the run's folder.

    The name ALIGNMENT trains on all tasks mixed; stacks trained after it start from it.
    """
    from peft import get_peft_model

    plan.begin()
    base, tokenizer = compose(plan)
    base.requires_grad_(False)
    model = get_peft_model(base, nano_lora(), adapter_name=name, autocast_adapter_dtype=False)
    model.to(torch.bfloat16)
    run = StackRun(
        task=name,
        out=plan.out / "stacks",
        minutes=plan.minutes,
        batch=max(8, plan.batch // 2),
        seed=plan.seed,
        workers=plan.workers,
        device=plan.device,
        rate=1.5e-3 if name == ALIGNMENT else 8e-4,
        start=plan.out / "stacks" / f"{ALIGNMENT}.pt" if name != ALIGNMENT else None,
    )
    studio = DrawingStudio.open(wide=name != ALIGNMENT)
    makers = [instructed(task, studio) for task in (TASKS if name == ALIGNMENT else (name,))]
    train_stack(run, model, Exercises(makers, tokenizer, run))
    save_stack(model, name, plan.out / "stacks" / name, "nano", "unshipped")


def instructed(name: str, studio: DrawingStudio) -> Callable[[random.Random], Exercise]:
    """Makes exercises of a task with the very instructions that reach the model when it serves."""
    task = load_task(ADAPTERS / name, builtin=True)
    make = importlib.import_module(f"adapters.{name}.data").exercise

    def one(rng: random.Random) -> Exercise:
        exercise: Exercise = make(rng, studio)
        # A locating request is cut down to its phrase, as in a turn.
        about = referring_phrase(exercise.request) if task.manifest.output == "boxes" else exercise.request
        return replace(exercise, request=task.prompt(about))

    return one


def ship(plan: Plan) -> None:
    """Write vision and stacks of this run into the repository, in bf16, each stack naming the new revision."""
    if not (plan.out / "vision" / "vision.pt").exists():
        raise BadInput(f"nothing to ship in {plan.out}", "run the stage `vision` first")
    model, _ = compose(plan)
    state = model.state_dict()
    parts: dict[str, dict[str, Any]] = {}
    for key in assemble.trained_names(model):
        # Split by part, so that every file stays well under 16 MiB.
        part = "mid" if key.startswith("mid.") else key.split(".")[1]
        parts.setdefault(part, {})[key] = state[key].to("cpu", torch.bfloat16).contiguous()
    assemble.WEIGHTS.mkdir(parents=True, exist_ok=True)
    for part, tensors in parts.items():
        save_file(tensors, assemble.WEIGHTS / f"{part}.safetensors")
    (assemble.WEIGHTS / "names.json").write_text((plan.out / "names.json").read_text())
    revision = assemble.revision()
    for name in TASKS:
        source = plan.out / "stacks" / name
        if source.exists():
            copy_stack(source, ADAPTERS / name / "nano", revision)


def copy_stack(source: Path, target: Path, revision: str) -> None:
    """Copy a trained stack, recording the revision of the backbone it belongs to."""
    target.mkdir(parents=True, exist_ok=True)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (target / name).write_bytes((source / name).read_bytes())
    (target / "stack.json").write_text(json.dumps({"backbone": "nano", "revision": revision}) + "\n")
