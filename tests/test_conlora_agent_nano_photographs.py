"""What is on a photograph: the packaged detector's file and boxes, and who has a say in the names."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from conlora_agent.backbone.nano import detector
from conlora_agent.backbone.nano.detector import Detector, apart
from conlora_agent.backbone.nano.kinds import KINDS
from conlora_agent.backbone.nano.look import Seen
from conlora_agent.backbone.nano.low import Trunk
from conlora_agent.backbone.nano.photographs import NEVER, Found, Photographs, vocabulary
from conlora_agent.backbone.nano.vision import Closeup
from conlora_agent.core.errors import BackboneError
from tests.tiny_nano import NAMES, tiny_model, tiny_tokenizer

KNOWN = vocabulary(NAMES)
BEAR, KOALA, PERSON, DOG, GIRAFFE = map(KNOWN.index, ("bear", "koala", "person", "dog", "giraffe"))


@pytest.fixture(scope="module")
def photographs() -> Photographs:
    torch.manual_seed(0)
    return Photographs(NAMES).eval()


def test_every_class_has_one_name_and_every_name_one_place() -> None:
    classes = Counter(number for group in KINDS.values() for numbers in group.values() for number in numbers)
    assert set(classes.values()) == {1}
    assert max(classes) < 1000
    assert len(set(KNOWN)) == len(KNOWN)
    assert KNOWN[: len(NAMES)] == NAMES
    assert {*detector.NAMES, *(name for group in KINDS.values() for name in group)} <= set(KNOWN)


def darknet_file(path: Path, values: int) -> Path:
    numbers = np.random.default_rng(0).uniform(0.5, 1.5, values).astype(np.float32)
    np.concatenate([np.zeros(detector.HEADER, np.float32), numbers]).tofile(path)
    return path


def test_darknets_weights_fill_the_detector_in_darknets_order(tmp_path: Path) -> None:
    network = Detector()
    # Each convolution but the two outputs has a mean and a variance beside its bias, scale and weights.
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    plain = (network.coarse_out, network.fine_out)
    size = sum(m.weight.numel() + m.out_channels * (1 if any(m is p for p in plain) else 4) for m in convolutions)
    file = darknet_file(tmp_path / "some.weights", size)
    network.load_darknet(file)
    values = np.fromfile(file, np.float32)[detector.HEADER :]
    first = convolutions[0]
    shift, gain, mean, variance = (torch.from_numpy(values[i * 32 : (i + 1) * 32]) for i in range(4))
    scale = gain / (variance + 1e-5).sqrt()
    torch.testing.assert_close(first.bias.data, shift - mean * scale)
    weight = torch.from_numpy(values[128 : 128 + first.weight.numel()]).view_as(first.weight)
    torch.testing.assert_close(first.weight.data, weight * scale[:, None, None, None])
    with pytest.raises(BackboneError, match="damaged"):
        network.load_darknet(darknet_file(tmp_path / "short.weights", size - 1))


def test_a_cell_says_where_its_box_is() -> None:
    anchors = detector.COARSE
    out = torch.full((1, len(anchors) * (5 + len(detector.NAMES)), 2, 3), -20.0)
    said = out.view(1, len(anchors), -1, 2, 3)
    said[0, 1, :, 1, 2] = torch.tensor([0.0, 0.0, 0.0, 0.0, 20.0, *[-20.0] * len(detector.NAMES)])
    said[0, 1, 5 + detector.NAMES.index("dog"), 1, 2] = 20.0
    boxes, chances = detector.decoded(out, anchors, (64, 96))
    places, sure = apart(boxes[0], chances[0], most=5)
    width, height = detector.ANCHORS[anchors[1]]
    middle = 2.5 / 3, 1.5 / 2
    expected = [max(0.0, middle[0] - width / 96 / 2), max(0.0, middle[1] - height / 64 / 2), 1.0, 1.0]
    assert places == [pytest.approx(expected, abs=1e-4)]
    assert int(sure[0].argmax()) == detector.NAMES.index("dog")
    assert float(sure.max()) == pytest.approx(1.0)


def chances(*pairs: tuple[int, float], size: int = len(detector.NAMES)) -> Tensor:
    row = torch.zeros(size)
    for place, value in pairs:
        row[place] = value
    return row


def test_one_thing_is_found_once_and_the_certain_come_first() -> None:
    boxes = torch.tensor([[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.52, 0.5], [0.1, 0.1, 0.51, 0.5], [0.7, 0.1, 0.9, 0.5]])
    dog, cat = detector.NAMES.index("dog"), detector.NAMES.index("cat")
    sure = torch.stack([chances((dog, 0.5)), chances((dog, 0.8)), chances((cat, 0.4)), chances((dog, 0.2))])
    places, kept = apart(boxes, sure, most=9)
    assert [round(place[2], 2) for place in places] == [0.52, 0.51]  # another name may lie on it, a doubtful one not
    assert kept.argmax(-1).tolist() == [dog, cat]
    assert len(apart(boxes, sure, most=1)[0]) == 1


@pytest.mark.parametrize(
    ("detected", "classified", "name"),
    [
        ((("bear", 0.8),), ((KOALA, 0.9),), KOALA),
        ((("bear", 0.8),), ((KOALA, 0.2),), BEAR),
        ((("person", 0.9),), ((KOALA, 0.9),), PERSON),
        ((("person", 0.26),), ((KOALA, 0.9),), KOALA),
        ((("dog", 0.9),), (), DOG),
        ((("bear", 0.8),), ((DOG, 0.9),), BEAR),
        ((("giraffe", 0.8),), ((KOALA, 0.9),), GIRAFFE),
    ],
    ids=[
        "a closer name",
        "not sure of it",
        "another group",
        "a doubtful box",
        "no class at all",
        "a name that the detector knows itself",
        "a name that the classifier has no class for",
    ],
)
def test_the_classifier_divides_what_the_detector_found(
    photographs: Photographs,
    detected: tuple[tuple[str, float], ...],
    classified: tuple[tuple[int, float], ...],
    name: int,
) -> None:
    sure = chances(*((detector.NAMES.index(known), value) for known, value in detected))[None]
    said = photographs._combined(sure, chances(*classified, size=len(KNOWN))[None])
    assert int(said[0].argmax()) == name
    assert float(said.min()) >= 0


def test_names_are_the_second_looks_own_or_those_of_the_photograph(photographs: Photographs) -> None:
    seen = Seen(torch.randn(2, len(NAMES)), torch.zeros(2, 3))
    drawn = photographs.named(seen, None).name
    assert drawn.shape == (2, len(KNOWN))
    torch.testing.assert_close(drawn[:, : len(NAMES)], seen.name)
    assert (drawn[:, len(NAMES) :] == NEVER).all()
    things = [Found((0, 0, 1, 1), chances((place, 0.7), size=len(KNOWN))) for place in (KOALA, PERSON)]
    assert photographs.named(seen, things).name.argmax(-1).tolist() == [KOALA, PERSON]
    none = photographs.named(Seen(seen.name[:0], seen.colour[:0]), [])
    assert none.name.shape == (0, len(KNOWN))


def test_a_photograph_is_looked_at_by_the_detector_and_a_drawing_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    vision = tiny_model(tiny_tokenizer()).vision
    shown: list[Tensor] = []

    def found(trunk: Trunk, photograph: Tensor, most: int) -> list[Found]:
        shown.append(photograph)
        return [
            Found((x, 0.0, x + 0.5, 1.0), chances((name, 0.9), size=len(KNOWN)))
            for x, name in ((0.5, DOG), (0, PERSON))
        ]

    monkeypatch.setattr(vision.photographs, "forward", found)
    pixels, picture = torch.rand(1, 3, 64, 64), torch.randint(0, 255, (3, 20, 40), dtype=torch.uint8)
    closeup = Closeup(picture, (0.0, 0.25, 1.0, 0.75))
    drawn = vision(pixels, [closeup])
    assert not shown
    torch.nn.init.constant_(vision.photographs.gate.bias, 1.0)
    sight = vision(pixels, [closeup])
    torch.testing.assert_close(shown[0], picture.float() / 255)
    assert sight.points[0].boxes == [(0.0, 0.25, 0.5, 0.75), (0.5, 0.25, 1.0, 0.75)]  # left to right, of the canvas
    assert sight.seen[0].name.argmax(-1).tolist() == [PERSON, DOG]
    assert sight.points[0].objects == [2 * 4 + 1, 2 * 4 + 3]
    assert drawn.points[0].boxes != sight.points[0].boxes


def test_what_a_whole_photograph_shows_is_found_by_its_class_map(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Photographs(NAMES).eval()
    said = torch.zeros(1, 1000, 4, 8)
    monkeypatch.setattr(model, "_map", lambda trunk, pixels, side: said)
    monkeypatch.setattr(model, "_detect", lambda trunk, pixels, most: [])
    assert model(Trunk(), torch.rand(3, 32, 64), 3) == []
    said[0, KINDS["animal"]["koala"][0], 1:3, 2:6] = 90.0
    (whole,) = model(Trunk(), torch.rand(3, 32, 64), 3)
    assert (whole.label, whole.box) == (KOALA, (0.25, 0.25, 0.75, 0.75))


def test_the_animal_that_a_photograph_shows_is_the_one_that_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model, placed = Photographs(NAMES).eval(), []

    def thing(name: str) -> Found:
        return Found((0, 0, 1, 1), chances((KNOWN.index(name), 0.9), size=len(KNOWN)))

    def extent(trunk: Trunk, pixels: Tensor, label: int) -> tuple[float, float, float, float]:
        placed.append(KNOWN[label])
        return 0.0, 0.0, 1.0, 1.0

    def shown(whole: str | None, *found: str) -> list[str]:
        said = thing(whole).chances if whole else torch.zeros(len(KNOWN))
        monkeypatch.setattr(model, "_kinds", lambda logits: said[None])
        monkeypatch.setattr(model, "_detect", lambda trunk, pixels, most: [thing(name) for name in found])
        return [KNOWN[item.label] for item in model(Trunk(), torch.rand(3, 32, 32), 3)]

    monkeypatch.setattr(model, "_extent", extent)
    assert shown("koala") == ["koala"]
    assert shown("koala", "bear") == ["bear"]
    assert shown("castle", "person", "bear") == ["castle", "person", "bear"]
    assert shown("castle", "person", "bear", "dog") == ["castle", "person", "bear"]
    assert shown(None, "person") == ["person"]
    assert placed == ["koala", "castle", "castle"]  # the class map is made only where it is needed
