"""Caches that forget the least recently used beyond a budget of bytes."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from torch import Tensor

Key = TypeVar("Key")
Value = TypeVar("Value")

MIB = 1 << 20


class Recent(Generic[Key, Value]):
    """Keeps the most recently used values, at least one, as long as they fit into `budget` bytes together."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.size = 0
        self._items: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """The value, now the most recent, or None."""
        if key not in self._items:
            return None
        self._items.move_to_end(key)
        return self._items[key][0]

    def put(self, key: Key, value: Value, size: int | None = None) -> None:
        """Keep a value of `size` bytes, by default those of the tensors in it."""
        self.pop(key)
        size = bytes_of(value) if size is None else size
        self._items[key] = (value, size)
        self.size += size
        while self.size > self.budget and len(self._items) > 1:
            self.pop(next(iter(self._items)))

    def pop(self, key: Key) -> Value | None:
        """Forget a value and return it, or None."""
        value, size = self._items.pop(key, (None, 0))
        self.size -= size
        return value

    def __contains__(self, key: Key) -> bool:
        return key in self._items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Key]:
        """Keys, least recently used first."""
        return iter(tuple(self._items))


def bytes_of(value: Any) -> int:
    """Bytes of all tensors inside tensors, lists, dicts, dataclasses and model outputs."""
    if isinstance(value, Tensor):
        return value.nbytes
    if isinstance(value, dict):
        return sum(map(bytes_of, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(bytes_of, value))
    if dataclasses.is_dataclass(value):
        return sum(bytes_of(getattr(value, field.name)) for field in dataclasses.fields(value))
    return int(getattr(value, "nbytes", 0))
