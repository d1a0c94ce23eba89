from __future__ import annotations

import random
import re
import string
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conlora_agent.training.draw import phrasings, questions, referring, relations
from conlora_agent.training.draw.asking import absent_name, other_colour
from conlora_agent.training.draw.colours import COLOURS
from conlora_agent.training.draw.language import alike, counted, listed, plural, with_article
from conlora_agent.training.draw.names import NAMES
from conlora_agent.training.draw.sample import DrawnObject, Sample
from conlora_agent.training.draw.scenes import scene
from conlora_agent.wording import CLEARLY_LARGER, size_told
from tests.drawings import WORDS, fonts, material


def thing(
    name: str, box: tuple[float, float, float, float], colour: str | None = None, text: str | None = None
) -> DrawnObject:
    return DrawnObject(name, box, colour, None, text)


def sample_of(*objects: DrawnObject, place: str | None = None) -> Sample:
    return Sample(np.zeros((256, 256, 3), np.uint8), objects=list(objects), facts={"place": place})


TABLE = sample_of(
    thing("apple", (140, 100, 180, 140), "red"),
    thing("apple", (200, 20, 240, 60), "red"),
    thing("car", (10, 100, 90, 160), "blue"),
    thing("sign", (10, 200, 60, 250), "white", "GO"),
    place="a wooden table",
)


def answers(sample: Sample, kind: str, split: phrasings.Split = "train") -> dict[str, str]:
    """Every question of a kind that the sample gives rise to, with its answer."""
    asked = [questions.ask(sample, random.Random(seed), split, (kind,)) for seed in range(60)]
    return {a.question: a.answers[0] for a in asked}


def test_a_caption_names_everything_once() -> None:
    told = {questions.caption(TABLE, random.Random(seed)) for seed in range(40)}
    assert 'A white sign that says "GO", a blue car and two red apples on a wooden table.' in told
    assert all("two red apples" in t and "blue car" in t and t.endswith(".") for t in told)


def test_a_caption_gives_two_names_to_what_is_in_doubt() -> None:
    cup = replace(thing("cup", (10, 10, 60, 60), "blue"), also=("mug", "bowl"))
    other = replace(cup, box=(100, 10, 150, 60))
    said = [questions.caption(sample_of(*items), random.Random(4)) for items in ([cup], [cup, other])]
    assert "a blue cup or mug" in said[0].lower()
    assert "two blue cups or mugs" in said[1].lower()
    assert not any("bowl" in one for one in said)


def test_a_detailed_caption_says_where() -> None:
    told = questions.caption(TABLE, random.Random(0), detailed=True)
    assert "a red apple at the top right" in told
    assert "a blue car on the left" in told


def test_pictures_without_objects_are_captioned_too() -> None:
    assert questions.caption(sample_of(), random.Random(0)) == "An empty picture."


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("colour", lambda q, a: ("car" in q and a == "blue") or ("sign" in q and a == "white")),
        ("count", lambda q, a: a in ("one", "two", "zero") and ("apples" not in q or a == "two")),
        ("count_all", lambda q, a: a == "four"),
        ("is_colour", lambda q, a: a in ("yes", "no")),
        ("where", lambda q, a: ("car" in q and a == "on the left") or ("sign" in q and a == "at the bottom left")),
        ("direction", lambda q, a: a == ("above" if re.search("(is|does|:) the car", q.lower()) else "below")),
        ("text", lambda q, a: "sign" in q and a == "GO"),
        ("larger", lambda q, a: a == ("the sign" if re.search("smaller|little|less|tiny", q) else "the car")),
        ("which_colour", lambda q, a: a in ("the car", "the sign")),
    ],
)
def test_answers_follow_from_the_scene(kind: str, holds: object) -> None:
    found = answers(TABLE, kind)
    assert found
    assert callable(holds)
    for question, answer in found.items():
        assert holds(question, answer), (question, answer)


def test_comparisons_are_worked_out_before_they_are_answered() -> None:
    for seed in range(20):
        asked = questions.ask(TABLE, random.Random(seed), "train", ("larger",))
        sizes, _, said = asked.working.partition(": ")
        assert sizes in ("car size5 sign size3", "sign size3 car size5")
        won = "car" if asked.kind == "larger" else "sign"
        assert (said, asked.answers[0]) == (f"larger car smaller sign: {asked.kind} {won}", f"the {won}")
    assert "yes" in answers(TABLE, "is_related").values()
    for seed in range(20):
        related = questions.ask(TABLE, random.Random(seed), "train", ("is_related",))
        assert (related.working == related.words["relation"]) == (related.answers[0] == "yes")
    assert questions.ask(TABLE, random.Random(0), "train", ("colour",)).working == ""


def of_size(share: float) -> str:
    return size_told((0.0, 0.0, share**0.5, share**0.5))


@given(st.floats(0.006, 1.0), st.floats(1.0, 100.0))
def test_what_is_clearly_larger_is_told_as_larger(share: float, times: float) -> None:
    larger = min(1.0, share * CLEARLY_LARGER * times)
    assert of_size(larger) > of_size(share) or larger < share * CLEARLY_LARGER


def test_sizes_are_one_digit() -> None:
    assert [of_size(share) for share in (1.0, 0.25, 0.01, 1e-6, 0.0)] == ["size9", "size7", "size1", "size0", "size0"]


def test_presence_is_answered_by_what_is_there() -> None:
    asked = [questions.ask(TABLE, random.Random(seed), "train", ("presence",)) for seed in range(200)]
    yes = [a.words["ax"] for a in asked if a.answers[0] == "yes"]
    no = [a.words["ax"] for a in asked if a.answers[0] == "no"]
    assert 70 < len(yes) < 130
    assert all(any(o.name in words for o in TABLE.objects) for words in yes)
    there = {f"{o.colour} {o.name}" for o in TABLE.objects} | {o.name for o in TABLE.objects}
    assert not any(words.split(" ", 1)[1] in there for words in no if " " in words)


def test_every_kind_has_templates_in_both_splits_and_none_is_shared() -> None:
    for kinds in phrasings.VQA.values():
        assert kinds["train"]
        assert kinds["heldout"]
        assert not set(kinds["train"]) & set(kinds["heldout"])
    assert set(phrasings.REQUESTS["train"]) & set(phrasings.REQUESTS["heldout"]) == {"{p}"}


def test_referring_phrases_point_to_their_boxes() -> None:
    apples = [o.box for o in TABLE.objects if o.name == "apple"]
    expected = {
        "the car": [TABLE.objects[2].box],
        "the blue car": [TABLE.objects[2].box],
        "the left apple": [apples[0]],
        "the rightmost apple": [apples[1]],
        "the top apple": [apples[1]],
        "the sign that says GO": [TABLE.objects[3].box],
        "all the apples": apples,
    }
    made: dict[str, list[tuple[float, float, float, float]]] = {}
    for seed in range(1500):
        phrase, boxes, _ = referring.refer(TABLE, random.Random(seed))
        assert made.setdefault(phrase, boxes) == boxes, "one phrase, two meanings"
    for phrase, boxes in expected.items():
        assert made[phrase] == boxes
    assert "the apple" not in made
    absent = [phrase for phrase, boxes in made.items() if not boxes]
    assert absent
    assert not any(phrase.endswith(("the sign", "blue car", "white sign")) for phrase in absent)


def test_requests_for_several_things_use_the_plural() -> None:
    assert phrasings.plural_request("Where is {p}?") == "Where are {p}?"
    assert phrasings.plural_request("which one is {p}?") == "which ones are {p}?"


def test_relations_are_claimed_only_where_they_are_clear() -> None:
    a, b = thing("car", (0, 100, 40, 140)), thing("dog", (100, 90, 140, 150))
    assert relations.relation(a, b) == "to the left of"
    assert relations.relation(b, a) == "to the right of"
    assert relations.relation(a, thing("dog", (60, 170, 100, 220))) is None
    assert relations.region(sample_of(a), thing("car", (90, 90, 110, 110))) is None
    assert relations.region(sample_of(a), thing("car", (200, 200, 250, 250))) == "bottom right"


@given(st.integers(0, 10_000))
def test_absent_names_are_like_nothing_there(seed: int) -> None:
    name = absent_name(TABLE, random.Random(seed))
    assert name in NAMES
    assert not any(alike(name, o.name) for o in TABLE.objects)


@given(st.sampled_from(COLOURS), st.integers(0, 100))
def test_another_colour_is_another(colour: str, seed: int) -> None:
    assert other_colour(colour, random.Random(seed)) != colour


def test_english() -> None:
    assert counted(1, "red car", "car") == "a red car"
    assert counted(2, "orange orange", "orange") == "two orange oranges"
    assert with_article("apple", "apple") == "an apple"
    assert with_article("unicorn", "unicorn") == "a unicorn"
    assert with_article("blue jeans", "jeans") == "blue jeans"
    assert [plural(n) for n in ("box", "cherry", "toy", "mouse", "fire truck", "watch")] == [
        "boxes", "cherries", "toys", "mice", "fire trucks", "watches",
    ]  # fmt: skip
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert alike("car", "police car")
    assert alike("mug", "cup")
    assert not alike("car", "dog")


def test_drawn_scenes_can_always_be_talked_about(tmp_path: Path) -> None:
    rng, faces = random.Random(3), fonts(tmp_path)
    kinds = set()
    for _ in range(60):
        sample = scene(rng, (256, 256), material(), faces, WORDS)
        for split in ("train", "heldout"):
            asked = questions.ask(sample, rng, split)
            kinds.add(asked.kind)
            phrase, boxes = questions.grounding(sample, rng, split)
            for text in (asked.question, phrase, questions.caption(sample, rng, split)):
                assert text.strip()
                assert "{" not in text.translate({ord(c): None for c in string.whitespace}) or sample.lines
            assert all(b in [o.box for o in sample.objects] + [li.box for li in sample.lines] for b in boxes)
    assert kinds >= {"colour", "count", "presence"}
