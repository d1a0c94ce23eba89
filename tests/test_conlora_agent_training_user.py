"""Training a user's stack: rows and their errors, division, the course and its resuming, what is written where."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from adapters.manifest import Manifest, Training, parse_manifest, read_manifest
from adapters.parsers import parse_output
from adapters.registry import TaskRegistry
from adapters.weights import check_weights
from conlora_agent.backbone import check_precision
from conlora_agent.core.errors import BackboneError, BadInput, DataError, ManifestError, WeightsError
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from conlora_agent.training import course
from conlora_agent.training.lessons import Lesson, divide, read_lessons
from conlora_agent.training.lora import NANO_PLACES, Places, lora_config
from conlora_agent.training.user import Order, Watcher, read_rows, train_stack
from tests.task_folders import MANIFEST, write_task
from tests.tiny_nano import tiny_backbone
from tests.turns import png

PIXELS = 10_000_000
COLOURS = ("red", "green", "blue")


def manifest(**changes: str) -> Manifest:
    head = "".join(f"{key} = {value}\n" for key, value in changes.items())
    return parse_manifest(head + MANIFEST.format(name="leaves"))


def write_rows(folder: Path, rows: Sequence[Any]) -> Path:
    """A data file with these rows (text is written as it is), and a picture a.png."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.png").write_bytes(png((40, 30)))
    (folder / "b.png").write_bytes(png((40, 30), "red"))
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / "data.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "data.jsonl"


def lessons(folder: Path, rows: Sequence[Any], **changes: str) -> list[Lesson]:
    return read_lessons(write_rows(folder, rows), manifest(**changes), max_pixels=PIXELS)


# -- rows -------------------------------------------------------------------------------------------------------------


def test_rows_of_text_carry_the_prompt_of_the_task(tmp_path: Path) -> None:
    rows = [
        {"image": "a.png", "request": "how many?", "answer": "7", "source": "my garden"},
        {"image": "a.png", "question": "and here?", "answer": "0"},
        {"image": "b.png", "answer": "3"},
    ]
    first, second, third = lessons(tmp_path, rows)
    assert (first.line, first.picture, first.instruction) == (1, tmp_path / "a.png", "Count the leaves. how many?")
    assert (second.instruction, second.written(100)) == ("Count the leaves. and here?", "0")
    assert third.instruction == "Count the leaves. "


def test_boxes_are_written_as_the_model_writes_them_and_read_back(tmp_path: Path) -> None:
    rows = [
        {"image": "a.png", "request": "where is the red car?", "boxes": [[0.5, 0.1, 0.9, 0.4], [0.0, 0.0, 0.25, 1.0]]},
        {"image": "b.png", "phrase": "a dog", "boxes": []},
        {"image": "b.png", "phrase": "a cat", "box": [0.1, 0.1, 0.2, 0.2]},
    ]
    cars, dog, cat = lessons(tmp_path, rows, output='"boxes"')
    assert cars.instruction == "Count the leaves. the red car"
    assert cars.written(100) == "red car: 00 00 25 99; red car: 50 10 89 40"
    assert cars.written(1000).startswith("red car: 000 000 250 999")
    assert (dog.written(100), cat.written(100)) == ("none", "cat: 10 10 20 20")
    parsed = parse_output("boxes", cars.written(1000), (), label="car", box_range=1000)
    assert [region.box[0] for region in parsed.boxes] == pytest.approx([0.0, 0.5], abs=1e-3)


def test_labels_and_json_are_read_back_as_what_they_were(tmp_path: Path) -> None:
    rows = [{"image": "a.png", "labels": ["rust", "mildew"]}, {"image": "b.png", "answer": "healthy"}]
    first, second = lessons(tmp_path, rows, output='"labels"')
    assert parse_output("labels", first.written(100), (), label="", box_range=100).value == ("rust", "mildew")
    assert second.written(100) == "healthy"
    total = {"total": 12.5, "shop": "Café"}
    rows = [{"image": "a.png", "json": total}, {"image": "a.png", "json": None}, {"image": "b.png", "answer": "[1]"}]
    first, second, third = lessons(tmp_path, rows, output='"json"')
    assert parse_output("json", first.written(100), (), label="", box_range=100).value == total
    assert (second.written(100), third.written(100)) == ("null", "[1]")


def test_a_task_without_pictures_needs_none(tmp_path: Path) -> None:
    rows = [{"request": "17 leaves", "answer": "17"}, {"request": "no leaves", "answer": "0"}]
    assert [lesson.picture for lesson in lessons(tmp_path, rows, needs_image="false")] == [None, None]


GOOD = {"image": "a.png", "answer": "7"}


@pytest.mark.parametrize(
    ("output", "row", "says"),
    [
        ("text", "{", "line 2 is not JSON"),
        ("text", "[1]", "line 2: the row: "),
        ("text", "[" * 100_000, "line 2 is not JSON"),
        ("text", {"answer": "7"}, "line 2: lacks the key 'image'"),
        ("text", {"image": "a.png"}, "line 2: lacks the key 'answer'"),
        ("text", {"image": "a.png", "anwser": "7"}, "line 2: lacks the key 'answer'"),
        ("text", {"image": "a.png", "answer": ""}, "line 2: answer: "),
        ("text", {"image": "a.png", "answer": 7}, "line 2: answer: input should be a valid string"),
        ("text", {"image": "c.png", "answer": "7"}, "line 2: there is no picture 'c.png'"),
        ("text", {"image": ".", "answer": "7"}, "line 2: there is no picture '.'"),
        ("text", {"image": "data.jsonl", "answer": "7"}, "line 2: these bytes are not a picture"),
        ("text", {"image": "cut.png", "answer": "7"}, "line 2: the picture is damaged or truncated"),
        ("boxes", {"image": "a.png", "request": "x"}, "line 2: lacks the key 'boxes'"),
        ("boxes", {"image": "a.png", "boxes": []}, "line 2: lacks the key 'request'"),
        ("boxes", {"image": "a.png", "request": "x", "box": [0, 0, 1]}, "line 2: the box [0.0, 0.0, 1.0] has not four"),
        ("boxes", {"image": "a.png", "request": "x", "box": [0, 0, 40, 30]}, "line 2: the box [0.0, 0.0, 40.0, 30.0]"),
        ("labels", {"image": "a.png", "labels": []}, "line 2: labels: "),
        ("labels", {"image": "a.png", "labels": ["a, b"]}, "line 2: a label is blank or holds a comma"),
        ("json", {"image": "a.png", "answer": "{"}, "line 2: the answer is not JSON"),
    ],
)
def test_a_bad_row_is_one_line_with_its_number(tmp_path: Path, output: str, row: Any, says: str) -> None:
    good = {"text": GOOD, "labels": GOOD, "json": GOOD, "boxes": {"image": "a.png", "request": "x", "boxes": []}}
    (tmp_path / "cut.png").write_bytes(png((400, 300))[:200])
    with pytest.raises(DataError) as caught:
        lessons(tmp_path, [good[output], row], output=f'"{output}"')
    assert f"data.jsonl, {says}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_an_empty_and_a_binary_file_are_one_line(tmp_path: Path) -> None:
    for make, says in ((lambda p: None, "cannot read"), (lambda p: p.touch(), "has 0 rows")):
        make(tmp_path / "data.jsonl")
        with pytest.raises(DataError, match=says):
            read_lessons(tmp_path / "data.jsonl", manifest(), max_pixels=PIXELS)
    (tmp_path / "data.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not UTF-8"):
        read_lessons(tmp_path / "data.jsonl", manifest(), max_pixels=PIXELS)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=60), st.integers(0, 5))
def test_no_picture_is_on_both_sides_and_no_row_is_lost(pictures: list[int], seed: int) -> None:
    rows = [Lesson(line, Path(f"{picture}.png"), "", "") for line, picture in enumerate(pictures)]
    if len(set(pictures)) < 2:
        with pytest.raises(DataError, match="about one picture"):
            divide(rows, seed)
        return
    learned, held = divide(rows, seed)
    assert sorted(x.line for x in learned + held) == list(range(len(rows)))
    assert learned
    assert held
    assert not {x.picture for x in learned} & {x.picture for x in held}
    assert divide(rows, seed) == (learned, held)


# -- where the LoRAs go -----------------------------------------------------------------------------------------------


def matched(training: Training, places: Places = NANO_PLACES) -> dict[str, int]:
    """How many modules of each part of the tiny model get a LoRA."""
    from peft import get_peft_model

    model = get_peft_model(tiny_backbone().profile.model, lora_config(places, training))
    names = [name for name, _ in model.named_modules() if name.endswith("lora_A.default")]
    return {part: sum(f".{part}." in name for name in names) for part in ("vision", "mid", "language_model")}


def test_parts_layers_and_modules_follow_the_manifest() -> None:
    assert matched(Training()) == {"vision": 4, "mid": 2, "language_model": 6}
    assert matched(Training(vision_layers=1)) == {"vision": 2, "mid": 2, "language_model": 6}
    assert matched(Training(parts=("language",))) == {"vision": 0, "mid": 0, "language_model": 6}
    only = Training(modules=(r"language_model\.model\.layers\.1\.self_attn\.q_proj",))
    assert matched(only) == {"vision": 0, "mid": 0, "language_model": 1}


def test_vision_and_mid_layer_have_half_the_rank() -> None:
    config = lora_config(NANO_PLACES, Training(rank=8, alpha=4))
    assert (config.r, config.lora_alpha, set(config.rank_pattern.values())) == (8, 4, {4})


def test_what_a_backbone_has_not_is_refused() -> None:
    with pytest.raises(ManifestError, match="this backbone has 4 vision layers"):
        lora_config(NANO_PLACES, Training(vision_layers=5))
    with pytest.raises(ManifestError, match="no mid part"):
        lora_config(Places("v{layers}", "", "l", 4, 2), Training())


def test_a_bad_training_table_is_explained() -> None:
    for text, says in (("rnk = 3", "did you mean 'rank'"), ('modules = ["("]', "is not a regular expression")):
        with pytest.raises(ManifestError, match=says):
            parse_manifest(MANIFEST.format(name="leaves") + f"[training]\n{text}\n")


# -- the course -------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings() -> Settings:
    return Settings.load()


def make_order(tmp_path: Path, **training: Any) -> Order:
    """A task `leaves` and twelve pictures whose colour is the answer."""
    folder = write_task(tmp_path / "work")
    rows = []
    for number in range(12):
        colour = COLOURS[number % 3]
        (tmp_path / f"{number}.png").write_bytes(png((64, 64), colour))
        rows.append(json.dumps({"image": f"{number}.png", "question": "which colour?", "answer": colour}))
    (tmp_path / "data.jsonl").write_text("\n".join(rows))
    table = {"epochs": 3, "batch": 4, "rate": 5e-3, "rank": 4} | training
    return Order(folder, read_manifest(folder), Training(**table), tmp_path / "data.jsonl")


def run(order: Order, settings: Settings, **watched: Any) -> dict[str, Any]:
    watcher = Watcher(**watched)
    report = train_stack(order, read_rows(order, settings, watcher), tiny_backbone, settings, watcher)
    assert report is not None
    return report


def tensors(report: dict[str, Any]) -> dict[str, torch.Tensor]:
    return load_file(Path(report["folder"]) / "adapter_model.safetensors")


def test_training_lowers_the_held_out_loss_and_the_task_then_has_a_stack(tmp_path: Path, settings: Settings) -> None:
    order = make_order(tmp_path)
    report = run(order, settings)
    curve = [look["validation_loss"] for look in report["curve"]]
    assert report["validation_loss"] == min(curve) < curve[0] - 0.1
    assert [look["step"] for look in report["curve"]] == [0, 3, 6, 9]
    assert (report["rows"], report["held_out"], report["steps"], report["resumed_from"]) == (11, 1, 9, None)
    registry = TaskRegistry(settings.home / "tasks")
    registry.add(order.folder)
    folder = registry.get("leaves").weights("nano")
    assert folder is not None
    assert check_weights(folder, "nano", "tiny")
    assert json.loads((folder / "stack.json").read_text())["training"]["steps"] == 9
    backbone = tiny_backbone()
    backbone.attach("leaves", folder)
    request = GenerateRequest("which colour?", stack="leaves", max_new_tokens=4)
    assert backbone.generate(request).text != tiny_backbone().generate(GenerateRequest("which colour?")).text
    assert not list((settings.cache / "training").glob("*.pt"))


class Interrupted(Exception):
    pass


def interrupt(order: Order, settings: Settings, at: int) -> None:
    """Run until step `at`."""

    def stop(step: int, of: int, loss: float) -> None:
        if step == at:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(order, settings, on_step=stop)


def test_an_interrupted_run_resumes_and_ends_as_if_nothing_had_happened(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "SAVE_SECONDS", 0.0)
    whole = run(make_order(tmp_path / "whole", dropout=0.1), settings)
    order = make_order(tmp_path / "broken", dropout=0.1)
    interrupt(order, settings, 5)
    assert "nano" not in read_manifest(order.folder).backbones
    resumed = run(order, settings)
    assert resumed["resumed_from"] == 4
    assert [look["validation_loss"] for look in resumed["curve"]] == [x["validation_loss"] for x in whole["curve"]]
    for key, value in tensors(whole).items():
        assert torch.equal(value, tensors(resumed)[key])


@pytest.mark.parametrize("damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b"", lambda whole: b"words"])
def test_a_damaged_checkpoint_is_named_with_its_remedy(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(course, "SAVE_SECONDS", 0.0)
    order = make_order(tmp_path, epochs=1)
    interrupt(order, settings, 2)
    (checkpoint,) = (settings.cache / "training").glob("*.pt")
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with pytest.raises(BackboneError, match="does not fit") as refused:
        run(order, settings)
    assert "--fresh" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_another_seed_or_a_fresh_start_does_not_resume(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    monkeypatch.setattr(course, "SAVE_SECONDS", 0.0)
    order = make_order(tmp_path, epochs=1)
    interrupt(order, settings, 2)
    assert run(replace(order, seed=1), settings)["resumed_from"] is None
    assert run(replace(order, fresh=True), settings)["resumed_from"] is None


def test_passes_of_any_size_learn_the_same(tmp_path: Path, settings: Settings) -> None:
    """An effective batch is a mean over its rows, however many of them fit into memory together."""
    from dataclasses import replace

    order = make_order(tmp_path, epochs=1)
    together = run(replace(order, together=4), settings)
    apart = run(replace(order, together=1), settings)
    assert apart["validation_loss"] == pytest.approx(together["validation_loss"], rel=1e-3)


def test_training_stops_early_and_keeps_the_best(tmp_path: Path, settings: Settings) -> None:
    report = run(make_order(tmp_path, epochs=50, rate=0.8, patience=1), settings)
    assert report["stopped_early"]
    assert report["steps"] < 150
    # What is better by less than PROGRESS does not count as better.
    assert report["validation_loss"] * (1 - course.PROGRESS) <= min(look["validation_loss"] for look in report["curve"])


def test_losses_that_are_no_numbers_end_in_one_line_and_leave_the_task_alone(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from conlora_agent.training.learner import NanoLearner

    monkeypatch.setattr(NanoLearner, "loss", lambda self, lessons, history: (torch.tensor(float("nan")), 1))
    order = make_order(tmp_path)
    with pytest.raises(BackboneError, match="diverged"):
        run(order, settings)
    assert read_manifest(order.folder).backbones == {}


def test_rows_that_do_not_fit_into_memory_say_what_to_lower(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from conlora_agent.training.learner import NanoLearner

    def full(self: NanoLearner, lessons: object, history: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(NanoLearner, "loss", full)
    with pytest.raises(BackboneError, match="8 rows at once do not fit in memory; lower --together"):
        run(make_order(tmp_path), settings)


def test_training_again_replaces_the_stack_and_may_start_from_it(tmp_path: Path, settings: Settings) -> None:
    from dataclasses import replace

    order = make_order(tmp_path, epochs=1)
    first = run(order, settings)
    onwards = replace(order, manifest=read_manifest(order.folder), start=Path(first["folder"]), seed=3)
    rows = read_rows(onwards, settings, Watcher())
    second = train_stack(onwards, rows, tiny_backbone, settings, Watcher())
    assert second is not None
    assert second["curve"][0]["validation_loss"] < first["curve"][0]["validation_loss"]
    folders = [path.name for path in order.folder.iterdir() if path.is_dir()]
    assert folders == [Path(second["folder"]).name]
    other = tiny_backbone()
    other.revision = "other"
    with pytest.raises(WeightsError, match="trained on nano tiny, this is other"):
        train_stack(replace(onwards, start=Path(second["folder"])), rows, lambda: other, settings, Watcher())


def test_a_stack_is_not_replaced_by_one_that_learned_nothing(tmp_path: Path, settings: Settings) -> None:
    from dataclasses import replace

    order = make_order(tmp_path)
    first = Path(run(order, settings)["folder"])
    worse = make_order(tmp_path / "again", rate=1.0, patience=1).training
    again = replace(order, manifest=read_manifest(order.folder), start=first, training=worse)
    with pytest.raises(BackboneError, match="never fell: 'leaves' keeps the stack that it had; lower --rate"):
        run(again, settings)
    assert read_manifest(order.folder).backbones["nano"].weights == first.name
    assert check_weights(first, "nano", "tiny")


def test_a_backbone_without_a_trainer_and_a_precision_that_it_has_not_are_refused(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = make_order(tmp_path)
    with pytest.raises(ManifestError, match="stacks for 'fake' cannot be trained here"):
        train_stack(order, read_rows(order, settings, Watcher()), FakeBackbone, settings, Watcher())
    check_precision("bf16", "nano")
    with pytest.raises(BadInput, match="4bit is for large backbones"):
        check_precision("4bit", "nano")
    with pytest.raises(BadInput, match="computes as its server was told to"):
        check_precision("bf16", "http://127.0.0.1:1/v1")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadInput, match="8bit needs the package bitsandbytes"):
        check_precision("8bit", "some/model")
