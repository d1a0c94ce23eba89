"""How another environment is found and asked. What answers here only has the calls of semantic-router, not its code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from conlora_agent.core.errors import BadInput
from evals.intent_data import Sentence
from evals.semantic_router import NAME, compare_semantic_router, python_of
from router.encoder import DIMENSION, Vectors

STAND_IN = """
class Choice:
    def __init__(self, name, confidence):
        self.name, self.confidence = name, confidence

class Route:
    def __init__(self, name, utterances):
        self.name, self.utterances = name, utterances

class IndexedRouter:
    def __init__(self, encoder, routes):
        self.encoder, self.routes = encoder, routes

    def __call__(self, text):
        asked, = self.encoder([text])
        best = {r.name: max(sum(map(float.__mul__, v, asked)) for v in self.encoder(r.utterances)) for r in self.routes}
        name = max(best, key=best.get)
        return Choice(name, best[name])
"""
ENCODERS = """
class DenseEncoder:
    def __init__(self, name, vectors):
        self.name, self.vectors = name, vectors
"""


def encode(texts: Sequence[str]) -> Vectors:
    """The first letter says it all."""
    rows = np.zeros((len(texts), DIMENSION), np.float32)
    rows[np.arange(len(texts)), [ord(text[0]) % 64 for text in texts]] = 1
    rows[:, 100] = 0.5
    return rows


def environment(tmp_path: Path, source: str) -> Path:
    package = tmp_path / "library" / "semantic_router"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(source)
    (package / "encoders.py").write_text(ENCODERS)
    python = tmp_path / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{package.parent}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python_of(python.parent.parent)


def test_it_learns_and_is_tried_on_the_same_sentences(tmp_path: Path) -> None:
    train = [Sentence("apple", "a"), Sentence("avocado", "a"), Sentence("banana", "b"), Sentence("zzz", "oos")]
    test = [Sentence("apricot", "a"), Sentence("blackberry", "b"), Sentence("almond", "b"), Sentence("quince", "oos")]
    found = compare_semantic_router(environment(tmp_path, STAND_IN), [train], test, encode)
    assert found.name == NAME
    assert found.in_scope_accuracy == pytest.approx(2 / 3)
    assert (found.oos_auroc, found.fpr95) == (1.0, 0.0)
    assert found.decision_ms is not None


def test_what_fails_there_is_named_with_a_remedy(tmp_path: Path) -> None:
    python = environment(tmp_path, "raise ImportError('too old')")
    with pytest.raises(BadInput, match=r"too old.*install version"):
        compare_semantic_router(python, [[Sentence("a", "a")]], [Sentence("b", "a")], encode)


def test_a_missing_environment_is_named_with_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"pip install semantic-router=="):
        python_of(tmp_path)
