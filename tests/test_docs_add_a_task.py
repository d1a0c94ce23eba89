"""The tutorial, executed: its files written, its commands run, what it shows compared with what comes out."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from apps.cli.common import Progress
from conlora_agent.agent import Agent
from conlora_agent.core.types import Route, RouteQuery
from conlora_agent.settings import Settings
from evals.new_tasks import evaluate_new_tasks, load_new_tasks
from evals.router import load_rows
from router.embedding import EmbeddingRouter
from tests.command import Ended, conlora
from tests.tiny_nano import tiny_backbone
from tests.turns import png

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "add-a-task.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:^`(?P<file>[^`\n]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def tiny(tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Opens agents with the real router, tasks and tools, and a tiny backbone, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONLORA_CACHE", str(shared_cache))
    Path("leaf.png").write_bytes(png((160, 160), "green"))

    def open_agent(settings: Settings, on_progress: Progress) -> Agent:
        return Agent(settings, backbone=tiny_backbone())

    return open_agent


def commands(body: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with what it is said to print."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown.strip()


def run(command: str, open_agent: object) -> Ended:
    words = shlex.split(command)
    if words[0] == "python":
        ended = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, check=False)
        return Ended(ended.returncode, ended.stdout, ended.stderr)
    assert words[0] == "conlora", command
    return conlora(*words[1:], open_agent=open_agent)  # type: ignore[arg-type]


def fits(shown: str, printed: str) -> bool:
    """Whether the output is what the page shows; "..." stands for anything, at the end for any further lines."""
    whole = shown.removesuffix("\n...")
    pattern = re.sub(r"\[", "[[]", whole).replace("...", "*") + "\n"
    return fnmatchcase(printed.strip() + "\n", pattern + "*" * (whole != shown))


def test_every_command_of_the_tutorial_does_what_the_page_says(tiny: object) -> None:
    ran = 0
    for block in BLOCK.finditer(PAGE):
        if block["file"]:
            Path(block["file"]).write_text(block["body"], encoding="utf-8")
            continue
        for command, shown in commands(block["body"]):
            ended = run(command, tiny)
            assert ended.code == 0, f"{command}: {ended.err}"
            assert fits(shown, ended.out), f"{command} printed:\n{ended.out}\nthe page shows:\n{shown}"
            ran += 1
    assert ran == PAGE.count("\n$ ")
    turn = conlora("ask", "does my plant look ill?", "--image", "leaves/1.png", "--json", open_agent=tiny).json  # type: ignore[arg-type]
    assert (turn["steps"][0]["route"], turn["steps"][0]["adapter"]) == ("plant_health", "plant_health")


def test_after_eight_examples_its_questions_reach_it_and_the_others_keep_theirs(
    tiny: object, shared_cache: Path
) -> None:
    """The promise of the page, on phrasings that are in no example."""
    (task,) = (task for task in load_new_tasks(ROOT / "evals/data/new_tasks.jsonl") if task.task == "plant_health")
    assert all(f'{{"text": "{text}"}}' in PAGE for text in task.examples)
    with Agent() as agent:
        routes = agent.routes()
    router = EmbeddingRouter(routes, cache_dir=shared_cache)

    def told(now: tuple[Route, ...]) -> EmbeddingRouter:
        router.refit(now)
        router.plan(RouteQuery(text="hello"))
        return router

    report = evaluate_new_tasks([task], load_rows(ROOT / "evals/data/router_heldout.jsonl"), routes, told)  # type: ignore[arg-type]
    (added,) = report.tasks
    assert "plant_health" not in added.before
    assert added.reached >= 0.95, added.misses
    assert added.lost <= 0.005, added.taken


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("made plants\n...", "made plants\nwrite 8", True),
        ("made plants\n...", "made plants", True),
        ("made plants", "made plants\nwrite 8", False),
        ("a [b] ...", "a [b] c", True),
        ("", "", True),
    ],
)
def test_the_comparison_can_fail(shown: str, printed: str, same: bool) -> None:
    assert fits(shown, printed) == same
