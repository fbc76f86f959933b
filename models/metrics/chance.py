"""Do the probabilities say what happens?"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from models.metrics.arrays import NAN, Array, ArrayLike, weights

_BINS = 15
_TINY = 1e-15
_REDRAWS = 100


def brier(event: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean squared difference between probability and event."""
    return _mean((np.asarray(p, float) - event) ** 2, weights(event, weight))


def log_loss(event: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean negative log-likelihood, nats."""
    return _mean(surprise(event, p), weights(event, weight))


def surprise(event: ArrayLike, p: ArrayLike) -> Array:
    """Negative log-likelihood of each row, nats."""
    inside = np.clip(np.asarray(p, float), _TINY, 1 - _TINY)
    return np.asarray(-np.where(np.asarray(event, bool), np.log(inside), np.log1p(-inside)), float)


@dataclass(frozen=True, slots=True)
class Bins:
    """Rows in bins of equal mass by prediction, the lowest first; equal predictions stay together.

    Attributes:
        number: the bin of each row.
        count: how many bins there may be; some can be empty.
    """

    number: npt.NDArray[np.int64]
    count: int

    @classmethod
    def of(cls, p: ArrayLike, weight: ArrayLike | None = None, count: int = _BINS) -> Self:
        """Cut the predictions where the mass is equal."""
        w = weights(p, weight)
        levels, place = np.unique(np.asarray(p, float), return_inverse=True)
        mass = np.bincount(place, w, len(levels))
        middle = (np.cumsum(mass) - mass / 2) / max(mass.sum(), _TINY)
        return cls(np.minimum((middle * count).astype(np.int64), count - 1)[place], count)

    def sums(self, amount: Array) -> Array:
        """The amount of each bin."""
        return np.bincount(self.number, amount, self.count).astype(float)


def ece(
    event: ArrayLike,
    p: ArrayLike,
    weight: ArrayLike | None = None,
    bins: int = _BINS,
    *,
    cut: Bins | None = None,
) -> float:
    """Expected calibration error: mean absolute gap between predicted and observed over equal-mass bins.

    Args:
        event: what happened.
        p: its predicted probability.
        weight: of each row.
        bins: how many.
        cut: the bins, where they are known already.
    """
    w = weights(event, weight)
    cut = cut or Bins.of(p, w, bins)
    return _gap(cut, w * (np.asarray(p, float) - event), w)


def ece_noise(
    p: ArrayLike, weight: ArrayLike | None = None, bins: int = _BINS, *, draws: int = _REDRAWS, seed: int = 0
) -> float:
    """The mean calibration error of these probabilities if they were perfect: outcomes are redrawn from them.

    An ECE is never 0 on finitely many rows; what lies above this mean is the fault of the probabilities.
    """
    p, w = np.asarray(p, float), weights(p, weight)
    order = np.lexsort((w, p))  # the draws belong to the sorted rows, so the order given does not matter
    p, w = p[order], w[order]
    cut, rng = Bins.of(p, w, bins), np.random.default_rng(seed)
    found = [_gap(cut, w * (p - (rng.random(len(p)) < p)), w) for _ in range(draws)]
    return float(np.mean(found))


def binned(
    p: ArrayLike, observed: ArrayLike, weight: ArrayLike | None = None, bins: int = _BINS
) -> dict[str, Array]:
    """Means of prediction and outcome in bins of equal mass, lowest prediction first.

    Rows with the same prediction stay in one bin, so there can be fewer bins than asked for.

    Returns:
        Arrays `predicted`, `observed`, `variance` (of the outcome inside the bin), `mass` (sum of weights),
        `rows`.
    """
    p, y, w = np.asarray(p, float), np.asarray(observed, float), weights(p, weight)
    cut = Bins.of(p, w, bins)
    mass = cut.sums(w)
    kept = mass > 0
    mass = mass[kept]
    first, second, third = (cut.sums(w * part)[kept] / mass for part in (p, y, y * y))
    return {
        "predicted": first,
        "observed": second,
        "variance": np.maximum(third - second**2, 0),
        "mass": mass,
        "rows": cut.sums(np.ones(len(p)))[kept],
    }


def _gap(cut: Bins, excess: Array, w: Array) -> float:
    mass = float(w.sum())
    return float(np.abs(cut.sums(excess)).sum() / mass) if mass else NAN


def _mean(values: ArrayLike, w: Array) -> float:
    mass = float(w.sum())
    return float((w * values).sum() / mass) if mass else NAN
