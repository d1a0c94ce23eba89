"""Endless stream of drawn pictures as batches, made by worker processes; the same seed gives the same stream."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from conlora_agent.training.draw.sample import Sample
from conlora_agent.training.labels import DenseLabels, dense_labels

CANVASES = ((256, 256),) * 6 + ((512, 128), (1024, 64))
"""(width, height) drawn from; equal areas, so that every batch costs the same. Mostly square: scenes need the samples
more than lines of text do."""

Batch = TypeVar("Batch")
Draw = Callable[[random.Random, tuple[int, int]], Sample]


class Batches(IterableDataset[Batch], ABC, Generic[Batch]):
    """An endless stream of numbered batches, dealt out among workers.

    `first` skips that many, so that a resumed run sees new ones.
    """

    first: int = 0

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        worker, step = (info.id, info.num_workers) if info else (0, 1)
        number = self.first + worker
        while True:
            yield self.batch(number)
            number += step

    @abstractmethod
    def batch(self, number: int) -> Batch:
        """Batch `number` of the stream, the same every time."""


class DrawnBatches(Batches[dict[str, Tensor]]):
    """Batches of pictures with dense labels."""

    def __init__(self, draw: Draw, size: int, seed: int, first: int = 0) -> None:
        self.draw, self.size, self.seed, self.first = draw, size, seed, first

    def batch(self, number: int) -> dict[str, Tensor]:
        """Batch `number` of the stream: `pixels` (batch, 3, H, W) uint8 and the label grids."""
        rng = random.Random(f"{self.seed}/{number}")
        canvas = rng.choice(CANVASES)
        samples = [self.draw(rng, canvas) for _ in range(self.size)]
        labels = [dense_labels(s) for s in samples]
        pixels = np.stack([s.picture for s in samples]).transpose(0, 3, 1, 2)
        return {"pixels": torch.from_numpy(np.ascontiguousarray(pixels)), **stack_labels(labels)}


def stack_labels(labels: list[DenseLabels]) -> dict[str, Tensor]:
    """Label grids of several pictures as tensors."""
    columns = [asdict(label) for label in labels]
    return {key: torch.from_numpy(np.stack([c[key] for c in columns])) for key in columns[0]}


def loader(batches: Batches[Batch], workers: int) -> DataLoader[Batch]:
    """Run `batches` in `workers` processes (0: in this one)."""
    return DataLoader(batches, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None)
