"""The closer look at lines of text, with the weights that are shipped."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from conlora_agent.backbone.nano.assemble import WEIGHTS
from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.points import Line, Points, _reading_order, line_of
from conlora_agent.backbone.nano.processing import detail_of, pixels_of
from conlora_agent.backbone.nano.reader import CLASSES, HEIGHT, SPACE, WIDTHS, LineReader, cut, decode
from conlora_agent.backbone.nano.vision import Closeup, NanoVision, _in_detail
from conlora_agent.core.protocols import GenerateRequest, Generation

PREFIX = "vision.reader."


@pytest.fixture(scope="module")
def reader() -> LineReader:
    model = LineReader()
    state = load_file(WEIGHTS / "reader.safetensors")
    model.load_state_dict({key.removeprefix(PREFIX): value.float() for key, value in state.items()})
    return model.eval()


def written(text: str, size: int = 40, turn: float = 0.0) -> tuple[Tensor, Line]:
    """A picture of a text, turned clockwise by so many degrees about its middle, and where the text is on it."""
    font = ImageFont.load_default(size)
    left, _, right, _ = font.getbbox(text)
    side = int(right - left + 6 * size)
    picture = Image.new("RGB", (side, side), "white")
    ImageDraw.Draw(picture).text((side / 2, side / 2), text, "black", font, anchor="mm")
    picture = picture.rotate(-turn, Image.Resampling.BICUBIC, fillcolor="white")
    line = Line((side / 2, side / 2), right - left, 1.2 * size, math.radians(turn))
    return torch.from_numpy(np.asarray(picture).transpose(2, 0, 1).copy()).float() / 255, line


@pytest.mark.parametrize("text", ["Grand Opening", "Total: $8.40", "13/09/10 7:19am", "(50% off!)", "O'Neil & Sons"])
def test_reads_letters_digits_and_marks(reader: LineReader, text: str) -> None:
    (said,) = reader.read(*both(written(text)))
    assert said.text == text
    assert said.confidence > 0.8


@pytest.mark.parametrize("turn", [-12.0, 12.0])
def test_reads_what_is_written_at_a_slant(reader: LineReader, turn: float) -> None:
    assert reader.read(*both(written("Fresh Coffee", turn=turn)))[0].text == "Fresh Coffee"


def test_reads_large_and_small_letters_alike(reader: LineReader) -> None:
    assert {reader.read(*both(written("Platform", size)))[0].text for size in (14, 40, 200)} == {"Platform"}


def test_a_bare_place_says_nothing(reader: LineReader) -> None:
    (said,) = reader.read(torch.full((3, 60, 200), 0.7), [Line((100, 30), 120, 30, 0.0)])
    assert said.text == ""
    assert said.confidence == 0.0


def test_lines_read_together_are_read_as_if_alone(reader: LineReader) -> None:
    picture, _ = written("one two three four")
    lines = [Line((picture.shape[2] / 2 + dx, picture.shape[1] / 2), 90, 48, 0.0) for dx in (-90, 0, 90)]
    together, alone = reader.read(picture, lines), [reader.read(picture, [line])[0] for line in lines]
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a.chances, b.chances, rtol=1e-3, atol=1e-4)


def test_a_cut_has_the_height_that_is_read_and_a_width_that_some_share() -> None:
    piece = cut(torch.rand(3, 50, 400), Line((200, 25), 300, 30, 0.1))
    assert piece.shape[:2] == (3, HEIGHT)
    assert piece.shape[2] % WIDTHS == 0


def test_decoding_merges_repeats_and_keeps_double_letters() -> None:
    a, b = ord("a") - 32, ord("b") - 32
    path = [0, a, a, 0, a, b, b, SPACE, 0, b]
    said = decode(torch.eye(CLASSES)[path] * 20)
    assert said.text == "aab b"
    assert len(said.chances) == 5


@pytest.mark.parametrize(("chance", "said"), [(0.04, "a b"), (0.015, "ab")])
def test_a_space_that_blanks_hide_is_read_where_it_adds_up(chance: float, said: str) -> None:
    a, b = ord("a") - 32, ord("b") - 32
    probabilities = torch.eye(CLASSES)[[a, 0, 0, b]].clamp_min(1e-6)
    probabilities[1:3, 0], probabilities[1:3, SPACE] = 1 - chance, chance
    read = decode(probabilities.log())
    assert read.text == said
    assert read.confidence == pytest.approx(1.0, abs=1e-3)  # what is no character makes nobody less sure of those


def test_a_rising_run_of_glyphs_is_a_turned_line() -> None:
    x = np.arange(10, dtype=np.float32) * 10
    size = np.full(10, 10, np.float32)
    line = line_of(x, 100 - 0.2 * x, size, size)
    assert math.isclose(line.angle, math.atan(-0.2), abs_tol=1e-3)
    x0, y0, x1, y1 = line.box
    assert x0 < 0 < 90 < x1
    assert y0 < 82 < 100 < y1


def both(drawn: tuple[Tensor, Line]) -> tuple[Any, list[Line]]:
    return drawn[0], [drawn[1]]


def test_a_line_belongs_to_the_smallest_box_that_holds_it() -> None:
    lines = [Line((x, 50.0), 20.0, 8.0, 0.0) for x in (20.0, 60.0, 95.0)]
    points = Points(lines, [0, 1], [(0.0, 0.0, 0.9, 1.0), (0.5, 0.3, 0.8, 0.7)])
    assert points.lines_on(100, 100) == [[0], [1]]


def test_lines_on_one_object_are_read_together() -> None:
    """Two books side by side: not the first line of each, then the second of each."""
    lines = [Line((x, y), 20.0, 8.0, 0.0) for y in (30.0, 50.0) for x in (20.0, 70.0)]
    points = Points(list(lines), [0, 1], [(0.0, 0.0, 0.45, 1.0), (0.5, 0.0, 1.0, 1.0)])
    points.keep_together(100, 100)
    assert points.lines == [lines[0], lines[2], lines[1], lines[3]]


def test_small_print_is_read_in_the_picture_itself() -> None:
    """On the canvas this print is 4 pixels high; in the picture it is 28."""
    vision = NanoVision(NanoConfig(names=["thing"], colours=["none"])).eval()
    state = load_file(WEIGHTS / "reader.safetensors")
    vision.reader.load_state_dict({key.removeprefix(PREFIX): value.float() for key, value in state.items()})
    picture, line = written("Mind the gap", 28)
    side, shown, canvas = picture.shape[2], 56, 112
    small = F.interpolate(picture[None], (shown, shown), mode="area")[0]
    on_canvas = F.pad(small, (28, 28, 28, 28), value=1.0)
    there = line.moved(-28 * side / shown, -28 * side / shown, shown / side)
    closeup = Closeup((picture * 255).to(torch.uint8), (28 / canvas, 28 / canvas, 84 / canvas, 84 / canvas))

    (near,) = vision.reader.read(*_in_detail(on_canvas, [there], closeup))
    (far,) = vision.reader.read(*_in_detail(on_canvas, [there], None))

    assert near.text == "Mind the gap"
    assert far.text != near.text


def test_a_page_is_not_torn_by_an_object_seen_on_it() -> None:
    lines = [Line((50.0, y), 80.0, 8.0, 0.0) for y in (10.0, 30.0, 50.0, 70.0)]
    lines[2] = Line((20.0, 50.0), 20.0, 8.0, 0.0)
    points = Points(list(lines), [0], [(0.0, 0.0, 0.4, 1.0)])
    points.keep_together(100, 100)
    assert points.lines == lines


def test_a_letter_is_no_object_but_what_is_written_on_is_one() -> None:
    points = Points([], [4, 7], [(0.2, 0.42, 0.3, 0.58), (0.1, 0.1, 0.9, 0.9)])
    points.drop_letters([Line((50.0, 50.0), 80.0, 20.0, 0.0)], 100, 100)
    assert points.objects == [7]
    assert points.boxes == [(0.1, 0.1, 0.9, 0.9)]


def test_slanted_lines_keep_their_order() -> None:
    """Turned by 12 degrees, the upright boxes of neighbouring lines overlap almost wholly."""
    turn = math.radians(12)
    lines = [Line((300 - 28 * k * math.sin(turn), 100 + 28 * k * math.cos(turn)), 400.0, 20.0, turn) for k in range(3)]
    assert _reading_order([lines[2], lines[0], lines[1]]) == lines


@pytest.mark.backbone
def test_small_print_of_a_large_page_is_found_where_it_is(nano: Any) -> None:
    page = Image.new("RGB", (1000, 1400), "white")
    draw = ImageDraw.Draw(page)
    said = {"Dear Ms Miller": 120, "your parcel was sent today": 700, "please pay within 14 days": 1330}
    for text, y in said.items():
        draw.text((500, y), text, "black", ImageFont.load_default(34), anchor="mm")
    model = nano.profile.model
    canvas, place = pixels_of(page, model.config.canvas_area)
    with torch.inference_mode():
        sight = model.vision(canvas.to(model.dtype), [Closeup(detail_of(page), place)])
    scale = (place[2] - place[0]) * canvas.shape[-1] / page.width
    corner = place[0] * canvas.shape[-1], place[1] * canvas.shape[-2]
    found = {
        w.text: line.moved(*corner, 1 / scale) for w, line in zip(sight.written[0], sight.points[0].lines, strict=True)
    }
    assert set(found) == set(said)
    for text, y in said.items():
        assert math.dist(found[text].centre, (500, y)) < 12


@pytest.mark.backbone
def test_a_reading_tells_where_its_lines_stand_and_makes_none_up(nano: Any) -> None:
    sign = Image.new("RGB", (700, 200), "white")  # wider than its canvas: boxes must be of the sign itself
    ImageDraw.Draw(sign).text((500, 120), "HELLO", "black", ImageFont.load_default(60), anchor="mm")
    answer = nano.generate(GenerateRequest("Read the text.", picture=sign, reads=True, max_new_tokens=4))
    (line,) = answer.lines
    x0, y0, x1, y1 = line.box
    assert (line.label, line.line) == ("HELLO", True)
    assert (x0 < 500 / 700 < x1, y0 < 120 / 200 < y1) == (True, True)
    assert ((x1 - x0) * 700, (y1 - y0) * 200) == pytest.approx((180, 55), rel=0.35)
    assert line.score > 0.9
    bare = GenerateRequest("Read the text.", picture=Image.new("RGB", (300, 200), "white"), reads=True)
    assert nano.generate(bare) == Generation("", [], lines=())
    sought = nano.generate(GenerateRequest("the word hello", picture=sign, seeks_text=True))
    assert (sought.text, sought.usage.completion_tokens, sought.lines) == ("", 0, answer.lines)


@pytest.mark.backbone
def test_what_shows_nothing_is_not_described(nano: Any) -> None:
    square = Image.new("RGB", (256, 256), "white")
    ImageDraw.Draw(square).rectangle((40, 60, 200, 220), "red")
    answers = [
        nano.generate(GenerateRequest("Describe the picture.", picture=picture, describes=True, max_new_tokens=4))
        for picture in (Image.new("RGB", (256, 256), "white"), Image.new("RGB", (300, 200), "navy"), square)
    ]
    assert [bool(answer.text) for answer in answers] == [False, False, True]
