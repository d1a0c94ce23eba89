"""The processes that train one stack together: one on a laptop, one a GPU under `accelerate launch`.

Every process sees the same numbers at the same time, so all decide alike (when to stop, what was best); only the first
one writes and speaks. Gradients are summed by hand: a stack is small, and the model's own forward stays free.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from torch import Tensor

Item = TypeVar("Item")


class World:
    """What `accelerate` knows of the processes that were launched."""

    def __init__(self) -> None:
        import torch
        from accelerate import PartialState

        # Without `cpu`, processes that have no GPU would not be told about one another and each train alone.
        state: Any = PartialState(cpu=not torch.accelerator.is_available())
        self.index, self.count = int(state.process_index), int(state.num_processes)
        self.device = str(state.device)
        self._state = state

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.index == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items that fall to this process."""
        return items[self.index :: self.count]

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.count == 1:
            return value
        from accelerate.utils import reduce

        total: Tensor = reduce(value, reduction="sum")
        return total

    def wait(self) -> None:
        """Return when every process has come here."""
        self._state.wait_for_everyone()
