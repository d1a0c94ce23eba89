"""One fit of everything the embedding router decides with, and its form on disk: arrays and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from numpy.typing import NDArray

from conlora_agent.core.types import Route
from router.builtin import FollowUp, PlanExample
from router.calibration import Calibration
from router.classifier import Classifier, Encode, fit_classifier
from router.classifier import refit as refit_head
from router.features import RouteTable
from router.head import LinearHead
from router.plan_training import fit_planner, messages
from router.planning import Planner
from router.projection import Projection
from router.training import training_turns


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
        if self.planner:
            arrays |= {"cut": self.planner.cut.weights, "use": self.planner.use.weights}
        return arrays

    def settings(self) -> dict[str, Any]:
        """What has to be stored as JSON."""
        return {"table": asdict(self.classifier.table), "calibration": asdict(self.classifier.calibration)}

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]], settings: dict[str, Any]) -> Fitted:
        """The fit that `arrays` and `settings` came from. Raises KeyError or TypeError when something is missing."""
        table = RouteTable(**{name: tuple(value) for name, value in settings["table"].items()})
        head = LinearHead(arrays["weights"], arrays["shared"])
        projection, middles = Projection(arrays["projection"]), arrays["middles"]
        classifier = Classifier(table, projection, head, middles, Calibration(**settings["calibration"]))
        planner = Planner(_two_columns(arrays["cut"]), _two_columns(arrays["use"])) if "cut" in arrays else None
        return cls(classifier, planner)


def fit(routes: Sequence[Route], followups: Sequence[FollowUp], plans: Sequence[PlanExample], encode: Encode) -> Fitted:
    """Fit classifier and planner. The same input gives the same result."""
    known = messages(routes, plans)
    crossed = fit_classifier(routes, training_turns(routes, followups, plans), encode)
    return Fitted(crossed.final, fit_planner(known, routes, crossed.final.table, encode, crossed.judge))


def refit(
    known: Fitted, routes: Sequence[Route], followups: Sequence[FollowUp], plans: Sequence[PlanExample], encode: Encode
) -> Fitted:
    """The fit for a set of routes that differs a little from that of `known`: only the classifier's head is new."""
    turns = training_turns(routes, followups, plans)
    return Fitted(refit_head(known.classifier, routes, turns, encode), known.planner)


def _two_columns(weights: NDArray[Any]) -> LinearHead:
    return LinearHead(weights, weights[:, :0])
