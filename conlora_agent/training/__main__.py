"""`python -m conlora_agent.training STAGE`: trains `nano` from packaged parts, resuming whatever was begun.

Stages: `vision` (dense pretraining), `look` (names and colours of objects), `photographs` (what tells them from
drawings), `stack TASK ...` (one LoRA stack each; `alignment`: all tasks mixed, which the others start from), `ship`
(write bf16 weights into the repository), `all`.
Every step block logs one JSON line on stderr. Run it under `nice` on a machine in use.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from conlora_agent.core.errors import ConloraError
from conlora_agent.training import nano


def main() -> None:
    """Parse the command line and run one stage; what goes wrong with it is one line and an exit code."""
    parser = argparse.ArgumentParser(prog="python -m conlora_agent.training", description=__doc__)
    parser.add_argument("stage", choices=("vision", "look", "photographs", "stack", "ship", "all"))
    parser.add_argument("tasks", nargs="*", help="for `stack`: task names, default alignment and all built-in ones")
    parser.add_argument("--minutes", type=float, default=60.0, help="training time of each stage or stack, in total")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="checkpoints")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--batch", type=int, default=0, help="default: 32 on a CPU, 256 on a GPU (half for stacks)")
    parser.add_argument("--workers", type=int, default=0, help="drawing processes; default: 1 on a CPU, 15 on a GPU")
    parser.add_argument("--threads", type=int, default=0, help="torch threads; default: all cores")
    parser.add_argument("--seed", type=int, default=0)
    try:
        run(parser.parse_args())
    except ConloraError as error:
        sys.stderr.write(f"training: {error}\n")
        sys.exit(error.exit_code)


def run(given: argparse.Namespace) -> None:
    """Run one stage. Raises ConloraError."""
    gpu = given.device == "cuda"
    plan = nano.Plan(
        out=given.out,
        minutes=given.minutes,
        device=given.device,
        batch=given.batch or (256 if gpu else 32),
        workers=given.workers or (15 if gpu else 1),
        threads=given.threads or None,
        seed=given.seed,
    )
    if given.stage in ("vision", "all"):
        nano.train_vision(plan)
    if given.stage in ("look", "all"):
        nano.train_look(plan)
    if given.stage in ("photographs", "all"):
        nano.train_photographs(plan)
    if given.stage in ("stack", "all"):
        for task in given.tasks or (nano.ALIGNMENT, *nano.TASKS):
            nano.train_task(plan, task)
    if given.stage in ("ship", "all"):
        nano.ship(plan)


if __name__ == "__main__":
    main()
