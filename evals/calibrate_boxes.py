"""Fits how the probabilities of a box's tokens become the chance that the box is right, and writes it into the stack.

    python -m evals.calibrate_boxes

Pictures are drawn like those of the frozen held-out set, in the style that is never trained on, from another seed: what
is fitted here is measured there (`conlora eval grounding`, `ece`).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from adapters.weights import RECORD, Scores, log_odds, read_record
from conlora_agent.agent import Agent
from conlora_agent.core.errors import DataError
from conlora_agent.core.files import replace_file
from conlora_agent.training.studio import DrawingStudio
from evals.labels import GroundingRow, load_labels
from evals.make_heldout import Drawer, items, write_set
from evals.tasks import judged_boxes, served

TASK = "grounding"
SEED = 777
STEPS = 50
RIDGE = 1e-3


def fitted(scores: Sequence[float], right: Sequence[bool]) -> Scores:
    """Slope and intercept of the likeliest logistic curve (Newton's method), for scores and whether each was right."""
    inputs = np.array([[log_odds(score), 1.0] for score in scores])
    targets, weights = np.array(right, float), np.array([1.0, 0.0])
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (chances - targets) + RIDGE * weights
        curvature = (inputs * (chances * (1 - chances))[:, None]).T @ inputs + RIDGE * np.eye(2)
        weights -= np.linalg.solve(curvature, slope)
    return Scores(slope=max(0.0, float(weights[0])), intercept=float(weights[1]))


def after(earlier: Scores | None, later: Scores) -> Scores:
    """Both in one: `later` was fitted to chances that `earlier` had made."""
    if earlier is None:
        return later
    return Scores(slope=later.slope * earlier.slope, intercept=later.slope * earlier.intercept + later.intercept)


def main() -> None:
    """Ask the agent, as it serves, about drawn pictures; fit; write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pictures", type=int, default=150)
    count: int = parser.parse_args().pictures
    agent = Agent()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawer = Drawer(DrawingStudio.open("heldout"))
        write_set(folder, items(drawer.grounding, TASK, count, SEED))
        answer = served(agent, TASK)
        rows = cast(list[GroundingRow], load_labels(TASK, folder))
        judged = [pair for row in rows for pair in judged_boxes(row, answer(row.phrase, folder / row.image))]
    stack = agent.tasks.get(TASK).weights(agent.models.name)
    if stack is None:
        raise DataError(f"{TASK} has no stack for {agent.models.name}", "train it first")
    scores = after(read_record(stack / RECORD).scores, fitted([s for s, _ in judged], [ok for _, ok in judged]))
    content = json.loads((stack / RECORD).read_text(encoding="utf-8")) | {"scores": scores.model_dump()}
    replace_file(stack / RECORD, (json.dumps(content) + "\n").encode())


if __name__ == "__main__":
    main()
