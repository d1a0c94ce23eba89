from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conlora_agent.core.errors import BadInput, DataError, UnknownName
from conlora_agent.core.referents import Focus, RegionReferent, TextReferent, ValueReferent
from tools.base import ArgumentsError, ToolContext, read_examples
from tools.calculator import Calculator
from tools.clock import Clock
from tools.registry import ToolRegistry, default_tools

NAMES = [
    "calculator",
    "clock",
    "weather",
    "wikipedia",
    "currency",
    "web_search",
    "dictionary",
    "web_page",
    "barcode",
    "image_info",
]
ABOUT_PICTURES = ("barcode", "image_info")


@pytest.fixture(scope="module")
def registry() -> ToolRegistry:
    return default_tools(offline=True, now=lambda: datetime(2026, 11, 24, 14, 5, tzinfo=UTC))


def test_default_tools_are_registered_under_their_names(registry: ToolRegistry) -> None:
    assert registry.names() == NAMES
    assert [tool.name for tool in registry.all()] == registry.names()


def test_routes_are_tools_and_two_of_them_need_a_picture(registry: ToolRegistry) -> None:
    for route in registry.routes():
        assert route.kind == "tool"
        assert route.needs_image == (route.name in ABOUT_PICTURES)
        assert route.title
        assert route.description


@pytest.mark.parametrize("name", NAMES)
def test_routing_examples_are_many_and_diverse(registry: ToolRegistry, name: str) -> None:
    examples = registry.get(name).examples
    assert len(examples) >= 80
    assert len({(example.text.lower(), example.previous) for example in examples}) == len(examples)
    with_picture = sum(example.has_image for example in examples) / len(examples)
    assert with_picture > 0.85 if name in ABOUT_PICTURES else 0.35 < with_picture < 0.65
    assert sum(bool(example.previous) for example in examples) >= 20
    assert sum(example.previous[-1:] == (name,) for example in examples) >= 8


def test_unknown_tool_suggests_the_nearest(registry: ToolRegistry) -> None:
    with pytest.raises(UnknownName, match="did you mean 'calculator'"):
        registry.call("calculater", {})


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two tools are named 'calculator'"):
        ToolRegistry([Calculator(), Calculator()])


@pytest.mark.parametrize(
    ("args", "line"),
    [
        ({}, "calculator: 'expression' is missing; its arguments are: expression"),
        ({"expression": "1+1", "base": 2}, "calculator: 'base' is not known; its arguments are: expression"),
        ({"expression": 12}, "calculator: 'expression': Input should be a valid string; its arguments are: expression"),
    ],
)
def test_bad_arguments_are_one_line(registry: ToolRegistry, args: dict[str, object], line: str) -> None:
    with pytest.raises(ArgumentsError) as caught:
        registry.call("calculator", args)
    assert str(caught.value) == line
    assert isinstance(caught.value, BadInput)
    assert caught.value.exit_code == 2


def test_results_follow_their_schema(registry: ToolRegistry) -> None:
    for name, args in [("calculator", {"expression": "2^10"}), ("clock", {"ask": "time", "place": "Tokyo"})]:
        tool = registry.get(name)
        value = tool.call(args).value
        assert tool.result_model.model_validate(value).model_dump(mode="json") == value


def test_check_is_empty_when_a_tool_works_and_says_why_not(registry: ToolRegistry) -> None:
    assert registry.check("calculator") == []
    assert registry.check("clock") == []
    problems = registry.check("wikipedia")
    assert len(problems) == 1
    assert "offline" in problems[0]


def test_broken_examples_name_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    path.write_text('{"text": "1+1", "has_image": false}\n\n{"text": "2+2", "image": true}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"sums\.jsonl, line 3: image"):
        read_examples(path)
    with pytest.raises(DataError, match=r"cannot read .*none\.jsonl"):
        read_examples(tmp_path / "none.jsonl")


def test_antecedents_put_used_steps_first_and_then_the_newest_of_the_focus() -> None:
    value = ValueReferent(route="calculator", arguments={"expression": "1+1"}, value={"result": "2"})
    older = TextReferent(text="old sign")
    region = RegionReferent(image="a", box=(0.1, 0.1, 0.2, 0.2))
    context = ToolContext(Focus(referents=(older, value, region, TextReferent(text=" "))), used=("first", "", "second"))
    assert context.antecedents == ("second", "first", value, "old sign")
    assert context.last("calculator") == value
    assert context.last("clock") is None


def test_clock_default_is_the_system_time() -> None:
    before = datetime.now().astimezone().replace(microsecond=0)
    told = datetime.fromisoformat(Clock().call({"ask": "time"}).value["at"])
    assert before <= told <= datetime.now().astimezone()


def test_importing_the_room_loads_no_heavy_library() -> None:
    code = (
        "import sys, tools.registry, tools.base, tools.bridge; "
        "print([m for m in ('torch', 'transformers', 'langchain_core', 'langgraph', 'gradio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
