"""How likely is each person to buy again in the outcome window, if nobody contacts them?

The churn trees, which learned from everyone, speak for all who are not gone. For the gone (lapsed and lost)
the reactivation trees, which learned from the gone alone, are mixed in on the log-odds, by a share that was
found on customers held back. Then each standing is calibrated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from models.boosting import Mask, predict
from models.by_standing import Calibration
from models.calibration import expit, logit
from models.metrics import Array
from models.standing import STANDINGS, standing


@dataclass(frozen=True, slots=True)
class ReturnModel:
    """A fitted model of p0, for everyone.

    Attributes:
        churn: trees of everyone, UBJSON.
        reactivation: trees of the gone, UBJSON; None where too few of them came back to learn from.
        share: part of the reactivation trees in the log-odds of the gone, 0 to 1.
        calibration: from the trees' output to p0.
    """

    churn: bytes
    reactivation: bytes | None
    share: float
    calibration: Calibration

    def p0(self, matrix: pl.DataFrame, people: pl.DataFrame) -> tuple[Array, Array]:
        """P(net purchase in the outcome window), not contacted, and its standard error.

        Args:
            matrix: features in the model's shape.
            people: `stage` and `orders` of the same rows.
        """
        stands = people.select(standing()).to_series().to_numpy()
        gone = np.isin(stands, [name for name, apart in STANDINGS.items() if apart])
        p0 = self.calibration.apply(self._raw(matrix, gone), stands)
        return p0, self.calibration.standard_error(p0, stands)

    def to_json(self) -> dict[str, Any]:
        """Everything but the trees as JSON values."""
        return {"share": self.share, "calibration": self.calibration.to_json()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], churn: bytes, reactivation: bytes | None) -> Self:
        """The model that `to_json` wrote, with its trees."""
        return cls(churn, reactivation, content["share"], Calibration.from_json(content["calibration"]))

    def _raw(self, matrix: pl.DataFrame, gone: Mask) -> Array:
        raw = predict(self.churn, matrix)
        if self.reactivation is None or not gone.any():
            return raw
        own = predict(self.reactivation, matrix.filter(pl.Series(gone)))
        raw[gone] = mixed(own, raw[gone], self.share)
        return raw


def mixed(own: Array, everyone: Array, share: float) -> Array:
    """Two probabilities, mixed on the log-odds."""
    return expit(share * logit(own) + (1 - share) * logit(everyone))
