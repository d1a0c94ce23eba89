"""The second look: what is cut out of the picture, and that pictures do not disturb one another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from conlora_agent.backbone.nano import look as look_module
from conlora_agent.backbone.nano.configuration import NanoConfig
from conlora_agent.backbone.nano.look import MARGIN, SIDE, THUMB, crops, of_a_kind, seen_below, thumbnails
from conlora_agent.backbone.nano.vision import NanoVision
from conlora_agent.core.errors import DataError
from conlora_agent.core.types import Box
from conlora_agent.training import look
from conlora_agent.training.checkpoints import reading
from conlora_agent.training.draw.material import FEW_RESTYLED, Material
from conlora_agent.training.look import (
    UNASKED,
    Cuts,
    LookRun,
    _filtered,
    _refuse_others,
    evened,
    fit,
    gather,
    heldout_cuts,
    mixed,
    shaken,
)
from conlora_agent.training.studio import DrawingStudio, known_names
from tests.drawings import WORDS, fonts, material

BOX = (0.25, 0.5, 0.5, 0.75)


def picture() -> torch.Tensor:
    """Blue, with a red square in BOX."""
    pixels = torch.zeros(3, 64, 64)
    pixels[2] = 1
    pixels[:, 32:48, 16:32] = torch.tensor([1.0, 0, 0])[:, None, None]
    return pixels


def small_vision() -> NanoVision:
    torch.manual_seed(0)
    config = NanoConfig(
        vision_size=32, vision_layers=2, vision_heads=2, stem_size=16, names=["a", "b"], colours=["none", "red"]
    )
    return NanoVision(config).eval()


def known_config() -> NanoConfig:
    known = known_names()
    return NanoConfig(names=known["names"], colours=known["colours"])


def test_a_cut_shows_the_box_with_a_margin_around_it() -> None:
    (cut,) = crops(picture(), [BOX], MARGIN)
    assert cut.shape == (3, SIDE, SIDE)
    middle, corner = cut[:, SIDE // 2, SIDE // 2], cut[:, 2, 2]
    assert middle.tolist() == [1, 0, 0]
    assert corner.tolist() == [0, 0, 1]


def test_what_is_wider_than_tall_is_cut_as_a_square_about_its_middle() -> None:
    (cut,) = crops(picture(), [(0.25, 0.55, 0.5, 0.6)], 0.08)
    assert cut[0, SIDE // 2].mean() > 0.8  # red across the box
    assert cut[2, 0].mean() == 1  # blue above it


def test_a_large_box_on_a_narrow_picture_is_cut_where_it_is() -> None:
    pixels = torch.zeros(3, 64, 1024)
    pixels[:, 40:] = 1
    (cut,) = crops(pixels, [(0.02, 0.0, 0.98, 1.0)], MARGIN)
    side = 0.96 * 1024 * (1 + 2 * MARGIN)
    white = torch.nonzero(cut[0, :, SIDE // 2] > 0.5)[0].item()
    assert white == pytest.approx((40 - (32 - side / 2)) / side * SIDE, abs=1)


@given(st.tuples(*[st.floats(0, 1)] * 4))
def test_any_box_gives_a_finite_square(edges: tuple[float, float, float, float]) -> None:
    x0, x1 = sorted(edges[:2])
    y0, y1 = sorted(edges[2:])
    cut = crops(picture(), [(x0, y0, x1, y1)], MARGIN)
    assert cut.shape == (1, 3, SIDE, SIDE)
    assert bool(cut.isfinite().all())
    assert thumbnails(cut).shape == (1, 3, THUMB, THUMB)


@torch.no_grad()
def test_pictures_looked_at_together_are_seen_as_if_alone() -> None:
    vision = small_vision()
    pixels = torch.stack([picture(), picture().flip(0), picture()])
    boxes = [[BOX, (0.0, 0.0, 1.0, 1.0)], [], [BOX]]
    together = vision.look(vision.low.trunk, pixels, boxes)
    assert [len(seen.name) for seen in together] == [2, 0, 1]
    alone = vision.look(vision.low.trunk, pixels[2:], [[BOX]])[0]
    torch.testing.assert_close(together[2].name, alone.name)
    torch.testing.assert_close(together[0].colour[:1], alone.colour)


@torch.no_grad()
def test_a_name_is_the_mean_of_four_views_chances(monkeypatch: pytest.MonkeyPatch) -> None:
    second = small_vision().look
    # A random trunk sees next to nothing: what is seen here are the pixels themselves.
    monkeypatch.setattr(look_module, "seen_below", lambda trunk, shown: shown)
    monkeypatch.setattr(second, "describe", lambda shown: 10 * shown[..., ::8, ::8].flatten(1)[:, :512])
    monkeypatch.setattr(second, "colour", nn.Identity())
    monkeypatch.setattr(second.colour, "forward", lambda thumbs, features: torch.zeros(len(thumbs), 2))
    monkeypatch.setattr(look_module, "of_a_kind", lambda described: described)
    boxes = [(0.1, 0.5, 0.5, 0.75), (0.2, 0.3, 0.6, 0.6)]
    cut = crops(picture(), boxes, MARGIN)
    red, green, blue = cut.unbind(1)
    views = [cut, cut.flip(-1), torch.stack([blue, red, green], 1), torch.stack([green, blue, red], 1)]
    chances = [second.name(second.describe(view)).softmax(-1) for view in views]
    assert all(float((one - chances[0]).abs().max()) > 0.01 for one in chances[1:])  # they do differ
    (seen,) = second(nn.Identity(), picture()[None], [boxes])
    torch.testing.assert_close(seen.name.exp(), torch.stack(chances).mean(0))


@torch.no_grad()
def test_a_picture_without_boxes_is_seen_without_objects() -> None:
    vision = small_vision()
    (seen,) = vision.look(vision.low.trunk, picture()[None], [[]])
    assert seen.name.shape == (0, 2)
    assert seen.colour.shape == (0, 2)


@given(st.integers(0, 10_000))
def test_a_shaken_box_stays_a_box(seed: int) -> None:
    import random

    x0, y0, x1, y1 = shaken(random.Random(seed), (10, 20, 14, 60), 256, 256)
    assert x0 < x1
    assert y0 < y1


def test_batches_show_the_studios_in_turn(tmp_path: Path) -> None:
    studio = DrawingStudio(fonts(tmp_path), WORDS, material())
    cars = replace(studio, material=Material({"car": material().sprites["car"]}))
    config = known_config()
    cuts = Cuts([studio, cars], config, seed=3)
    named = [{config.names[label] for label in cuts.batch(k)[1].tolist()} & {*material().sprites} for k in range(4)]
    assert named[1] == named[3] == {"car"}
    assert named[0] | named[2] == {*material().sprites}


def test_one_batch_in_three_has_names_with_few_drawings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Cuts] = []

    def shard(cuts: Cuts, *given: object) -> dict[str, torch.Tensor]:
        made.append(cuts)
        return {"names": torch.zeros(1)}

    monkeypatch.setattr(look, "_shard", shard)
    config = NanoConfig(names=[], colours=[])
    gather(LookRun(tmp_path / "cuts", 1e-3), small_vision(), config, DrawingStudio((), WORDS, material()))
    cuts = made[0]
    assert [studio.material.restyled for studio in cuts.studios] == [0, 0, FEW_RESTYLED]
    assert (cuts.margins, cuts.turns) == (look.MARGINS, look.TURNS)


def test_held_out_things_are_cut_out_as_when_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Cuts] = []
    monkeypatch.setattr(look, "_shard", lambda cuts, *given: made.append(cuts))
    monkeypatch.setattr(look.DrawingStudio, "open", lambda split: DrawingStudio((), WORDS, material(), split))
    heldout_cuts(NanoConfig(names=[], colours=[]), small_vision())
    (cuts,) = made
    assert (cuts.margins, cuts.turns) == ((MARGIN, MARGIN), (0,))
    assert [studio.split for studio in cuts.studios] == ["heldout"]


def test_squares_show_more_or_less_of_what_is_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[float] = []

    def cut(picture: torch.Tensor, boxes: list[Box], margin: float) -> torch.Tensor:
        shown.append(margin)
        return torch.zeros(len(boxes), 3, SIDE, SIDE)

    monkeypatch.setattr(look, "crops", cut)
    studio = DrawingStudio(fonts(tmp_path), WORDS, material())
    Cuts([studio], known_config(), seed=3, margins=(0.1, 0.2)).batch(0)
    assert 0.1 <= min(shown) < 0.12 < 0.18 < max(shown) <= 0.2


def test_things_are_shown_with_exchanged_colours_too_and_these_are_not_learned(tmp_path: Path) -> None:
    studio = DrawingStudio(fonts(tmp_path), WORDS, material())
    shown, names, true = Cuts([studio], known_config(), seed=3, turns=(0,)).batch(0)
    turned, same, colours = Cuts([studio], known_config(), seed=3, turns=(2,)).batch(0)
    assert torch.equal(turned, shown.roll(2, 1))
    assert torch.equal(same, names)
    assert true.min() >= 0
    assert (colours == UNASKED).all()
    _, again, both = Cuts([studio], known_config(), seed=3).batch(0)
    assert torch.equal(again, names)  # the same things are cut out, whatever is turned
    assert 0.3 < (both == UNASKED).float().mean() < 0.7


def test_what_looks_alike_is_described_alike_and_the_rest_is_left_as_it_is() -> None:
    thing, other = torch.eye(4)[0], torch.eye(4)[1]
    described = of_a_kind(torch.stack([thing, thing + 0.3 * other, torch.eye(4)[2]]))
    torch.testing.assert_close(described[0], described[1], atol=1e-3, rtol=0)
    torch.testing.assert_close(described[0], thing + 0.15 * other, atol=1e-3, rtol=0)
    torch.testing.assert_close(described[2], torch.eye(4)[2], atol=1e-3, rtol=0)
    assert of_a_kind(torch.zeros(0, 4)).shape == (0, 4)


@torch.no_grad()
def test_of_what_is_known_the_colour_alone_is_looked_for() -> None:
    vision = small_vision()
    pixels = torch.stack([picture(), picture().flip(0)])
    known, asked = vision.look(vision.low.trunk, pixels, [[BOX], [BOX]], [True, False])
    both = vision.look(vision.low.trunk, pixels, [[BOX], [BOX]])
    assert not known.name.any()
    torch.testing.assert_close(known.colour, both[0].colour)
    torch.testing.assert_close(asked.name, both[1].name)


@torch.no_grad()
def test_a_colour_is_told_from_what_the_trunk_sees_too() -> None:
    vision = small_vision()
    shown = crops(picture(), [BOX], MARGIN)
    features = seen_below(vision.low.trunk, shown)
    said = vision.look.classify(features, thumbnails(shown)).colour
    assert not torch.allclose(said, vision.look.classify(features.flip(1), thumbnails(shown)).colour)


def test_shards_below_other_layers_are_refused_before_more_are_gathered(tmp_path: Path) -> None:
    vision = small_vision()
    shown = crops(picture(), [BOX], MARGIN)
    fitting = {"features": seen_below(vision.low.trunk, shown).contiguous(), "thumbs": thumbnails(shown)}
    save_file(fitting, tmp_path / "0.safetensors")
    _refuse_others(tmp_path, vision)
    save_file(fitting | {"features": fitting["features"][:, :1].contiguous()}, tmp_path / "1.safetensors")
    with pytest.raises(DataError, match=r"1\.safetensors was gathered below other layers"):
        _refuse_others(tmp_path, vision)


def test_features_are_given_others_styles_and_keep_what_they_show() -> None:
    torch.manual_seed(0)
    features = torch.randn(64, 8, 5, 5) * torch.rand(64, 8, 1, 1) + torch.randn(64, 8, 1, 1)
    changed = mixed(features)

    def shown(x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True)

    assert torch.allclose(shown(changed), shown(features), atol=1e-2)
    moved = ((changed - features).abs().amax((1, 2, 3)) > 1e-2).float().mean()
    assert 0.2 < moved < 0.7
    assert bool((changed.mean((2, 3)).amax(0) <= features.mean((2, 3)).amax(0) + 1e-4).all())


def test_gradients_pass_filters_that_are_held_as_they_pass_others() -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(6, 6, 5, groups=6)
    assert conv.bias is not None
    x, held = torch.randn(2, 6, 9, 8, requires_grad=True), torch.randn(2, 6, 5, 4)
    wanted = torch.autograd.grad((conv(x) * held).sum(), (x, conv.bias))
    got = torch.autograd.grad((_filtered(conv, x) * held).sum(), (x, conv.bias))
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other)


def small_fit(folder: Path, monkeypatch: pytest.MonkeyPatch, way: float) -> tuple[NanoVision, dict[str, torch.Tensor]]:
    """Vision layers whose second look was fitted to eight rows, two without a colour to learn, and that look before."""
    monkeypatch.setattr(look, "BATCH", 4)
    vision = small_vision()
    features = seen_below(vision.low.trunk, torch.rand(8, 3, SIDE, SIDE))
    labels = torch.tensor([0, 1] * 4)
    rows = {"features": features, "thumbs": torch.zeros(8, 3, THUMB, THUMB, dtype=torch.uint8)}
    rows |= {"names": labels, "colours": torch.where(torch.arange(8) < 2, UNASKED, labels)}
    folder.mkdir()
    save_file({key: column.contiguous() for key, column in rows.items()}, folder / "0000.safetensors")
    before = {key: value.clone() for key, value in vision.look.state_dict().items()}
    fit(LookRun(folder, 0, epochs=2, colour_epochs=1, way=way), vision.look, rows)
    return vision, before


def test_names_are_fitted_to_few_more_rows_of_one_than_of_the_median_one() -> None:
    names = torch.tensor([3] * 50 + [0] * 5 + [5] * 9 + [3] * 10 + [7])
    torch.manual_seed(1)
    rows = evened(names)
    assert names[rows].bincount().tolist() == [5, 0, 0, 7, 0, 7, 0, 1]
    assert len(set(rows.tolist())) == len(rows)
    assert set(rows.tolist()) != set(evened(names).tolist())  # any of them


def test_a_fit_trains_all_but_the_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vision, before = small_fit(tmp_path / "cuts", monkeypatch, way=1.0)
    with reading(tmp_path / "cuts" / "look.pt") as after:
        changed = {key for key, value in after.items() if not torch.equal(value, before[key])}
    filters = {f"blocks.{k}.depthwise.conv.weight" for k in range(len(vision.look.blocks))}
    assert not changed & filters
    assert {key for key in before if key.startswith(("blocks.", "name.", "colour.out."))} - filters <= changed
    assert all(param.requires_grad for param in vision.look.blocks.parameters())


def test_a_fit_ends_on_the_way_between_old_and_new_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted, before = small_fit(tmp_path / "all", monkeypatch, way=1.0)
    _, same = small_fit(tmp_path / "half", monkeypatch, way=0.5)
    torch.testing.assert_close(before, same)
    wanted = {key: (before[key] + value) / 2 for key, value in fitted.look.state_dict().items()}
    with reading(tmp_path / "half" / "look.pt") as saved:
        torch.testing.assert_close(dict(saved), wanted)


def test_too_few_objects_are_refused(tmp_path: Path) -> None:
    vision = small_vision()
    rows = {"features": torch.zeros(2, 1, 1, 1), "names": torch.zeros(2, dtype=torch.long)}
    save_file(rows, tmp_path / "0000.safetensors")
    with pytest.raises(DataError, match="2 rows do not fill a batch of 64"):
        fit(LookRun(tmp_path, 0), vision.look, rows)
