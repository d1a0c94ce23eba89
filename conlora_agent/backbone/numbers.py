"""The number format to compute in on this machine."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def native_dtype(device: str = "cpu") -> torch.dtype:
    """bfloat16 where the hardware multiplies in it, else float32.

    A processor without such instructions emulates bfloat16 convolutions about twenty times slower than float32 ones.
    """
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    has = torch.cpu.get_capabilities()
    return torch.bfloat16 if has.get("avx512_bf16") or has.get("amx_bf16") else torch.float32


def compute_in(device: str) -> AbstractContextManager[None]:
    """Within: float32 parameters are multiplied in `native_dtype(device)`, for training."""
    dtype = native_dtype(device)
    context: AbstractContextManager[None] = torch.autocast(device, dtype, enabled=dtype != torch.float32)
    return context
