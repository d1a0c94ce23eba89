"""What docs/ and examples/ say is true: generated parts are up to date, links lead somewhere, programs run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps.reference import CLI, HOW, cli_reference, graph_drawing
from conlora_agent.settings import Settings
from examples import dialogue, own_task, own_tool, stream
from tests.command import scripted_agent

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_command_line_reference_is_up_to_date() -> None:
    assert CLI.read_text(encoding="utf-8") == cli_reference(), "run: make docs"


def test_the_picture_of_the_graph_is_up_to_date() -> None:
    assert graph_drawing() in HOW.read_text(encoding="utf-8"), "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_commands_that_the_pages_name_exist() -> None:
    known = set(re.findall(r"^##+ `conlora ([a-z0-9 -]+)`", cli_reference(), re.MULTILINE))
    groups = {command.split()[0] for command in known if " " in command}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        said = re.findall(r"(?:`|\.venv/bin/)conlora ([a-z-]+)(?: ([a-z0-9|-]+))?", text)
        said += re.findall(
            rf"(?<=[:,;] )({'|'.join(groups)}) ([a-z0-9-]+)(?=[,;\n])", text
        )  # likewise: tools list, ...
        for command, more in said:
            for one in more.split("|") if command in groups and more else [""]:
                assert f"{command} {one}".strip() in known, f"{page.name}: conlora {command} {one}"


def test_options_that_the_pages_name_exist() -> None:
    parts = re.split(r"^##+ `conlora ([a-z0-9 -]+)`", cli_reference(), flags=re.MULTILINE)
    options = {name: set(re.findall(r"--[a-z-]+", text)) for name, text in zip(parts[1::2], parts[2::2], strict=True)}
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in re.findall(r"(?:^|[`/ ])conlora ([a-z][^\n`#]* --[a-z][^\n`#]*)", text, re.MULTILINE):
            first, second, *_ = line.replace("|", " ").split()
            known = options.get(f"{first} {second}") or options[first]
            assert set(re.findall(r" (--[a-z-]+)", line)) <= known, f"{page.name}: conlora {line}"


def test_every_page_is_in_the_table_of_contents() -> None:
    contents = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} == set(
        re.findall(r"\]\(([\w-]+\.md)\)", contents)
    )


@pytest.mark.parametrize(
    ("example", "said"),
    [(dialogue, "QUIET OCEAN"), (stream, "plan: ['caption']"), (own_task, "added traffic_sign"), (own_tool, "It is ")],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_examples_run(example: object, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_agent(Settings.load(), lambda message, done: None) as agent:
        example.main(agent)  # type: ignore[attr-defined]
    assert said in capsys.readouterr().out
