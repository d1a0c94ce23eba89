"""Other styles of a drawing, and the icons that are coloured in: what is shown stays, and its colour word is true."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from conlora_agent.training import studio
from conlora_agent.training.draw import icons
from conlora_agent.training.draw.colours import COLOURS
from conlora_agent.training.draw.material import FEW, FEW_RESTYLED, HELDOUT_STYLES, TRAIN_STYLES, Material, Sprite
from conlora_agent.training.draw.names import EMOJI
from conlora_agent.training.draw.scenes import emoji
from conlora_agent.training.draw.styles import inked, painted, reshaped, restyled
from tests.drawings import material as small_material


def ring() -> Image.Image:
    """Black lines on nothing."""
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((4, 4, 60, 60), outline=(0, 0, 0, 255), width=6)
    return image


def seen(image: Image.Image) -> np.ndarray:
    return np.asarray(image)[..., 3] > 128


def test_every_listed_icon_belongs_to_a_known_set_and_name() -> None:
    lines = icons.LIST.read_text(encoding="utf-8").splitlines()
    headings = [line.removesuffix(":") for line in lines if line.endswith(":")]
    assert sorted(headings) == sorted(icons.SETS)
    listed = [pair for style in icons.SETS for pair in icons.listed(style)]
    assert len(listed) == len(" ".join(lines).split()) - len(headings)
    named = {name for name, _ in listed}
    assert named <= set(EMOJI)
    assert "stop sign" not in named  # its colour is part of it
    assert ("ice cream", "ice-cream-cone") in icons.listed("lucide")
    assert ("airplane", "plane-filled") in icons.listed("boxicons")


def test_lines_are_often_coloured_in_and_then_their_inside_is_seen() -> None:
    pictures = [inked(random.Random(seed), ring())[0] for seed in range(60)]
    filled = [picture for picture in pictures if seen(picture)[32, 32]]
    assert 35 < len(filled) < 60
    assert all(not seen(picture)[0, 0] for picture in pictures)


def test_one_ink_alone_has_a_colour_word_and_two_halves_have_none() -> None:
    solid = Image.new("RGBA", (40, 40), (0, 0, 0, 255))
    assert all(inked(random.Random(seed), solid)[1] is not None for seed in range(40))
    halves = Image.new("RGBA", (40, 40), (0, 0, 0, 255))
    halves.paste((0, 0, 0, 0), (10, 0, 30, 40))
    assert inked(random.Random(1), halves)[1] is not None
    two = [inked(random.Random(seed), ring()) for seed in range(60)]
    assert len({colour for _, colour in two}) > 4


@pytest.mark.parametrize("seed", range(24))
def test_another_style_keeps_size_and_shape(seed: int) -> None:
    (sprite,) = small_material().sprites["car"]
    before = Image.fromarray(sprite.pixels)
    after, colour = restyled(random.Random(seed), before)
    assert after.size == before.size
    both, either = (seen(before) & seen(after)).sum(), (seen(before) | seen(after)).sum()
    assert both > 0.75 * either
    assert colour in (None, *COLOURS)


def disc() -> Image.Image:
    """A red disc on a transparent ground that is green underneath."""
    image = Image.new("RGBA", (80, 80), (0, 255, 0, 0))
    ImageDraw.Draw(image).ellipse((0, 0, 79, 79), fill=(255, 0, 0, 255))
    return image


@pytest.mark.parametrize("seed", range(24))
def test_another_shape_is_as_long_and_takes_no_colour_from_the_ground(seed: int) -> None:
    after = reshaped(random.Random(seed), disc())
    pixels = np.asarray(after)
    assert max(after.size) == 80
    assert after.getbbox() == (0, 0, *after.size)
    red, green, blue = np.moveaxis(pixels[pixels[..., 3] > 40][:, :3].astype(int), -1, 0)
    assert red.min() > 245
    assert green.max() < 10
    assert not blue.any()


def test_other_shapes_differ_and_are_still_the_thing() -> None:
    before = disc()
    shapes = [seen(reshaped(random.Random(seed), before).resize(before.size)) for seed in range(30)]
    shares = [(shape & seen(before)).sum() / (shape | seen(before)).sum() for shape in shapes]
    assert min(shares) > 0.75
    assert sum(share < 0.9 for share in shares) > 8


def test_icons_are_drawn_by_their_share_and_in_colours() -> None:
    pixels = np.asarray(ring())
    drawn = Sprite("car", "game-icons", pixels, "black")
    material = Material({"car": (*small_material().sprites["car"], *[drawn] * 30)})
    rng = random.Random(5)
    picked = [material.pick(rng, "car") for _ in range(300)]
    assert 70 < sum(sprite.icon for sprite in picked) < 140
    painted_ones = [sprite.colour for sprite in picked if sprite.icon and not sprite.ink]
    assert 40 < len(painted_ones) < 100
    assert painted_ones.count("blue") > 0.8 * len(painted_ones)  # as the other drawing is
    assert len({emoji(rng, drawn, 40).colour for _ in range(60)}) > 5


def test_an_icon_is_painted_as_another_drawing_is() -> None:
    house = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    draw = ImageDraw.Draw(house)
    draw.rectangle((0, 0, 63, 31), outline="black", width=2)
    draw.rectangle((0, 31, 63, 63), outline="black", width=2)
    draw.rectangle((40, 40, 56, 56), fill="black")  # a door, all ink
    other = np.zeros((128, 128, 4), np.uint8)
    other[:64], other[64:], other[76:116, 76:116] = (200, 30, 30, 255), (40, 160, 60, 255), (30, 60, 220, 255)
    for seed in range(20):
        pixels = painted(random.Random(seed), np.asarray(house), other)
        assert pixels.shape == (64, 64, 4)
        assert (pixels[..., 3] == 255).all()
        assert [int(pixels[y, x, :3].argmax()) for y, x in ((15, 32), (48, 15), (48, 48))] == [0, 1, 2]
        assert len(np.unique(pixels.reshape(-1, 4), axis=0)) == 4  # three parts and the lines


def test_a_part_over_nothing_of_the_other_drawing_has_its_usual_colour() -> None:
    other = np.zeros((64, 64, 4), np.uint8)
    other[:4] = (200, 30, 30, 255)
    pixels = painted(random.Random(1), np.asarray(ring()), other)
    assert pixels[32, 32, :3].argmax() == 0
    assert pixels[32, 32, 3] == 255
    assert pixels[0, 0, 3] == 0


def test_few_drawings_are_few_however_many_icons_there_are() -> None:
    pixels = np.asarray(ring())
    icon, drawing = Sprite("car", "game-icons", pixels, "black"), Sprite("dog", "test", pixels, "black")
    again = replace(drawing, redrawn=True)
    few = Material({"car": (drawing,) * FEW + (icon,) * 9 + (again,) * 6, "dog": (drawing,) * (FEW + 1)}).with_few()
    assert {name: len(some) for name, some in few.sprites.items()} == {"car": FEW + 9 + 6}
    assert few.restyled == FEW_RESTYLED


def test_what_is_held_out_keeps_its_own_style(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    def load(cache: Path, styles: tuple[str, ...], *, again: bool) -> Material:
        loaded.append((styles, again))
        return small_material()

    monkeypatch.setattr(studio.Material, "load", load)
    monkeypatch.setattr(studio.FontBook, "installed", lambda: studio.FontBook((), ()))
    monkeypatch.setattr(studio, "vocabulary", lambda: ["word"])
    assert studio.DrawingStudio.open("heldout").material.restyled == 0
    assert studio.DrawingStudio.open("train").material.restyled > 0
    assert loaded == [(HELDOUT_STYLES, False), (TRAIN_STYLES, True)]
    assert not set(HELDOUT_STYLES) & set(TRAIN_STYLES)


def test_another_style_is_asked_for_by_its_share() -> None:
    (sprite,) = small_material().sprites["car"]
    plain = {emoji(random.Random(seed), sprite, 40).image.tobytes() for seed in range(30)}
    assert plain != {emoji(random.Random(seed), sprite, 40, 1.0).image.tobytes() for seed in range(30)}
