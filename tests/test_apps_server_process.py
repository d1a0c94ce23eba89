"""`conlora serve` and `web` as processes of their own: they start, say where they are, and stop, no turn torn."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from conlora_agent.settings import Settings
from tests.command import scripted_agent
from tests.serving import chat
from tests.waiting import wait_until

PROGRAM = """
import sys, time
from apps.cli import main
from conlora_agent.testing import FakeBackbone
from tests.command import scripted_agent

def slow(request):
    time.sleep({seconds} if "slow" in request.instruction else 0)
    return "You are welcome."

main(sys.argv[1:], open_agent=lambda settings, progress: scripted_agent(settings, progress, FakeBackbone(slow)))
"""


@contextmanager
def process(
    *options: str, command: str = "serve --no-web", seconds: float = 0
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    words = [sys.executable, "-c", PROGRAM.format(seconds=seconds), *command.split(), "--port", "0", *options]
    child = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    assert child.stderr is not None
    try:
        found = next(filter(None, (re.search(r" at (http://\S+)/ ", line) for line in child.stderr)))
        yield child, found[1]
    finally:
        child.kill()
        child.wait()
        child.stderr.close()


def ask(url: str, into: list[Any], **more: Any) -> threading.Thread:
    def work() -> None:
        try:
            into.append(httpx.post(f"{url}/v1/chat/completions", json=chat("slow", **more), timeout=30).status_code)
        except httpx.HTTPError as error:
            into.append(type(error).__name__)

    worker = threading.Thread(target=work)
    worker.start()
    return worker


@pytest.mark.parametrize(("drain_s", "kept"), [(10, True), (1, False)])
def test_stopping_finishes_a_turn_or_rolls_it_back(
    drain_s: int, kept: bool, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONLORA_DRAIN_S", str(drain_s))
    answers: list[Any] = []
    with process(seconds=2.5) as (child, url):
        wait_until(lambda: httpx.get(f"{url}/readyz").status_code == 200)
        before = httpx.post(f"{url}/v1/chat/completions", json=chat("hello", thread="t"))
        assert before.status_code == 200
        asking = ask(url, answers, thread="t")
        time.sleep(0.7)
        child.send_signal(signal.SIGTERM)
        asking.join()
        assert child.stderr is not None
        logged = [json.loads(line) for line in child.stderr if line.startswith("{")]
        assert child.wait(20) == 0
    texts = ["hello", "slow"] if kept else ["hello"]
    with scripted_agent(Settings.load(), lambda message, done: None) as agent:
        assert [turn.text for turn in agent.threads.show("t").turns] == texts
        assert agent.ask("hello", thread="t").thread == "t"
    assert (answers == [200]) is kept
    assert logged[0]["path"] == "/readyz"


@pytest.mark.parametrize("port", ["70000", "x"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    command = [sys.executable, "-m", "conlora_agent", "serve", "--port", port]
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)


def test_with_a_key_the_web_chat_shows_nothing_before_a_log_in() -> None:
    options = ("--host", "0.0.0.0", "--no-open", "--api-key", "secret")
    with process(*options, command="web") as (_, url), httpx.Client(base_url=url) as client:
        said = [client.get("/config").status_code]
        for word in ("wrong", "secret"):
            said.append(client.post("/login", data={"username": "anyone", "password": word}).status_code)
        assert [*said, client.get("/config").status_code] == [401, 400, 200, 200]
