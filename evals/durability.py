"""Kills an agent at random moments of its turns and looks at what is left: `python -m evals.durability --trials 200`.

Every answered turn has to be there, a half one gone whole, state and transcript of the same turn, no file too many once
it was tidied up, and the thread has to go on. The last line on stdout is JSON. POSIX only.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from conlora_agent.agent import Agent
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.defaults import default_tasks
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from router.fixed import FixedRouter
from tools.registry import ToolRegistry

THREAD = "trial"
MOST = 4
"""A trial is ended after fewer answers than this, at a random moment of the turn that follows."""


def main(argv: list[str] | None = None) -> None:
    """Run the trials; exit code 1 when one of them lost or tore anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(argv)
    dice = random.Random(chosen.seed)
    began, found = time.perf_counter(), []
    removed = turns = 0
    turn_s = turn_seconds()
    with tempfile.TemporaryDirectory() as home:
        for number in range(chosen.trials):
            answers, seconds = dice.randrange(MOST), dice.uniform(0, turn_s)
            answered = turns + killed_after(answers, seconds, Path(home), turns)
            with open_agent(Path(home)) as agent:
                turns, problems = inspect(agent, answered)
                repaired = agent.repair()
                removed += len(repaired.removed) + repaired.swept
                problems += unneeded(agent)
            found += [f"trial {number}: {problem}" for problem in problems]
    report = {"name": "durability", "trials": chosen.trials, "problems": found, "turns": turns}
    report |= {"orphans_removed": removed, "seconds": round(time.perf_counter() - began, 1)}
    sys.stdout.write(json.dumps(report) + "\n")
    if found:
        raise SystemExit(1)


def turn_seconds() -> float:
    """How long a turn takes now, and everything imported that the trials need."""
    with tempfile.TemporaryDirectory() as home, open_agent(Path(home)) as agent:
        agent.ask("read", image=picture(0), thread=THREAD)
        began = time.perf_counter()
        for number in range(1, 4):
            agent.ask("read", image=picture(number), thread=THREAD)
        return (time.perf_counter() - began) / 3


def killed_after(answers: int, seconds: float, home: Path, first: int) -> int:
    """Let a child process answer turns from number `first` on, kill it so long after so many; how many it answered.

    The answers are waited for, not timed: a child's first turn can take many times what a later one does.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as told, open_agent(home) as agent:
            print("begin", file=told, flush=True)
            answer_for_ever(agent, first, told)
    os.close(writing)
    with os.fdopen(reading) as told:
        for _ in range(1 + answers):
            told.readline()
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return answers + told.read().count("\n")


def answer_for_ever(agent: Agent, first: int, told: IO[str]) -> None:
    """Turns with a new picture each, until the end comes from outside."""
    number = first
    while True:
        agent.ask(f"read {number}", image=picture(number), thread=THREAD)
        print(number, file=told, flush=True)
        number += 1


def inspect(agent: Agent, answered: int) -> tuple[int, list[str]]:
    """The number of turns that are stored, and what is wrong with them. One turn may be stored but not yet told of."""
    known = {summary.id for summary in agent.threads.list()}
    stored = agent.threads.show(THREAD).turns if THREAD in known else ()
    problems = []
    if not answered <= len(stored) <= answered + 1:
        problems.append(f"{answered} turns were answered, {len(stored)} are stored")
    if [turn.text for turn in stored] != [f"read {number}" for number in range(len(stored))]:
        problems.append("the turns are not the ones that were asked")
    window = agent.state(THREAD).get("window", [])
    if stored and (not window or window[-1]["user"] != stored[-1].text):
        problems.append("state and transcript are not of the same turn")
    for number, turn in enumerate(stored):
        if turn.image is None or agent.pictures.read(turn.image) != picture(number):
            problems.append(f"the picture of turn {number} is not the one that was sent")
    return len(stored), problems


def unneeded(agent: Agent) -> list[str]:
    """Files that no turn needs, after tidying up."""
    known = {summary.id for summary in agent.threads.list()}
    stored = agent.threads.show(THREAD).turns if THREAD in known else ()
    needed = {agent.pictures.path(turn.image) for turn in stored if turn.image}
    files = {path for path in (agent.settings.home / "pictures").rglob("*") if path.is_file()}
    return [f"{path.name} is needed by no turn" for path in files - needed]


def open_agent(home: Path) -> Agent:
    """An agent that reads whatever it is shown, a few words in a few milliseconds."""
    settings = Settings.load({}, home=home, cache=home / "cache")
    tasks = default_tasks(settings, tools := ToolRegistry())
    reads = FixedRouter(tasks.get("ocr").route())
    return Agent(settings, backbone=FakeBackbone(slowly), router=reads, tasks=tasks, tools=tools)


def slowly(request: GenerateRequest) -> str:
    """Some words, after some time."""
    time.sleep(0.003)
    return "some words that were read"


def picture(number: int) -> bytes:
    """A small picture, a different one for each number."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (number % 256, number // 256, 77)).save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    main()
