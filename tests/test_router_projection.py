from __future__ import annotations

import numpy as np
import pytest

from router.projection import LENGTH, Projection, fit_whitening, principal_directions


def test_projected_texts_have_one_length_and_nothing_is_divided_by_zero() -> None:
    projection = Projection(np.eye(3, dtype=np.float32))
    found = projection(np.array([[3, 4, 0], [0, 0, 0]], np.float32))
    assert np.linalg.norm(found, axis=1) == pytest.approx([LENGTH, 0.0])


def test_directions_are_those_in_which_texts_differ() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 4)) * [10, 1, 0.1, 0.01]
    assert abs(principal_directions(vectors)[0, -1]) == pytest.approx(1.0, abs=0.01)


def test_what_differs_within_a_label_counts_less() -> None:
    """Labels differ in the second direction, texts of one label in the first."""
    rng = np.random.default_rng(1)
    labels = np.arange(400) % 2
    x = np.stack([rng.normal(0, 5, 400), labels + rng.normal(0, 0.1, 400)], axis=1)
    whitening = fit_whitening(x, labels)
    assert np.linalg.norm([0, 1] @ whitening) > 1.2 * np.linalg.norm([1, 0] @ whitening)
