"""Going through turns of the past again, for callers who keep the conversation themselves.

Such a caller sends words and pictures, and the answers given to them; what the focus needs beyond that is made anew:
where things were (by looking again), what a tool was asked (by reading the request again). Steps that come back with
an answer are taken as they are. Not covered here: running the turns (conlora_agent.conversation).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conlora_agent.core.types import Region, Step
from conlora_agent.perception import look
from conlora_agent.steps import Outcome, StepRun

Work = Callable[[StepRun], Outcome]


@dataclass(frozen=True)
class Exchange:
    """One turn of the past: what the user sent and what was answered. `steps`: its traces, where they were kept."""

    text: str
    answer: str
    image: bytes | None = None
    steps: tuple[Step, ...] = ()


def recalling(work: Work) -> Work:
    """`work`, spared in turns of the past wherever its result is known."""

    def carry_out(run: StepRun) -> Outcome:
        past = run.context.past
        return work(run) if past is None else _known(run, past) or work(run)

    return carry_out


def _known(run: StepRun, past: Exchange) -> Outcome | None:
    """How the step ended, None when it has to be carried out again."""
    kept = past.steps[run.index] if run.index < len(past.steps) else None
    if kept is not None and kept.route == run.planned.route:
        return Outcome(kept, output=_output(run))
    if run.planned.kind == "chat":
        return Outcome(run.step(text=past.answer))
    if run.planned.kind == "tool":
        return None  # its arguments are found again; it is not called again (action)
    return None if _output(run) == "boxes" else _looked(run, past.answer)


def _output(run: StepRun) -> str:
    return run.context.tasks.get(run.planned.route).manifest.output if run.planned.kind == "task" else "text"


def _looked(run: StepRun, answer: str) -> Outcome:
    view = look(run, run.context.tasks.get(run.planned.route), search=False)
    boxes = (Region(label=view.region.label, box=view.region.box),) if view.region else ()
    return Outcome(run.step(text=answer, image=view.image, boxes=boxes), output=_output(run))
