from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from conlora_agent.core.errors import DataError, Failure
from conlora_agent.training import fetching
from conlora_agent.training.draw import material
from conlora_agent.training.draw.colours import COLOURS, dominant_colour, shade
from conlora_agent.training.draw.material import Material, rasterise, svg_of
from conlora_agent.training.draw.names import EMOJI, GROUPS, NAMES
from tests.drawings import complete_icon_file, fonts, icon_set
from tests.drawings import material as small_material


def test_names_are_sorted_unique_and_all_grouped() -> None:
    assert list(NAMES) == sorted(set(NAMES))
    assert set(NAMES) <= {name for group in GROUPS.values() for name in group}
    assert len(EMOJI) >= 220


def test_a_sprite_is_cropped_to_what_is_visible() -> None:
    pixels = rasterise(svg_of(icon_set(), "envelope"))
    assert pixels.shape[1] > pixels.shape[0] * 1.5  # 28 x 16 units
    assert (pixels[pixels.shape[0] // 2, :, 3] > 40).all()


def test_invisible_pixels_carry_the_mean_colour_so_that_edges_do_not_darken() -> None:
    pixels = rasterise(svg_of(icon_set(), "red-apple"))
    corner = pixels[0, 0]
    assert corner[3] == 0
    assert corner[0] > 150 > corner[1]


def test_colours_of_sprites_are_named() -> None:
    found = {name: [s.colour for s in sprites] for name, sprites in small_material().sprites.items()}
    assert found == {"apple": ["red", "green"], "car": ["blue"], "dog": ["brown"], "envelope": ["white"]}


@pytest.mark.parametrize("colour", COLOURS)
def test_every_shade_is_called_by_its_word(colour: str) -> None:
    import random

    rng = random.Random(colour)
    shades = np.array([[(*shade(rng, colour), 255)] for _ in range(300)], np.uint8)
    named = [dominant_colour(one[None]) for one in shades]
    assert named.count(colour) >= 294


def test_a_picture_of_many_colours_has_no_colour_word() -> None:
    half = np.zeros((10, 10, 4), np.uint8)
    half[..., 3] = 255
    half[:5, :, 0] = 220
    half[5:, :, 2] = 220
    assert dominant_colour(half) is None
    assert dominant_colour(np.zeros((4, 4, 4), np.uint8)) is None


def test_an_alias_is_followed_and_a_missing_drawing_named() -> None:
    content = icon_set() | {"aliases": {"pomme": {"parent": "red-apple"}}}
    assert svg_of(content, "pomme") == svg_of(content, "red-apple")
    with pytest.raises(DataError, match="no drawing 'pear'"):
        svg_of(content, "pear")
    with pytest.raises(DataError, match="not an Iconify"):
        svg_of({"icons": []}, "pear")


def test_a_set_is_rasterised_once_and_then_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    style = "openmoji"
    complete_icon_file(tmp_path / f"{style}-{material.SETS[style]}.json")
    monkeypatch.setattr(material, "SIDE", 24)
    first = Material.load(tmp_path, (style,))
    assert set(first.sprites) == set(EMOJI)
    assert all(sprite.colour == "red" for sprites in first.sprites.values() for sprite in sprites)

    def refuse(*_: object) -> None:
        raise AssertionError("rasterised twice")

    monkeypatch.setattr(material, "rasterise_set", refuse)
    again = Material.load(tmp_path, (style,))
    np.testing.assert_array_equal(again.sprites["car"][0].pixels, first.sprites["car"][0].pixels)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_without_npm_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure, match=r"npm is needed.*install Node\.js"):
        Material.load(tmp_path / "cache", ("noto",))


def test_a_failing_npm_is_reported_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho first >&2\necho 'no such host' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Failure, match=r"^npm could not fetch the noto drawings \(no such host\)"):
        material.fetch_set("noto", tmp_path / "cache")


def test_the_font_draws_emoji_in_one_ink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(material, "SIDE", 24)
    (face,) = fonts(tmp_path)
    (tmp_path / face).rename(tmp_path / f"{material.FONT}-{material.FONT_VERSION}.ttf")
    codes = {f"{65 + k % 26:x}": emoji for k, emoji in enumerate(e for group in EMOJI.values() for e in group)}
    assert len(codes) == 26
    monkeypatch.setattr(
        material, "EMOJI", {"apple": (codes["41"], codes["42"]), "dog": (codes["43"],), "moon": ("full-moon",)}
    )
    (tmp_path / f"noto-{material.SETS['noto']}-chars.json").write_text(json.dumps(codes))
    drawn = Material.load(tmp_path, (material.FONT,)).sprites
    assert {name: [sprite.ink for sprite in sprites] for name, sprites in drawn.items()} == {
        "apple": [True, True],
        "dog": [True],
        "moon": [],  # a bare circle
    }
    a, b = (sprite.pixels for sprite in drawn["apple"])
    assert a.tobytes() != b.tobytes()
    assert all((pixels[pixels[..., 3] > 0][:, :3] == 0).all() and pixels[..., 3].max() == 255 for pixels in (a, b))


def test_an_emoji_without_a_character_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (face,) = fonts(tmp_path)
    (tmp_path / face).rename(tmp_path / f"{material.FONT}-{material.FONT_VERSION}.ttf")
    monkeypatch.setattr(material, "EMOJI", {"apple": ("red-apple",)})
    (tmp_path / f"noto-{material.SETS['noto']}-chars.json").write_text('{"41": "green-apple"}')
    with pytest.raises(DataError, match="no character is known for 'red-apple'"):
        Material.load(tmp_path, (material.FONT,))


def test_a_package_without_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pack(_: object, __: object, folder: Path) -> None:
        with tarfile.open(folder / "a-1.0.tgz", "w:gz") as archive:
            archive.addfile(tarfile.TarInfo("package/other.json"))

    monkeypatch.setattr(fetching, "fetch", pack)
    with pytest.raises(DataError, match=r"^@iconify-json/noto@\S+ holds no icons\.json"):
        material.fetch_set("noto", tmp_path)
    assert not list(tmp_path.iterdir())
