"""Between which bounds will what one person brings probably lie?

Not how sure we are of a mean, but how far one person's outcome strays from it. Among people of about the
same expectation the margins of the past, each divided by its out-of-fold expectation, have a low and a high
quantile; the level is raised a little, by as much as few customers ask for (split conformal prediction, Lei
and others 2018, "Distribution-free predictive inference for regression"). Where most bring nothing, the low
bound is 0 and the interval holds more than it promises.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from models.metrics import Array, ArrayLike

LEVEL = 0.8
_MOST_BINS, _PEOPLE_PER_BIN = 20, 100


@dataclass(frozen=True, slots=True)
class MarginInterval:
    """Quantiles of one person's margin, as multiples of what is expected of them.

    Attributes:
        floor: expectations below it count as it, minor units; above 0.
        knots: expectations, rising, minor units.
        low: multiple of the expectation below which margins seldom fall, at each knot.
        high: multiple above which they seldom rise.
    """

    floor: float
    knots: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def bounds(self, expected: Array) -> tuple[Array, Array]:
        """Low and high bound of each person's margin, minor units."""
        scale = np.maximum(expected, self.floor)
        place = np.log(scale / self.floor)
        knots = np.log(np.array(self.knots) / self.floor)
        return scale * np.interp(place, knots, self.low), scale * np.interp(place, knots, self.high)

    def to_json(self) -> dict[str, Any]:
        """The quantiles as JSON values."""
        return {"floor": self.floor, **{name: list(getattr(self, name)) for name in ("knots", "low", "high")}}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(content["floor"], *(tuple(content[name]) for name in ("knots", "low", "high")))


def fit_interval(expected: Array, margin: Array, weight: Array, people: ArrayLike) -> MarginInterval:
    """Learn the quantiles.

    Args:
        expected: out-of-fold expectation of each row, minor units.
        margin: what each brought.
        weight: of each row.
        people: the customer of each row.
    """
    customers = len(np.unique(people))
    floor = max(float(np.average(np.abs(margin), weights=weight)) / 100, 1e-2)
    scale = np.maximum(expected, floor)
    count = int(np.clip(customers / _PEOPLE_PER_BIN, 1, _MOST_BINS))
    _, level = np.unique(scale, return_inverse=True)
    mass = np.bincount(level, weight)
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    place = np.minimum((middle * count).astype(np.int64), count - 1)[level]
    found = []
    for number in range(count):
        rows = np.flatnonzero(place == number)
        if len(rows):
            found.append((_middle(scale[rows], weight[rows]), *_tails(rows, margin / scale, weight, people)))
    knots, low, high = (tuple(float(one) for one in part) for part in zip(*found, strict=True))
    return MarginInterval(floor, knots, low, high)


def coverage(judged: pl.DataFrame, split: str) -> dict[str, float]:
    """`<split>.margin_interval_coverage`: how many margins lay between their bounds; touching is inside.

    Args:
        judged: `margin_low`, `margin_high`, `window_margin` and `weight`; without bounds nothing is told.
        split: first part of the name.
    """
    if "margin_low" not in judged.columns or judged.is_empty():
        return {}
    margin, low, high = (judged[name].to_numpy() for name in ("window_margin", "margin_low", "margin_high"))
    inside = (margin >= low) & (margin <= high)
    return {
        f"{split}.margin_interval_coverage": float(np.average(inside, weights=judged["weight"].to_numpy()))
    }


def _tails(rows: ArrayLike, ratio: Array, weight: Array, people: ArrayLike) -> tuple[float, float]:
    """The quantiles between which the level lies, one customer to spare.

    Half of what is left out lies below; less where many bring just the low bound, and then more lies above.
    """
    customers = len(np.unique(people[rows]))
    out = (1 - LEVEL) / 2
    spared = max(out - (1 - out) / customers, 0.0)
    order = rows[np.lexsort((rows, ratio[rows]))]
    mass = np.cumsum(weight[order]) / weight[order].sum()
    values, last = ratio[order], len(order) - 1
    low = values[min(int(np.searchsorted(mass, spared)), last)]
    first = int(np.searchsorted(values, low))
    below = float(mass[first - 1]) if first else 0.0
    high = values[min(int(np.searchsorted(mass, below + 1 - 2 * spared)), last)]
    return float(low), float(high)


def _middle(values: Array, weight: Array) -> float:
    return float(np.average(values, weights=weight))
