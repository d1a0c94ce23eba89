"""Bytes of a conversation with pictures, beside LangGraph's SqliteSaver with the pictures in its state.

`python -m evals.storage` ends with one line of JSON; `ratio` says how many times less is written here.
"""

from __future__ import annotations

import base64
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from conlora_agent.agent import Agent
from conlora_agent.defaults import default_tasks
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from router.fixed import FixedRouter
from tools.registry import ToolRegistry

TURNS = 50
SIDE = 64
"""Pixels of the pictures' sides; they are noise, about 11 kB each."""
ANSWER = "A table with four books on it, one of them open."


def measure(turns: int = TURNS) -> dict[str, Any]:
    """Both measured on the same conversation: one new picture a turn."""
    pictures = [noise(number) for number in range(turns)]
    with tempfile.TemporaryDirectory() as folder:
        ours = our_bytes(Path(folder) / "ours", pictures)
        theirs = saver_bytes(Path(folder) / "theirs", pictures)
    sent = sum(map(len, pictures))
    return {
        "name": "storage",
        "ratio": theirs / ours,
        "bytes": ours,
        "baseline_bytes": theirs,
        "picture_bytes": sent,
        "turns": turns,
    }


def our_bytes(home: Path, pictures: list[bytes]) -> int:
    """Database and pictures after the conversation."""
    settings = Settings.load({}, home=home, cache=home.with_name("cache"))
    tasks = default_tasks(settings, tools := ToolRegistry())
    describes = FixedRouter(tasks.get("caption").route())
    with Agent(settings, backbone=FakeBackbone(default=ANSWER), router=describes, tasks=tasks, tools=tools) as agent:
        for picture in pictures:
            agent.ask("describe this image", image=picture, thread="t")
    return size(home)


def saver_bytes(folder: Path, pictures: list[bytes]) -> int:
    """The same conversation as messages in the state of a graph with LangGraph's SqliteSaver."""
    from langgraph.checkpoint.sqlite import SqliteSaver
    from langgraph.graph import START, MessagesState, StateGraph

    graph = StateGraph(MessagesState)
    graph.add_node("answer", lambda state: {"messages": [("assistant", ANSWER)]})
    graph.add_edge(START, "answer")
    folder.mkdir()
    with SqliteSaver.from_conn_string(str(folder / "threads.db")) as saver:
        compiled: Any = graph.compile(checkpointer=saver)
        for picture in pictures:
            url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
            content = [
                {"type": "text", "text": "describe this image"},
                {"type": "image_url", "image_url": {"url": url}},
            ]
            compiled.invoke({"messages": [("user", content)]}, {"configurable": {"thread_id": "t"}})
    return size(folder)


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def noise(number: int) -> bytes:
    """A picture that no compression makes smaller."""
    import random

    from PIL import Image

    buffer = io.BytesIO()
    Image.frombytes("RGB", (SIDE, SIDE), random.Random(number).randbytes(SIDE * SIDE * 3)).save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure()) + "\n")
