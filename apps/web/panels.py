"""The drawer at the right: which tasks there are, on or off, adding one; model and router settings.

Not covered here: conversations (handlers.py, conversations.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from apps.web.events import attempt, sent, sent_list
from apps.web.markup import attributes, button, plain
from apps.web.uploads import folder

if TYPE_CHECKING:
    from adapters.task import Task
    from conlora_agent.agent import Agent


class Panels:
    """The events of the drawer. `manage`: whether this page may change tasks and settings, for all who use them."""

    def __init__(self, agent: Agent, *, manage: bool) -> None:
        self._agent = agent
        self._manage = manage

    # -- tasks --------------------------------------------------------------------------------------------------------

    def tasks(self) -> str:
        """The tasks and tools there are, as HTML."""
        off = self._agent.tasks.off()
        tasks = "".join(self._task(task, on=task.name not in off) for task in self._agent.tasks.all())
        broken = "".join(
            f'<li class="broken"><b>{plain(name)}</b><p>{plain(str(error))}</p></li>'
            for name, error in self._agent.tasks.problems().items()
        )
        tools = "".join(
            f"<li><b>{plain(route.title)}</b><p>{plain(route.description)}</p></li>"
            for route in self._agent.tools.routes()
        )
        return (
            f'<ul class="routes">{tasks}{broken}</ul>'
            f'<details class="tools"><summary>Tools</summary><ul class="routes">{tools}</ul></details>'
        )

    def switch(self, event: gr.EventData) -> str:
        """Switch a task on or off."""
        if self._manage:
            attempt(lambda: self._agent.tasks.switch(sent(event, "task"), on=sent(event, "checked") == "true"))
        return self.tasks()

    def remove(self, event: gr.EventData) -> str:
        """Remove one of the user's tasks."""
        if self._manage and attempt(lambda: self._agent.tasks.remove(sent(event, "task"))):
            gr.Info(f"removed {sent(event, 'task')}")
        return self.tasks()

    def add(self, event: gr.EventData) -> str:
        """Add a task from a folder of the user's machine; it takes effect at once."""
        if self._manage:
            attempt(lambda: self._add(event))
        return self.tasks()

    def _add(self, event: gr.EventData) -> None:
        with folder(sent_list(event, "files")) as made:
            task = self._agent.tasks.add(made)
        gr.Info(f"added {task.name}: {task.manifest.description}")

    def _task(self, task: Task, *, on: bool) -> str:
        backbone = self._agent.models.name
        how = "LoRA stack" if backbone in task.manifest.backbones else "prompt only"
        facts = [task.name, f"{how} on {backbone}", "built-in" if task.builtin else "yours"]
        if not task.manifest.routable:
            facts.append("for the agent itself")
        switch = attributes(
            type="checkbox", role="switch", data_do="switch_task", data_task=task.name, checked=on,
            disabled=not (self._manage and task.manifest.routable),
        )  # fmt: skip
        remove = ""
        if self._manage and not task.builtin:
            remove = button("Remove", "remove_task", task=task.name, confirm=f"Remove the task “{task.name}”?")
        return (
            f"<li><label><input {switch}><b>{plain(task.manifest.title)}</b></label>"
            f"<p>{plain(task.manifest.description)}</p><small>{plain(' · '.join(facts))}</small>{remove}</li>"
        )

    # -- settings -----------------------------------------------------------------------------------------------------

    def model(self) -> str:
        """What the model and the router are, as HTML."""
        settings, models = self._agent.settings, self._agent.models
        facts = {"Backbone": settings.backbone, "State": "loaded" if models.loaded else "not loaded yet"}
        if models.loaded:
            backbone = models.backbone()
            facts |= {"Revision": backbone.revision, "Stacks in memory": ", ".join(backbone.stacks()) or "none"}
        facts |= {
            "Router": settings.router,
            "Network": "off" if settings.offline else "for tools that need it",
            "Kept in": str(settings.home),
        }
        rows = "".join(f"<dt>{plain(name)}</dt><dd>{plain(value)}</dd>" for name, value in facts.items())
        return f'<dl class="facts">{rows}</dl>'

    def configure(self, ask_below: float, steps: int, history: int) -> None:
        """Take other settings, for every conversation until the program ends."""
        if self._manage:
            attempt(
                lambda: self._agent.configure(
                    clarify_threshold=ask_below or None, max_steps=int(steps), history_tokens=int(history)
                )
            )
