"""How far could chance have moved a measure? Whole customers are drawn again, all their rows with them."""

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import numpy as np

from models.metrics.arrays import NAN, Array, ArrayLike, Metric, weights

# Several measures of the same rows at once, given how much each row counts.
Measures = Callable[[Array], Mapping[str, float]]
# What tells measures apart.
K = TypeVar("K", bound=Hashable)
_LEVEL = 0.95


def bootstrap(
    measures: Mapping[str, Metric],
    cluster: ArrayLike,
    *,
    draws: int = 200,
    level: float = _LEVEL,
    seed: int = 0,
    weight: ArrayLike | None = None,
) -> dict[str, tuple[float, float]]:
    """Intervals of measures when whole customers are drawn again with replacement.

    Args:
        measures: name: function from row weights to the measure.
        cluster: which customer each row is of.
        draws: number of redraws.
        level: coverage of the interval.
        seed: of the redraws; the same redraws serve all measures, so differences are paired.
        weight: weights of the rows themselves.

    Returns:
        name: (low, high); NaN bounds where the measure is undefined in every redraw.
    """

    def together(w: Array) -> dict[str, float]:
        return {name: measure(w) for name, measure in measures.items()}

    found = redraw(together, cluster, draws=draws, seed=seed, weight=weight)
    return {name: interval(values, level) for name, values in found.items()}


def redraw(
    measures: Callable[[Array], Mapping[K, float]],
    cluster: ArrayLike,
    *,
    draws: int,
    seed: int,
    weight: ArrayLike | None = None,
) -> dict[K, Array]:
    """The measures under each redraw of the customers; the same seed redraws the same customers."""
    names, place = np.unique(cluster, return_inverse=True)
    rng, rows = np.random.default_rng(seed), weights(cluster, weight)
    found = []
    for _ in range(draws):
        times = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        found.append(measures(rows * times[place]))
    return {name: np.array([one[name] for one in found]) for name in (found[0] if found else ())}


def interval(values: Array, level: float = _LEVEL) -> tuple[float, float]:
    """The middle share of the values that are defined; NaN bounds without any."""
    defined = values[np.isfinite(values)]
    if not len(defined):
        return NAN, NAN
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
