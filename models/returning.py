"""How likely is each person to buy again in the outcome window, if nobody contacts them?

Several opinions are mixed on the log-odds and then calibrated: boosted trees, a smooth line through the
core features, and the latent attrition model among the features. For the gone (lapsed and lost) trees of
their own, which learned from the gone alone, are heard too, with weights of their own: that mix is the
*reactivation* model. The churn model speaks for the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import polars as pl

from models.boosting import predict
from models.by_standing import Calibration
from models.metrics import Array
from models.smooth import SmoothModel
from models.stack import mixed
from models.standing import is_gone, standing

# The opinions. Trees of everyone, trees of the gone, the smooth line, the latent attrition model.
CHURN, REACTIVATION, SMOOTH, ATTRITION = "churn", "reactivation", "smooth", "attrition"


@dataclass(frozen=True, slots=True)
class ReturnModel:
    """A fitted model of p0, for everyone.

    Attributes:
        churn: trees of everyone, UBJSON.
        reactivation: trees of the gone, UBJSON; None where too few of them came back to learn from.
        smooth: the line through the core features.
        attrition: the feature that holds the latent attrition model's P(no purchase); None without one.
        weights: opinion: its weight, for those who are not gone.
        weights_of_gone: the same for the gone.
        calibration: from the mix to p0.
    """

    churn: bytes
    reactivation: bytes | None
    smooth: SmoothModel
    attrition: str | None
    weights: Mapping[str, float]
    weights_of_gone: Mapping[str, float]
    calibration: Calibration

    def p0(self, matrix: pl.DataFrame, people: pl.DataFrame) -> tuple[Array, Array]:
        """P(net purchase in the outcome window), not contacted, and its standard error.

        Args:
            matrix: features in the model's shape.
            people: `stage` and `orders` of the same rows.
        """
        stands = people.select(standing()).to_series().to_numpy()
        p0 = self.calibration.apply(self._mix(matrix, people), stands)
        return p0, self.calibration.standard_error(p0, stands)

    def to_json(self) -> dict[str, Any]:
        """Everything but the trees as JSON values."""
        return {
            "smooth": self.smooth.to_json(),
            "attrition": self.attrition,
            "weights": dict(self.weights),
            "weights_of_gone": dict(self.weights_of_gone),
            "calibration": self.calibration.to_json(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], churn: bytes, reactivation: bytes | None) -> Self:
        """The model that `to_json` wrote, with its trees."""
        return cls(
            churn,
            reactivation,
            SmoothModel.from_json(content["smooth"]),
            content["attrition"],
            content["weights"],
            content["weights_of_gone"],
            Calibration.from_json(content["calibration"]),
        )

    def _mix(self, matrix: pl.DataFrame, people: pl.DataFrame) -> Array:
        opinions = {CHURN: predict(self.churn, matrix), SMOOTH: self.smooth.predict(matrix)}
        if self.attrition is not None:
            opinions[ATTRITION] = attrition_opinion(matrix, self.attrition)
        raw = mixed(opinions, self.weights)
        gone = people.select(is_gone()).to_series()
        rows = gone.to_numpy()
        if rows.any():
            of_gone = {name: p[rows] for name, p in opinions.items()}
            if self.reactivation is not None:
                of_gone[REACTIVATION] = predict(self.reactivation, matrix.filter(gone))
            raw[rows] = mixed(of_gone, self.weights_of_gone)
        return raw


def attrition_opinion(matrix: pl.DataFrame, name: str) -> Array:
    """P(a purchase) by the latent attrition model; even odds where it does not know."""
    return 1 - matrix[name].cast(pl.Float64).fill_null(0.5).to_numpy()
