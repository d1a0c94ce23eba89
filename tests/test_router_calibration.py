from __future__ import annotations

import numpy as np
import pytest

from router.calibration import (
    FOLDS,
    LEAST_MARGIN,
    Calibration,
    expected_errors,
    fit_temperature,
    fit_thresholds,
    fold_of,
)
from router.head import softmax


@pytest.mark.parametrize("true", [0.5, 1.0, 2.0])
def test_temperature_recovers_the_one_the_labels_were_drawn_with(true: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (4000, 4))
    labels = np.array([rng.choice(4, p=row) for row in softmax(logits / true)])
    assert fit_temperature(logits, labels) == pytest.approx(true, rel=0.1)


def test_calibrated_rows_sum_to_one() -> None:
    rows = Calibration(temperature=1.7).probabilities(np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 900.0]]))
    assert rows.sum(1) == pytest.approx(np.ones(2))


def test_threshold_asks_back_where_answers_are_mostly_wrong() -> None:
    """Sure rows are right, rows below 0.5 are nonsense: the fitted threshold lies between them."""
    sure, unsure = np.array([0.05, 0.9, 0.05]), np.array([0.1, 0.48, 0.42])
    probabilities = np.stack([sure] * 50 + [unsure] * 50)
    labels = np.array([1] * 50 + [0] * 50)
    confidence, margin = fit_thresholds(probabilities, labels, clarify=0)
    assert confidence > 0.48 or margin > 0.06
    assert confidence < 0.9
    assert margin >= LEAST_MARGIN


def test_folds_are_stable_and_all_used() -> None:
    assert fold_of("read it") == fold_of("read it")
    assert {fold_of(f"message {number}") for number in range(100)} == set(range(FOLDS))


def test_expected_errors_count_what_is_taken_on_and_what_is_asked_about() -> None:
    sure, unsure = [0.1, 0.9, 0.0], [0.0, 0.45, 0.55]
    probabilities = np.array([sure] * 9 + [unsure] * 2)
    labels = np.array([1] * 6 + [2] * 2 + [0, 1, 0])
    assert expected_errors(probabilities, labels, 0, 0.6, 0.05) == pytest.approx((2 / 8, 1 / 9, 1 / 2))
