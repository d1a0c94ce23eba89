"""The installed program as a process of its own: exit codes, streams, quiet ends, a light start."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


def conlora(*argv: str, **more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "conlora_agent", *argv]
    options = {"capture_output": True, "text": True, "timeout": 120, **more}
    return subprocess.run(command, check=False, **options)  # type: ignore[call-overload,no-any-return]


def test_json_is_alone_on_stdout() -> None:
    ended = conlora("tasks", "list", "--json")
    assert ended.returncode == 0
    assert {task["name"] for task in json.loads(ended.stdout)["tasks"]} >= {"ocr", "grounding", "caption", "vqa"}
    assert ended.stdout.count("\n") == 1


@pytest.mark.parametrize("argv", [["ask"], ["ask", "--nope", "x"], ["nope"], ["ask", "x", "--image", "/no/such"]])
def test_bad_input_is_one_line_on_stderr_and_exit_code_2(argv: list[str]) -> None:
    ended = conlora(*argv)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("conlora: ")
    assert ended.stderr.count("\n") == 1


def test_a_reader_that_leaves_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        ended = conlora("tasks", "list", stdout=closed, stderr=subprocess.PIPE, capture_output=False)
    assert ended.stderr == ""
    assert ended.returncode == 1


@pytest.mark.parametrize("module", ["typer", "apps.cli", "conlora_agent.environment"])
def test_a_command_that_is_stopped_while_it_still_loads_ends_quietly(module: str) -> None:
    code = (
        "import sys, runpy\n"
        "class Stop:\n"
        f"    def find_spec(self, name, *_):\n        if name == {module!r}:\n            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())\n"
        "runpy.run_module('conlora_agent', run_name='__main__')"
    )
    ended = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_text_that_the_terminal_cannot_show_does_not_break_it() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = conlora("tasks", "show", "日本", env=environment)
    assert ended.returncode == 2
    assert "no task named" in ended.stderr


def test_starting_loads_nothing_heavy() -> None:
    heavy = {"torch", "transformers", "gradio", "langgraph", "sentence_transformers", "sklearn", "PIL", "numpy"}
    code = f"import sys, apps.cli; print(sorted({heavy!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_bad_input_is_refused_before_the_model_library_is_loaded() -> None:
    code = (
        "import sys; from apps.cli import run; from apps.cli.common import Terminal;"
        "codes = [run(argv, Terminal()) for argv in (['ask', ''], ['ask', 'x', '--task', 'orc'],"
        " ['ask', 'x', '--image', '/no/such'], ['threads', 'show', 'x'], ['eval', 'ocr', '--data', '/no'])];"
        "print(codes, 'torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[2, 2, 2, 2, 2] False"
