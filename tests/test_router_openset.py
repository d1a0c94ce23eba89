from __future__ import annotations

import numpy as np
import pytest

from router.openset import Gate, familiarity, fit_gate


def scores(rng: np.random.Generator, count: int, level: float) -> np.ndarray:
    logits = rng.normal(0, 1, (count, 6))
    logits[:, 0] += level
    return familiarity(logits, logits / 10)


def fitted(level: float = 6.0) -> Gate:
    rng = np.random.default_rng(0)
    return fit_gate(scores(rng, 300, level), scores(rng, 60, 0.0), np.ones(300, bool))


def test_known_messages_pass_and_unknown_ones_do_not() -> None:
    gate, rng = fitted(), np.random.default_rng(1)
    assert (gate.known(scores(rng, 200, 6.0)) >= gate.threshold).mean() > 0.95
    assert (gate.known(scores(rng, 200, 0.0)) >= gate.threshold).mean() < 0.1


def test_expected_errors_hold_on_fresh_messages() -> None:
    gate, rng = fitted(2.5), np.random.default_rng(2)
    refused = (gate.known(scores(rng, 4000, 2.5)) < gate.threshold).mean()
    admitted = (gate.known(scores(rng, 4000, 0.0)) >= gate.threshold).mean()
    assert gate.refused == pytest.approx(refused, abs=0.06)
    assert gate.admitted == pytest.approx(admitted, abs=0.15)


def test_a_wrong_route_is_not_worth_admitting() -> None:
    """The less often the classifier is right, the less the gate lets through."""
    rng = np.random.default_rng(3)
    known, unknown = scores(rng, 300, 2.0), scores(rng, 60, 0.0)
    trusting, wary = (fit_gate(known, unknown, rng.random(300) < share) for share in (1.0, 0.2))
    assert wary.threshold > trusting.threshold


def test_what_stands_for_the_unclear_is_a_score_of_its_own_and_no_route() -> None:
    logits = np.array([[1.0, 9.0, 2.0]])
    apart = familiarity(logits, logits / 10, unclear=1)
    assert apart[:, :5] == pytest.approx(familiarity(logits[:, [0, 2]], logits[:, [0, 2]] / 10))
    assert apart[0, 5] > 0
    assert apart[0, 6] == pytest.approx(0.9)


def test_the_rarer_the_unknown_the_more_is_taken_for_known() -> None:
    rng = np.random.default_rng(5)
    known, unknown = scores(rng, 300, 2.0), scores(rng, 60, 0.0)
    rare, common = (fit_gate(known, unknown, np.ones(300, bool), share) for share in (0.05, 0.5))
    assert (rare.known(unknown) > common.known(unknown)).all()


def test_a_gate_comes_back_from_arrays_and_settings() -> None:
    gate, rows = fitted(), scores(np.random.default_rng(4), 5, 3.0)
    again = Gate.restore(gate.arrays(), gate.settings())
    assert np.array_equal(again.known(rows), gate.known(rows))
    assert again.settings() == gate.settings()
