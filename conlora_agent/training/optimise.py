"""How training steps: AdamW for bf16 parameters that keeps the real values in fp32, where small steps are not rounded
away, and epochs through rows that are all at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from conlora_agent.core.errors import DataError


class MasterAdamW:
    """Steps fp32 copies of `params` and writes them back."""

    def __init__(self, params: list[Tensor], rate: float) -> None:
        self.params = params
        self.masters = [p.detach().float().clone().requires_grad_(True) for p in params]
        self.inner = torch.optim.AdamW(self.masters, lr=rate, betas=(0.9, 0.98), weight_decay=0.0)

    def set_rate(self, rate: float) -> None:
        """Learning rate from the next step on."""
        for group in self.inner.param_groups:
            group["lr"] = rate

    def step(self, clip: float = 1.0) -> None:
        """One step from the gradients of `params`, which are cleared."""
        for param, master in zip(self.params, self.masters, strict=True):
            master.grad = None if param.grad is None else param.grad.float()
            param.grad = None
        torch.nn.utils.clip_grad_norm_([m for m in self.masters if m.grad is not None], clip)
        self.inner.step()
        with torch.no_grad():
            for param, master in zip(self.params, self.masters, strict=True):
                param.copy_(master)

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on later."""
        return {"inner": self.inner.state_dict(), "masters": self.masters}

    def take_values(self, state: dict[str, Any]) -> None:
        """Start from the parameters of another run's `state_dict()`, with no momentum."""
        with torch.no_grad():
            for master, param, value in zip(self.masters, self.params, state["masters"], strict=True):
                master.copy_(value)
                param.copy_(value)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        self.take_values(state)
        self.inner.load_state_dict(state["inner"])


def fit_rows(
    groups: list[dict[str, Any]],
    count: int,
    epochs: int,
    batch: int,
    loss_of: Callable[[Tensor, int], Tensor],
    report: Callable[[int, float], None],
    decay: float,
) -> None:
    """Minimise `loss_of(rows, epoch)`, the mean loss of the rows of these numbers out of `count`, in batches in random
    order, each rate of `groups` rising and falling once. After each epoch `report(epoch, mean loss)`. Raises DataError
    where the rows do not fill a batch.
    """
    steps = count // batch
    if not steps:
        raise DataError(f"{count} rows do not fill a batch of {batch}", "gather more")
    optimizer = torch.optim.AdamW(groups, weight_decay=decay)
    rates = [group["lr"] for group in groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=epochs * steps, pct_start=0.1)
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(count).split(batch)[:steps]:
            loss = loss_of(rows, epoch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        report(epoch, round(total / steps, 4))
