"""Speed benchmarks. Each measures ours beside a baseline in the same run, on the real model, and reports their ratio.

A ratio says how many times better than the baseline. Wall times depend on the machine and on what else it does; the two
sides of a ratio take turns, so that both meet the same load.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conlora_agent.core.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from adapters.registry import TaskRegistry
    from conlora_agent.backbone.local import LocalBackbone

BENCHES = {
    "switching": "activating a stack: PEFT's load_adapter per turn over ours; 64 resident stacks over 1",
    "vision": "vision time of a second task on the same picture: cold over warm",
    "prefix": "time to first token at a switch behind a long history: recomputing over ours",
    "batching": "four concurrent requests on four stacks: one by one over together",
    "load": "requests a second: eight clients at once over one",
}

STACKS = 4
"""How many are measured with at least."""

Report = dict[str, Any]


def check_bench(name: str, tasks: TaskRegistry, backbone: str) -> dict[str, Path]:
    """The stacks to measure with, by task.

    Raises UnknownName for a benchmark that there is not, BadInput for a backbone that no task has a stack for.
    """
    from evals.bench.timing import at_least, stacks_for

    if name not in BENCHES:
        raise UnknownName.among("benchmark", name, BENCHES)
    stacks = stacks_for(tasks, backbone)
    if not stacks:
        raise BadInput(f"no task has a stack for {backbone}", "measure nano, or train one first: conlora tasks train")
    return at_least(STACKS, stacks)


def bench(name: str, backbone: LocalBackbone, stacks: Mapping[str, Path], note: Callable[[str], None]) -> Report:
    """Run one benchmark on a loaded backbone; `note` is told figures on the way. Raises BackboneError, Failure."""
    run: Callable[..., Report] = importlib.import_module(f"evals.bench.{name}").run
    return {"name": name, **run(backbone, stacks, note), "backbone": backbone.name}
