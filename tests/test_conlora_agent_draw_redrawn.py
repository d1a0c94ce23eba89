"""Drawings as others might have drawn them."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conlora_agent.core.errors import DataError
from conlora_agent.training.draw import material
from conlora_agent.training.draw.material import KEPT, VERSIONS, VISIBLE, Material, drawn, versions
from conlora_agent.training.draw.redrawn import redrawn
from tests.drawings import complete_icon_file
from tests.drawings import material as small_material

FACE = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 32 32">'
    '<defs><linearGradient id="abc"><stop stop-color="#ff0000"/><stop stop-color="#ff8800"/></linearGradient>'
    '<clipPath id="c"><rect width="32" height="32"/></clipPath></defs>'
    '<circle cx="16" cy="16" r="14" fill="url(#abc)"/><g clip-path="url(#c)">'
    '<circle cx="10" cy="12" r="3" fill="#fff"/>'
    '<circle cx="22" cy="12" r="3" fill="#FFFFFF"/><path d="M8 20h16" stroke="#111" fill="none" stroke-width="2"/></g>'
    "</svg>"
)


def test_the_same_seed_draws_the_same_and_another_something_else() -> None:
    assert redrawn(random.Random(1), FACE) == redrawn(random.Random(1), FACE)
    assert len({redrawn(random.Random(seed), FACE) for seed in range(20)}) == 20


def test_each_way_is_taken_now_and_then_and_what_is_hidden_stays() -> None:
    drawings = [redrawn(random.Random(seed), FACE) for seed in range(200)]
    assert 40 < sum("url(#abc)" not in one for one in drawings) < 120  # a gradient made flat
    assert 15 < sum(len(re.findall("<(?:circle|path)", one)) < 4 for one in drawings) < 80  # parts left out
    assert 60 < sum("translate(" in one for one in drawings) < 140
    assert 20 < sum("stroke-linejoin" in one for one in drawings) < 90
    assert 20 < sum(' stroke="none"' in one for one in drawings) < 100
    assert all("<clipPath" in one and one.count("<rect") == 1 for one in drawings)
    assert all("<circle" in one for one in drawings)  # the first part is never left out


def test_equal_colours_stay_equal_however_they_are_written() -> None:
    for seed in range(60):
        eyes = re.findall(r'r="3" fill="(#[0-9a-f]{6})"', redrawn(random.Random(seed), FACE))
        assert len(set(eyes)) <= 1


def test_what_has_colours_of_its_own_keeps_them() -> None:
    for seed in range(40):
        used = set(re.findall("[^(](#[0-9a-fA-F]{3,6})", redrawn(random.Random(seed), FACE, coloured=False)))
        assert used - {"#222222", "#5a3a22", "#ffffff"} <= {"#ff0000", "#ff8800", "#fff", "#FFFFFF", "#111"}


def test_what_lets_something_show_through_stays_as_it_is() -> None:
    veil = FACE.replace('stop-color="#ff0000"', 'stop-color="#ff0000" stop-opacity="0"')
    assert all("url(#abc)" in redrawn(random.Random(seed), veil) for seed in range(40))


def test_what_is_no_svg_is_refused() -> None:
    with pytest.raises(DataError, match="no SVG"):
        redrawn(random.Random(0), "<svg")


def test_versions_are_still_the_thing() -> None:
    whole = (np.asarray(drawn(FACE, material.SMALLER))[..., 3] > VISIBLE).sum()
    shown = list(versions(random.Random(6), FACE))
    assert 4 <= len(shown) <= VERSIONS
    assert all((pixels[..., 3] > VISIBLE).sum() >= KEPT * whole for pixels in shown)
    first = next(versions(random.Random(6), FACE))
    np.testing.assert_array_equal(first, shown[0])


def test_a_version_that_lost_what_it_shows_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    eye = FACE.replace('r="14"', 'r="2"')
    monkeypatch.setattr(material.redrawn, "redrawn", lambda rng, svg, coloured: eye)
    assert not list(versions(random.Random(6), FACE))


def test_half_of_the_emoji_picked_are_redrawn_where_there_are_any() -> None:
    (drawing,) = small_material().sprites["car"]
    emoji, cut = replace(drawing, style="noto"), replace(drawing, style="stamps")
    both = Material({"car": (emoji, cut, *[replace(emoji, redrawn=True)] * 6), "dog": (emoji,)})
    rng = random.Random(2)
    picked = [both.pick(rng, "car") for _ in range(300)]
    assert 50 < sum(one.redrawn for one in picked) < 100
    assert 110 < sum(one.style == "stamps" for one in picked) < 190
    assert not any(both.pick(rng, "dog").redrawn for _ in range(20))


def test_a_set_is_redrawn_once_beside_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complete_icon_file(tmp_path / f"openmoji-{material.SETS['openmoji']}.json")
    monkeypatch.setattr(material, "SIDE", 24)
    monkeypatch.setattr(material, "SMALLER", 24)
    first = Material.load(tmp_path, ("openmoji",), again=True)
    monkeypatch.setattr(material, "drawn", None)  # nothing is drawn any more
    again = Material.load(tmp_path, ("openmoji",), again=True)
    plain = Material.load(tmp_path, ("openmoji",))
    number = {name: sum(s.redrawn for s in some) for name, some in first.sprites.items()}
    assert number == {name: sum(s.redrawn for s in some) for name, some in again.sprites.items()}
    assert all(number.values())
    assert not any(s.redrawn for some in plain.sprites.values() for s in some)
