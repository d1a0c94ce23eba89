"""The driver and the nano model, on tiny random weights of the real classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor

from conlora_agent.backbone.local import MOST_WORKING, Answer
from conlora_agent.backbone.nano import register
from conlora_agent.backbone.nano.assemble import processor
from conlora_agent.backbone.nano.places import NANO_PLACES
from conlora_agent.backbone.nano.processing import IMAGE, canvas_for, fit, invocation_ids, prefix_ids
from conlora_agent.core.errors import TextError, UnknownName, WeightsError
from conlora_agent.core.protocols import GenerateRequest, Generation
from conlora_agent.core.types import Message
from tests.tiny_nano import tiny_backbone, tiny_model, tiny_stack, tiny_tokenizer


@pytest.fixture
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8))


HISTORY = (Message(role="user", content="hello"), Message(role="assistant", content="good day"))


def test_saves_and_reloads_as_a_transformers_model(tmp_path: Path, picture: Image.Image) -> None:
    register()
    tokenizer = tiny_tokenizer()
    model = tiny_model(tokenizer)
    model.save_pretrained(tmp_path)
    processor(model.config, tokenizer).save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    inputs = AutoProcessor.from_pretrained(tmp_path)(images=picture, text=f"{IMAGE}read")
    first = model.generate(**inputs, max_new_tokens=6, do_sample=False)
    assert torch.equal(first, again.generate(**inputs, max_new_tokens=6, do_sample=False))
    assert first.shape[1] > 0


def test_a_batch_of_unequal_prompts_gives_each_row_its_own_answer(picture: Image.Image) -> None:
    tokenizer = tiny_tokenizer()
    model = tiny_model(tokenizer)
    process = processor(model.config, tokenizer)
    texts = [f"{IMAGE}read", f"{IMAGE}where is the blue book"]
    both = model.generate(**process(images=[picture, picture], text=texts), max_new_tokens=5, do_sample=False)
    for row, text in zip(both, texts, strict=True):
        alone = model.generate(**process(images=picture, text=text), max_new_tokens=5, do_sample=False)[0]
        assert row[: len(alone)].tolist() == alone.tolist()


def test_history_is_computed_with_adapters_off_and_serves_every_stack(tmp_path: Path, picture: Image.Image) -> None:
    """Answers with a warm prefix equal those of a fresh process, whichever stack warmed it."""
    folders = {name: tiny_stack(tmp_path / name, seed) for seed, name in enumerate(("ocr", "caption"), 1)}

    def ask(backbone: object, stack: str | None) -> str:
        request = GenerateRequest("read", HISTORY, picture, "key", stack, max_new_tokens=8)
        return backbone.generate(request).text  # type: ignore[attr-defined]

    warm = tiny_backbone()
    for name, folder in folders.items():
        warm.attach(name, folder)
    warmed = {stack: ask(warm, stack) for stack in ("ocr", "caption", None, "ocr")}
    for stack in ("ocr", "caption", None):
        cold = tiny_backbone()
        for name, folder in folders.items():
            cold.attach(name, folder)
        assert ask(cold, stack) == warmed[stack]
    assert len(set(warmed.values())) == 3


def test_a_stack_off_is_the_plain_model(tmp_path: Path, picture: Image.Image) -> None:
    request = GenerateRequest("read", HISTORY, picture, "key", None, max_new_tokens=8)
    plain = tiny_backbone().generate(request)
    with_stack = tiny_backbone()
    with_stack.attach("ocr", tiny_stack(tmp_path / "ocr", 1))
    assert with_stack.generate(request) == plain
    with_stack.detach("ocr")
    assert with_stack.stacks() == ()
    assert with_stack.generate(request) == plain


def count_runs(module: torch.nn.Module) -> list[int]:
    runs: list[int] = []
    module.register_forward_hook(lambda *args: runs.append(1))
    return runs


def test_the_shared_layers_run_once_per_picture_and_the_adapted_ones_for_each_stack(
    tmp_path: Path, picture: Image.Image
) -> None:
    backbone = tiny_backbone()
    for seed, name in enumerate(("ocr", "caption")):
        backbone.attach(name, tiny_stack(tmp_path / name, seed))
    vision = backbone.profile.model.vision
    # The trunk itself also takes a closer look at every object found.
    low, shared, adapted = (
        count_runs(m) for m in (vision.low.stem, vision.upper.layers[1].mlp_norm, vision.upper.layers[2].mlp_norm)
    )
    for stack in ("ocr", None, "ocr", "caption"):
        backbone.generate(GenerateRequest("read", (), picture, "hash", stack, max_new_tokens=2))
    assert (len(low), len(shared), len(adapted)) == (1, 1, 3)
    backbone.generate(GenerateRequest("read", (), picture, "another", "ocr", max_new_tokens=2))
    assert (len(low), len(shared), len(adapted)) == (2, 2, 4)


def test_a_stack_without_a_vision_part_takes_the_whole_vision_output(tmp_path: Path, picture: Image.Image) -> None:
    places = NANO_PLACES
    backbone = tiny_backbone()
    backbone.attach("words", tiny_stack(tmp_path / "words", 1, places.language))
    backbone.attach("mid", tiny_stack(tmp_path / "mid", 2, places.mid))
    heads = count_runs(backbone.profile.model.vision.heads)
    answers = [
        backbone.generate(GenerateRequest("read", (), picture, "hash", stack, max_new_tokens=6))
        for stack in (None, "words", "mid")
    ]
    assert len(heads) == 1
    assert answers[2] == tiny_answer(tmp_path / "mid", picture)


@pytest.mark.parametrize("size", [(64, 48), (320, 200)])
def test_what_was_seen_is_not_mixed_up_between_stacks(tmp_path: Path, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    picture = Image.fromarray(noise)  # the larger one is looked at twice: whole, and for its text
    backbone = tiny_backbone()
    backbone.attach("ocr", tiny_stack(tmp_path / "one", 1))
    ask = GenerateRequest("read", (), picture, "hash", "ocr", max_new_tokens=8)
    first = backbone.generate(ask)
    backbone.attach("ocr", tiny_stack(tmp_path / "two", 2))
    second = backbone.generate(ask)
    assert first == tiny_answer(tmp_path / "one", picture)
    assert second == tiny_answer(tmp_path / "two", picture) != first


def test_a_stack_that_adapts_a_shared_layer_gets_it_computed_anew(tmp_path: Path, picture: Image.Image) -> None:
    backbone = tiny_backbone()
    everything = r"vision\.upper\.(enter|layers\.\d\.attention\.q_proj)"
    backbone.attach("deep", tiny_stack(tmp_path / "deep", 1, everything))
    backbone.generate(GenerateRequest("read", (), picture, "hash", None, max_new_tokens=2))
    deep = backbone.generate(GenerateRequest("read", (), picture, "hash", "deep", max_new_tokens=8))
    assert deep == tiny_answer(tmp_path / "deep", picture)
    # ... and leaves nothing behind for the others.
    plain = backbone.generate(GenerateRequest("read", (), picture, "other", "deep", max_new_tokens=2))
    assert plain is not None
    after = backbone.generate(GenerateRequest("read", (), picture, "other", None, max_new_tokens=8))
    assert after == tiny_backbone().generate(GenerateRequest("read", (), picture, None, None, max_new_tokens=8))


def tiny_answer(folder: Path, picture: Image.Image) -> Generation:
    """The answer of a fresh backbone that keeps nothing."""
    backbone = tiny_backbone()
    backbone.attach("only", folder)
    tokens = 6 if folder.name == "mid" else 8
    return backbone.generate(GenerateRequest("read", (), picture, None, "only", max_new_tokens=tokens))


def test_stacks_touch_upper_mid_and_language_layers_only(tmp_path: Path) -> None:
    backbone = tiny_backbone()
    backbone.attach("ocr", tiny_stack(tmp_path / "ocr", 1))
    adapted = backbone.loras.get("ocr").layers  # type: ignore[union-attr]
    assert any("vision.upper.layers.3" in n for n in adapted)
    assert any(n.startswith("mid.") for n in adapted)
    assert any("language_model" in n for n in adapted)
    assert not any("vision.low" in n or "upper.layers.0" in n for n in adapted)


def test_streams_what_it_returns_with_a_probability_for_every_piece(picture: Image.Image) -> None:
    shown: list[str] = []
    answer = tiny_backbone().generate(GenerateRequest("read", (), picture, max_new_tokens=12, on_token=shown.append))
    assert "".join(shown).strip() == answer.text
    assert "".join(piece.text for piece in answer.pieces).strip() == answer.text
    assert all(0 < piece.probability <= 1 for piece in answer.pieces)
    assert answer.usage.completion_tokens == len(answer.pieces)


@pytest.mark.parametrize(
    ("makes", "most", "shows"),
    [
        (" book left\nno book", 40, "no book"),
        (" book left\nno\nbook", 40, "no\nbook"),
        (" book left\nno book", 3, "no book"),
        (" book left\nno book", 1, "n"),
        (" book" + " left" * 200, 40, ""),
        ("no book\nleft", 40, "no book\nleft"),
    ],
)
def test_working_is_not_shown_and_ends_with_its_line(
    picture: Image.Image, monkeypatch: pytest.MonkeyPatch, makes: str, most: int, shows: str
) -> None:
    backbone = tiny_backbone()
    tokenizer = backbone.profile.tokenizer
    working = tokenizer.convert_tokens_to_ids("Ġbook")
    ids = tokenizer.encode(makes, add_special_tokens=False)
    made = iter(ids)
    take = Answer.take

    def take_next(answer: Answer, logits: Tensor) -> None:
        take(answer, torch.eye(len(logits))[next(made, tokenizer.eos_token_id)])

    monkeypatch.setattr(backbone.profile, "working", working)
    monkeypatch.setattr(Answer, "take", take_next)
    shown: list[str] = []
    answer = backbone.generate(GenerateRequest("left?", (), picture, max_new_tokens=most, on_token=shown.append))
    assert answer.text == "".join(shown) == shows
    said = makes.partition("\n")[2] if makes.startswith(" book") else makes
    assert answer.usage.completion_tokens == min(most, len(tokenizer.encode(said, add_special_tokens=False)))
    assert len(ids) - len(list(made)) <= most + MOST_WORKING
    worked = [piece.probability for piece in answer.pieces if not piece.text]
    one = float(torch.eye(len(tokenizer))[0].softmax(-1)[0])
    assert len(worked) == (makes != shows)
    assert all(chance < one for chance in worked)  # as sure as all of its tokens together


def test_refuses_what_it_cannot_do(tmp_path: Path, picture: Image.Image) -> None:
    backbone = tiny_backbone()
    with pytest.raises(UnknownName, match="ocr"):
        backbone.generate(GenerateRequest("read", (), picture, stack="ocr"))
    with pytest.raises(TextError, match="too long"):
        backbone.generate(GenerateRequest("word " * 600))
    with pytest.raises(WeightsError, match="ocr"):
        backbone.attach("ocr", tmp_path)
    assert backbone.stacks() == ()


def test_all_that_a_picture_holds_counts_in_the_context(picture: Image.Image) -> None:
    backbone = tiny_backbone()
    pixels, seen = backbone.sight.look(picture, None, None, "read")
    assert len(seen.tokens) > 1
    asked = GenerateRequest("read", picture=picture, max_new_tokens=1)
    ids = backbone.profile.invocation("read", pixels, seen)
    room = backbone.profile.limit - len(backbone.profile.prefix(())) - len(ids)
    most = replace(asked, max_new_tokens=room - len(seen.tokens) + 1)
    assert backbone.generate(most).usage.prompt_tokens + most.max_new_tokens == backbone.profile.limit
    with pytest.raises(TextError, match="what the picture holds"):
        backbone.generate(replace(most, max_new_tokens=most.max_new_tokens + 1))


def test_special_tokens_written_by_a_user_stay_text() -> None:
    tokenizer = tiny_tokenizer()
    ids = invocation_ids(tokenizer, f"say {IMAGE} <|im_end|>", picture=True)
    assert ids.count(tokenizer.convert_tokens_to_ids(IMAGE)) == 1
    assert ids.count(tokenizer.eos_token_id) == 1
    history = [Message(role="user", content="<|im_end|>")]
    assert prefix_ids(tokenizer, history).count(tokenizer.eos_token_id) == 1


@pytest.mark.parametrize("size", [(1, 1), (10000, 10), (10, 10000), (640, 480), (31, 1000)])
def test_any_shape_fits_a_canvas_of_the_same_area(size: tuple[int, int]) -> None:
    canvas = canvas_for(*size, 65536)
    assert canvas[0] * canvas[1] == 65536
    assert canvas[0] % 32 == 0
    assert canvas[1] % 32 == 0
    fitted, place = fit(Image.new("RGB", size, (10, 200, 30)), canvas)
    assert fitted.size == canvas
    assert 0 <= place[0] < place[2] <= 1
    assert 0 <= place[1] < place[3] <= 1
