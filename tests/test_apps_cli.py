"""The command line's contract, command by command, on an agent whose model is scripted."""

from __future__ import annotations

import json
import math
import shlex
import socket
from pathlib import Path

import pytest
from PIL import Image

from apps.cli.common import to_json
from apps.demo import DIALOGUE, PICTURE
from conlora_agent.agent import Agent
from conlora_agent.core.types import TurnResult
from tests.command import conlora, scripted_agent
from tests.turns import png

STEP_KEYS = {
    "route", "kind", "status", "confidence", "adapter", "request", "uses", "text", "boxes", "image", "tool_args",
    "tool_result", "source", "error", "ms",
}  # fmt: skip


def never(*_: object) -> Agent:
    raise AssertionError("bad input is refused before the agent is opened")


# -- ask --------------------------------------------------------------------------------------------------------------


def test_ask_prints_one_line_of_json_with_every_key() -> None:
    ended = conlora("ask", "where is the blue book?", "--image", PICTURE, "--json")
    assert ended.code == 0
    assert set(ended.json) == {"thread", "answer", "answer_confidence", "steps", "usage"}
    (step,) = ended.json["steps"]
    assert set(step) >= STEP_KEYS
    assert (step["route"], step["kind"], step["status"]) == ("grounding", "task", "ok")
    (box,) = step["boxes"]
    assert set(box) == {"label", "box", "score"}
    assert box["box"] == pytest.approx([0.03, 0.08, 0.26, 0.53], abs=0.01)


def test_ask_goes_on_with_a_thread() -> None:
    thread = conlora("ask", "where is the blue book?", "--image", PICTURE, "--json").json["thread"]
    again = conlora("ask", "what is written on it?", "--thread", thread, "--json").json
    assert again["thread"] == thread
    assert again["answer"] == "QUIET OCEAN"
    assert conlora("threads", "show", thread, "--json").json["turns"][1]["answer"] == "QUIET OCEAN"


def test_ask_without_json_shows_steps_and_answer() -> None:
    ended = conlora("ask", "where is the blue book?", "--image", PICTURE)
    assert ended.out.startswith("grounding · no adapter · 95% · ")
    assert "I found the blue book" in ended.out.splitlines()[-1]
    assert "conlora ask --thread" in ended.err


def test_ask_with_a_chosen_task_takes_it() -> None:
    ended = conlora("ask", "hello", "--image", PICTURE, "--task", "caption", "--json")
    assert [step["route"] for step in ended.json["steps"]] == ["caption"]


def test_a_turn_that_ends_in_a_question_exits_with_0() -> None:
    ended = conlora("ask", "where is the blue book?", "--json")
    assert ended.code == 0
    assert [step["status"] for step in ended.json["steps"]] == ["needs_input"]


def test_a_turn_that_served_nothing_exits_with_1_and_says_why() -> None:
    words = ("ask", "how many?", "--image", PICTURE, "--task", "grounding")
    ended = conlora(*words, "--json")
    assert ended.code == 1
    assert ended.json["steps"][0]["status"] == "failed"
    assert "ask in other words" in ended.error
    assert conlora(*words).error == ended.error


@pytest.mark.parametrize("unclear", ["hm, what's this", "-hm"])
def test_after_a_choice_ask_names_the_command_that_teaches_it(unclear: str) -> None:
    words = ["--", unclear] if unclear.startswith("-") else [unclear]
    thread = conlora("ask", "--image", PICTURE, "--json", *words).json["thread"]
    chosen = conlora("ask", "1", "--thread", thread)
    (hint,) = (line for line in chosen.err.splitlines() if "conlora tasks teach" in line)
    program, *command = shlex.split(hint.partition(": ")[2])
    assert program == "conlora"
    assert command[-2:] == ["ocr", unclear]
    assert conlora(*command[:2], "--json", *command[2:]).json["taught"] is True
    assert "tasks teach" not in conlora("ask", "describe it", "--thread", thread).err


def test_ask_draws_the_boxes_into_a_file(tmp_path: Path) -> None:
    target = tmp_path / "found.png"
    conlora("ask", "where is the blue book?", "--image", PICTURE, "--draw", target)
    with Image.open(target) as drawn, Image.open(PICTURE) as original:
        assert drawn.size == original.size
        assert drawn.tobytes() != original.convert("RGB").tobytes()


# -- bad input, refused before anything is opened ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["ask"], "Missing argument 'TEXT'; see: conlora ask --help"),
        (["ask", ""], "the message is empty"),
        (["ask", " \n "], "the message is empty"),
        (["ask", "\x07\x07"], "only control characters"),
        (["ask", "a" * 100_000], "at most 20000"),
        (["ask", "hi", "--image", "/no/such.png"], "there is no file /no/such.png"),
        (["ask", "hi", "--image", "."], "cannot read ."),
        (["ask", "hi", "--nope"], "No such option: --nope"),
        (["ask", "hi", "--backbone", "nanoo"], "did you mean 'nano'?"),
        (["ask", "hi", "--backbone", "http://"], "'http://' is no address of a server; write it as http://HOST"),
        (["ask", "hi", "--backbone", "http://localhost:port/v1"], "is no address of a server"),
        (["ask", "hi", "--draw", "x.exe"], "cannot draw to x.exe"),
        (["frob"], "No such command 'frob'"),
        (["tasks"], "Missing command"),
        (["threads", "export", "x", "--format", "pdf"], "'pdf' is not"),
        (
            ["eval", "router", "--data", "/no/such.jsonl"],
            "/no/such.jsonl (No such file or directory); give",
        ),
        (["eval", "ocr", "--limit", "0"], "--limit"),
        (["web", "--port", "70000"], "--port"),
        (["web", "--host", "0.0.0.0"], "0.0.0.0 can be reached from elsewhere; give --api-key KEY"),
        (["chat", "--thread", "a b"], "'a b' cannot be a thread id"),
        (["route", ""], "the message is empty"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(argv: list[str], says: str) -> None:
    flags = [] if argv[0] in ("chat", "frob", "tasks", "web") else ["--json"]
    ended = conlora(*argv, *flags, open_agent=never)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.error


@pytest.mark.parametrize("command", ["web", "serve --no-web", "mcp --http"])
def test_a_port_that_is_taken_is_one_line(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = conlora(*command.split(), "--port", str(port), open_agent=never)
    assert (ended.code, ended.out) == (1, "")
    said = f"conlora: cannot listen on 127.0.0.1:{port} (Address already in use); choose another --port"
    assert ended.error == said


@pytest.mark.parametrize("name", ["bytes.png", "empty.png", "cut.png"])
def test_what_is_no_picture_is_refused(tmp_path: Path, name: str) -> None:
    data = {"bytes.png": b"no picture", "empty.png": b"", "cut.png": png((900, 900))[:60]}[name]
    (tmp_path / name).write_bytes(data)
    ended = conlora("ask", "read it", "--image", tmp_path / name, "--json", open_agent=never)
    assert (ended.code, ended.out) == (2, "")
    assert "picture" in ended.error


def test_an_unknown_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONLORA_OFLINE", "1")
    ended = conlora("threads", "list", open_agent=never)
    assert (ended.code, ended.out) == (2, "")
    assert "CONLORA_OFFLINE" in ended.error


def test_unknown_names_suggest_the_near_one() -> None:
    assert "did you mean 'ocr'?" in conlora("ask", "hi", "--task", "orc").error
    assert "did you mean 'caption'?" in conlora("tasks", "show", "captoin").error
    assert "did you mean 'calculator'?" in conlora("tools", "call", "calculater", "1").error
    unknown = conlora("threads", "show", "nothing")
    assert (unknown.code, unknown.out) == (2, "")


def test_a_mistake_of_ours_is_one_line_too_and_kept_in_a_file(tmp_path: Path) -> None:
    def broken(*_: object) -> Agent:
        raise RuntimeError("oh\nno")

    ended = conlora("threads", "list", open_agent=broken)
    assert (ended.code, ended.out) == (1, "")
    assert "RuntimeError: oh no" in ended.error
    assert "Traceback" in (tmp_path / "cache" / "last-error.txt").read_text()


def test_an_interrupted_command_ends_quietly() -> None:
    def interrupted(*_: object) -> Agent:
        raise KeyboardInterrupt

    ended = conlora("threads", "list", open_agent=interrupted)
    assert (ended.code, ended.out, ended.err) == (130, "", "")


# -- route ------------------------------------------------------------------------------------------------------------


def test_route_tells_steps_candidates_and_time() -> None:
    value = conlora("route", "where is the dog?", "--image", PICTURE, "--previous", "caption", "--json").json
    assert set(value) == {"steps", "candidates", "ms"}
    assert value["steps"] == [{"route": "grounding", "kind": "task", "confidence": 0.95}]
    assert set(value["candidates"][0]) == {"route", "confidence"}


def test_route_hands_previous_routes_on_oldest_first() -> None:
    agents = []

    def remember(*arguments: object) -> Agent:
        agents.append(scripted_agent(*arguments))  # type: ignore[arg-type]
        return agents[-1]

    conlora("route", "and?", "--previous", "caption", "--previous", "grounding", open_agent=remember)
    assert agents[0]._router.queries[-1].previous == ("caption", "grounding")


def test_route_names_a_previous_route_that_nobody_registered() -> None:
    ended = conlora("route", "and?", "--previous", "foo", "--json")
    assert ended.code == 0
    assert "'foo'" in ended.error


# -- tasks ------------------------------------------------------------------------------------------------------------


def test_tasks_can_be_switched_off_and_on() -> None:
    assert conlora("tasks", "off", "caption", "--json").json == {"name": "caption", "on": False}
    assert [t["name"] for t in conlora("tasks", "list", "--json").json["tasks"] if not t["on"]] == ["caption"]
    assert conlora("tasks", "on", "caption").out == "caption is on\n"
    assert "did you mean 'caption'?" in conlora("tasks", "off", "captions").error


def test_tasks_list_and_show() -> None:
    listed = conlora("tasks", "list", "--json").json["tasks"]
    assert {task["name"] for task in listed} >= {"ocr", "grounding", "caption", "vqa"}
    shown = conlora("tasks", "show", "ocr", "--json").json
    assert shown["builtin"] is True
    assert len(shown["examples"]) >= 8


def test_a_task_is_made_added_checked_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    assert conlora("tasks", "new", "species", "--dir", folder, "--json").json == {
        "task": "species",
        "folder": str(folder),
    }
    early = conlora("tasks", "add", folder, "--json")
    assert (early.code, early.out) == (2, "")
    examples = [json.dumps({"text": f"which bird is number {n}?"}) for n in range(8)]
    (folder / "examples.jsonl").write_text("\n".join(examples))
    assert conlora("tasks", "add", folder, "--json").json["name"] == "species"
    assert "species" in conlora("tasks", "list").out
    assert conlora("tasks", "check", "species", "--json").json["tasks"] == [
        {"name": "species", "ok": True, "problems": [], "warnings": [], "adapter": None}
    ]
    assert conlora("tasks", "remove", "species").code == 2  # nobody is there to confirm
    assert conlora("tasks", "remove", "species", "--yes", "--json").json == {"removed": "species"}
    assert "species" not in conlora("tasks", "list").out


def test_a_task_is_packed_and_checked_before_it_is_added(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    conlora("tasks", "new", "species", "--dir", folder)
    (folder / "examples.jsonl").write_text("".join(f'{{"text": "which bird is number {n}?"}}\n' for n in range(8)))
    with (folder / "examples.jsonl").open("a") as file:
        file.write('{"text": "Read the sign"}\n')
    (checked,) = conlora("tasks", "check", folder, "--json").json["tasks"]
    assert (checked["name"], checked["ok"], checked["adapter"]) == ("species", True, None)
    assert "shares 1 example with 'ocr', such as 'read the sign'" in checked["warnings"]
    assert "1 example is nearer to 'ocr', such as 'Read the sign'" in checked["warnings"]
    assert "species: ok, prompt only on fake" in conlora("tasks", "check", folder).out
    assert conlora("tasks", "add", folder).out.strip() == "added species (prompt only on fake)"
    packed = conlora("tasks", "export", "species", "--to", tmp_path / "species.zip", "--json")
    assert packed.json == {"task": "species", "file": str(tmp_path / "species.zip")}
    conlora("tasks", "remove", "species", "--yes")
    assert conlora("tasks", "add", tmp_path / "species.zip", "--json").json["name"] == "species"
    assert conlora("tasks", "export", "species", "--to", tmp_path / "species.zip").code == 2


def test_a_built_in_task_stays() -> None:
    ended = conlora("tasks", "remove", "ocr", "--yes", "--json")
    assert (ended.code, ended.out) == (2, "")
    assert "built-in" in ended.error


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "evil"
    conlora("tasks", "new", "evil", "--dir", folder)
    (folder / "examples.jsonl").write_text("\n".join(json.dumps({"text": f"evil {n}"}) for n in range(8)))
    (folder / "weights.bin").write_bytes(b"\x80\x04.")
    ended = conlora("tasks", "add", folder, "--json")
    assert (ended.code, ended.out) == (2, "")
    assert "pickle" in ended.error
    assert "evil" not in conlora("tasks", "list").out


# -- threads ----------------------------------------------------------------------------------------------------------


def test_threads_are_listed_shown_exported_and_deleted(tmp_path: Path) -> None:
    assert conlora("threads", "list", "--json").json == {"threads": []}
    thread = conlora("ask", "thanks!", "--json").json["thread"]
    (listed,) = conlora("threads", "list", "--json").json["threads"]
    assert (listed["id"], listed["title"], listed["turns"]) == (thread, "thanks!", 1)
    assert "you: thanks!" in conlora("threads", "show", thread).out
    assert "**You**: thanks!" in conlora("threads", "export", thread).out
    assert json.loads(conlora("threads", "export", thread, "--format", "json").out)["id"] == thread
    assert conlora("threads", "export", thread, "--json").json["id"] == thread
    file = tmp_path / "thread.md"
    assert conlora("threads", "export", thread, "--output", file, "--json").json["file"] == str(file)
    assert "thanks!" in file.read_text()
    assert conlora("threads", "rename", thread, "Manners", "--json").json == {"thread": thread, "title": "Manners"}
    assert "Manners" in conlora("threads", "list", "--search", "thanks").out
    assert conlora("threads", "list", "--search", "dog").out == "no conversation holds 'dog'\n"
    assert conlora("threads", "delete", thread, "--json").json == {"deleted": thread}
    assert conlora("threads", "list").out == "no conversations yet\n"


def test_nothing_is_written_where_it_cannot_be(tmp_path: Path) -> None:
    thread = conlora("ask", "thanks!", "--json").json["thread"]
    ended = conlora("threads", "export", thread, "--output", tmp_path / "no" / "file.md")
    assert (ended.code, ended.out) == (1, "")
    assert "cannot write" in ended.error


# -- eval, models, demo -----------------------------------------------------------------------------------------------


def test_eval_router(tmp_path: Path) -> None:
    rows = [
        {"text": "where is it?", "has_image": True, "previous": [], "steps": ["grounding"]},
        {"text": "what is written?", "has_image": True, "previous": [], "steps": ["caption"]},
        {"text": "fly me home", "has_image": False, "previous": [], "steps": ["rocket"]},
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    value = conlora("eval", "router", "--data", file, "--json").json
    assert value["n"] == 3
    assert value["accuracy"] == pytest.approx(1 / 3)
    assert set(value) >= {"macro_f1", "oos_auroc", "ece", "latency_ms"}
    assert set(value["latency_ms"]) >= {"p50", "p95"}
    assert value["unregistered"] == ["fly me home"]


def test_eval_of_a_task(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "labels.jsonl").write_text(json.dumps({"image": "a.png", "text": "Quiet Ocean"}))
    value = conlora("eval", "ocr", "--data", tmp_path, "--json").json
    assert (value["n"], value["cer"], value["exact"]) == (1, 0.0, 1.0)
    assert value["ms_per_item"] >= 0


def test_models_show_names_parts_and_licences() -> None:
    value = conlora("models", "show", "--json", open_agent=never).json
    assert value["name"] == "nano"
    assert value["assembled"] is False
    assert all(part["licence"] for part in value["parts"])
    assert "Apache-2.0" in conlora("models", "show").out


def test_demo_plays_the_dialogue_and_names_the_routes() -> None:
    ended = conlora("demo")
    assert ended.code == 0
    assert [line[5:] for line in ended.out.splitlines() if line.startswith("you: ")] == list(DIALOGUE)
    value = conlora("demo", "--json").json
    assert [turn["text"] for turn in value["turns"]] == list(DIALOGUE)
    for turn in value["turns"]:
        assert TurnResult.model_validate(turn["turn"]).steps


def test_the_bundled_picture_is_a_picture() -> None:
    with Image.open(PICTURE) as picture:
        assert picture.size == (960, 640)


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert conlora("--version").out.strip().count(".") == 2
    assert conlora().code == 0
    assert "Talk about pictures" in capsys.readouterr().out


def test_json_has_no_nan_and_no_line_break_of_any_kind() -> None:
    line = to_json({"a": math.nan, "b": [math.inf, "x\u2028y\x85z\nw"], "c": {1: (1, 2)}})
    assert len(line.splitlines()) == 1
    assert json.loads(line) == {"a": None, "b": [None, "x\u2028y\x85z\nw"], "c": {"1": [1, 2]}}
