"""Checks of what lies in the task folders: manifests, examples, and stacks as files. Loads no model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from conlora_agent.core.errors import ConloraError
from conlora_agent.doctor.finding import Check, Finding

if TYPE_CHECKING:
    from conlora_agent.agent import Agent


def task_folders(agent: Agent) -> Iterator[Finding]:
    """Every task folder: whether it can be used."""
    for task in agent.tasks.all():
        yield Finding(task.name, f"{len(task.examples)} routing examples")
    for name, error in agent.tasks.problems().items():
        yield Finding(name, str(error), ok=False)


def stack_files(agent: Agent) -> Iterator[Finding]:
    """Every stack: whether its files are complete, safe and whole, for whichever backbone it was trained."""
    for task in agent.tasks.all():
        for backbone in task.manifest.backbones:
            try:
                task.weights(backbone)
            except ConloraError as error:
                yield Finding(f"{task.name} on {backbone}", str(error), ok=False)
            else:
                yield Finding(f"{task.name} on {backbone}", "complete")


TASK_CHECKS = (
    Check("tasks", "task folders", task_folders),
    Check("stack_files", "files of the stacks", stack_files),
)
