from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conlora_agent.core.errors import DataError, UnknownName
from conlora_agent.core.types import Box, Region, Status, Step
from evals import metrics
from evals.labels import ROWS, load_labels
from evals.tasks import evaluate_rows, evaluate_task

HELD_OUT = Path(__file__).parents[1] / "evals" / "data"


def step(route: str, text: str = "", boxes: tuple[Region, ...] = (), status: Status = "ok") -> Step:
    return Step(route=route, kind="task", confidence=1.0, request="", text=text, boxes=boxes, status=status)


def region(*box: float, score: float | None = None) -> Region:
    x0, y0, x1, y1 = box
    return Region(label="x", box=(x0, y0, x1, y1), score=score)


def write(folder: Path, *rows: dict[str, Any]) -> Path:
    for name in {row["image"] for row in rows}:
        Image.new("RGB", (8, 8)).save(folder / name)
    (folder / "labels.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    return folder


def figures(task: str, folder: Path, *steps: Step) -> dict[str, Any]:
    """Evaluate with the given steps as answers, in the rows' order."""
    rows = load_labels(task, folder)
    given_steps = iter([steps[0], *steps])  # the first row is asked twice: once to warm up
    return evaluate_rows(task, folder, rows, lambda request, picture: next(given_steps))


# -- metrics against values computed by hand --------------------------------------------------------------------------


def test_edit_distance() -> None:
    assert metrics.edit_distance("kitten", "sitting") == 3
    assert metrics.edit_distance("", "abc") == metrics.edit_distance("abc", "") == 3


@given(st.text(max_size=12), st.text(max_size=12))
def test_edit_distance_is_a_distance(a: str, b: str) -> None:
    assert metrics.edit_distance(a, a) == 0
    assert metrics.edit_distance(a, b) == metrics.edit_distance(b, a)
    assert abs(len(a) - len(b)) <= metrics.edit_distance(a, b) <= max(len(a), len(b))


@pytest.mark.parametrize(
    ("answer", "truth", "tolerance", "same"),
    [
        ("Sales", "sales", 0.0, True),
        ("Sales", "Sale", 0.0, False),
        ("1,250", "1250", 0.0, True),
        ("$37.4", "37%", 1.0, True),
        ("37.4M", "37", 1.0, False),
        ("37.4", "37", 0.5, True),
        ("37.4", "37", 0.3, False),
        ("-12", "12", 5.0, False),
        ("Mar with 55", "Mar with 56", 2.0, True),
        ("May with 55", "Mar with 55", 2.0, False),
        ("2015: 34", "2014: 34", 5.0, False),
        ("Q3", "Q2", 2.6, False),
        ("Jan:37", "Jan: 37", 0.0, True),
        ("Sales\nJan: 3\nFeb: 4", "Sales\nJan: 3\nFeb: 5", 1.0, True),
        ("Sales\nJan: 3", "Sales\nJan: 3\nFeb: 5", 1.0, False),
        ("", "12", 99.0, False),
    ],
)
def test_answers_about_charts(answer: str, truth: str, tolerance: float, same: bool) -> None:
    assert metrics.reads_same(answer, truth, tolerance) is same


def test_charts_are_scored_by_what_is_asked(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        {"image": "a.png", "question": "title?", "answers": ["Sales"], "kind": "title"},
        {"image": "a.png", "question": "Jan?", "answers": ["12"], "kind": "written"},
        {"image": "a.png", "question": "Feb?", "answers": ["30"], "tolerance": 1, "kind": "read_off"},
        {"image": "a.png", "question": "Mar?", "answers": ["30"], "tolerance": 1, "kind": "read_off"},
    )
    said = [step("chart", text) for text in ("sales", "13", "30.9", "31.1")]
    measured = figures("chart", folder, *said)
    assert measured["accuracy"] == 0.5
    assert (measured["title"], measured["written"], measured["read_off"]) == (1.0, 0.0, 0.5)
    assert measured["table"] is measured["no_chart"] is None
    assert [miss["got"] for miss in measured["misses"]] == ["13", "31.1"]


def test_overlap() -> None:
    assert metrics.overlap((0, 0, 0.5, 1), (0.25, 0, 0.75, 1)) == pytest.approx(1 / 3)
    assert metrics.overlap((0, 0, 0.5, 0.5), (0.5, 0.5, 1, 1)) == 0


def test_boxes_are_matched_best_first_and_leftovers_count_as_nothing() -> None:
    a: Box = (0.0, 0.0, 0.4, 0.4)
    b: Box = (0.6, 0.6, 1.0, 1.0)
    assert metrics.match_boxes([a, b], [b, a]) == [1.0, 1.0]
    assert metrics.match_boxes([a], [a, b]) == [1.0, 0.0]
    assert metrics.match_boxes([a, b], [b]) == [1.0, 0.0]
    assert metrics.match_boxes([], []) == [1.0]
    assert metrics.match_boxes([], [a]) == [0.0]


def test_bleu_by_hand() -> None:
    truth = ["The cat sat on the mat."]
    assert metrics.bleu4([truth], ["the cat sat on the mat"]) == pytest.approx(1.0)
    # Precisions 5/6, 3/5, 2/4, 1/3; no brevity penalty.
    assert metrics.bleu4([truth], ["the cat sat on a mat"]) == pytest.approx((5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)
    # All four precisions are 1; five words against six.
    assert metrics.bleu4([truth], ["the cat sat on the"]) == pytest.approx(math.exp(1 - 6 / 5))
    assert metrics.bleu4([truth], ["a dog"]) == 0.0


def test_cider_by_hand() -> None:
    truths = [["A red cat sleeps."], ["A blue dog runs."]]
    assert metrics.cider_d(truths, ["a red cat sleeps", "a blue dog runs"]) == pytest.approx(10.0)
    # First picture: "a" weighs nothing; of three words two are right, of three pairs one, nothing longer: (2/3+1/3)/4.
    # Second picture: nothing in common but "a".
    assert metrics.cider_d(truths, ["a red dog sleeps", "a fish"]) == pytest.approx(10 * (0.25 + 0) / 2)


def test_cider_punishes_another_length() -> None:
    truths = [["one two three four"], ["five six seven eight"]]
    longer = metrics.cider_d(truths, ["one two three four nine ten eleven", "five six seven eight"])
    # 4/sqrt(4*7), 3/sqrt(3*6), 2/sqrt(2*5), 1/sqrt(1*4), times the penalty for three words more.
    first = (4 / 28**0.5 + 3 / 18**0.5 + 2 / 10**0.5 + 1 / 4**0.5) / 4 * math.exp(-9 / 72)
    assert longer == pytest.approx(10 * (first + 1) / 2)


def test_an_object_is_named_in_either_number() -> None:
    assert metrics.named("car", "Two red cars, on the grass.")
    assert metrics.named("hot dog", "A hot dog.")
    assert not metrics.named("car", "A carrot and a scarf.")


@pytest.mark.parametrize(
    ("a", "b"),
    [("Two.", "2"), ("the car", "Car"), ("GRAY", "grey"), ("an apple!", "apple"), ("$ 4.50", "4.50"), ("ＡＢ", "ab")],
)
def test_answers_are_compared_plainly(a: str, b: str) -> None:
    assert metrics.plain_answer(a) == metrics.plain_answer(b)


# -- figures of a task -------------------------------------------------------------------------------------------------


def test_ocr_is_averaged_over_characters(tmp_path: Path) -> None:
    data = write(tmp_path, {"image": "a.png", "text": "Grand Opening"}, {"image": "b.png", "text": "abcd"})
    got = figures("ocr", data, step("ocr", "grand\nopening"), step("ocr", "abxd"))
    assert got["cer"] == pytest.approx(1 / 16)
    assert got["exact"] == 0.5
    assert got["cer_strict"] == pytest.approx(4 / 17)
    assert got["n"] == 2
    assert got["ms_per_item"] >= 0
    assert [m["image"] for m in got["misses"]] == ["b.png"]


def test_reading_several_lines_is_also_measured_apart(tmp_path: Path) -> None:
    data = write(tmp_path, {"image": "a.png", "text": "a sign"}, {"image": "b.png", "text": "two\nrows"})
    got = figures("ocr", data, step("ocr", "a sign"), step("ocr", "two\nrowx"))
    assert got["cer"] < got["cer_several_lines"] == pytest.approx(1 / 7)
    assert "cer_several_lines" not in figures("ocr", write(tmp_path, {"image": "a.png", "text": "a"}), step("ocr", "a"))


def test_an_excuse_is_not_read_text(tmp_path: Path) -> None:
    data = write(tmp_path, {"image": "a.png", "text": "ab"})
    assert figures("ocr", data, step("ocr", "I can't make out anything there.", status="abstained"))["cer"] == 1.0


def test_grounding_scores_the_surest_box_and_rewards_absence(tmp_path: Path) -> None:
    box = [0.1, 0.1, 0.5, 0.5]
    data = write(
        tmp_path,
        {"image": "a.png", "phrase": "the car", "box": box},
        {"image": "a.png", "phrase": "the cow", "boxes": []},
        {"image": "a.png", "phrase": "the dog", "boxes": []},
        {"image": "a.png", "phrase": "the cats", "boxes": [box, [0.6, 0.6, 0.9, 0.9]]},
    )
    surest = (region(0.6, 0.6, 0.9, 0.9, score=0.2), region(*box, score=0.9))
    wrong = (region(*box, score=0.9),)
    got = figures(
        "grounding", data, step("grounding", boxes=surest), step("grounding", status="abstained"),
        step("grounding", boxes=wrong), step("grounding", boxes=wrong),
    )  # fmt: skip
    assert got["acc50"] == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert got["miou"] == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert len(got["misses"]) == 2


def test_a_failed_step_is_not_the_answer_absent(tmp_path: Path) -> None:
    data = write(tmp_path, {"image": "a.png", "phrase": "the cow", "boxes": []})
    assert figures("grounding", data, step("grounding", status="failed"))["acc50"] == 0.0


def test_caption_figures_without_their_labels_are_null(tmp_path: Path) -> None:
    data = write(tmp_path, {"image": "a.png", "objects": ["car", "dog"]})
    got = figures("caption", data, step("caption", "Two cars."))
    assert (got["cider"], got["bleu4"], got["object_recall"]) == (None, None, 0.5)
    data = write(
        tmp_path, {"image": "a.png", "captions": ["Two red cars stand."]}, {"image": "b.png", "captions": ["A dog."]}
    )
    got = figures("caption", data, step("caption", "Two red cars stand."), step("caption", "A dog."))
    assert got["object_recall"] is None
    assert got["bleu4"] == pytest.approx(1.0)
    assert got["cider"] > 0


def test_vqa_accepts_any_of_the_answers(tmp_path: Path) -> None:
    data = write(
        tmp_path,
        {"image": "a.png", "question": "How many?", "answers": ["two"]},
        {"image": "a.png", "question": "Where?", "answers": ["on the left", "left"]},
        {"image": "a.png", "question": "Is it?", "answers": ["no"]},
    )
    got = figures("vqa", data, step("vqa", "2"), step("vqa", "Left."), step("vqa", "yes"))
    assert got["accuracy"] == pytest.approx(2 / 3)


def test_who_is_shown_where_a_thing_is_was_told_the_area(tmp_path: Path) -> None:
    answers = ["at the top left", "top left"]
    data = write(tmp_path, *[{"image": "a.png", "question": "In which area?", "answers": answers}] * 3)
    corner, side = region(0.1, 0.1, 0.3, 0.3), region(0.1, 0.4, 0.3, 0.6)
    found = [step("grounding", "I found it.", boxes) for boxes in ((corner,), (side,), (corner, side))]
    assert figures("vqa", data, *found)["accuracy"] == pytest.approx(1 / 3)


# -- data --------------------------------------------------------------------------------------------------------------

GOOD: dict[str, dict[str, Any]] = {
    "ocr": {"image": "a.png", "text": "x"},
    "grounding": {"image": "a.png", "phrase": "the car", "box": [0, 0, 1, 1]},
    "caption": {"image": "a.png", "objects": ["car"]},
    "vqa": {"image": "a.png", "question": "?", "answers": ["x"]},
}


@pytest.mark.parametrize(
    ("task", "change", "problem"),
    [
        ("ocr", {"text": 3}, "text"),
        ("ocr", {"image": "b.png"}, "no picture 'b.png'"),
        ("ocr", {"image": "../a.png"}, "no picture"),
        ("grounding", {"box": [0, 0, 1]}, "box"),
        ("grounding", {"box": [0.5, 0, 0.2, 1]}, "x0 < x1"),
        ("grounding", {"box": [0, 0, 100, 100]}, "inside 0..1"),
        ("grounding", {"boxes": [], "box": [0, 0, 1, 1]}, "either"),
        ("grounding", {"box": None}, "either"),
        ("caption", {"objects": None}, "captions"),
        ("caption", {"captions": []}, "captions"),
        ("vqa", {"answers": []}, "answers"),
        ("vqa", {"answers": "red"}, "answers"),
    ],
)
def test_malformed_rows_are_refused_by_line(tmp_path: Path, task: str, change: dict[str, Any], problem: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    rows = [GOOD[task], {**GOOD[task], **change}]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match="line 2") as refused:
        load_labels(task, tmp_path)
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [None, "", "\n\n", "{", "[]", '"x"', "\xff"])
def test_unreadable_labels_are_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "labels.jsonl").write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError):
        load_labels("ocr", tmp_path)


def test_an_unknown_evaluation_is_named() -> None:
    with pytest.raises(UnknownName, match="did you mean 'caption'"):
        load_labels("captions", Path())


@pytest.mark.parametrize("task", ROWS)
def test_the_frozen_sets_are_complete(task: str) -> None:
    rows = load_labels(task, HELD_OUT / task)
    assert len(rows) >= (60 if task == "chart" else 100)
    assert {row.image for row in rows} == {p.name for p in (HELD_OUT / task).iterdir() if p.suffix != ".jsonl"}


def test_the_agent_is_asked_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The whole path of a user's turn, with a scripted model."""
    from conlora_agent.agent import Agent
    from conlora_agent.core.types import Route
    from conlora_agent.testing import FakeBackbone
    from router.fixed import FixedRouter

    chat = Route(name="chat", kind="chat", title="Chat", description="talks")
    data = write(tmp_path, {"image": "a.png", "question": "What colour is the car?", "answers": ["red"]})
    with Agent(backbone=FakeBackbone({("*", "colour"): "Red."}), router=FixedRouter(chat)) as agent:
        got = evaluate_task("vqa", data, agent)
        assert got["accuracy"] == 1.0
        assert not agent.threads.list()


def test_what_the_router_sends_elsewhere_is_counted_and_scored_by_its_answer(tmp_path: Path) -> None:
    from conlora_agent.agent import Agent
    from conlora_agent.core.types import Route
    from conlora_agent.testing import FakeBackbone
    from router.fixed import FixedRouter

    chat = Route(name="chat", kind="chat", title="Chat", description="talks")
    data = write(tmp_path, {"image": "a.png", "question": "What colour is the car?", "answers": ["red"]})
    with Agent(backbone=FakeBackbone({("*", "colour"): "Red."}), router=FixedRouter(chat)) as agent:
        got = evaluate_task("vqa", data, agent, routed=True)
    assert (got["reached"], got["accuracy"]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("phrase", "asked"),
    [("the bathtub", "Find the bathtub in the picture."), ("where exactly is the van?", "where exactly is the van?")],
)
def test_a_bare_phrase_is_asked_for_in_words(tmp_path: Path, phrase: str, asked: str) -> None:
    write(tmp_path, {"image": "a.png", "phrase": phrase, "box": [0, 0, 1, 1]})
    heard: list[str] = []

    def answer(request: str, picture: Path) -> Step:
        heard.append(request)
        return step("grounding")

    got = evaluate_rows("grounding", tmp_path, load_labels("grounding", tmp_path), answer, routed=True)
    assert set(heard) == {asked}
    assert got["reached"] == 1.0
