"""How large is the effect really where a model says so, and how sure is that expectation?

A line is laid through the doubly robust scores of people that the model never saw, over what it said of them:
its level is the mean effect, its slope what a difference in what is said is worth. Where groups of people lie
off the line by more than chance, their spread (DerSimonian and Laird 1986, the moment estimate) is doubt too.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from models.metrics import Array, ArrayLike

# A slope of 1 is a model that means what it says: this belief counts as one look with this error.
_SLOPE_ERROR = 1.0
_MOST_BINS, _ROWS_PER_BIN = 10, 500


@dataclass(frozen=True, slots=True)
class Trust:
    """The line, and its doubt.

    Attributes:
        center: what the model said, on the mean.
        level: mean effect.
        slope: effect per unit of what it said.
        level_error: standard error of the level.
        slope_error: standard error of the slope.
        between: standard deviation of groups around the line, beyond chance.
        lowest: the least that was said of anyone; beyond, the line is not followed.
        highest: the most.
    """

    center: float
    level: float
    slope: float
    level_error: float
    slope_error: float
    between: float
    lowest: float
    highest: float

    def apply(self, said: Array) -> tuple[Array, Array]:
        """Expected effect, and the standard error of that expectation."""
        away = np.clip(said, self.lowest, self.highest) - self.center
        variance = self.level_error**2 + (self.slope_error * away) ** 2 + self.between**2
        return np.asarray(self.level + self.slope * away, float), np.asarray(np.sqrt(variance), float)

    def to_json(self) -> dict[str, float]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(**content)


def fit_trust(said: Array, score: Array, weight: Array, cluster: ArrayLike) -> Trust:
    """Lay the line.

    Args:
        said: effect of each person, by a model that never saw them.
        score: their doubly robust scores.
        weight: how much each counts.
        cluster: customer of each row; rows of one customer err together.
    """
    center = float((weight * said).sum() / weight.sum())
    away = said - center
    spread = float((weight * away * away).sum())
    level = float((weight * score).sum() / weight.sum())
    own = float((weight * away * score).sum() / spread) if spread > 0 else 0.0
    residual = score - level - own * away
    level_error = _clustered(weight * residual, cluster) / float(weight.sum())
    own_error = _clustered(weight * residual * away, cluster) / spread if spread > 0 else np.inf
    slope, slope_error = _with_belief(own, own_error)
    between = _between(score - level - slope * away, said, weight)
    edges = (float(said.min()), float(said.max()))
    return Trust(center, level, slope, level_error, slope_error, between, *edges)


def _clustered(parts: Array, cluster: ArrayLike) -> float:
    _, place = np.unique(cluster, return_inverse=True)
    return float(np.sqrt((np.bincount(place, parts) ** 2).sum()))


def _with_belief(slope: float, error: float) -> tuple[float, float]:
    precision = 1 / error**2 + 1 / _SLOPE_ERROR**2 if error > 0 else np.inf
    if not np.isfinite(precision):
        return slope, 0.0
    mean = (slope / error**2 + 1 / _SLOPE_ERROR**2) / precision
    return max(float(mean), 0.0), float(precision**-0.5)


def _between(residual: Array, said: Array, weight: Array) -> float:
    bins = min(_MOST_BINS, len(said) // _ROWS_PER_BIN)
    edges = np.unique(np.quantile(said, np.linspace(0, 1, bins + 1)[1:-1])) if bins > 2 else np.empty(0)
    place = np.searchsorted(edges, said, side="right")
    total = np.bincount(place, weight)
    if len(total) < 3 or (total <= 0).any():
        return 0.0
    mean = np.bincount(place, weight * residual) / total
    variance = np.bincount(place, (weight * (residual - mean[place])) ** 2) / total**2
    precision = 1 / variance
    excess = float((precision * mean**2).sum()) - (len(total) - 2)
    scale = float(precision.sum() - (precision**2).sum() / precision.sum())
    return float(np.sqrt(max(excess, 0.0) / scale))
