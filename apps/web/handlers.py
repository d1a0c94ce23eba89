"""What the page's events do. One `Handlers` serves all browsers; what belongs to one is in the values it sends along.

A browser knows the ids of its own threads and lists no others. Not covered here: layout (page.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from apps.web.messages import Message, thread_messages, user
from apps.web.turns import Preparation, Turn
from conlora_agent.core.errors import ConloraError

if TYPE_CHECKING:
    from conlora_agent.agent import Agent

AUTO = "auto"
MAX_LISTED = 200
DESCRIBE = "Describe this picture."
"""What a picture sent without a word asks for; shown as the user's message."""

Sent = dict[str, Any]
"""What gr.MultimodalTextbox gives: {"text", "files"}."""


class Handlers:
    """The page's events, carried out on one agent."""

    def __init__(self, agent: Agent, preparation: Preparation) -> None:
        self.agent = agent
        self._preparation = preparation
        self._running: dict[str, Turn] = {}

    # -- the message box ----------------------------------------------------------------------------------------------

    def take(self, sent: Sent, thread: str) -> tuple[Any, Any, Sent]:
        """Move what the user typed from the box into the conversation; the box offers to stop from now on."""
        text, files = (sent.get("text") or "").strip(), sent.get("files") or []
        if not text and not files:
            return gr.update(), gr.update(), {}
        taken = {"text": text or DESCRIBE, "files": files[:1]}
        shown = [*thread_messages(self.agent, thread), *self._sent(taken)]
        box = gr.update(value={"text": "", "files": []}, submit_btn=False, stop_btn=True)
        return shown, box, taken

    def answer(self, taken: Sent, thread: str, task: str, request: gr.Request) -> Iterator[tuple[Any, str, Any]]:
        """Run the turn, renewing the conversation as it grows. A turn that fails gives the words back to the box."""
        if not taken:
            yield gr.update(), thread, gr.update()
            return
        before = [*thread_messages(self.agent, thread), *self._sent(taken)]
        files = taken["files"]
        turn = Turn(
            self.agent,
            taken["text"],
            Path(files[0]).read_bytes() if files else None,
            thread or None,
            None if task in (AUTO, None) else task,
            self._preparation,
        )
        self._running[_session(request)] = turn
        for growing in turn:
            yield [*before, *growing], thread, gr.update()
        self._running.pop(_session(request), None)
        if turn.error is not None:
            gr.Warning(str(turn.error), title="That did not work")
        given_back = taken if turn.error is not None or turn.stopped_early else gr.update()
        yield thread_messages(self.agent, turn.thread), turn.thread or "", given_back

    def stop(self, request: gr.Request) -> None:
        """Stop the turn that runs in this page."""
        turn = self._running.get(_session(request))
        if turn is not None:
            turn.stop()

    def ready(self) -> Any:
        """The box takes the next message."""
        return gr.update(submit_btn=True, stop_btn=False)

    def _sent(self, taken: Sent) -> list[Message]:
        pictures = [{"role": "user", "content": {"path": path, "alt_text": "picture"}} for path in taken["files"]]
        return [*pictures, user(taken["text"])]

    # -- the list of conversations ------------------------------------------------------------------------------------

    def listed(self, known: str, thread: str) -> Any:
        """This browser's conversations. `known`: JSON list of the thread ids it remembers, the newest first."""
        titles = {summary.id: summary.title for summary in self.agent.threads.list()}
        choices = [(titles[name], name) for name in _ids(known) if name in titles]
        return gr.update(choices=choices, value=thread if thread in titles else None)

    def open(self, chosen: str | None) -> tuple[list[Message], str]:
        """Show a conversation."""
        return thread_messages(self.agent, chosen), chosen or ""

    def new(self) -> tuple[list[Message], str]:
        """Begin a conversation; it is kept from its first answer on."""
        return [], ""

    def delete(self, thread: str, confirmed: str) -> tuple[Any, str]:
        """Delete the conversation shown, if the user meant it."""
        if not thread or not confirmed:
            return gr.update(), thread
        try:
            self.agent.threads.delete(thread)
        except ConloraError as error:
            gr.Warning(str(error))
            return gr.update(), thread
        return [], ""

    # -- the rest -----------------------------------------------------------------------------------------------------

    def routes(self) -> list[tuple[str, str]]:
        """What the dropdown offers: the router's choice first, then tasks, tools and plain chat."""
        kinds = {"task": "task", "tool": "tool", "chat": "no adapter"}
        routes = [route for route in self.agent.routes() if route.kind in kinds]
        return [
            ("auto: the router chooses", AUTO),
            *((f"{route.name} ({kinds[route.kind]})", route.name) for route in routes),
        ]

    def offered(self) -> Any:
        """The dropdown's choices as they are now: tasks may have been added since."""
        return gr.update(choices=self.routes())


def example(chosen: gr.SelectData) -> Sent:
    """The message of an example that was clicked."""
    files = [file["path"] if isinstance(file, dict) else file for file in chosen.value.get("files") or []]
    return {"text": chosen.value.get("text", ""), "files": files}


def option(chosen: gr.SelectData) -> Sent:
    """The message of a choice that was clicked."""
    return {"text": chosen.value, "files": []}


def _session(request: gr.Request) -> str:
    return request.session_hash or ""


def _ids(known: str) -> list[str]:
    try:
        ids = json.loads(known)
    except ValueError:
        return []
    return [name for name in ids if isinstance(name, str)][:MAX_LISTED] if isinstance(ids, list) else []
