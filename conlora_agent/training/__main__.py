"""`python -m conlora_agent.training STAGE`: trains `nano` from packaged parts, resuming whatever was begun.

Stages: `vision` (dense pretraining), `look` (names and colours of objects), `photographs` (what tells them from
drawings), `columns` (how high the data of charts are), `edges` (where objects end), `stack TASK ...` (one LoRA stack
each; `alignment`: all tasks mixed, which the others start from), `ship` (write bf16 weights into the repository),
`all`.
Every step block logs one JSON line on stderr. Run it under `nice` on a machine in use.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from conlora_agent.core.errors import BadInput, ConloraError, UnknownName
from conlora_agent.training import nano
from router.language import TASK as ROUTING

STAGES = ("vision", "look", "photographs", "columns", "edges", "stack", "ship", "all")
NOT_TAKEN = {
    "look": ("batch",),
    "photographs": ("minutes", "device", "batch", "workers"),
    "columns": ("minutes", "device", "batch", "workers"),
    "edges": ("minutes", "batch"),
    "ship": ("minutes", "batch", "workers", "threads", "seed"),
}
"""Options that mean nothing to a stage: refused where it is named, left to the others under `all`."""


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and run one stage; what goes wrong with it is one line and an exit code."""
    parser = argparse.ArgumentParser(prog="python -m conlora_agent.training", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("tasks", nargs="*", help="for `stack`: task names, default alignment and all built-in ones")
    parser.add_argument("--minutes", type=float, help="training time of each stage or stack, in total; default: 60")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="checkpoints; default: runs")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: cpu")
    parser.add_argument("--batch", type=int, help="default: 32 on a CPU, 256 on a GPU (half for stacks)")
    parser.add_argument("--workers", type=int, help="drawing processes; default: 1 on a CPU, 15 on a GPU")
    parser.add_argument("--threads", type=int, help="torch threads; default: all cores")
    parser.add_argument("--seed", type=int, help="default: 0")
    given = parser.parse_args(argv)
    try:
        check(given)
        run(given)
    except ConloraError as error:
        sys.stderr.write(f"training: {error}\n")
        sys.exit(error.exit_code)


def check(given: argparse.Namespace) -> None:
    """Refuse what the stage cannot honour, before anything is read or fetched. Raises BadInput."""
    for option in NOT_TAKEN.get(given.stage, ()):
        if getattr(given, option) is not None:
            raise BadInput(f"the stage {given.stage} takes no --{option}", "leave it out")
    for option in ("minutes", "batch", "workers", "threads"):
        value = getattr(given, option)
        if value is not None and not value > 0:
            raise BadInput(f"--{option} is {value:g}", "give more than 0")
    if given.device == "cuda" and not torch.cuda.is_available():
        raise BadInput("torch sees no CUDA GPU here", "use --device cpu")
    if given.tasks and given.stage != "stack":
        raise BadInput(f"the stage {given.stage} takes no task names", f"use: stack {' '.join(given.tasks)}")
    known = (nano.ALIGNMENT, ROUTING, *(path.parent.name for path in nano.ADAPTERS.glob("*/data.py")))
    for task in given.tasks:
        if task not in known:
            raise UnknownName.among("task to train", task, known)


def run(given: argparse.Namespace) -> None:
    """Run one stage. Raises ConloraError."""
    gpu = given.device == "cuda"
    plan = nano.Plan(
        out=given.out,
        minutes=given.minutes or 60.0,
        device=given.device or "cpu",
        batch=given.batch or (256 if gpu else 32),
        workers=given.workers or (15 if gpu else 1),
        threads=given.threads,
        seed=given.seed or 0,
    )
    if given.stage in ("vision", "all"):
        nano.train_vision(plan)
    if given.stage in ("look", "all"):
        nano.train_look(plan)
    if given.stage in ("photographs", "all"):
        nano.train_photographs(plan)
    if given.stage in ("columns", "all"):
        nano.train_columns(plan)
    if given.stage in ("edges", "all"):
        nano.train_edges(plan)
    if given.stage in ("stack", "all"):
        for task in given.tasks or (nano.ALIGNMENT, *nano.TASKS, *nano.LANGUAGE_TASKS):
            nano.train_task(plan, task)
    if given.stage in ("ship", "all"):
        nano.ship(plan)


if __name__ == "__main__":
    main()
