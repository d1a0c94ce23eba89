"""Where objects end: frames, what the layers may do to a box, and that they learn."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.edges import AROUND, CELLS, EdgeReader, covered, into, out_of
from conlora_agent.backbone.nano.look import CHANNELS, crops, square
from conlora_agent.backbone.nano.low import Trunk
from conlora_agent.backbone.nano.points import _objects
from conlora_agent.backbone.nano.vision import NanoVision
from conlora_agent.core.types import Box
from conlora_agent.training import edges as training
from conlora_agent.training.draw.sample import Sample
from conlora_agent.training.studio import DrawingStudio
from tests.drawings import WORDS, fonts, material

BOX = (0.25, 0.5, 0.5, 0.75)


@given(st.tuples(*[st.floats(0, 1)] * 4), st.integers(8, 400), st.integers(8, 400))
def test_a_box_is_the_same_after_a_round_trip_through_its_square(box: Box, width: int, height: int) -> None:
    (x0, x1), (y0, y1) = sorted(box[::2]), sorted(box[1::2])
    frame = square((x0, y0, x1, y1), width, height, AROUND)
    inside = into((x0, y0, x1, y1), frame, width, height)
    assert out_of(inside, frame, width, height) == pytest.approx((x0, y0, x1, y1), abs=1e-6)
    assert all(0 < edge < 1 for edge in inside)


def test_the_square_shows_what_is_around_the_box() -> None:
    pixels = torch.zeros(3, 64, 64)
    pixels[0, 32:48, 16:32] = 1  # red in BOX
    (cut,) = crops(pixels, [BOX], AROUND)
    red = torch.nonzero(cut[0] > 0.5)
    low, high = red.amin(0) / 160, (red.amax(0) + 1) / 160
    expected = into(BOX, square(BOX, 64, 64, AROUND), 64, 64)
    assert (*low.flip(0).tolist(), *high.flip(0).tolist()) == pytest.approx(expected, abs=0.02)


def test_cells_are_covered_as_far_as_the_box_goes() -> None:
    share = covered(torch.tensor([[0.1, 0.25, 0.5, 1.0]]))
    assert share.shape == (1, 1, CELLS, CELLS)
    assert float(share.sum()) == pytest.approx(CELLS * CELLS * 0.4 * 0.75)
    assert share[0, 0, 2].tolist() == pytest.approx([0, *[0.5] * 4, *[0] * 5])


def test_layers_that_have_learned_nothing_leave_boxes_where_they_are() -> None:
    trunk, reader = Trunk().eval(), EdgeReader()
    picture = torch.rand(3, 96, 128)
    boxes = [BOX, (0.0, 0.0, 1.0, 1.0)]
    for box, after in zip(boxes, reader.moved(trunk, picture, boxes), strict=True):
        assert after == pytest.approx(box, abs=1e-6)
    assert reader.moved(trunk, picture, []) == []


def test_edges_move_each_by_its_own_and_stay_on_the_picture() -> None:
    trunk, reader = Trunk().eval(), EdgeReader()
    with torch.no_grad():
        reader.across.bias.copy_(torch.tensor([-0.1, 0.2]))
        reader.down.bias.copy_(torch.tensor([0.1, 5.0]))
    side = 0.25 * 128 * 1.5
    (moved,) = reader.moved(trunk, torch.rand(3, 128, 128), [BOX])
    x, y = 0.1 * side / 128, 0.1 * side / 128
    assert moved == pytest.approx((0.25 - x, 0.5 + y, 0.5 + 2 * x, 1.0), abs=1e-5)


def test_a_box_that_would_turn_inside_out_is_left() -> None:
    reader = EdgeReader()
    with torch.no_grad():
        reader.across.bias.copy_(torch.tensor([5.0, -5.0]))
    assert reader.moved(Trunk().eval(), torch.rand(3, 64, 64), [BOX]) == [BOX]


def test_what_is_found_twice_is_one_thing_once_its_edges_are_known() -> None:
    heat = torch.full((4, 4), -9.0)
    heat[1, 0], heat[1, 3], heat[3, 3] = 2.0, 3.0, 1.0
    distances = torch.full((4, 4, 4), 9.0)
    cells, boxes = _objects(heat, distances, 9, lambda found: found)
    assert cells == [4, 7, 15]
    assert boxes == [(0.0, 15 / 64, 17 / 64, 33 / 64), (47 / 64, 15 / 64, 1.0, 33 / 64), (47 / 64, 47 / 64, 1.0, 1.0)]
    whole = (0.0, 0.0, 1.0, 0.5)
    cells, boxes = _objects(heat, distances, 9, lambda found: [whole, whole, found[2]])
    assert cells == [7, 15]  # the surer one of the two
    assert boxes[0] == whole


@torch.no_grad()
def test_what_is_told_and_looked_at_are_the_moved_boxes_of_each_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    names = {"names": ["a", "b"], "colours": ["none", "red"]}
    vision = NanoVision(NanoConfig(vision_size=32, vision_layers=2, vision_heads=2, stem_size=16, **names)).eval()
    torch.nn.init.constant_(vision.heads.heat.bias, 3.0)
    monkeypatch.setattr(vision.photographs, "likely", lambda coarse: torch.full((len(coarse),), -1.0))
    asked: list[tuple[torch.Tensor, list[Box]]] = []
    places = [[(0.1 * (k + 1), 0.2, 0.1 * (k + 1) + 0.05, 0.9) for k in range(8)], [(0.0, 0.1, 0.2, 0.3)]]

    def moved(trunk: Trunk, picture: torch.Tensor, boxes: list[Box]) -> list[Box]:
        asked.append((picture, boxes))
        return (places[len(asked) - 1] * len(boxes))[: len(boxes)]

    looked: list[list[list[Box]]] = []
    see = vision.look.forward
    monkeypatch.setattr(vision.edges, "moved", moved)
    monkeypatch.setattr(vision.look, "forward", lambda *given: looked.append(given[2]) or see(*given))
    pixels = torch.rand(2, 3, 96, 96)
    sight = vision(pixels)
    for row in range(2):
        torch.testing.assert_close(asked[row][0], pixels[row])
        assert len(asked[row][1]) > 1
        assert set(sight.points[row].boxes) <= set(places[row])
        assert sight.points[row].boxes
    assert looked == [[points.boxes for points in sight.points]]
    assert [len(seen.name) for seen in sight.seen] == [len(points.boxes) for points in sight.points]


def test_boxes_in_training_are_shaken_but_never_away() -> None:
    rng, box = random.Random(0), (10.0, 20.0, 50.0, 30.0)
    found = [training.shaken(rng, box) for _ in range(400)]
    assert len(set(found)) == 400
    for x0, y0, x1, y1 in found:
        assert x1 - x0 > 0.3 * 40
        assert y1 - y0 > 0.3 * 10
    low = sum(y0 for _, y0, _, _ in found) / 400
    assert 20.0 < low < 20.4  # found a little too low on average


def test_boxes_in_training_end_where_the_picture_does() -> None:
    assert training.cut_off((-3.0, 5.0, 300.0, 260.0), 256, 200) == (0.0, 5.0, 256.0, 200.0)


def test_rows_say_where_the_drawn_box_lies_in_the_square_of_the_shaken_one() -> None:
    picture = torch.zeros(64, 64, 3, dtype=torch.uint8)
    picture[32:48, 16:32] = 255
    shown, found, right = training.squares(Sample(picture.numpy()), [(16, 32, 32, 48)], [(16, 32, 28, 48)])
    side = 16 * 1.5
    assert found[0].tolist() == pytest.approx([0.25, 1 / 6, 0.75, 5 / 6])
    assert (right - found)[0].tolist() == pytest.approx([0, 0, 4 / side, 0], abs=1e-6)
    white = torch.nonzero(shown[0, 0] > 127)
    low, high = white.amin(0) / 160, (white.amax(0) + 1) / 160
    assert (*low.flip(0).tolist(), *high.flip(0).tolist()) == pytest.approx(right[0].tolist(), abs=0.02)


def seen_boxes(count: int, seed: int) -> training.Rows:
    """Rows whose first feature is the object itself."""
    rng = random.Random(seed)
    right = [(*(rng.uniform(0.15, 0.3) for _ in "xy"), *(rng.uniform(0.6, 0.85) for _ in "xy")) for _ in range(count)]
    found = torch.tensor([[edge + rng.gauss(0, 0.06) for edge in box] for box in right])
    features = torch.zeros(count, CHANNELS, CELLS, CELLS)
    features[:, :1] = covered(torch.tensor(right))
    return features.half(), found, torch.tensor(right)


def test_edges_are_learned_from_what_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "BATCH", 64)
    lines: list[dict[str, float]] = []
    monkeypatch.setattr(training, "log", lambda **line: lines.append(line))
    torch.manual_seed(0)
    training.fit(EdgeReader(), seen_boxes(1024, 1), seen_boxes(100, 2))
    assert len(lines) == training.EPOCHS
    assert lines[-1]["heldout_moved"] > 0.85


def test_scenes_are_drawn_and_what_is_fitted_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("BOXES", 40), ("HELD", 10), ("BATCH", 8), ("EPOCHS", 1), ("log", lambda **_: None)):
        monkeypatch.setattr(training, name, value)
    reader, studio = EdgeReader(), DrawingStudio(fonts(tmp_path), WORDS, material())
    training.train(reader, Trunk().eval(), studio, studio, training.EdgeRun(tmp_path, workers=0))
    saved = torch.load(tmp_path / "edges.pt", weights_only=True)
    torch.testing.assert_close(saved["across.weight"], reader.across.weight)
    assert float(saved["across.weight"].abs().max()) > 0
