"""Why a message takes its route: examples that are near it, what spoke for the route, and how far to trust that.

Not covered here: the decision itself (router.embedding); this only takes it apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from conlora_agent.core.types import Explanation, Influence, Neighbour, Route, RouteQuery
from router.builtin import FollowUp
from router.calibration import Calibration
from router.classifier import Classifier, Encode
from router.encoder import Vectors
from router.features import FOCUS_KINDS, RELATIONS, Array, features
from router.openset import SCORES, Gate
from router.projection import LENGTH

NEAREST = 5
INFLUENCES = 5
LEAST_WEIGHT = 0.05
SURFACE = (
    "its length", "having three words or fewer", "a word that points back", "opening with a connective",
    "a question mark", "its digits", "its punctuation", "its letters", "strings of consonants", "its script",
)  # fmt: skip
STATE = (
    "a picture is there",
    "nothing was said before",
    "several turns before",
    *(f"a {k} in focus" for k in FOCUS_KINDS),
)
BEFORE = "what is usual, before the message is read"
RELATION = {
    "last": "the turn before took this route",
    "earlier": "an earlier turn took this route",
    "needs_image": "the route looks at pictures and one is there",
}


def explain(
    query: RouteQuery, vector: Vectors, classifier: Classifier, routes: Sequence[Route], followups: Sequence[FollowUp],
    encode: Encode, threshold: float,
) -> Explanation:  # fmt: skip
    """Take the decision on one message apart. `vector` (dimension,): its embedding."""
    table, calibration = classifier.table, classifier.calibration
    probabilities = classifier.probabilities([query], vector[None])[0]
    ranked = np.argsort(-probabilities).tolist()
    first, *others = ranked
    second = next((k for k in others if k != table.unclear), ranked[-1])
    return Explanation(
        route=table.names[first],
        instead_of=table.names[second],
        nearest=_nearest(vector, classifier, routes, followups, encode),
        influences=_influences(query, vector, classifier, first, second),
        threshold=threshold,
        margin=calibration.margin,
        trust=_trust(calibration, threshold, None if table.unclear is None else float(probabilities[table.unclear])),
    )


def _trust(calibration: Calibration, threshold: float, unserved: float | None) -> str:
    """`unserved`: the probability that no route can serve the message, None where nothing stands for that."""
    asks = f"I ask back below {threshold:.0%} confidence, or when two routes are within {calibration.margin:.0%}"
    errors = (
        f"On examples kept apart, {calibration.wrong:.1%} of what I then take on goes to the wrong route, "
        f"and of what I could have served I ask back about {calibration.asked:.1%}"
    )
    if unserved is None:
        return f"{asks}. {errors}."
    return (
        f"{asks}, or when it is likelier than any route that I cannot serve the message at all (here: {unserved:.0%}). "
        f"{errors}; of nonsense and requests that nothing here can serve I still take on {calibration.admitted:.1%}."
    )


def _nearest(
    vector: Vectors, classifier: Classifier, routes: Sequence[Route], followups: Sequence[FollowUp], encode: Encode
) -> tuple[Neighbour, ...]:
    rows = {example.text: route.name for route in routes for example in route.examples}
    rows |= {row.text: row.route for row in followups if row.route in classifier.table}
    texts = list(rows)
    mine, theirs = classifier.projection(vector[None])[0] / LENGTH, classifier.projection(encode(texts)) / LENGTH
    similarities = theirs @ mine
    best = np.argsort(-similarities)[:NEAREST]
    return tuple(Neighbour(text=texts[k], route=rows[texts[k]], similarity=float(similarities[k])) for k in best)


def _influences(
    query: RouteQuery, vector: Vectors, classifier: Classifier, first: int, second: int
) -> tuple[Influence, ...]:
    """What moved the odds of the first route against the second most, in logits: positive is for the first."""
    if classifier.gate is not None and classifier.table.unclear == first:
        found = _of_gate(query, vector, classifier, classifier.gate)
    else:
        found = _of_head(query, vector, classifier, first, second)
    strongest = sorted(found, key=lambda item: -abs(item[1]))[:INFLUENCES]
    return tuple(Influence(what=what, weight=value) for what, value in strongest if abs(value) >= LEAST_WEIGHT)


def _of_gate(query: RouteQuery, vector: Vectors, classifier: Classifier, gate: Gate) -> list[tuple[str, float]]:
    """What spoke for turning the message away, or against it (negative)."""
    summands = gate.summands(classifier.judge([query], vector[None]).scores)[0]
    return [(what, -float(value)) for what, value in zip((*SCORES, BEFORE), summands, strict=True)]


def _of_head(
    query: RouteQuery, vector: Vectors, classifier: Classifier, first: int, second: int
) -> list[tuple[str, float]]:
    """The summands of the difference between two logits; words count as far as they differ from the usual ones."""
    x = features([query], classifier.projection(vector[None]), classifier.table)
    head, names = classifier.head, classifier.table.names
    apart = head.weights[:, first] - head.weights[:, second]
    kept = x.texts.shape[1]
    usual = classifier.middles.mean(axis=0) * LENGTH
    found = [
        ("its words", float((x.texts[0] - usual) @ apart[:kept])),
        (BEFORE, float(usual @ apart[:kept] + apart[-1])),
    ]
    labels = [*SURFACE, *STATE, *(f"the turn before was {name}" for name in names)]
    found += [(name, float(v)) for name, v in zip(labels, x.others[0] * apart[kept:-1], strict=True)]
    row = np.concatenate([x.texts[0], x.others[0], [1.0]])
    related: Array = x.relations[:, 0, first] - x.relations[:, 0, second]
    found += [
        (RELATION[name], float(value))
        for name, value in zip(RELATIONS, (row @ head.shared) * related, strict=True)
    ]  # fmt: skip
    return found
