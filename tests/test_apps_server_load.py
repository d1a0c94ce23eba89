"""Fifty callers at once on mixed tasks: every answer is the one that the same request gets alone."""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serving import Served, chat, serving
from turns import png

from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tests.command import scripted_agent

CALLERS = 50
TEXTS = ("describe it", "where is the book", "what is written on it?", "how many are there", "hello")


def echo(request: GenerateRequest) -> str:
    """An answer that tells all that the model was given, so that a mix-up shows."""
    time.sleep(0.002)
    if request.instruction.startswith("Locate"):
        return "1 2 30 40"
    colour = request.picture.getpixel((0, 0)) if request.picture else None
    said = [message.content for message in request.history[1:]]
    return f"{request.stack} {colour} {request.instruction} {said}"


def asked(number: int, turn: int) -> dict[str, Any]:
    """Turn `turn` of caller `number`, who has a picture of a colour of its own."""
    text = f"{TEXTS[(number + turn) % len(TEXTS)]} {number}"
    if turn:
        return chat(text, thread=f"t{number}")
    data = base64.b64encode(png((20, 20), f"#{number * 5:02x}0000")).decode()
    content = [
        {"type": "text", "text": text},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
    ]
    return chat({"role": "user", "content": content}, thread=f"t{number}")


def conversation(served: Served, number: int) -> list[tuple[str, list[tuple[str, Any]]]]:
    answers = []
    for turn in range(2):
        got = served.http.post("/v1/chat/completions", json=asked(number, turn), timeout=120)
        got.raise_for_status()
        steps = [(step["route"], step["image"]) for step in got.json()["conlora"]["steps"]]
        answers.append((got.json()["choices"][0]["message"]["content"], steps))
    return answers


def test_fifty_callers_at_once_get_what_each_gets_alone(tmp_path: Any) -> None:
    def agent(name: str) -> Any:
        settings = Settings.load(home=tmp_path / name)
        return scripted_agent(settings, lambda message, done: None, FakeBackbone(echo))

    with serving(agent("alone")) as served:
        alone = [conversation(served, number) for number in range(CALLERS)]
    with serving(agent("together")) as served, ThreadPoolExecutor(CALLERS) as callers:
        together = list(callers.map(lambda number: conversation(served, number), range(CALLERS)))
    assert together == alone
    assert len({str(answers) for answers in alone}) == CALLERS
