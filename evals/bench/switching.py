"""Switching stacks: our pointer beside what PEFT offers, and 64 resident stacks beside one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conlora_agent.core.protocols import GenerateRequest
from evals.bench.timing import medians, milliseconds, seconds

if TYPE_CHECKING:
    from conlora_agent.backbone.local import LocalBackbone

MANY = 64
PEFT_TURNS = 3
SWITCHES = 2000
ROUNDS = 6
TURNS = 8


def run(backbone: LocalBackbone, stacks: Mapping[str, Path], note: Callable[[str], None]) -> dict[str, Any]:
    """Time a switch in each way, then whole turns with one and with many stacks resident."""
    folder = next(iter(stacks.values()))
    peft = peft_switches(backbone.profile.model, folder)
    for way, taken in peft.items():
        note(f"PEFT {way}: {milliseconds(taken)} ms a switch")
    names = [f"stack{number}" for number in range(MANY)]
    for name in names:
        backbone.attach(name, folder)
    ours = our_switch(backbone, names)
    note(f"ours: {milliseconds(ours)} ms a switch among {MANY} resident stacks")
    turns = turn_times(backbone, names, folder)
    note(f"a turn: {milliseconds(turns['one'])} ms with one stack, {milliseconds(turns['many'])} ms with {MANY}")
    return {
        "ratio": round(peft["load_adapter"] / ours, 1),
        "scaling": round(turns["many"] / turns["one"], 3),
        "ours_ms": milliseconds(ours),
        "load_adapter_ms": milliseconds(peft["load_adapter"]),
        "set_adapter_ms": milliseconds(peft["set_adapter"]),
        "merge_ms": milliseconds(peft["merge"]),
        "turn_ms": {name: milliseconds(taken) for name, taken in turns.items()},
        "resident": len(backbone.loras.resident()),
    }


def peft_switches(model: Any, folder: Path) -> dict[str, float]:
    """Seconds per switch by loading an adapter each turn, by PEFT's set_adapter, by merging and unmerging."""
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peft = PeftModel.from_pretrained(model, folder, adapter_name="a")
        peft.load_adapter(folder, adapter_name="b")
        names = cycle(("a", "b"))

        def load() -> None:
            peft.load_adapter(folder, adapter_name="turn")
            peft.set_adapter("turn", inference_mode=True)

        def merge() -> None:
            peft.merge_adapter()
            peft.unmerge_adapter()

        runs = {
            "load_adapter": load,
            "set_adapter": lambda: peft.set_adapter(next(names), inference_mode=True),
            "merge": merge,
        }
        taken = medians(runs, PEFT_TURNS)
        peft.unload()
    model.requires_grad_(False)
    return taken


def our_switch(backbone: LocalBackbone, names: list[str]) -> float:
    """Seconds per switch: find the stack among all, move the pointer, move it back."""

    def switch_all() -> None:
        for _, name in zip(range(SWITCHES), cycle(names), strict=False):
            with backbone.loras.on(backbone.loras.get(name)):
                pass

    return seconds(switch_all) / SWITCHES


def turn_times(backbone: LocalBackbone, names: list[str], folder: Path) -> dict[str, float]:
    """Seconds of the quickest short turn with one stack attached, and with many, each turn on another.

    Not the median: between the two all others are attached, and a machine may be busy with something else meanwhile.
    """

    def ask(stack: str) -> None:
        backbone.generate(GenerateRequest("name a colour", stack=stack, max_new_tokens=2))

    turns: dict[str, list[float]] = {"one": [], "many": []}
    for _ in range(ROUNDS):
        for name in names[1:]:
            backbone.detach(name)
        ask(names[0])
        turns["one"] += [seconds(partial(ask, names[0])) for _ in range(TURNS)]
        for name in names[1:]:
            backbone.attach(name, folder)
        ask(names[0])
        turns["many"] += [seconds(partial(ask, name)) for name in names[1 : TURNS + 1]]
    return {name: min(times) for name, times in turns.items()}
