"""Exercises for writing arguments: what they ask is what serving asks, what they answer can be written when serving."""

from __future__ import annotations

import json
import random
from datetime import date
from pathlib import Path

from jsonschema import Draft202012Validator

from adapters.arguments.data import exercise
from adapters.calls import TASK, answer, instruction
from adapters.task import load_task
from conlora_agent.backbone.nano.processing import IMAGE
from conlora_agent.training.nano import instructed
from conlora_agent.training.stacks import Exercises, StackRun
from evals.functions import load_functions
from tests.tiny_nano import tiny_tokenizer
from tools.said import narrowed
from tools.schemas import arguments_schema

FOLDER = Path(__file__).parents[1] / "adapters" / TASK
HELD_OUT = Path(__file__).parents[1] / "evals" / "data" / "functions_heldout.jsonl"


def test_the_layout_is_the_one_that_serves() -> None:
    schema = {
        "properties": {"kind": {"enum": ["a", "b"]}, "n": {"type": "integer", "description": "how\nmany"}, "t": {}}
    }
    assert instruction("f", "Does it.", schema, "two  of a", ["READ", " "], "n is missing").splitlines() == [
        "Function f: Does it.",
        "- kind (one of a, b)",
        "- n (whole number): how many",
        "- t (text)",
        "Known: READ",
        "Request: two of a",
        "Your last answer was wrong: n is missing",
        "Arguments as JSON, null for what is not said:",
    ]
    assert answer(schema, {"n": 2, "kind": "a"}) == '{"kind": "a", "n": 2, "t": null}'
    made = instructed(TASK, None)(random.Random(1))
    assert made.picture is None
    assert made.request.endswith("Arguments as JSON, null for what is not said:")
    assert load_task(FOLDER).prompt(made.request) == made.request, "the prompt adds nothing"


def test_every_answer_holds_only_what_was_said() -> None:
    for seed in range(300):
        made = exercise(random.Random(seed))
        lines = made.request.splitlines()
        said = [line.split(": ", 1)[1] for line in lines if line.startswith(("Known: ", "Request: "))]
        value = json.loads(made.answer)
        schema = {name: _schema_of(line) for line in lines if line.startswith("- ") for name in [line.split()[1]]}
        assert list(schema) == list(value)
        narrow = narrowed(arguments_schema({"properties": schema}), said, date(2026, 11, 24))
        problems = [error.message[:90] for error in Draft202012Validator(narrow).iter_errors(value)]
        assert not problems, (made.request, made.answer, problems)


def _schema_of(line: str) -> dict[str, object]:
    kind = line.split("(", 1)[1].split(")")[0]
    if kind.startswith("one of "):
        return {"enum": kind.removeprefix("one of ").split(", ")}
    if kind == "list":
        return {"type": "array", "items": {"type": "string"}}
    kinds = {"whole number": "integer", "number": "number", "true or false": "boolean"}
    return {"type": "string", "format": "date"} if kind == "date" else {"type": kinds.get(kind, "string")}


def test_a_batch_has_no_pictures(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    batch = Exercises([instructed(TASK, None)], tokenizer, StackRun(TASK, tmp_path, 1.0, batch=3)).batch(0)
    assert batch.pixels is None
    assert batch.shown is None
    assert len(batch.prompts) == len(batch.answers) == 3
    image = tokenizer.convert_tokens_to_ids(IMAGE)
    assert not any(image in prompt for prompt in batch.prompts)


def test_no_held_out_function_or_value_is_trained_on() -> None:
    source = (FOLDER / "data.py").read_text(encoding="utf-8")
    made = "\n".join(exercise(random.Random(seed)).request for seed in range(500))
    for row in load_functions(HELD_OUT):
        assert row.name not in made
        for message in row.messages:
            assert message.text not in source
            assert message.text not in made
