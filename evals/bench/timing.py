"""Timing two ways of doing the same thing in turns, and the stacks and pictures that benchmarks use."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw

from conlora_agent.core.types import Message

if TYPE_CHECKING:
    from adapters.registry import TaskRegistry

Run = Callable[[], Any]


def seconds(run: Run) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def medians(runs: Mapping[str, Run], rounds: int) -> dict[str, float]:
    """Median seconds of each run; they take turns."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            taken[name].append(seconds(run))
    return {name: statistics.median(times) for name, times in taken.items()}


def milliseconds(value: float) -> float:
    """Seconds as milliseconds, to four digits."""
    return float(f"{value * 1000:.4g}")


# -- material ---------------------------------------------------------------------------------------------------------


def picture(number: int = 0) -> Image.Image:
    """A drawn picture, another for every number."""
    rng = random.Random(number)
    drawn = Image.new("RGB", (640, 480), (230, 226, 214))
    draw = ImageDraw.Draw(drawn)
    for _ in range(4):
        x, y = rng.randrange(560), rng.randrange(400)
        colour = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        draw.rectangle((x, y, x + rng.randrange(30, 160), y + rng.randrange(20, 90)), fill=colour)
    draw.text((40, 220), f"Nr. {number}", fill="black", font_size=60)
    return drawn


def conversation(characters: int) -> tuple[Message, ...]:
    """A history of about so many characters."""
    said = "Tell me about the harbour: the ships, the cranes, the people who work there, and what they carry."
    turns = max(1, characters // (2 * len(said)))
    pairs = [
        (Message(role="user", content=f"{n}. {said}"), Message(role="assistant", content=f"{said} {n}."))
        for n in range(turns)
    ]
    return tuple(message for pair in pairs for message in pair)


def stacks_for(tasks: TaskRegistry, backbone: str) -> dict[str, Path]:
    """Folders of the tasks' stacks for a backbone, by task. Raises WeightsError for a broken one."""
    folders = {task.name: task.weights(backbone) for task in tasks.all()}
    return {name: folder for name, folder in folders.items() if folder is not None}


def at_least(count: int, stacks: Mapping[str, Path]) -> dict[str, Path]:
    """So many stacks: where there are fewer, some of them under a second name, as work of their own."""
    rounds = range(-(-count // len(stacks)))
    return {f"{name}{again or ''}": folder for again in rounds for name, folder in stacks.items()}


@contextmanager
def language_only(stack: Path, language: str) -> Iterator[Path]:
    """A copy of a stack without what it adapts outside the module `language`."""
    from safetensors.torch import load_file, save_file

    with TemporaryDirectory() as folder:
        tensors = load_file(stack / "adapter_model.safetensors")
        kept = {key: tensor for key, tensor in tensors.items() if f".{language}." in key}
        save_file(kept, Path(folder) / "adapter_model.safetensors")
        config = json.loads((stack / "adapter_config.json").read_text())
        (Path(folder) / "adapter_config.json").write_text(json.dumps(config))
        yield Path(folder)
