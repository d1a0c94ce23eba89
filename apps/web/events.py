"""What the page's buttons send to the server: words by name. A stranger's input, so nothing is taken for granted.

Not covered here: the sending side (page.js) and what is done with it (handlers, conversations, panels).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from conlora_agent.core.errors import ConloraError


def sent(event: gr.EventData, name: str) -> str:
    """A word that came along, empty when there is none."""
    value = _all(event).get(name)
    return value if isinstance(value, str) else ""


def sent_list(event: gr.EventData, name: str) -> list[Any]:
    """A list that came along, empty when there is none."""
    value = _all(event).get(name)
    return value if isinstance(value, list) else []


def attempt(work: Callable[[], object]) -> bool:
    """Whether `work` went well; an error is shown on the page."""
    try:
        work()
    except ConloraError as error:
        gr.Warning(str(error), title="That did not work")
        return False
    return True


def _all(event: gr.EventData) -> dict[str, Any]:
    data = event._data
    return data if isinstance(data, dict) else {}
