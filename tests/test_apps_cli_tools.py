"""`conlora tools` on an agent whose model is scripted."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from apps.cli.common import Progress
from conlora_agent.agent import Agent
from conlora_agent.settings import Settings
from tests.command import conlora, scripted_agent
from tests.turns import png
from tools.image_info import ImageInfo


@pytest.mark.parametrize(
    "arguments", [["expression=17% of 2480"], ['{"expression": "17% of 2480"}'], ["what is 17% of 2480?"]]
)
def test_a_tool_is_called_in_any_of_three_ways(arguments: list[str]) -> None:
    value = conlora("tools", "call", "calculator", *arguments, "--json").json
    assert set(value) == {"tool", "tool_args", "tool_result", "text", "source"}
    assert value["text"] == "421.6"


@pytest.mark.parametrize("arguments", [[], ["{"], ["[1]"], ['{"nope": 1}']])
def test_bad_arguments_of_a_tool(arguments: list[str]) -> None:
    ended = conlora("tools", "call", "calculator", *arguments, "--json")
    assert (ended.code, ended.out) == (2, "")
    assert ended.error


def picture_agent(settings: Settings, on_progress: Progress) -> Agent:
    agent = scripted_agent(settings, on_progress)
    agent.tools.add(ImageInfo(agent.pictures))
    return agent


@pytest.mark.parametrize("words", [[], ["how large is it?"]])
def test_a_tool_about_pictures_takes_one(tmp_path: Path, words: list[str]) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(png((30, 20)))
    called = ("tools", "call", "image_info", *words, "--image", picture)
    value = conlora(*called, "--json", open_agent=picture_agent).json
    assert (value["tool_result"]["width"], value["tool_result"]["height"]) == (30, 20)
    assert value["tool_args"]["image"] == hashlib.sha256(picture.read_bytes()).hexdigest()
    assert "PNG, 30 x 20" in conlora(*called, open_agent=picture_agent).out
    with Agent(Settings.load()) as agent:
        assert agent.pictures.sweep() == 0, "nothing was stored"


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["image_info"], "image_info needs a picture; give it with --image FILE"),
        (["image_info", "--image", "nowhere.png"], "nowhere.png"),
        (["image_info", "--image", __file__], "not a picture"),
        (["calculator", "1+1", "--image", "PNG"], "calculator takes no picture; leave --image out"),
        (["image_info", "image=0123"], "'image'"),
    ],
)
def test_a_picture_that_does_not_fit_a_tool_is_one_line(tmp_path: Path, argv: list[str], problem: str) -> None:
    (tmp_path / "a.png").write_bytes(png())
    words = [str(tmp_path / "a.png") if word == "PNG" else word for word in argv]
    ended = conlora("tools", "call", *words, "--json", open_agent=picture_agent)
    assert (ended.code, ended.out) == (2, "")
    assert problem in ended.error


def test_an_unavailable_tool_exits_with_1() -> None:
    ended = conlora("tools", "call", "weather", "place=Atlantis", "--json")
    assert (ended.code, ended.out) == (1, "")
    assert "try again later" in ended.error


def test_tools_list_and_check() -> None:
    listed = conlora("tools", "list", "--json").json["tools"]
    assert [tool["name"] for tool in listed] == ["weather", "calculator"]
    assert listed[1]["arguments"]["properties"]
    assert conlora("tools", "check", "--json").json["tools"][0] == {"name": "weather", "ok": True, "problems": []}
