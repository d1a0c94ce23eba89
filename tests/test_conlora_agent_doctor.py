"""Doctor and start-up self-test: what is wrong is named, what is right passes, one check does not stop the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from apps.cli.common import Progress
from conlora_agent.agent import Agent
from conlora_agent.core.errors import BackboneError, ManifestError, UnknownName, WeightsError
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.doctor import CHECKS, chosen, examine
from conlora_agent.doctor.finding import Check, Finding
from conlora_agent.probe import probe_picture
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tests.command import conlora
from tests.task_folders import write_stack, write_task
from tests.tiny_nano import tiny_backbone
from tests.turns import make_agent, png

BOXES = 'output = "boxes"\n'
STACK = '[backbones.fake]\nweights = "fake"\n'


def add_task(agent: Agent, tmp_path: Path, *, head: str = "", more: str = STACK) -> Path:
    """The user's task `leaves`, with a stack for the fake backbone."""
    folder = write_task(tmp_path / "work", more=more)
    manifest = folder / "task.toml"
    manifest.write_text(head + manifest.read_text())
    if "weights" in more:
        write_stack(folder / "fake", backbone="fake", revision="1")
    agent.tasks.add(folder)
    return agent.tasks.get("leaves").folder


def findings(agent: Agent, name: str) -> dict[str, Finding]:
    (report,) = examine(agent, chosen([name]))
    return {finding.about: finding for finding in report.findings}


def test_all_is_well_with_the_built_in_tasks() -> None:
    with make_agent() as agent:
        reports = list(examine(agent))
    assert [report.check for report in reports] == list(CHECKS)
    assert all(report.ok and report.findings for report in reports)


def test_a_broken_folder_and_a_damaged_stack_are_named(tmp_path: Path) -> None:
    with make_agent() as agent:
        folder = add_task(agent, tmp_path)
        (folder / "fake" / "adapter_model.safetensors").write_bytes(b"damaged")
        write_task(agent.tasks.user_dir, "twigs", examples=2)
        assert findings(agent, "tasks")["leaves"].ok
        assert "has 2 routing examples" in findings(agent, "tasks")["twigs"].detail
        assert "is damaged" in findings(agent, "stack_files")["leaves on fake"].detail


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [("A leaf.", "answers its probe picture with 'A leaf.', not with boxes"), ("", "with '', not with boxes")],
)
def test_prose_in_place_of_boxes_is_found_by_doctor_and_at_load(tmp_path: Path, answer: str, complaint: str) -> None:
    with make_agent(backbone=FakeBackbone(default=answer)) as agent:
        add_task(agent, tmp_path, head=BOXES)
        finding = findings(agent, "stacks")["leaves"]
        assert not finding.ok
        assert complaint in finding.detail
        with pytest.raises(WeightsError, match="'leaves' answers its probe picture"):
            agent.models.stack(agent.tasks.get("leaves"))
        assert agent.models.backbone().stacks() == ()


def test_an_answer_without_end_is_named(tmp_path: Path) -> None:
    with make_agent(backbone=FakeBackbone(default="la " * 500)) as agent:
        add_task(agent, tmp_path)
        assert "finds no end" in findings(agent, "stacks")["leaves"].detail


def test_at_load_a_stack_is_asked_once_until_it_changes(tmp_path: Path) -> None:
    backbone = FakeBackbone(default="1 2 30 40")
    with make_agent(backbone=backbone) as agent:
        folder = add_task(agent, tmp_path, head=BOXES)
        agent.models.stack(agent.tasks.get("leaves"))
        assert len(backbone.requests) == 1
    with make_agent(backbone=backbone) as again:
        again.models.stack(again.tasks.get("leaves"))
        assert len(backbone.requests) == 1
        (folder / "fake" / "stack.json").write_text(json.dumps({"backbone": "fake", "revision": "1", "new": True}))
        again.models.stack(again.tasks.get("leaves"))
        assert len(backbone.requests) == 2


def test_the_manifest_may_bring_picture_and_request(tmp_path: Path) -> None:
    asked: list[GenerateRequest] = []

    def see(request: GenerateRequest) -> str:
        asked.append(request)
        return "7"

    more = STACK + '[probe]\nrequest = "how many?"\npicture = "probe.png"\n'
    with make_agent(backbone=FakeBackbone(see)) as agent:
        folder = write_task(tmp_path / "work", more=more)
        write_stack(folder / "fake", backbone="fake", revision="1")
        (folder / "probe.png").write_bytes(png((30, 20), "green"))
        agent.tasks.add(folder)
        assert findings(agent, "stacks")["leaves"] == Finding("leaves", "answers its probe picture: '7'")
        (request,) = asked
        assert request.instruction == "Count the leaves. how many?"
        assert request.picture is not None
        assert request.picture.size == (30, 20)
        task = agent.tasks.get("leaves")
        (task.folder / "probe.png").write_bytes(b"no picture")
        with pytest.raises(ManifestError, match=r"probe\.png cannot be read"):
            probe_picture(task)


def test_the_drawn_picture_shows_something(tmp_path: Path) -> None:
    with make_agent() as agent:
        picture = probe_picture(agent.tasks.get("ocr"))
    assert isinstance(picture, Image.Image)
    assert len(picture.getcolors(1 << 16) or ()) > 3


def test_a_check_that_fails_is_a_finding_and_the_next_one_runs() -> None:
    def broken(agent: Agent) -> Iterator[Finding]:
        yield Finding("first", "fine")
        raise BackboneError("no model", "install it")

    with make_agent() as agent:
        reports = list(examine(agent, [Check("one", "", broken), *chosen(["tasks"])]))
    assert [f.ok for f in reports[0].findings] == [True, False]
    assert reports[0].findings[1].detail == "no model; install it"
    assert reports[1].ok


def test_unknown_checks_suggest_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'stacks'"):
        chosen(["stack"])


def test_a_sound_model_has_no_problem_and_a_spoilt_one_names_it() -> None:
    backbone = tiny_backbone()
    assert backbone.problems() == []
    backbone.profile.model.config.image_token_id = 7
    backbone.profile.model.vision.heads.heat.bias.data[0] = float("nan")
    numbering, weights = backbone.problems()
    assert "numbers <file_sep> otherwise" in numbering
    assert "vision.heads.heat.bias hold values that are no numbers" in weights


def test_the_command_prints_one_line_of_json_and_fails_when_something_is_wrong(tmp_path: Path) -> None:
    ended = conlora("doctor", "--json")
    assert (ended.code, ended.json["ok"]) == (0, True)
    assert [check["name"] for check in ended.json["checks"]] == [check.name for check in CHECKS]

    def with_broken(settings: Settings, on_progress: Progress) -> Agent:
        write_task(settings.home / "tasks", "twigs", examples=2)
        return make_agent(home=settings.home)

    ended = conlora("doctor", "tasks", open_agent=with_broken)
    assert ended.code == 1
    assert "  BAD twigs: twigs/examples.jsonl has 2 routing examples" in ended.out
    assert conlora("doctor", "nonsense").code == 2
