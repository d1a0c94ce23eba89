"""The example files themselves: valid, naming known routes, and apart from the held-out phrasings."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from conlora_agent.core.errors import DataError
from conlora_agent.core.types import Example
from evals.dialogues import load_dialogues
from evals.router import load_rows
from router import builtin_routes
from router.builtin import FollowUp, doubtful_turns, read_rows, shared_examples
from router.planning import borders
from tests.router_routes import all_routes

DATA = Path(__file__).parents[1] / "evals" / "data"
SAME_WORDS = 0.85
"""Two texts sharing more than this part of their words, in order, count as one phrasing."""
SETS = ("router_heldout", "plans", "router_dev", "router_confirm")


def test_builtin_routes_are_chat_and_clarify() -> None:
    assert [(route.name, route.kind) for route in builtin_routes()] == [("chat", "chat"), ("clarify", "clarify")]
    assert all(len(route.examples) >= 100 for route in builtin_routes())


def test_examples_name_registered_routes(tmp_path: Path) -> None:
    names = {route.name for route in all_routes(tmp_path)}
    assert {row.route for row in shared_examples().followups} == names
    assert {name for row in shared_examples().followups for name in row.previous} <= names
    assert {step.route for plan in shared_examples().plans for step in plan.steps} <= names


def test_plan_steps_are_parts_of_their_message_between_borders() -> None:
    for plan in shared_examples().plans:
        starts = {border.start for border in borders(plan.text)}
        position = 0
        for number, step in enumerate(plan.steps):
            position = plan.text.index(step.text, position)
            assert number == 0 or position in starts, plan.text
            assert all(used < number for used in step.uses), plan.text
            position += len(step.text)


def test_no_example_says_two_things(tmp_path: Path) -> None:
    """The same text in the same conversation never has two routes."""
    rows = [(e.text.lower(), e.has_image, e.previous, r.name) for r in all_routes(tmp_path) for e in r.examples]
    rows += [(f.text.lower(), f.has_image, f.previous, f.route) for f in shared_examples().followups]
    routes_of = Counter(row[:3] for row in set(rows))
    assert [key for key, count in routes_of.items() if count > 1] == []


def test_no_held_out_phrasing_is_an_example(tmp_path: Path) -> None:
    examples = [e.text for route in all_routes(tmp_path) for e in route.examples]
    examples += [f.text for f in shared_examples().followups] + [p.text for p in shared_examples().plans]
    examples += [s.text for p in shared_examples().plans for s in p.steps]
    examples += [example.text for example in shared_examples().outside]
    known = {_plain(text): text for text in examples}
    grams = {text: _grams(text) for text in known.values()}
    sharing: defaultdict[str, set[str]] = defaultdict(set)
    for text, counts in grams.items():
        for gram in counts:
            sharing[gram].add(text)
    leaks = []
    for held_out in held_out_texts():
        here = _grams(held_out)
        near = set[str]().union(*(sharing[gram] for gram in here))
        leaks += [(held_out, text) for text in near if _overlap(here, grams[text]) > SAME_WORDS]
    assert leaks == []


def held_out_texts() -> list[str]:
    """Every text that the router, or trust in it, is tested on. Follow-ups of three words or fewer leave no other way
    to say them.
    """
    turns = [turn.text for dialogue in load_dialogues(DATA / "dialogues.jsonl") for turn in dialogue.turns]
    rows = [row.text for name in SETS for row in load_rows(DATA / f"{name}.jsonl")]
    rows += [row.text for row in doubtful_turns()]
    return [*rows, *(text for text in dict.fromkeys(turns) if len(text.split()) > 3)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not json", "line 2 is not JSON"),
        ('{"text": ""}', "line 2: text"),
        ('{"text": "x", "picture": true}', "line 2: picture"),
        ("[1]", "line 2"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "examples.jsonl"
    path.write_text('{"text": "fine"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_rows(path, Example)


def test_followups_are_read_with_all_fields(tmp_path: Path) -> None:
    path = tmp_path / "followups.jsonl"
    path.write_text(json.dumps({"text": "read it", "route": "ocr", "previous": ["grounding"], "focus": ["region"]}))
    assert read_rows(path, FollowUp)[0].focus == ("region",)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower())) or text.strip()


def _grams(text: str) -> Counter[str]:
    words = ["^", *_plain(text).split(), "$"]
    return Counter(map(" ".join, pairwise(words)))


def _overlap(one: Counter[str], other: Counter[str]) -> float:
    return 2 * sum((one & other).values()) / (sum(one.values()) + sum(other.values()))
