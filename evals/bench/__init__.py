"""Speed benchmarks. Each measures ours beside a baseline in the same run, on the real model, and reports their ratio.

A ratio says how many times better than the baseline. Wall times depend on the machine and on what else it does; the two
sides of a ratio take turns, so that both meet the same load.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from conlora_agent.core.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from conlora_agent.backbone.local import LocalBackbone

BENCHES = {
    "switching": "activating a stack: PEFT's load_adapter per turn over ours; 64 resident stacks over 1",
    "vision": "vision time of a second task on the same picture: cold over warm",
    "prefix": "time to first token at a switch behind a long history: recomputing over ours",
    "batching": "four concurrent requests on four stacks: one by one over together",
    "load": "requests a second: eight clients at once over one",
}

Report = dict[str, Any]


def check_bench(name: str, backbone: str) -> None:
    """Raises UnknownName for a benchmark that there is not, BadInput for a backbone without stacks to measure with."""
    from evals.bench.timing import shipped_stacks

    if name not in BENCHES:
        raise UnknownName.among("benchmark", name, BENCHES)
    if not shipped_stacks(backbone):
        raise BadInput(f"no built-in task has a stack for {backbone}", "measure nano, or train stacks for it first")


def bench(name: str, backbone: LocalBackbone, note: Callable[[str], None]) -> Report:
    """Run one benchmark on a loaded backbone; `note` is told figures on the way."""
    run: Callable[..., Report] = importlib.import_module(f"evals.bench.{name}").run
    return {"name": name, **run(backbone, note), "backbone": backbone.name}
