"""Tasks: examples, prompts, routes and where their stacks are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adapters.task import load_task, read_examples
from conlora_agent.core.errors import ManifestError, WeightsError
from conlora_agent.core.types import Example
from tests.task_folders import MANIFEST, write_stack, write_task

NANO = '[backbones.nano]\nweights = "nano"\n'


def test_a_task_is_a_route(tmp_path: Path) -> None:
    task = load_task(write_task(tmp_path))
    route = task.route()
    assert (route.name, route.kind, route.needs_image, len(route.examples)) == ("leaves", "task", True, 8)
    assert route.examples[0] == Example(text="leaves: how many leaves has plant 0?", has_image=True, previous=())


def test_the_request_goes_into_the_prompt_as_it_is(tmp_path: Path) -> None:
    task = load_task(write_task(tmp_path))
    assert task.prompt("{0} {request!r} %s") == "Count the leaves. {0} {request!r} %s"


def test_a_region_may_have_a_prompt_of_its_own(tmp_path: Path) -> None:
    task = load_task(write_task(tmp_path, more='region = "Count here."\n'))
    assert task.prompt("x") == "Count the leaves. x"
    assert task.prompt("x", region=True) == "Count here."
    assert load_task(write_task(tmp_path, "buds")).prompt("x", region=True) == "Count the leaves. x"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("not json", "line 9 is not JSON"),
        ('"a string"', "line 9: the line"),
        ("{}", "line 9: text"),
        ('{"text": ""}', "line 9: text"),
        ('{"text": " \\t"}', "line 9: text is blank"),
        ('{"text": 3}', "line 9: text"),
        ('{"text": "a", "has_img": true}', "line 9: has_img"),
        ('{"text": "a", "previous": "ocr"}', "line 9: previous"),
        ('{"text": "' + "x" * 3000 + '"}', "longer than 2000"),
        ("[" * 10_000, "line 9 is not JSON"),
        ("9" * 5000, "line 9 is not JSON"),
    ],
)
def test_a_bad_example_is_named_by_file_and_line(tmp_path: Path, line: str, says: str) -> None:
    folder = write_task(tmp_path)
    with (folder / "examples.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ManifestError) as caught:
        load_task(folder)
    assert says in str(caught.value)
    assert str(caught.value).startswith("leaves/examples.jsonl")
    assert "\n" not in str(caught.value)


def test_eight_examples_are_needed(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="has 7 routing examples, at least 8"):
        load_task(write_task(tmp_path, examples=7))


def test_blank_lines_and_separators_inside_a_text_do_not_count_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    path.write_text('\n{"text": "a"}\n\n  \n{"text": "b\\u2028c", "previous": ["ocr"]}\n')
    assert [e.text for e in read_examples(path)] == ["a", "b\u2028c"]
    path.write_text('{"text": "b\u2028c"}\n')
    assert [e.text for e in read_examples(path)] == ["b\u2028c"]


def test_examples_are_missing(tmp_path: Path) -> None:
    folder = write_task(tmp_path)
    (folder / "examples.jsonl").unlink()
    with pytest.raises(ManifestError, match=r"no examples\.jsonl"):
        load_task(folder)


def test_a_task_for_the_agent_itself_needs_no_examples(tmp_path: Path) -> None:
    folder = write_task(tmp_path, manifest="routable = false\n" + MANIFEST.format(name="leaves"), examples=0)
    (folder / "examples.jsonl").unlink()
    assert load_task(folder).examples == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_named_pipe_is_no_manifest(tmp_path: Path) -> None:
    folder = write_task(tmp_path)
    (folder / "task.toml").unlink()
    os.mkfifo(folder / "task.toml")
    with pytest.raises(ManifestError, match=r"no task\.toml"):
        load_task(folder)


def test_weights_by_backbone(tmp_path: Path) -> None:
    folder = write_task(tmp_path, more=NANO)
    write_stack(folder / "nano")
    task = load_task(folder)
    assert task.weights("nano") == folder / "nano"
    assert task.weights("another") is None


def test_missing_weights_fail_when_they_are_asked_for(tmp_path: Path) -> None:
    task = load_task(write_task(tmp_path, more=NANO))
    with pytest.raises(WeightsError, match="nano is missing"):
        task.weights("nano")


def test_weights_for_another_backbone_are_refused(tmp_path: Path) -> None:
    folder = write_task(tmp_path, more=NANO)
    write_stack(folder / "nano", backbone="large")
    with pytest.raises(WeightsError, match="trained on the backbone 'large', not 'nano'"):
        load_task(folder).weights("nano")
