"""Runs semantic-router on embeddings it is given; started by semantic_router.py with the Python of another environment.

It imports nothing of ours, since that environment has none of it. Reads `texts.json`, `vectors.npy` and `jobs.json` of
the folder it is started on, writes `found.json`. Encoding costs nothing here: texts are looked up.
"""

import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from semantic_router import IndexedRouter, Route
from semantic_router.encoders import DenseEncoder


class Known(DenseEncoder):  # type: ignore[misc]
    """Gives the embedding that a text came with."""

    vectors: dict[str, list[float]]

    def __call__(self, docs: list[str]) -> list[list[float]]:
        """Vectors of texts, all of them known."""
        return [self.vectors[text] for text in docs]


def main(folder: Path) -> None:
    """Answer every job: per test text the chosen route and its score, and how long single decisions take."""
    texts = json.loads((folder / "texts.json").read_text())
    vectors = dict(zip(texts, np.load(folder / "vectors.npy").tolist(), strict=True))
    jobs = json.loads((folder / "jobs.json").read_text())
    found = [answer(Known(name="known", vectors=vectors), **job) for job in jobs]
    (folder / "found.json").write_text(json.dumps(found))


def answer(encoder: Known, train: list[list[str]], test: list[str], timed: list[str]) -> dict[str, list[Any]]:
    """semantic-router as it comes: the mean of the five most similar utterances decides."""
    utterances = defaultdict(list)
    for text, label in train:
        utterances[label].append(text)
    router = IndexedRouter(encoder, [Route(name=name, utterances=kept) for name, kept in utterances.items()])
    choices = [router(text) for text in test]
    milliseconds = []
    for text in timed:
        began = time.perf_counter()
        router(text)
        milliseconds.append((time.perf_counter() - began) * 1000)
    return {
        "routes": [choice.name for choice in choices],
        "scores": [choice.confidence for choice in choices],
        "milliseconds": milliseconds,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
