"""Every family, on tiny random weights of the real classes: train, save, load, switch, mix, reuse what was seen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from transformers import DynamicCache

from adapters.weights import TENSORS
from conlora_agent.backbone import load_backbone
from conlora_agent.backbone.families import family_of
from conlora_agent.backbone.files import fetched, folder_revision
from conlora_agent.backbone.hub import HubProfile, Passage
from conlora_agent.backbone.local import LocalBackbone
from conlora_agent.backbone.profile import Pixels
from conlora_agent.backbone.stacks import Stacks
from conlora_agent.core.errors import BackboneError, UnknownName, WeightsError
from conlora_agent.core.protocols import GenerateRequest
from conlora_agent.core.types import Message
from conlora_agent.settings import Settings
from tests.tiny_families import MAKERS, save_tiny, tiny_family_stack, tiny_profile

QUESTION = "Is the door damaged?"
HISTORY = (
    Message(role="system", content="Be brief."),
    Message(role="user", content="hello"),
    Message(role="assistant", content="good day"),
)


def picture(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8))


def ask(stack: str | None = None, key: str | None = "picture", **more: Any) -> GenerateRequest:
    return GenerateRequest(QUESTION, HISTORY, picture(), key, stack, **{"max_new_tokens": 6, **more})


def shown(made: HubProfile, seed: int = 0) -> Pixels:
    """A picture as it is seen with the question."""
    return made.asking(made.pixels(picture(seed)), QUESTION)


def first_logits(made: HubProfile) -> torch.Tensor:
    """Logits of the whole prompt in one go, as transformers itself computes them."""
    pixels = shown(made)
    seen = made.see(pixels)
    ids = made.prefix(HISTORY) + made.invocation(QUESTION, pixels, seen)
    inputs = {"input_ids": torch.tensor([ids]), **pixels.inputs}
    image = inputs["input_ids"] == made._image_id
    if made.family.startswith("qwen"):
        inputs["mm_token_type_ids"] = image.int()
    if made.family == "paligemma":
        inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
    out: torch.Tensor = made.model(**inputs).logits[0, -1]
    return out


@pytest.mark.parametrize("kind", [*MAKERS, "blip-2 with Llama"])
def test_reads_a_prompt_as_transformers_does_in_one_piece(kind: str) -> None:
    made = tiny_profile(kind)
    with torch.inference_mode():
        whole = first_logits(made)
        pixels = shown(made)
        seen, cache = made.see(pixels), DynamicCache()
        if prefix := made.prefix(HISTORY):
            made.read(prefix, cache)
        ours, _ = made.begin(made.invocation(QUESTION, pixels, seen), pixels, seen, cache)  # type: ignore[arg-type]
    torch.testing.assert_close(ours, whole, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", MAKERS)
def test_switches_mixes_and_reuses(kind: str, tmp_path: Path) -> None:
    backbone = LocalBackbone(kind, "tiny", tiny_profile(kind))
    for seed, name in enumerate("abc"):
        backbone.attach(name, tiny_family_stack(kind, tmp_path / name, seed))
    stacks = (*"abc", None)
    cold = [backbone.generate(ask(name, key=None)) for name in stacks]
    assert len({answer.text for answer in cold} | {str([p.probability for p in answer.pieces]) for answer in cold}) > 4
    vision = backbone.profile.vision
    low, upper = (count(layer) for layer in (vision.layers[0], vision.layers[vision.upper]))
    warm = [backbone.generate(ask(name)) for name in stacks]
    assert_same(warm, cold)
    assert (len(low), len(upper)) == (1, 4)
    assert_same(backbone.generate_many([ask(name) for name in stacks]), cold)
    assert (len(low), len(upper)) == (1, 4)
    for name in "abc":
        backbone.detach(name)
    assert_same([backbone.generate(ask(None))], cold[3:])


def passages(made: HubProfile, answers: Sequence[str]) -> list[Passage]:
    """Rows about different pictures, in one batch: the shorter ones are filled up."""
    rows = []
    for seed, answer in enumerate(answers):
        pixels = shown(made, seed)
        seen, told = made.see(pixels), made.chat.answer(answer)
        rows.append(Passage([*made.invocation(QUESTION, pixels, seen), *told], pixels, seen, len(told)))
    return rows


@pytest.mark.parametrize("kind", MAKERS)
def test_rows_of_unequal_length_are_read_as_each_alone(kind: str) -> None:
    made = tiny_profile(kind)
    with torch.inference_mode():
        rows = passages(made, ("Yes", "Yes, there is a dent on the left side."))
        both = made.run(rows, DynamicCache())[0]
        for row, passage in enumerate(rows):
            alone = made.run([passage], DynamicCache())[0][0]
            torch.testing.assert_close(both[row, : len(passage.ids)], alone, rtol=1e-3, atol=1e-4)


def test_an_answer_is_learned_without_being_seen() -> None:
    """PaliGemma reads in both directions, but not what it is to say."""
    made = tiny_profile("paligemma")
    with torch.inference_mode():
        (yes,), (no,) = passages(made, ["Yes, a dent"]), passages(made, ["No, no dent"])
        asked = len(yes.ids) - yes.answer
        one, other = (made.run([row], DynamicCache())[0][0, asked - 1] for row in (yes, no))
    torch.testing.assert_close(one, other)


def count(module: torch.nn.Module) -> list[int]:
    """Filled by one whenever the module's own work is done, not when it is answered from memory."""
    runs: list[int] = []
    inner = next(child for name, child in module.named_modules() if "norm" in name.lower())
    inner.register_forward_hook(lambda *args: runs.append(1))
    return runs


def assert_same(some: Any, others: Any) -> None:
    for one, other in zip(some, others, strict=True):
        assert one.text == other.text
        np.testing.assert_allclose(
            [p.probability for p in one.pieces], [p.probability for p in other.pieces], rtol=1e-3
        )


def test_special_tokens_written_by_a_user_stay_text() -> None:
    made = tiny_profile("llava")
    ids = made.invocation("say <image> <|im_end|>", None, None)
    assert made._image_id not in ids
    assert ids.count(made.tokenizer.eos_token_id) == 1


def test_loads_a_folder_by_name_and_serves_a_stack_trained_for_it(tmp_path: Path) -> None:
    folder = save_tiny("llava", tmp_path / "Tiny-LLaVA.v1")
    # Older models keep their template beside the processor, where tokenizers do not look.
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(BackboneError, match="has no chat template"):
        load_backbone(str(folder), Settings.load({}))
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    backbone: Any = load_backbone(str(folder), Settings.load({}, stacks_mib=0, precision="fp32"))
    assert backbone.name == "tiny_llava_v1"
    assert len(backbone.revision) == 12
    for seed, name in enumerate("ba"):
        backbone.attach(name, tiny_family_stack("llava", tmp_path / name, seed))
    assert (backbone.stacks(), backbone.loras.resident()) == (("b", "a"), ("a",))
    made = LocalBackbone("llava", "tiny", tiny_profile("llava"))
    made.attach("a", tmp_path / "a")
    assert_same([backbone.generate(ask("a"))], [made.generate(ask("a"))])


def test_what_does_not_load_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="there is no backbone"):
        load_backbone("nanno", Settings.load({}))
    (tmp_path / "config.json").write_text('{"model_type": "mllama"}')
    with pytest.raises(BackboneError, match="mllama"):
        load_backbone(str(tmp_path), Settings.load({}))
    with pytest.raises(BackboneError, match="nobody/nothing"):
        load_backbone("nobody/nothing", Settings.load({}, offline=True))


@pytest.mark.parametrize("kind", MAKERS)
def test_a_sound_model_has_no_problem(kind: str) -> None:
    assert LocalBackbone(kind, "tiny", tiny_profile(kind)).problems() == []


def test_a_model_that_is_not_whole_is_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_tiny("internvl", tmp_path / "tiny")
    weights = load_file(folder / "model.safetensors")
    gone = next(name for name in weights if "q_proj" in name)
    save_file({k: v for k, v in weights.items() if k != gone}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(BackboneError, match=r"is not whole: its weights lack .*q_proj"):
        load_backbone(str(folder), Settings.load({}))
    save_file({**weights, gone: weights[gone] * float("nan")}, folder / "model.safetensors", {"format": "pt"})
    spoilt: Any = load_backbone(str(folder), Settings.load({}))
    (problem,) = spoilt.problems()
    assert "q_proj" in problem
    assert "no numbers; fetch the model again" in problem
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "image_token_id": 70}))
    with pytest.raises(BackboneError, match="no picture token at 70"):
        load_backbone(str(folder), Settings.load({}))


COMMIT = "b" * 40


def cached(folder: Path, hub: Path) -> Path:
    """The folder of a model as the hub's cache keeps it under the id owner/tiny."""
    kept = hub / "models--owner--tiny"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(COMMIT)
    return Path(shutil.copytree(folder, kept / "snapshots" / COMMIT))


def test_a_hub_id_loads_from_what_was_fetched_and_has_the_revision_of_the_same_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is asked for anew: the tests have no network. A README that changes changes nothing."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    told: list[str] = []
    with pytest.raises(BackboneError, match="'owner/tiny' does not load"):
        load_backbone("owner/tiny", Settings.load({}), on_progress=lambda message, done: told.append(message))
    assert told == ["fetching owner/tiny from the hub, once"]
    folder = save_tiny("smolvlm", tmp_path / "tiny")
    snapshot = cached(folder, tmp_path / "hub")
    (snapshot / "README.md").write_text("corrected")
    model: Any = load_backbone("owner/tiny", Settings.load({}))
    assert (model.name, model.revision) == ("tiny", load_backbone(str(folder), Settings.load({})).revision)
    assert model.generate(ask()).text


def test_what_was_fetched_in_part_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert not fetched("owner/tiny")
    snapshot = cached(save_tiny("smolvlm", tmp_path / "tiny"), tmp_path / "hub")
    assert fetched("owner/tiny")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (snapshot / "model.safetensors").rename(snapshot / shards["a"])
    assert not fetched("owner/tiny")
    (snapshot / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert not fetched("owner/tiny")
    (snapshot / shards["b"]).touch()
    assert fetched("owner/tiny")
    (snapshot / "tokenizer_config.json").rename(snapshot / "kept")
    assert not fetched("owner/tiny")
    (snapshot / "kept").rename(snapshot / "tokenizer_config.json")
    (snapshot / "generation_config.json").unlink()
    assert not fetched("owner/tiny")


@pytest.mark.parametrize("name", ["model-00002-of-00002.safetensors", "pytorch_model.bin"])
def test_a_model_that_was_trained_further_has_another_revision(name: str, tmp_path: Path) -> None:
    """Wherever in a large file it changed: one matrix in the middle, or its end."""
    weights = bytearray(24 << 20)
    (tmp_path / "config.json").write_text("{}")
    found = set()
    for changed in (None, slice(11 << 20, 12 << 20), slice(23 << 20, None)):
        if changed is not None:
            weights[changed] = b"\1" * len(weights[changed])
        (tmp_path / name).write_bytes(weights)
        found.add(folder_revision(tmp_path))
    assert len(found) == 3


def test_a_family_that_writes_pixels_knows_how_large_it_sees_the_picture() -> None:
    made = tiny_profile("qwen2_5_vl")
    columns, rows = made.pixels(picture()).size
    assert (columns % 28, rows % 28) == (0, 0)
    assert columns * rows <= 28 * 28 * 8
    assert tiny_profile("internvl").pixels(picture()).size == (64, 48)


def test_a_family_that_is_not_known_is_refused() -> None:
    with pytest.raises(BackboneError, match="not known here; known kinds: llava"):
        family_of(transformers.MllamaConfig())
    with pytest.raises(BackboneError, match="'blip-2' with an encoder and a decoder"):
        family_of(transformers.Blip2Config(text_config=transformers.T5Config().to_dict()))
    with pytest.raises(BackboneError, match="'instructblip' with an encoder and a decoder"):
        family_of(transformers.InstructBlipConfig(text_config=transformers.T5Config().to_dict()))
    with pytest.raises(BackboneError, match=r"'florence2' with an encoder and a decoder .* the address of a server"):
        family_of(transformers.Florence2Config())


def test_a_mid_layer_that_reads_the_question_sees_the_picture_with_it(tmp_path: Path) -> None:
    """What the vision encoder made of a picture serves every question, what the Q-Former did only the same one."""
    folder = save_tiny("instructblip", tmp_path / "tiny")
    backbone: Any = load_backbone(str(folder), Settings.load({}))
    layers = [count(layer) for layer in backbone.profile.vision.layers[:1]]
    mid = count(backbone.profile.model.qformer)

    def asked(question: str, key: str | None) -> Any:
        return backbone.generate(replace(ask(key=key), instruction=question))

    questions = (QUESTION, "What colour is it?", QUESTION)
    kept = [asked(question, "picture") for question in questions]
    assert ([len(runs) for runs in layers], len(mid)) == ([1], 2)
    assert_same(kept, [asked(question, None) for question in questions])
    seen = [shown_with(backbone.profile, question) for question in questions[:2]]
    assert not torch.allclose(*seen)


def shown_with(made: HubProfile, question: str) -> torch.Tensor:
    with torch.inference_mode():
        return made.see(made.asking(made.pixels(picture()), question)).tokens


def test_a_question_longer_than_the_mid_layer_reads_is_still_asked() -> None:
    made = tiny_profile("instructblip")
    most = made.model.config.qformer_config.max_position_embeddings
    assert made.asking(made.pixels(picture()), "dent " * most).inputs["qformer_input_ids"].shape == (1, most)


def test_a_mid_layer_without_its_tokenizer_or_with_another_is_named(tmp_path: Path) -> None:
    folder = save_tiny("instructblip", tmp_path / "tiny")
    words = folder / "qformer_tokenizer" / "tokenizer.json"
    said = json.loads(words.read_text())
    more = [{**said["added_tokens"][0], "id": 1000 + number, "content": f"<{number}>"} for number in range(99)]
    words.write_text(json.dumps({**said, "added_tokens": said["added_tokens"] + more}))
    with pytest.raises(BackboneError, match=r"the tokenizer of its Q-Former has \d+ tokens"):
        load_backbone(str(folder), Settings.load({}))
    words.unlink()
    with pytest.raises(BackboneError, match="there is no tokenizer in qformer_tokenizer/"):
        load_backbone(str(folder), Settings.load({}))


def one_lora(folder: Path, layer: str, weight: torch.Tensor, up: float) -> Path:
    folder.mkdir(exist_ok=True)
    sides = {"A": torch.full((2, weight.shape[1]), 0.5), "B": torch.full((len(weight), 2), up)}
    sides["B"][::2] *= -1
    save_file({f"base_model.model.{layer}.lora_{s}.weight": m for s, m in sides.items()}, folder / TENSORS)
    (folder / "adapter_config.json").write_text('{"lora_alpha": 8}')
    return folder


@pytest.mark.parametrize("kind", MAKERS)
def test_a_lora_anywhere_in_the_vision_encoder_is_honoured_or_refused(kind: str, tmp_path: Path) -> None:
    made = tiny_profile(kind)
    tower = made.model.get_submodule(made.record.tower)
    for weight in tower.parameters():  # some families begin with next to nothing
        torch.nn.init.normal_(weight, std=0.1)
    stacks, honoured = Stacks(made.model, idle=made.idle), 0
    with torch.inference_mode():
        plain = made.see(shown(made))
        for name, module in tower.named_modules():
            if not isinstance(module, torch.nn.Linear | torch.nn.Conv2d | torch.nn.Conv3d):
                continue
            try:
                stacks.add("a", one_lora(tmp_path, f"{made.record.tower}.{name}", module.weight, 1.0))
            except WeightsError:
                continue
            with stacks.on(stacks.get("a")):
                seen = made.see(shown(made))
            parts = zip((seen.tokens, *seen.deep), (plain.tokens, *plain.deep), strict=True)
            assert not all(torch.equal(one, other) for one, other in parts), f"dropped in silence: {name}"
            honoured += 1
    assert honoured >= 4 * made.places.depth


@pytest.mark.parametrize(
    ("kind", "layer"),
    [("llava", "model.vision_tower.encoder.layers.3.mlp.fc1"), ("paligemma", "model.vision_tower.head.mlp.fc1")],
)
def test_a_lora_that_would_do_nothing_is_refused_unless_it_is_nothing(kind: str, layer: str, tmp_path: Path) -> None:
    made = LocalBackbone(kind, "tiny", tiny_profile(kind))
    weight = made.profile.model.get_submodule(layer).weight
    with pytest.raises(WeightsError, match="its LoRA would do nothing"):
        made.attach("a", one_lora(tmp_path, layer, weight, 1.0))
    made.attach("a", one_lora(tmp_path, layer, weight, 0.0))
    assert made.stacks() == ("a",)
