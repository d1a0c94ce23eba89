"""Scores of boxes: fitted to what was right, and used by the agent."""

from __future__ import annotations

import random

import numpy as np
import pytest

from adapters.weights import Scores
from evals.calibrate_boxes import after, fitted
from evals.scores import calibration_error


def boastful(rng: random.Random) -> tuple[float, bool]:
    """A score with a chance to be right that is lower than it says."""
    chance = rng.random()
    return Scores(slope=2.0, intercept=1.0).of(chance), rng.random() < chance


def test_what_boasts_is_brought_down_to_how_often_it_is_right() -> None:
    rng = random.Random(1)
    scores, right = map(list, zip(*(boastful(rng) for _ in range(2000)), strict=True))
    chances = [fitted(scores, right).of(score) for score in scores]
    assert calibration_error(np.array(scores), np.array(right)) > 0.1
    assert calibration_error(np.array(chances), np.array(right)) < 0.04
    in_order = [chance for _, chance in sorted(zip(scores, chances, strict=True))]
    assert in_order == sorted(in_order)


def test_answers_that_are_all_right_give_a_high_chance_and_no_error() -> None:
    assert fitted([0.9, 0.99, 0.5], [True, True, True]).of(0.9) > 0.9


def test_a_second_fit_goes_on_from_the_first() -> None:
    first, second = Scores(slope=2.0, intercept=-1.0), Scores(slope=0.5, intercept=0.25)
    assert after(None, second) is second
    assert after(first, second).of(0.7) == pytest.approx(second.of(first.of(0.7)))
