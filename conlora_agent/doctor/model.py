"""Checks of the model as it runs: does it load, are its parts whole, does every stack answer in its own kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from conlora_agent.core.errors import ConloraError
from conlora_agent.core.protocols import SelfTest
from conlora_agent.doctor.finding import Check, Finding
from conlora_agent.probe import probe

if TYPE_CHECKING:
    from adapters.task import Task
    from conlora_agent.agent import Agent


def backbone(agent: Agent) -> Iterator[Finding]:
    """The backbone: whether it loads, and whatever it finds wrong with itself."""
    model = agent.models.backbone()
    problems = model.problems() if isinstance(model, SelfTest) else ()
    for problem in problems:
        yield Finding(model.name, problem, ok=False)
    if not problems:
        which = f"revision {model.revision} is loaded" if model.revision else "answers; its server names no revision"
        yield Finding(model.name, which)


def stacks(agent: Agent) -> Iterator[Finding]:
    """Every stack for this backbone: whether it fits, and how it answers its probe picture."""
    for task in agent.tasks.all():
        try:
            yield _stack(agent, task)
        except ConloraError as error:
            yield Finding(task.name, str(error), ok=False)


def _stack(agent: Agent, task: Task) -> Finding:
    stack = agent.models.stack(task)
    if stack is None:
        return Finding(task.name, "no stack for this backbone: its prompt alone runs")
    answer = probe(task, agent.models.backbone(), stack)
    return Finding(task.name, answer.problem or f"answers its probe picture: {answer.text!r}", ok=not answer.problem)


MODEL_CHECKS = (
    Check("backbone", "the model", backbone),
    Check("stacks", "answers of the stacks", stacks),
)
