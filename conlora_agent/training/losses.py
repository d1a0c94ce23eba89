"""Losses of dense pretraining."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from conlora_agent.backbone.nano.dense import DenseOutput

NONE_WEIGHT = 0.25


def dense_loss(out: DenseOutput, labels: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """Weighted sum of all heads' losses over a batch, and each part for the log.

    `labels` are the grids of training.labels.DenseLabels, batched.
    """
    logits = out.glyph.float().flatten(0, 2)
    weight = torch.ones(logits.shape[-1])
    weight[0] = NONE_WEIGHT
    glyph = F.cross_entropy(logits, labels["glyph"].flatten(), weight.to(logits.device))
    target = labels["shape"].permute(0, 2, 3, 1)  # (batch, h, w, 5)
    near = ~target[..., 0].isnan()
    parts = {"glyph": glyph}
    if near.any():
        guess, truth = out.shape.float()[near], target[near]
        parts["shape"] = F.smooth_l1_loss(guess[:, :4], truth[:, :4], beta=0.3)
        parts["gap"] = F.binary_cross_entropy_with_logits(guess[:, 4], truth[:, 4])
    parts |= _object_losses(out, labels)
    scale = {"glyph": 1.0, "shape": 1.0, "gap": 0.3, "heat": 1.0, "box": 1.0}
    total = torch.stack([scale[k] * v for k, v in parts.items()]).sum()
    return total, {k: round(float(v.detach()), 4) for k, v in parts.items()}


def _object_losses(out: DenseOutput, labels: dict[str, Tensor]) -> dict[str, Tensor]:
    truth = labels["box"].permute(0, 2, 3, 1)
    near = ~truth[..., 0].isnan()
    if not near.any():
        return {}
    truth, guess = truth[near], out.box[near]
    return {
        "heat": _focal(out.heat.float(), labels["heat"]),
        "box": (1 - generalised_iou(guess, truth)).mean() + 0.5 * (guess.log() - truth.log()).abs().mean(),
    }


def _focal(logits: Tensor, heat: Tensor) -> Tensor:
    """Centre-point focal loss (CornerNet, arXiv:1808.01244): penalty reduced around each centre."""
    p = logits.sigmoid().clamp(1e-4, 1 - 1e-4)
    centre = heat == 1
    positive = ((1 - p) ** 2 * p.log())[centre].sum()
    negative = ((1 - heat) ** 4 * p**2 * (1 - p).log())[~centre].sum()
    return -(positive + negative) / centre.sum().clamp(min=1)


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU (arXiv:1902.09630) of boxes given as distances to the four sides from a shared point, (n, 4)."""
    area_a, area_b, inter, hull = (
        (box[:, 0] + box[:, 2]).clamp(min=0) * (box[:, 1] + box[:, 3]).clamp(min=0)
        for box in (a, b, torch.minimum(a, b), torch.maximum(a, b))
    )
    union = area_a + area_b - inter
    return inter / union - (hull - union) / hull
