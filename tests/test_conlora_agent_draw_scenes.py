from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conlora_agent.training.draw import scenes
from conlora_agent.training.draw.colours import COLOURS, dominant_colour
from conlora_agent.training.draw.documents import KINDS, document
from conlora_agent.training.draw.names import NAMES, SHAPES
from conlora_agent.training.draw.patch import Patch, homography, solid_box
from conlora_agent.training.draw.sample import Sample
from conlora_agent.training.draw.scenes import scene
from conlora_agent.training.draw.things import CARRIERS, thing
from tests.drawings import WORDS, fonts, material

SIZES = ((256, 256), (512, 128), (1024, 64))


def check(sample: Sample, size: tuple[int, int]) -> None:
    width, height = size
    assert sample.picture.shape == (height, width, 3)
    assert sample.picture.dtype == np.uint8
    for item in sample.objects:
        assert item.name in NAMES
        assert item.colour is None or item.colour in COLOURS
        assert 0 <= item.box[0] < item.box[2] <= width
        assert 0 <= item.box[1] < item.box[3] <= height
    for line in sample.lines:
        assert "".join(g.char for g in line.glyphs) == line.text.replace(" ", "")
        assert all(0 <= g.x <= width and 0 <= g.y <= height for g in line.glyphs)


@pytest.mark.parametrize("size", SIZES)
def test_scenes_are_labelled_inside_the_picture(size: tuple[int, int], tmp_path: Path) -> None:
    rng, faces = random.Random(1), fonts(tmp_path)
    made = [scene(rng, size, material(), faces, WORDS) for _ in range(25)]
    for sample in made:
        check(sample, size)
    assert {len(s.objects) for s in made} >= {1, 2, 3}
    assert any(s.lines for s in made)


def test_the_same_seed_draws_the_same_scene(tmp_path: Path) -> None:
    faces = fonts(tmp_path)
    a, b = (scene(random.Random(7), (256, 256), material(), faces, WORDS) for _ in range(2))
    np.testing.assert_array_equal(a.picture, b.picture)
    assert (a.objects, a.lines) == (b.objects, b.lines)


def test_boxes_bound_the_changed_pixels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a plain ground without camera trouble, what is not ground is exactly inside the boxes."""
    monkeypatch.setattr(scenes, "background", lambda rng, size: (Image.new("RGB", size, (0, 255, 255)), None))
    monkeypatch.setattr(scenes, "degrade", lambda rng, picture, strength: np.asarray(picture))
    monkeypatch.setattr(scenes, "soft_shadow", lambda image, rng: None)
    monkeypatch.setattr(scenes, "_caption", lambda *_: None)
    for seed in range(30):
        sample = scene(random.Random(seed), (256, 256), material(), fonts(tmp_path), WORDS)
        # Fully changed pixels lie in a box; each box is touched by such pixels on all four sides (within blending).
        changed = np.abs(sample.picture.astype(int) - (0, 255, 255)).max(-1) > 110
        inside = np.zeros_like(changed)
        for item in sample.objects:
            x0, y0, x1, y1 = (round(edge) for edge in item.box)
            inside[y0:y1, x0:x1] = True
            part = np.abs(sample.picture[y0:y1, x0:x1].astype(int) - (0, 255, 255)).max(-1) > 20
            rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
            assert rows[0] <= 1
            assert columns[0] <= 1
            assert rows[-1] >= y1 - y0 - 2
            assert columns[-1] >= x1 - x0 - 2
        assert not (changed & ~inside).any()


@pytest.mark.parametrize("name", [*SHAPES, "ball", *CARRIERS])
def test_things_come_in_the_colour_they_are_called(name: str, tmp_path: Path) -> None:
    rng, faces = random.Random(name), fonts(tmp_path)
    for _ in range(6):
        patch = thing(rng, 90, WORDS, faces, name=name)
        assert patch.name in NAMES
        if not patch.lines and name not in CARRIERS:
            assert dominant_colour(np.asarray(patch.image), 0.5) == patch.colour
        x0, y0, x1, y1 = solid_box(patch.image)
        assert max(x1 - x0, y1 - y0) >= 60
        assert all(
            0 <= g.x <= patch.image.width and 0 <= g.y <= patch.image.height for li in patch.lines for g in li.glyphs
        )


@pytest.mark.parametrize("kind", KINDS)
def test_documents_carry_labelled_text(kind: str, tmp_path: Path) -> None:
    rng, faces = random.Random(kind), fonts(tmp_path)
    for size in SIZES:
        made = [document(rng, size, faces, WORDS, kind=kind) for _ in range(4)]
        for sample in made:
            check(sample, size)
            assert sample.kind == kind
    square = [document(rng, (256, 256), faces, WORDS, kind=kind) for _ in range(6)]
    assert sum(len(sample.lines) for sample in square) >= 6


@pytest.mark.parametrize("way", ["turned", "tilted"])
def test_glyphs_follow_the_picture(way: str) -> None:
    """Dots drawn where glyphs are said to be are found again after the patch was turned or tilted."""
    from conlora_agent.training.draw.sample import Glyph, TextLine

    spots = [(30, 40), (80, 45), (120, 90), (60, 110)]
    pixels = np.full((140, 160, 4), 255, np.uint8)
    for x, y in spots:
        pixels[y - 3 : y + 4, x - 3 : x + 4, :3] = 0
    glyphs = [Glyph("x", x + 0.5, y + 0.5, 7, 7) for x, y in spots]
    patch = Patch("page", Image.fromarray(pixels), lines=[TextLine("xxxx", (27, 37, 124, 114), glyphs)])
    moved = patch.turned(17) if way == "turned" else patch.tilted(random.Random(3), 0.15)
    seen = np.asarray(moved.image)
    assert [(g.x, g.y) for g in moved.lines[0].glyphs] != [(g.x, g.y) for g in glyphs]
    for glyph in moved.lines[0].glyphs:
        x, y = round(glyph.x - 0.5), round(glyph.y - 0.5)
        around = (255.0 - seen[y - 6 : y + 7, x - 6 : x + 7, 0]) * (seen[y - 6 : y + 7, x - 6 : x + 7, 3] > 200)
        ys, xs = np.mgrid[-6:7, -6:7]
        assert abs((around * xs).sum() / around.sum()) < 0.8
        assert abs((around * ys).sum() / around.sum()) < 0.8


def test_a_homography_takes_its_corners_where_told() -> None:
    source = np.array([(0, 0), (10, 0), (10, 5), (0, 5)], np.float64)
    target = np.array([(1, 1), (9, 2), (8, 6), (0, 4)], np.float64)
    there = np.column_stack([source, np.ones(4)]) @ homography(source, target).T
    np.testing.assert_allclose(there[:, :2] / there[:, 2:], target, atol=1e-9)
