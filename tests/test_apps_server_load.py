"""Fifty callers at once on mixed tasks: every answer is the one that the same request gets alone.

Once with a model that tells what it was given, and once with a real one, tiny, in fp32, with stacks of random LoRAs.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from conlora_agent.agent import Agent
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tests.command import scripted_agent
from tests.serving import Served, chat, serving
from tests.task_folders import write_task
from tests.tiny_nano import tiny_backbone, tiny_stack
from tests.turns import ScriptedRouter, Weather, png
from tools.registry import ToolRegistry

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


def asked(number: int, turn: int, texts: Sequence[str]) -> dict[str, Any]:
    """Turn `turn` of caller `number`, who has a picture of a colour of its own."""
    text = f"{texts[(number + turn) % len(texts)]} {number}"
    if turn:
        return chat(text, thread=f"t{number}")
    data = base64.b64encode(png((20, 20), f"#{number * 5:02x}0000")).decode()
    content = [
        {"type": "text", "text": text},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
    ]
    return chat({"role": "user", "content": content}, thread=f"t{number}")


def conversation(
    served: Served, number: int, texts: Sequence[str], turns: int
) -> list[tuple[str, list[tuple[str, Any]]]]:
    answers = []
    for turn in range(turns):
        got = served.http.post("/v1/chat/completions", json=asked(number, turn, texts), timeout=120)
        got.raise_for_status()
        steps = [(step["route"], step["image"]) for step in got.json()["conlora"]["steps"]]
        answers.append((got.json()["choices"][0]["message"]["content"], steps))
    return answers


def alone_and_together(agent: Callable[[str], Agent], texts: Sequence[str], turns: int) -> tuple[list[Any], list[Any]]:
    """All callers one after the other, and all of them at once."""
    with serving(agent("alone")) as served:
        alone = [conversation(served, number, texts, turns) for number in range(CALLERS)]
    with serving(agent("together")) as served, ThreadPoolExecutor(CALLERS) as callers:
        together = list(callers.map(lambda number: conversation(served, number, texts, turns), range(CALLERS)))
    return alone, together


def test_fifty_callers_at_once_get_what_each_gets_alone(tmp_path: Any) -> None:
    def agent(name: str) -> Agent:
        settings = Settings.load(home=tmp_path / name)
        return scripted_agent(settings, lambda message, done: None, FakeBackbone(echo))

    alone, together = alone_and_together(agent, TEXTS, turns=2)
    assert together == alone
    assert len({str(answers) for answers in alone}) == CALLERS


STACKS = ("red", "green", "blue")
MANIFEST = """\
name = "{name}"
title = "{name}"
description = "Tells what is {name}."
max_new_tokens = 6

[prompts]
picture = "What is {name}? {{{{request}}}}"

[backbones.nano]
weights = "nano"
"""


def test_fifty_callers_share_the_batches_of_a_real_model(tmp_path: Path) -> None:
    widest: list[int] = []

    def agent(name: str) -> Agent:
        for seed, stack in enumerate(STACKS):
            folder = write_task(tmp_path / name / "tasks", stack, manifest=MANIFEST.format(name=stack))
            tiny_stack(folder / "nano", seed)
            (folder / "nano" / "stack.json").write_text('{"backbone": "nano", "revision": "tiny"}')
        backbone = tiny_backbone()
        backbone.profile.model.language_model.register_forward_hook(
            lambda module, args, output: widest.append(len(output.logits)) if name == "together" else None
        )
        settings = Settings.load(home=tmp_path / name, turns_at_once=CALLERS, history_tokens=64)
        router = ScriptedRouter({stack: stack for stack in STACKS})
        return Agent(settings, backbone=backbone, router=router, tools=ToolRegistry([Weather()]))

    alone, together = alone_and_together(agent, STACKS, turns=1)
    assert together == alone
    assert len({answers[0][0] for answers in alone}) > 4, "the answers differ"
    assert max(widest) > 4, "requests of different stacks were decoded together"
