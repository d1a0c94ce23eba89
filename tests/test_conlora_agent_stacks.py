"""Resident stacks: the same numbers as PEFT, one pointer to switch, a memory budget, nothing half applied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from conlora_agent.backbone.nano.places import NANO_PLACES
from conlora_agent.backbone.stacks import Stacks, per_row, read_layers
from conlora_agent.core.errors import UnknownName, WeightsError
from conlora_agent.core.protocols import GenerateRequest
from tests.tiny_nano import tiny_backbone, tiny_model, tiny_stack, tiny_tokenizer

LANGUAGE = NANO_PLACES.language


@pytest.fixture
def model() -> Any:
    return tiny_model(tiny_tokenizer()).requires_grad_(False)


def logits(model: Any, rows: int = 1) -> torch.Tensor:
    ids = torch.arange(10, 10 + 6 * rows).view(rows, 6)
    with torch.inference_mode():
        return model.language_model(input_ids=ids).logits  # type: ignore[no-any-return]


@pytest.mark.parametrize("rslora", [False, True])
def test_adapts_as_peft_does(tmp_path: Path, model: Any, rslora: bool) -> None:
    from peft import LoraConfig, PeftModel, get_peft_model

    torch.manual_seed(3)
    config = LoraConfig(
        r=4, lora_alpha=6, target_modules=LANGUAGE, init_lora_weights=False, use_rslora=rslora,
        rank_pattern={r"layers\.1\.self_attn\.q_proj": 2}, alpha_pattern={r"v_proj": 3},
    )  # fmt: skip
    get_peft_model(tiny_model(tiny_tokenizer()), config).save_pretrained(tmp_path)
    stacks = Stacks(model)
    stacks.add("a", tmp_path)
    with stacks.on(stacks.get("a")):
        ours = logits(model)
    assert not torch.allclose(ours, logits(model))
    theirs = logits(PeftModel.from_pretrained(tiny_model(tiny_tokenizer()), tmp_path).eval().base_model.model)
    torch.testing.assert_close(ours, theirs)


def test_rows_of_a_batch_are_adapted_each_by_its_own_stack(tmp_path: Path, model: Any) -> None:
    stacks = Stacks(model)
    for seed, name in enumerate("ab"):
        stacks.add(name, tiny_stack(tmp_path / name, seed))
    chosen = [stacks.get("a"), None, stacks.get("b")]
    with stacks.active(per_row(chosen)):
        mixed = logits(model, rows=3)
    for row, stack in enumerate(chosen):
        with stacks.on(stack):
            torch.testing.assert_close(mixed[row], logits(model, rows=3)[row])


def test_what_is_zero_is_no_part_of_a_stack(tmp_path: Path, model: Any) -> None:
    file = tiny_stack(tmp_path, 1) / "adapter_model.safetensors"
    whole = read_layers("a", tmp_path, model)
    tensors = load_file(file)
    seen = [key for key in tensors if "vision.upper" in key and "lora_B" in key]
    save_file({key: value * (key not in seen) for key, value in tensors.items()}, file)
    left = read_layers("a", tmp_path, model)
    assert {name for name in whole if name not in left} == {name for name in whole if name.startswith("vision.upper")}
    assert 0 < len(left) == len(whole) - len(seen)


def test_a_switch_touches_no_layer(tmp_path: Path, model: Any) -> None:
    stacks = Stacks(model)
    stacks.add("a", tiny_stack(tmp_path / "a", 1))
    before = {name: value.data_ptr() for name, value in model.state_dict().items()}
    hooks = sum(len(module._forward_hooks) for module in model.modules())
    with stacks.on(stacks.get("a")):
        assert {name: value.data_ptr() for name, value in model.state_dict().items()} == before
    stacks.add("b", tiny_stack(tmp_path / "b", 2))
    assert sum(len(module._forward_hooks) for module in model.modules()) == hooks


def test_least_recently_used_stacks_leave_memory_and_come_back(tmp_path: Path) -> None:
    roomy, tight = tiny_backbone(), tiny_backbone(stacks_mib=0)
    for seed, name in enumerate(("a", "b", "c")):
        folder = tiny_stack(tmp_path / name, seed)
        roomy.attach(name, folder)
        tight.attach(name, folder)
    assert tight.loras.resident() == ("c",)
    assert tight.stacks() == ("a", "b", "c")
    for name in ("a", "c", "a", "b"):
        ask = GenerateRequest("read", stack=name, max_new_tokens=6)
        assert tight.generate(ask) == roomy.generate(ask)
        assert tight.loras.resident() == (name,)
    assert len(roomy.loras.resident()) == 3


@pytest.mark.parametrize("key", ["use_dora", "modules_to_save", "lora_bias", "alora_invocation_tokens"])
def test_refuses_what_is_more_than_a_plain_lora(tmp_path: Path, model: Any, key: str) -> None:
    folder = tiny_stack(tmp_path / "a", 1)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, key: ["lm_head"]}))
    with pytest.raises(WeightsError, match=key):
        Stacks(model).add("a", folder)


def damage(tensors: dict[str, torch.Tensor], how: str) -> dict[str, torch.Tensor]:
    first = next(key for key in tensors if ".lora_A." in key)
    if how == "half":
        return {key: value for key, value in tensors.items() if key != first}
    if how == "shape":
        return {**tensors, first: tensors[first][:, :-1].contiguous()}
    if how == "nan":
        return {**tensors, first: tensors[first] * float("nan")}
    if how == "stranger":
        return {**tensors, first.replace("lora_A.weight", "lora_magnitude_vector"): tensors[first].clone()}
    return {key.replace("language_model", "speech_model"): value for key, value in tensors.items()}


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("half", "missing"),
        ("shape", "shape"),
        ("nan", "no numbers"),
        ("stranger", "no LoRA"),
        ("elsewhere", "has no layer"),
    ],
)
def test_refuses_damaged_weights_and_changes_nothing(tmp_path: Path, model: Any, how: str, says: str) -> None:
    stacks = Stacks(model)
    stacks.add("a", tiny_stack(tmp_path / "a", 1))
    with stacks.on(stacks.get("a")):
        before = logits(model)
    file = tiny_stack(tmp_path / "bad", 2) / "adapter_model.safetensors"
    save_file(damage(load_file(file), how), file)
    with pytest.raises(WeightsError, match=says):
        stacks.add("a", tmp_path / "bad")
    with stacks.on(stacks.get("a")):
        assert torch.equal(logits(model), before)


def test_refuses_a_layer_that_is_never_called(tmp_path: Path) -> None:
    """torch's own attention reads its projection's weights: a LoRA there would be dropped in silence."""
    model = torch.nn.Module()
    model.attention = torch.nn.MultiheadAttention(8, 2)
    weights = {
        "base_model.model.attention.out_proj.lora_A.weight": torch.ones(2, 8),
        "base_model.model.attention.out_proj.lora_B.weight": torch.ones(8, 2),
    }
    save_file(weights, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text('{"lora_alpha": 2}')
    with pytest.raises(WeightsError, match="can be adapted"):
        Stacks(model).add("a", tmp_path)


def test_a_resident_stack_outlives_its_file(tmp_path: Path, model: Any) -> None:
    """Weights that lay in the file itself would change with it, or end the process where it is cut off."""
    stacks = Stacks(model)
    file = tiny_stack(tmp_path / "a", 1) / "adapter_model.safetensors"
    stacks.add("a", tmp_path / "a")
    with stacks.on(stacks.get("a")):
        before = logits(model)
        file.write_bytes(bytes(file.stat().st_size))
        assert torch.equal(logits(model), before)


def test_an_unknown_stack_is_named(model: Any) -> None:
    with pytest.raises(UnknownName, match="ocr"):
        Stacks(model).get("ocr")
