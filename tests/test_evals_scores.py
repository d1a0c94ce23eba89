from __future__ import annotations

import numpy as np
import pytest

from evals.scores import auroc, calibration_error, class_scores, fpr95, macro_f1, reliability


def test_class_scores_count_bags_of_classes() -> None:
    by_name = {s.name: s for s in class_scores([["a"], ["a"], ["b"]], [["a"], ["a", "b"], ["a"]])}
    assert (by_name["a"].n, by_name["a"].precision, by_name["a"].recall) == (2, pytest.approx(2 / 3), 1.0)
    assert (by_name["b"].precision, by_name["b"].recall, by_name["b"].f1) == (0.0, 0.0, 0.0)


def test_macro_f1_counts_routes_equally() -> None:
    found = class_scores([["a"], ["a"], ["b"]], [["a"], ["a"], ["a"]])
    assert macro_f1(found) == pytest.approx((4 / 5 + 0) / 2)


def test_auroc_counts_ties_half_and_needs_both() -> None:
    assert auroc(np.array([1.0, 1.0]), np.array([True, False])) == 0.5
    assert auroc(np.array([0.2, 0.9, 0.4]), np.array([False, True, False])) == 1.0
    assert auroc(np.array([1.0]), np.array([True])) is None


def test_fpr95_is_what_slips_through_with_95_percent_of_the_positives() -> None:
    positive = np.repeat([True, False], [20, 4])
    scores = np.concatenate([np.arange(20), [0.5, 1.0, 5.0, -1.0]])
    assert fpr95(scores, positive) == pytest.approx(0.75)
    assert fpr95(scores[:20], positive[:20]) is None


def test_calibration_error_of_an_honest_and_of_a_boasting_router() -> None:
    right = np.array([True] * 8 + [False] * 2)
    assert calibration_error(np.full(10, 0.8), right) == pytest.approx(0.0)
    assert calibration_error(np.full(10, 1.0), right) == pytest.approx(0.2)
    (only,) = reliability(np.full(10, 1.0), right)
    assert (only.n, only.confidence, only.accuracy) == (10, 1.0, 0.8)
