"""Stacks that are missing, damaged, unsafe or made for something else are refused before they are loaded."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from adapters.weights import PICKLES, TENSORS, check_weights
from conlora_agent.core.errors import WeightsError
from tests.task_folders import write_stack


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    return write_stack(tmp_path / "nano")


def test_a_good_stack_says_what_it_was_trained_on(stack: Path) -> None:
    record = check_weights(stack, "nano", "r1")
    assert (record.backbone, record.revision) == ("nano", "r1")


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors", "stack.json"])
def test_every_file_is_needed(stack: Path, name: str) -> None:
    (stack / name).unlink()
    with pytest.raises(WeightsError, match=f"has no {name}"):
        check_weights(stack, "nano")


@pytest.mark.parametrize("suffix", sorted(PICKLES))
def test_a_pickle_is_refused_wherever_it_lies(stack: Path, suffix: str) -> None:
    (stack / "deep").mkdir()
    (stack / "deep" / f"adapter_model{suffix.upper()}").write_bytes(pickle.dumps([1]))
    with pytest.raises(WeightsError, match="may be a pickle, which can run code; save it as safetensors"):
        check_weights(stack, "nano")


def test_a_pickle_named_safetensors_is_refused(stack: Path) -> None:
    (stack / TENSORS).write_bytes(pickle.dumps({"lora": [1.0]}))
    with pytest.raises(WeightsError, match="damaged or not safetensors"):
        check_weights(stack, "nano")


def test_another_backbone_or_revision_is_refused(stack: Path) -> None:
    with pytest.raises(WeightsError, match="trained on the backbone 'nano', not 'large'"):
        check_weights(stack, "large")
    with pytest.raises(WeightsError, match="trained on nano r1, this is r2; train it again"):
        check_weights(stack, "nano", "r2")


@pytest.mark.parametrize(
    "config",
    [
        [],
        {"peft_type": "IA3", "r": 4},
        {"peft_type": "LORA"},
        {"peft_type": "LORA", "r": 0},
        {"peft_type": "LORA", "r": 10**9},
        {"peft_type": "LORA", "r": 4, "rank_pattern": {"q_proj": 10**9}},
        {"peft_type": "LORA", "r": 4, "rank_pattern": [1]},
        {"peft_type": "LORA", "r": 4, "megatron_config": {}, "megatron_core": "antigravity"},
    ],
)
def test_a_configuration_that_is_no_harmless_lora_is_refused(stack: Path, config: object) -> None:
    (stack / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=r"adapter_config\.json"):
        check_weights(stack, "nano")


@pytest.mark.parametrize("name", ["adapter_config.json", "stack.json"])
@pytest.mark.parametrize("text", ["", "{", "\x00", "[" * 5000, "null", '{"backbone": 3, "revision": "x"}', " " * 2**21])
def test_broken_json_is_refused_in_one_line(stack: Path, name: str, text: str) -> None:
    (stack / name).write_text(text)
    with pytest.raises(WeightsError) as caught:
        check_weights(stack, "nano")
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@given(cut=st.integers(0, 200))
def test_truncated_tensors_are_refused(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    stack = write_stack(tmp_path_factory.mktemp("stack") / "nano")
    whole = (stack / TENSORS).read_bytes()
    (stack / TENSORS).write_bytes(whole[: min(cut, len(whole) - 1)])
    with pytest.raises(WeightsError, match="damaged or not safetensors"):
        check_weights(stack, "nano")


def test_a_file_without_tensors_is_refused(stack: Path) -> None:
    save_file({}, stack / TENSORS)
    with pytest.raises(WeightsError, match="holds no tensors"):
        check_weights(stack, "nano")


def test_the_tensors_are_not_read(stack: Path) -> None:
    save_file({"base_model.model.q_proj.lora_A.weight": np.full((4, 8), np.nan, "float32")}, stack / TENSORS)
    assert check_weights(stack, "nano").backbone == "nano"
