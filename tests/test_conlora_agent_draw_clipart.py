"""Clip-art: drawings on white paper are cut out of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from conlora_agent.core.errors import DataError
from conlora_agent.training.draw import clipart
from conlora_agent.training.draw.names import EMOJI


def paper(folder: Path, file: str) -> None:
    """A red disc with a white eye on white paper, and a short stroke beside it."""
    picture = Image.new("RGB", (200, 200), "white")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((60, 60, 140, 140), "red")
    draw.ellipse((90, 90, 110, 110), "white")
    draw.line((20, 100, 30, 100), "black", 2)
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    picture.save(folder / file, quality=95)


def packaged(monkeypatch: pytest.MonkeyPatch, folder: Path, style: str) -> None:
    @contextmanager
    def here(*_: object) -> Iterator[Path]:
        yield folder

    monkeypatch.setattr(clipart, "unpacked", here)
    monkeypatch.setattr(clipart, "PACKAGES", {style: ("a-package", "1", "")})


def test_a_drawing_on_paper_is_cut_out_with_its_white_parts_and_without_strokes_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged(monkeypatch, tmp_path, "art4apps")
    monkeypatch.setattr(clipart, "listed", lambda _: iter([("ball", "sport/ball.jpg")]))
    paper(tmp_path, "sport/ball.jpg")
    ((name, cut),) = clipart.cutouts("art4apps", tmp_path, 192)
    assert name == "ball"
    solid = np.asarray(cut)[..., 3] > 128
    assert abs(cut.width - 81) <= 3
    assert abs(cut.height - 81) <= 3
    assert solid[cut.height // 2, cut.width // 2]
    assert not solid[0, 0]
    assert solid.mean() == pytest.approx(np.pi / 4, abs=0.02)


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged(monkeypatch, tmp_path, "art4apps")
    with pytest.raises(DataError, match=r"\.jpg cannot be read"):
        list(clipart.cutouts("art4apps", tmp_path, 192))


@pytest.mark.parametrize("style", sorted(clipart.PACKAGES))
def test_every_listed_file_shows_what_emoji_show_too(style: str) -> None:
    listed = list(clipart.listed(style))
    assert {name for name, _ in listed} <= set(EMOJI)
    assert len({file for _, file in listed}) == len(listed) > 150
    assert all(file.endswith((".png", ".jpg", ".svg")) for _, file in listed)


def test_a_file_is_listed_by_its_own_name_where_it_has_another_one() -> None:
    listed = list(clipart.listed("art4apps"))
    assert ("cow", "animals/cow.jpg") in listed
    assert ("cow", "animals/ox.jpg") in listed
    assert ("hot dog", "food/hot_dog.jpg") in listed
