"""Resident stacks: every LoRA lies ready in memory, and which of them is on is one pointer.

A hook on each adapted linear layer looks at the pointer. Switching moves the pointer, however many stacks there are and
however many layers they adapt; PEFT visits every layer instead. Rows of a batch may each have a stack of their own.
Stacks beyond the memory budget are forgotten, least recently used first, and read from disk when next used.

LoRA: Hu et al. 2021, arXiv:2106.09685; files as PEFT writes them. Not covered here: training, and PEFT's other methods,
which are refused rather than half applied.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conlora_agent.backbone.recent import MIB, Recent
from conlora_agent.core.errors import UnknownName, WeightsError, first_line

STACKS_MIB = 512
KEY = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
CHANGES_THE_MATHS = (
    "alora_invocation_tokens", "arrow_config", "fan_in_fan_out", "kasa_config", "layer_replication", "lora_bias",
    "modules_to_save", "monteclora_config", "target_parameters", "trainable_token_indices", "use_bdlora", "use_dora",
    "use_qalora", "velora_config",
)  # fmt: skip
"""Keys of PEFT's LoraConfig that make it more than a plain LoRA."""


class Delta(Protocol):
    """What an adapted layer adds to its output."""

    def __call__(self, x: Tensor) -> Tensor:
        """(rows, length, in) to (rows, length, out)."""


@dataclass(frozen=True)
class Lora:
    """One layer's LoRA, the same for all rows; its scale is part of `up`."""

    down: Tensor
    """(rank, in)"""
    up: Tensor
    """(out, rank)"""

    def __call__(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        return F.linear(F.linear(x, self.down), self.up)


@dataclass(frozen=True)
class RowLoras:
    """One layer's LoRAs, one per row; rows without one have zeros."""

    down: Tensor
    """(rows, in, rank)"""
    up: Tensor
    """(rows, rank, out)"""

    def __call__(self, x: Tensor) -> Tensor:
        """(rows, length, in) to (rows, length, out)."""
        return torch.bmm(torch.bmm(x, self.down), self.up)


@dataclass(frozen=True, eq=False)
class Stack:
    """The LoRAs of one task, by the full name of the layer they adapt."""

    name: str
    version: int
    """Counts what was added under any name, so that weights that replace others are told from them."""
    layers: Mapping[str, Lora]

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return sum(lora.down.nbytes + lora.up.nbytes for lora in self.layers.values())


class Stacks:
    """The stacks of one model. Not safe to call from several threads: the backbone's lock is around it."""

    def __init__(self, model: nn.Module, budget_mib: int = STACKS_MIB, idle: str = "") -> None:
        """`idle`: full names, as a regular expression, of layers where a LoRA would do nothing."""
        self._model, self._idle = model, re.compile(idle)
        self._folders: dict[str, tuple[Path, int]] = {}
        self._added = 0
        self._resident: Recent[str, Stack] = Recent(budget_mib * MIB)
        self._hooked: set[str] = set()
        self._active: Mapping[str, Delta] = {}

    def names(self) -> tuple[str, ...]:
        """Names of all stacks, in memory or not."""
        return tuple(self._folders)

    def resident(self) -> tuple[str, ...]:
        """Names of those in memory, least recently used first."""
        return tuple(self._resident)

    def add(self, name: str, folder: Path) -> None:
        """Read the PEFT folder of a stack. Raises WeightsError, and then nothing has changed."""
        self._load(name, folder, self._added)
        self._folders[name] = (folder, self._added)
        self._added += 1

    def _load(self, name: str, folder: Path, version: int) -> None:
        stack = Stack(name, version, read_layers(name, folder, self._model))
        for layer in stack.layers:
            if self._idle.fullmatch(layer):
                raise _broken(name, f"nothing uses the output of {layer}: its LoRA would do nothing")
        self._resident.put(name, stack, stack.nbytes)
        for layer in stack.layers.keys() - self._hooked:
            self._model.get_submodule(layer).register_forward_hook(self._hook(layer))
            self._hooked.add(layer)

    def remove(self, name: str) -> None:
        """Forget a stack; unknown names are ignored. Generations that use it go on with it."""
        self._folders.pop(name, None)
        self._resident.pop(name)

    def get(self, name: str | None) -> Stack | None:
        """The stack of this name, read from disk if it was pushed out; None for None. Raises UnknownName."""
        if name is None:
            return None
        if name not in self._folders:
            raise UnknownName.among("attached stack", name, self._folders)
        if name not in self._resident:
            self._load(name, *self._folders[name])
        return self._resident.get(name)

    @contextmanager
    def on(self, stack: Stack | None) -> Iterator[None]:
        """Within: this stack adapts every row, or none does."""
        with self.active(stack.layers if stack is not None else {}):
            yield

    @contextmanager
    def active(self, deltas: Mapping[str, Delta]) -> Iterator[None]:
        """Within: these are added to the outputs of their layers."""
        before, self._active = self._active, deltas
        try:
            yield
        finally:
            self._active = before

    def _hook(self, layer: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor | None]:
        def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            delta = self._active.get(layer)
            return None if delta is None else output + delta(inputs[0])

        return add


def per_row(stacks: Sequence[Stack | None]) -> Mapping[str, Delta]:
    """Deltas with which row i of a batch is adapted by `stacks[i]`, or by nothing where that is None."""
    first, *rest = stacks
    if all(stack is first for stack in rest):
        return first.layers if first is not None else {}
    layers = {layer for stack in stacks if stack is not None for layer in stack.layers}
    return {layer: _rows([stack.layers.get(layer) if stack else None for stack in stacks]) for layer in layers}


def _rows(loras: Sequence[Lora | None]) -> RowLoras:
    given = [lora for lora in loras if lora is not None]
    rank = max(len(lora.down) for lora in given)
    down = given[0].down.new_zeros(len(loras), given[0].down.shape[1], rank)
    up = given[0].up.new_zeros(len(loras), rank, given[0].up.shape[0])
    for row, lora in enumerate(loras):
        if lora is not None:
            down[row, :, : len(lora.down)] = lora.down.T
            up[row, : len(lora.down)] = lora.up.T
    return RowLoras(down, up)


# -- reading ----------------------------------------------------------------------------------------------------------


def read_layers(name: str, folder: Path, model: nn.Module) -> dict[str, Lora]:
    """The LoRAs that PEFT wrote to `folder`, on the device and in the type of `model`, but for those that are zero:
    they add nothing, and a picture need not be seen anew for them. Raises WeightsError.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "adapter_model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise _broken(name, first_line(error)) from error
    used = [key for key in CHANGES_THE_MATHS if config.get(key)]
    if used or config.get("bias", "none") != "none":
        raise _broken(name, f"it uses {used[0] if used else 'bias'}, more than a plain LoRA")
    sides: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        match = KEY.fullmatch(key)
        if match is None or tensor.dim() != 2:
            raise _broken(name, f"{key} is no LoRA of a linear layer")
        sides.setdefault(match["module"], {})[match["side"]] = tensor
    loras = {layer: _lora(name, layer, pair, config, model) for layer, pair in sides.items()}
    # Zeros are what training leaves in a layer that it never reached.
    return {layer: lora for layer, lora in loras.items() if lora.up.any()}


def _lora(name: str, layer: str, pair: dict[str, Tensor], config: dict[str, Any], model: nn.Module) -> Lora:
    if pair.keys() != {"A", "B"}:
        raise _broken(name, f"half of the LoRA of {layer} is missing")
    module, down, up = _linear(name, layer, model), pair["A"], pair["B"]
    if (down.shape[1], up.shape[0]) != (module.in_features, module.out_features) or len(down) != up.shape[1]:
        raise _broken(name, f"its LoRA of {layer} has the wrong shape")
    # Both NaN and infinity survive a sum; in fp16 a sound one could overflow.
    if not (down.float().sum() + up.float().sum()).isfinite():
        raise _broken(name, f"its LoRA of {layer} holds values that are no numbers")
    where = next(module.parameters())
    # A layer in few bits computes in the type of the rest of its model.
    kind = next(one.dtype for one in chain((where,), model.parameters()) if one.dtype.is_floating_point)
    return Lora(
        down.to(where.device, kind, copy=True).contiguous(),
        (up.float() * _scale(layer, len(down), config)).to(where.device, kind).contiguous(),
    )


def _linear(name: str, layer: str, model: nn.Module) -> Any:
    """The layer, when a hook on it sees all that it does."""
    parent = layer.rpartition(".")[0]
    try:
        module: Any = model.get_submodule(layer)
        inside = model.get_submodule(parent)
    except AttributeError:
        raise _broken(name, f"the backbone has no layer {layer}") from None
    # torch's own attention reads the weights of its layers without calling them: a LoRA there would do nothing.
    if not hasattr(module, "in_features") or isinstance(inside, nn.MultiheadAttention):
        raise _broken(name, f"{layer} is not a linear layer that can be adapted")
    return module


def _scale(layer: str, rank: int, config: dict[str, Any]) -> float:
    patterns = config.get("alpha_pattern") or {}
    fits = (value for pattern, value in patterns.items() if re.fullmatch(rf"(.*\.)?({pattern})", layer))
    alpha = float(next(fits, config.get("lora_alpha", rank)))
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _broken(name: str, problem: str) -> WeightsError:
    return WeightsError(f"the stack of {name!r} does not load ({problem})", "train it again")
