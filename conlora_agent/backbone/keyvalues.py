"""Keys and values of the language model: prefixes that serve every stack, and the rows of a batch.

Both live in buffers with room to spare and are written in place. What follows a prefix in its buffer is scratch: one
request after another is read there, each with its own stack, without the prefix being copied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicLayer

from conlora_agent.backbone.recent import MIB, Recent

PREFIXES_MIB = 256
ROOM = 256
"""Buffers grow by at least so many positions."""
SCRATCH = 1024
"""Positions behind a prefix that its buffers keep; a dense page takes more, and gives them back."""


class RoomyLayer(DynamicLayer):
    """One layer's keys and values, (rows, heads, room, size), of which the first `length` positions count."""

    keys: Tensor
    values: Tensor

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.length = 0

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append and return everything so far."""
        end = self.length + key_states.shape[-2]
        self.reserve(end, key_states, value_states)
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def reserve(self, length: int, keys: Tensor, values: Tensor) -> None:
        """Have room for `length` positions; new buffers have the rows and shape of `keys` and `values`."""
        if not self.is_initialized:
            self.keys, self.values, self.is_initialized = _room(keys, length), _room(values, length), True
        elif length > self.keys.shape[-2]:
            self.keys, self.values = _moved(self.keys, self.length, length), _moved(self.values, self.length, length)

    def get_seq_length(self) -> int:
        """Positions that count."""
        return self.length


def _room(like: Tensor, length: int) -> Tensor:
    # Zeros, since whatever stands at a masked position is still multiplied by its weight of zero.
    return like.new_zeros(*like.shape[:2], length + ROOM, like.shape[-1])


def _moved(old: Tensor, used: int, length: int) -> Tensor:
    new = _room(old, max(length, old.shape[-2] * 3 // 2))
    new[:, :, :used] = old[:, :, :used]
    return new


class KeyValues(Cache):
    """Keys and values of one sequence."""

    layers: list[RoomyLayer]  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=RoomyLayer)

    @property
    def length(self) -> int:
        """Positions that count."""
        return self.layers[0].length if self.layers else 0

    @property
    def room(self) -> int:
        """Positions that the buffers have."""
        return int(self.layers[0].keys.shape[-2]) if self.layers else 0

    def cut(self, length: int) -> None:
        """Let only the first `length` positions count."""
        for layer in self.layers:
            layer.length = min(length, layer.length)

    def fork(self, length: int) -> KeyValues:
        """A copy of the first `length` positions."""
        new = KeyValues()
        for number, layer in enumerate(self.layers):
            new.update(layer.keys[:, :, :length], layer.values[:, :, :length], number)
        return new

    @property
    def nbytes(self) -> int:
        """Memory of the buffers."""
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in self.layers)


# -- prefixes ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prefix:
    """A conversation that was read with adapters off."""

    ids: tuple[int, ...]
    cache: KeyValues


class Prefixes:
    """Conversations read so far. Each is read on from the longest beginning it shares with another."""

    def __init__(self, read: Callable[[Sequence[int], KeyValues], None], budget_mib: int = PREFIXES_MIB) -> None:
        """`read(ids, cache)` runs the language model over `ids` behind what is in `cache`."""
        self._read = read
        self._known: Recent[tuple[int, ...], KeyValues] = Recent(budget_mib * MIB)
        self._given: tuple[int, ...] = ()

    def get(self, ids: tuple[int, ...]) -> KeyValues:
        """Key-values of exactly `ids`; what comes after them in the buffers is free to write on until `settle`."""
        cache = self._begun(ids)
        if cache.length < len(ids):
            self._read(ids[cache.length :], cache)
        self._known.put(ids, cache, cache.nbytes)
        self._given = ids
        return cache

    def settle(self) -> None:
        """What was written behind the prefix given last is no longer needed; its buffers may have grown for it."""
        ids = self._given
        cache = self._known.get(ids)
        if cache is not None:
            kept = cache.fork(len(ids)) if cache.room > len(ids) + SCRATCH else cache
            self._known.put(ids, kept, kept.nbytes)

    def _begun(self, ids: tuple[int, ...]) -> KeyValues:
        """The longest known beginning of `ids`: taken over where it is all of a prefix, else copied out of one."""
        best = max(self._known, key=lambda known: _shared(known, ids), default=())
        shared = _shared(best, ids)
        if shared < len(best):
            known = self._known.get(best)
            return known.fork(shared) if known is not None and shared else KeyValues()
        cache = self._known.pop(best) or KeyValues()
        cache.cut(shared)
        return cache

    def forget(self) -> None:
        """Drop everything read."""
        self._known = Recent(self._known.budget)

    def __len__(self) -> int:
        return len(self._known)


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the common beginning."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


# -- batches ----------------------------------------------------------------------------------------------------------


class RowsLayer(RoomyLayer):
    """One layer's keys and values of rows of unequal length; each row is appended at its own end."""

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self.rows = rows

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append one position (rows, heads, 1, size) to every row."""
        at, ends = self.rows.at
        self.keys[at, :, ends] = key_states[:, :, 0]
        self.values[at, :, ends] = value_states[:, :, 0]
        return self.keys[: len(at), :, : self.length + 1], self.values[: len(at), :, : self.length + 1]

    def copy(self, row: int, keys: Tensor, values: Tensor) -> None:
        """Write one row (heads, length, size)."""
        if row >= len(self.keys):
            self.keys = torch.cat([self.keys, torch.zeros_like(self.keys)])
            self.values = torch.cat([self.values, torch.zeros_like(self.values)])
        self.keys[row, :, : keys.shape[1]] = keys
        self.values[row, :, : values.shape[1]] = values


class Rows(Cache):
    """Keys and values of the rows of a decoding batch. Rows join and leave between steps."""

    layers: list[RowsLayer]  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.lengths: list[int] = []
        """Positions of each row."""
        self.at = (torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long))
        """Row and position (rows,) that the current step writes."""

    def join(self, cache: KeyValues) -> None:
        """Copy a sequence into a new last row."""
        if not self.layers:
            self.layers = [RowsLayer(self) for _ in cache.layers]
        for mine, theirs in zip(self.layers, cache.layers, strict=True):
            mine.length = max(self.lengths, default=0)
            mine.reserve(cache.length, theirs.keys, theirs.values)
            mine.copy(len(self.lengths), theirs.keys[0, :, : cache.length], theirs.values[0, :, : cache.length])
        self.lengths.append(cache.length)

    def leave(self, row: int) -> None:
        """Forget a row; the last one takes its place."""
        length = self.lengths.pop()
        last = len(self.lengths)
        if row < last:
            for layer in self.layers:
                layer.copy(row, layer.keys[last, :, :length], layer.values[last, :, :length])
            self.lengths[row] = length

    def step(self, device: torch.device) -> Tensor | None:
        """Make room for one position more of every row.

        Returns the step's attention mask (rows, 1, 1, width), to be added to the scores; None where there is one row.
        """
        width = max(self.lengths) + 1
        for layer in self.layers:
            layer.length = width - 1
            layer.reserve(width, layer.keys, layer.values)
        ends = torch.tensor(self.lengths, device=device)
        self.at = (torch.arange(len(ends), device=device), ends)
        self.lengths = [length + 1 for length in self.lengths]
        if len(ends) == 1:
            return None
        kind = self.layers[0].keys.dtype
        hidden = torch.arange(width, device=device) > ends[:, None]
        mask = torch.zeros(hidden.shape, dtype=kind, device=device).masked_fill(hidden, torch.finfo(kind).min)
        return mask[:, None, None]
