"""When will those who return in the outcome window come, in days after `as_of`?

Trees of the days to the first net purchase, learned from those who returned; the means of the stages where
too few did. It is a mean: half of them come earlier.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from features.asof import AsOf
from features.labels import DAYS_TO_RETURN
from models.boosting import Recipe, Sample, grow, predict
from models.margin import MarginRows, brisk, stage_means
from models.matrix import FeatureContract, to_matrix
from models.metrics import Array
from models.options import XgbOptions

_LEAST_ROWS = 300
_ROUNDS = 40
_MOST_ROWS = 50_000
_ANYONE = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """Expected days to a return.

    Attributes:
        raw: trees of the days, UBJSON; None: means of the stages.
        first: the first day of the outcome window, in days after `as_of`.
        last: its last day.
        stages: stage: mean days; the entry with no name is for all others.
    """

    raw: bytes | None
    first: int
    last: int
    stages: Mapping[str, float]

    def predict(self, matrix: pl.DataFrame, stage: pl.Series) -> Array:
        """Expected days from `as_of` to the purchase of those who return."""
        if self.raw is None:
            usual = [self.stages.get(name, self.stages[_ANYONE]) for name in stage.cast(pl.String)]
            return np.asarray(np.clip(usual, self.first, self.last), float)
        return np.asarray(np.clip(predict(self.raw, matrix), self.first, self.last), float)

    def to_json(self) -> dict[str, Any]:
        """Everything but the trees as JSON values."""
        return {"first": self.first, "last": self.last, "stages": dict(self.stages)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], raw: bytes | None) -> Self:
        """What `to_json` wrote, with its trees."""
        return cls(raw, content["first"], content["last"], content["stages"])


def fit_timing(
    rows: pl.DataFrame, contract: FeatureContract, as_of: AsOf, xgb: XgbOptions, seed: int
) -> Timing:
    """Learn when people return.

    Args:
        rows: learnable rows, in their order.
        contract: the features.
        as_of: the windows.
        xgb: parameters of the trees.
        seed: of the draws.
    """
    first, last = as_of.gap_days + 1, as_of.gap_days + as_of.horizon_days
    returned = rows.filter(pl.col(DAYS_TO_RETURN).is_not_null())
    data = MarginRows(returned, returned[DAYS_TO_RETURN].cast(pl.Float64).to_numpy()).thinned(_MOST_ROWS)
    if len(data.rows) < _LEAST_ROWS:
        usual = stage_means(data).stages
        return Timing(None, first, last, {stage: float(mean) for stage, (mean, _) in usual.items()})
    weight = data.rows["weight"].cast(pl.Float64).to_numpy()
    sample = Sample(to_matrix(data.rows, contract), data.margin, weight, np.zeros(len(weight), np.int32))
    recipe = Recipe("reg:squarederror", brisk(xgb), seed)
    return Timing(grow(sample, recipe, min(_ROUNDS, xgb.rounds)), first, last, {})
