"""semantic-router beside the router's classifier, on the same embedding, sentences and seeds, in the same run.

It pins libraries that the agent has in other versions, so it lives in a virtual environment of its own and is asked
through a subprocess. Not covered here: what happens there (semantic_router_worker.py), other methods (baselines.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from conlora_agent.core.errors import BadInput
from evals.baselines import Baseline, embed, mean_of, score
from evals.intent_data import OOS, Sentence
from evals.scores import Latency
from router.classifier import Encode

VERSION = "1.1.1"
TIMED = 200
"""Test sentences that are decided one by one to measure latency."""
WORKER = Path(__file__).with_name("semantic_router_worker.py")
NAME = f"semantic-router {VERSION}"


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment. Raises BadInput naming how to make one where there is none."""
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.is_file():
        made = f"python3 -m venv {environment} && {python.parent}/pip install semantic-router=={VERSION}"
        raise BadInput(f"no virtual environment with semantic-router at {environment}", f"make it: {made}")
    return python


def compare_semantic_router(
    python: Path, trains: Sequence[Sequence[Sentence]], test: Sequence[Sentence], encode: Encode
) -> Baseline:
    """It learned from each of `trains` and tried on `test`. Raises BadInput when it cannot be run."""
    inside = [[sentence for sentence in train if sentence.label != OOS] for train in trains]
    texts = list(dict.fromkeys(s.text for part in (*inside, test) for s in part))
    asked = [sentence.text for sentence in test]
    jobs = [{"train": train, "test": asked, "timed": asked[-TIMED:]} for train in inside]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "texts.json").write_text(json.dumps(texts))
        np.save(folder / "vectors.npy", embed([Sentence(text, "") for text in texts], encode))
        (folder / "jobs.json").write_text(json.dumps(jobs))
        _run(python, folder)
        answers = json.loads((folder / "found.json").read_text())
    runs = []
    for answer, train in zip(answers, inside, strict=True):
        labels = {sentence.label for sentence in train}
        known = np.array([sentence.label in labels for sentence in test])
        right = np.array([route == s.label for route, s in zip(answer["routes"], test, strict=True)])
        runs.append(score(right, np.array(answer["scores"]), known))
    return mean_of(NAME, runs, Latency.of(answers[-1]["milliseconds"]))


def _run(python: Path, folder: Path) -> None:
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | one_thread
    # -P: the folder of the worker, which has a module of that name, too, is not searched.
    command = [str(part) for part in (python, "-P", WORKER, folder)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise BadInput(f"semantic-router in {python.parent.parent} failed ({last})", f"install version {VERSION} there")
