"""The number format that a model computes in: what suits this machine, or what the settings say."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from conlora_agent.backbone.families import Family
    from conlora_agent.settings import Precision


def native_dtype(device: str = "cpu") -> torch.dtype:
    """bfloat16 where the hardware multiplies in it, else float32.

    A processor without such instructions emulates bfloat16 convolutions about twenty times slower than float32 ones.
    """
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    has = torch.cpu.get_capabilities()
    return torch.bfloat16 if has.get("avx512_bf16") or has.get("amx_bf16") else torch.float32


def dtype_of(precision: Precision, device: str = "cpu") -> torch.dtype:
    """What weights are loaded in. A processor without bfloat16 units is slow in it, but right."""
    chosen = {"fp32": torch.float32, "bf16": torch.bfloat16}
    return chosen.get(precision) or native_dtype(device)


def quantised(precision: Precision, family: Family, device: str) -> dict[str, Any]:
    """Arguments of `from_pretrained` for a language model in 8 or 4 bits; nothing otherwise.

    Vision encoder, mid layer and head keep their precision: they are small, and what they lose shows most.
    """
    if precision not in ("8bit", "4bit"):
        return {}
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_8bit=precision == "8bit",
        load_in_4bit=precision == "4bit",
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=native_dtype(device),
        llm_int8_skip_modules=[rf"(?!{re.escape(family.language)}\.).*"],
    )
    return {"quantization_config": config, "device_map": {"": device}}


def keep_learnable(model: Any) -> None:
    """On a CPU with bfloat16 units bitsandbytes packs 4-bit weights when they first answer, and cannot learn through
    them any more: it is told not to."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def compute_in(device: str) -> AbstractContextManager[None]:
    """Within: float32 parameters are multiplied in `native_dtype(device)`, for training."""
    dtype = native_dtype(device)
    context: AbstractContextManager[None] = torch.autocast(device, dtype, enabled=dtype != torch.float32)
    return context
