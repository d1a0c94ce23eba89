"""The list of conversations: search, rename, delete, export, import.

A browser knows the ids of its own threads and lists no others. Not covered here: the conversation itself (handlers.py).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import gradio as gr

from apps.web.events import attempt, sent
from apps.web.markup import attributes, button, plain
from apps.web.uploads import taken
from conlora_agent.memory.threads import new_thread_id

if TYPE_CHECKING:
    from conlora_agent.agent import Agent
    from conlora_agent.memory.threads import ThreadSummary

MAX_LISTED = 200
SUFFIXES = {"markdown": "md", "json": "json"}


class Conversations:
    """The events of the list. `known`: JSON list of the thread ids a browser remembers, the newest first."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def listed(self, known: str, thread: str, words: str) -> str:
        """This browser's conversations as HTML, those that hold all `words`."""
        found = {summary.id: summary for summary in self._agent.threads.search(words)}
        shown = [found[name] for name in _ids(known) if name in found]
        if not shown:
            return f'<p class="none">{"Nothing found." if words.strip() else "No conversations yet."}</p>'
        return f'<ul class="threads">{"".join(_item(summary, thread) for summary in shown)}</ul>'

    def chosen(self, event: gr.EventData) -> str:
        """The thread that was clicked."""
        return sent(event, "thread")

    def rename(self, event: gr.EventData) -> None:
        """Give a conversation the title that the user typed."""
        attempt(lambda: self._agent.threads.rename(sent(event, "thread"), sent(event, "answer")))

    def delete(self, thread: str, event: gr.EventData) -> str:
        """Delete a conversation. Returns the thread to show: none when it was the one shown."""
        gone = sent(event, "thread")
        return "" if attempt(lambda: self._agent.threads.delete(gone)) and gone == thread else thread

    def export(self, event: gr.EventData) -> str:
        """A conversation as a file for the browser to save: JSON of `name` and `text`, empty when it is gone."""
        thread, form = sent(event, "thread"), sent(event, "format")
        suffix = SUFFIXES.get(form)
        if suffix is None:
            return ""
        parcel: dict[str, str] = {}

        def pack() -> None:
            title = re.sub(r"\W+", "-", self._agent.threads.show(thread).title).strip("-").lower()
            text = self._agent.threads.export(thread, "json" if form == "json" else "markdown")
            parcel.update(name=f"{title or thread}.{suffix}", text=text)

        return json.dumps(parcel) if attempt(pack) else ""

    def bring(self, thread: str, event: gr.EventData) -> str:
        """Take in an exported conversation, under an id that nobody knows yet. Returns the thread to show."""
        brought: list[str] = []

        def unpack() -> None:
            brought.append(self._agent.threads.bring(taken(sent(event, "path")), new_thread_id()))

        return brought[0] if attempt(unpack) else thread


def _item(summary: ThreadSummary, current: str) -> str:
    title, thread = plain(summary.title), summary.id
    more = "".join(
        [
            button("Rename", "rename_thread", thread=thread, ask="New title", value=summary.title),
            button("Export Markdown", "export_thread", thread=thread, format="markdown"),
            button("Export JSON", "export_thread", thread=thread, format="json"),
            button("Delete", "delete_thread", thread=thread, confirm=f"Delete “{summary.title}”?"),
        ]
    )
    chosen = attributes(
        class_="title", data_do="open_thread", data_thread=thread, aria_current=thread == current and "true"
    )
    menu = f'<details class="menu"><summary aria-label="More about {title}">⋯</summary><div>{more}</div></details>'
    return f'<li><button type="button" {chosen}>{title}</button>{menu}</li>'


def _ids(known: str) -> list[str]:
    try:
        ids = json.loads(known)
    except ValueError:
        return []
    return [name for name in ids if isinstance(name, str)][:MAX_LISTED] if isinstance(ids, list) else []
