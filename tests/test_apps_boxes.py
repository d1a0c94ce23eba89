from __future__ import annotations

import pytest
from PIL import Image

from apps.boxes import MAX_SIDE, MIN_SIDE, PALETTE, draw_boxes
from conlora_agent.core.types import Region


def region(label: str = "cup", box: tuple[float, float, float, float] = (0.25, 0.25, 0.75, 0.75)) -> Region:
    return Region(label=label, box=box, score=0.9)


def colours(picture: Image.Image) -> set[tuple[int, ...]]:
    found = picture.getcolors(maxcolors=picture.width * picture.height)
    assert found is not None
    return {colour for _, colour in found if isinstance(colour, tuple)}


def test_each_region_gets_its_own_colour_and_the_original_stays_as_it_was() -> None:
    picture = Image.new("RGB", (600, 400), "white")
    drawn = draw_boxes(picture, [region(), region("spoon", (0.8, 0.1, 0.95, 0.9))])
    assert set(PALETTE[:2]) <= colours(drawn)
    assert colours(picture) == {(255, 255, 255)}


def test_the_outline_lies_on_the_box() -> None:
    drawn = draw_boxes(Image.new("RGB", (600, 400), "black"), [region()])
    assert drawn.getpixel((150, 200)) == PALETTE[0]
    assert drawn.getpixel((449, 200)) == PALETTE[0]
    assert drawn.getpixel((300, 200)) == (0, 0, 0)


def test_a_label_without_room_above_goes_inside() -> None:
    drawn = draw_boxes(Image.new("RGB", (600, 400), "black"), [region(box=(0.1, 0.0, 0.9, 0.9))])
    inside = drawn.crop((62, 4, 90, 16))
    assert (0, 0, 0) not in colours(inside)


@pytest.mark.parametrize("size", [(1, 1), (10_000, 10), (10, 4000), (30, 20), (3000, 2000)])
def test_any_size_becomes_one_that_can_be_looked_at(size: tuple[int, int]) -> None:
    drawn = draw_boxes(Image.new("RGB", size, "white"), [region()])
    assert MIN_SIDE <= max(drawn.size) <= MAX_SIDE


def test_labels_in_any_script_and_of_any_length_are_drawn() -> None:
    labels = ["", "café", "猫", "word " * 100, "a\nb"]
    drawn = draw_boxes(Image.new("RGB", (600, 400), "white"), [region(label) for label in labels])
    assert drawn.size == (600, 400)


def test_a_line_of_text_is_not_written_over() -> None:
    line = Region(label="moby dick", box=(0.2, 0.4, 0.8, 0.6), score=0.9, line=True)
    drawn = draw_boxes(Image.new("RGB", (600, 400), "white"), [line])
    assert colours(drawn) == {(255, 255, 255), PALETTE[0]}


def test_more_regions_than_colours() -> None:
    boxes = [region(box=(i / 20, 0.2, (i + 1) / 20, 0.8)) for i in range(len(PALETTE) + 3)]
    assert draw_boxes(Image.new("RGB", (600, 400), "white"), boxes).size == (600, 400)
