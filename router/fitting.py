"""One fit of everything the embedding router decides with, and its form on disk: arrays and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from numpy.typing import NDArray

from conlora_agent.core.types import Route
from router.builtin import SharedExamples
from router.calibration import Calibration
from router.classifier import Classifier, Encode, fit_classifier
from router.features import RouteTable
from router.head import LinearHead
from router.openings import Openings
from router.openset import Gate
from router.overlap import resembling
from router.plan_training import fit_planner, messages
from router.planning import Planner
from router.projection import Projection
from router.refitting import refit as refit_routes
from router.training import training_turns

SERVED = 0.6
"""Similarity to an example of a task or tool from which on a request counts as served, whatever `outside.jsonl` says:
a tool for lamps, once added, takes requests about lamps."""


@dataclass(frozen=True)
class Fitted:
    """Classifier of single requests and, where there were examples of several requests, planner."""

    classifier: Classifier
    planner: Planner | None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What has to be stored as arrays."""
        classifier = self.classifier
        arrays = {
            "projection": classifier.projection.matrix,
            "weights": classifier.head.weights,
            "shared": classifier.head.shared,
            "middles": classifier.middles,
        }
        if classifier.gate:
            arrays |= classifier.gate.arrays()
        if self.planner:
            arrays |= {"cut": self.planner.cut.weights, "use": self.planner.use.weights}
        return arrays

    def settings(self) -> dict[str, Any]:
        """What has to be stored as JSON."""
        gate = self.classifier.gate
        return {
            "table": asdict(self.classifier.table),
            "calibration": asdict(self.classifier.calibration),
            "gate": gate.settings() if gate else None,
            "openings": dict(self.planner.openings.scores) if self.planner else {},
        }

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]], settings: dict[str, Any]) -> Fitted:
        """The fit that `arrays` and `settings` came from. Raises KeyError or TypeError when something is missing."""
        table = RouteTable(**{name: tuple(value) for name, value in settings["table"].items()})
        head = LinearHead(arrays["weights"], arrays["shared"])
        projection, middles = Projection(arrays["projection"]), arrays["middles"]
        gate = Gate.restore(arrays, settings["gate"]) if settings["gate"] else None
        classifier = Classifier(table, projection, head, middles, Calibration(**settings["calibration"]), gate)
        return cls(classifier, _planner(arrays, settings) if "cut" in arrays else None)


def fit(routes: Sequence[Route], shared: SharedExamples, encode: Encode) -> Fitted:
    """Fit classifier and planner. The same input gives the same result."""
    crossed = fit_classifier(routes, training_turns(routes, _unserved(shared, routes, encode)), encode)
    known = messages(routes, shared.plans)
    return Fitted(crossed.final, fit_planner(known, routes, crossed.final.table, encode, crossed.judge))


def refit(
    fitted: Fitted, base: Sequence[Route], routes: Sequence[Route], shared: SharedExamples, encode: Encode
) -> Fitted:
    """The fit for `routes` that differ a little from `base`, which `fitted` is for: only what they change is new."""
    turns = training_turns(routes, _unserved(shared, routes, encode))
    same = {route.name for route in set(base).intersection(routes)}
    return Fitted(refit_routes(fitted.classifier, routes, same, turns, encode), fitted.planner)


def _unserved(shared: SharedExamples, routes: Sequence[Route], encode: Encode) -> SharedExamples:
    """`shared` without the requests that one of `routes` does serve."""
    served = [example.text for route in routes if route.kind in ("task", "tool") for example in route.examples]
    near = resembling([example.text for example in shared.outside], served, encode, SERVED)
    kept = tuple(example for example, is_near in zip(shared.outside, near, strict=True) if not is_near)
    return replace(shared, outside=kept)


def _planner(arrays: dict[str, NDArray[Any]], settings: dict[str, Any]) -> Planner:
    return Planner(_two_columns(arrays["cut"]), _two_columns(arrays["use"]), Openings(settings["openings"]))


def _two_columns(weights: NDArray[Any]) -> LinearHead:
    return LinearHead(weights, weights[:, :0])
