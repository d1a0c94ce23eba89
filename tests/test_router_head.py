from __future__ import annotations

import numpy as np

from router.features import Features
from router.head import fit_head, softmax


def turns(rows: np.ndarray, relations: np.ndarray | None = None) -> Features:
    none = np.zeros((len(rows), 0), np.float32)
    if relations is None:
        relations = np.zeros((0, len(rows), 3))
    return Features(rows.astype(np.float32), np.arange(len(rows)), none, relations.astype(np.float32))


def test_learns_separable_classes() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    rows = np.eye(3)[labels] + rng.normal(0, 0.1, (90, 3))
    head = fit_head(turns(rows), labels, 3, np.ones(90))
    assert (head.logits(turns(rows)).argmax(1) == labels).all()


def test_shared_weights_carry_over_to_a_route_never_seen_in_that_relation() -> None:
    """Turns after routes 0 and 1 stay there; the head has to conclude the same for route 2."""
    labels = np.array([0, 1] * 20 + [2] * 20)
    last = np.zeros((1, 60, 3))
    last[0, np.arange(40), labels[:40]] = 1
    head = fit_head(turns(np.ones((60, 1)), last), labels, 3, np.ones(60))
    after_two = np.zeros((1, 1, 3))
    after_two[0, 0, 2] = 1
    assert softmax(head.logits(turns(np.ones((1, 1)), after_two)))[0].argmax() == 2


def test_same_data_gives_the_same_weights() -> None:
    rows, labels = np.random.default_rng(1).normal(size=(40, 5)), np.arange(40) % 3
    first, second = (fit_head(turns(rows), labels, 3, np.ones(40)) for _ in range(2))
    assert np.array_equal(first.weights, second.weights)


def test_sample_weights_decide_between_contradicting_turns() -> None:
    labels = np.array([0, 1])
    head = fit_head(turns(np.ones((2, 1))), labels, 3, np.array([1.0, 9.0]))
    assert head.logits(turns(np.ones((1, 1)))).argmax() == 1


def test_gradient_is_exact_at_the_optimum() -> None:
    """No small step from the fitted weights lowers the regularised loss."""
    rng = np.random.default_rng(2)
    rows, labels, l2 = rng.normal(size=(60, 4)), np.arange(60) % 3, 0.01
    head = fit_head(turns(rows), labels, 3, np.ones(60), l2=l2)

    def loss(weights: np.ndarray) -> float:
        p = softmax(np.c_[rows, np.ones(60)] @ weights)
        centered = weights.copy()
        centered[-1] += rows.mean(0) @ weights[:-1]
        return float(-np.log(p[np.arange(60), labels]).mean() + l2 * (centered**2).sum())

    best = loss(head.weights.astype(float))
    for _ in range(50):
        assert loss(head.weights + rng.normal(0, 0.02, head.weights.shape)) > best
