"""How good a ranking or a probability is, in one number each.

Plain NumPy on equally long arrays. `event` is 0/1 or Boolean, `score` and `p` are higher where the event is
likelier, `weight` counts a row more or less often (1 everywhere by default). Ties are never broken by row
order: tied rows share what they hold, so a shuffled input gives the same number.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
ArrayLike = npt.NDArray[Any]
Metric = Callable[[Array], float]

_BINS = 15
_TINY = 1e-15


def auroc(event: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """P(a random event scores above a random non-event), ties half. NaN when one kind is missing."""
    positive, negative = _by_score(score, *_masses(event, weight))
    below = np.cumsum(negative) - negative
    pairs = positive.sum() * negative.sum()
    return float((positive * (below + negative / 2)).sum() / pairs) if pairs else float("nan")


def average_precision(event: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Precision averaged over the recall gained at each distinct score, best first. NaN without events."""
    positive, negative = (part[::-1] for part in _by_score(score, *_masses(event, weight)))
    found = np.cumsum(positive)
    if not len(found) or found[-1] == 0:
        return float("nan")
    seen = found + np.cumsum(negative)
    precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
    return float((positive * precision).sum() / found[-1])


def mean_at(amount: ArrayLike, score: ArrayLike, share: float, weight: ArrayLike | None = None) -> float:
    """Mean amount among the top share of the ranking; a group of ties at the cut counts with its mean."""
    w = _weights(amount, weight)
    total, mass = (part[::-1] for part in _by_score(score, w * np.asarray(amount, float), w))
    room = share * mass.sum()
    taken = np.clip(room - (np.cumsum(mass) - mass), 0, mass)
    held = np.divide(total * taken, mass, out=np.zeros_like(total), where=mass > 0)
    return float(held.sum() / room) if room else float("nan")


def lift_at(event: ArrayLike, score: ArrayLike, share: float, weight: ArrayLike | None = None) -> float:
    """Rate of events among the top share of the ranking against the rate among all."""
    rate = mean_at(event, event, 1.0, weight)
    return mean_at(event, score, share, weight) / rate if rate else float("nan")


def value_at(amount: ArrayLike, score: ArrayLike, share: float, weight: ArrayLike | None = None) -> float:
    """Share of the whole amount held by the top share of the ranking. NaN when there is nothing to hold."""
    total = mean_at(amount, amount, 1.0, weight)
    return share * mean_at(amount, score, share, weight) / total if total > 0 else float("nan")


def brier(event: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean squared difference between probability and event."""
    return float(np.average((np.asarray(p, float) - event) ** 2, weights=_weights(event, weight)))


def log_loss(event: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean negative log-likelihood, nats."""
    inside = np.clip(np.asarray(p, float), _TINY, 1 - _TINY)
    loss = -np.where(np.asarray(event, bool), np.log(inside), np.log1p(-inside))
    return float(np.average(loss, weights=_weights(event, weight)))


def ece(event: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None, bins: int = _BINS) -> float:
    """Expected calibration error: mean absolute gap between predicted and observed over equal-mass bins."""
    table = binned(p, event, weight, bins)
    gaps = np.abs(table["predicted"] - table["observed"])
    return float(np.average(gaps, weights=table["mass"])) if len(gaps) else float("nan")


def binned(
    p: ArrayLike, observed: ArrayLike, weight: ArrayLike | None = None, bins: int = _BINS
) -> dict[str, Array]:
    """Means of prediction and outcome in bins of equal mass, lowest prediction first.

    Rows with the same prediction stay in one bin, so there can be fewer bins than asked for.

    Returns:
        Arrays `predicted`, `observed`, `variance` (of the outcome inside the bin), `mass` (sum of weights),
        `rows`.
    """
    p, y, w = np.asarray(p, float), np.asarray(observed, float), _weights(p, weight)
    levels, place = np.unique(p, return_inverse=True)
    mass = np.bincount(place, w, len(levels))
    middle = (np.cumsum(mass) - mass / 2) / max(mass.sum(), _TINY)
    number = np.minimum((middle * bins).astype(np.int64), bins - 1)[place]
    weights = np.bincount(number, w, bins)
    kept = weights > 0
    weights = weights[kept]
    first, second, third = (np.bincount(number, w * part, bins)[kept] / weights for part in (p, y, y * y))
    return {
        "predicted": first,
        "observed": second,
        "variance": np.maximum(third - second**2, 0),
        "mass": weights,
        "rows": np.bincount(number, minlength=bins)[kept].astype(float),
    }


def deciles(p: ArrayLike, event: ArrayLike, amount: ArrayLike, score: ArrayLike) -> pl.DataFrame:
    """One row per tenth of the ranking by `score`, best first.

    Args:
        p: probability of the event.
        event: whether it happened.
        amount: what each row brought.
        score: what ranks; equal scores keep the order of the rows.

    Returns:
        decile, rows, predicted (mean), observed (mean), amount (sum), amount_share_so_far.
    """
    order = np.lexsort((np.arange(len(score)), -np.asarray(score, float)))
    tenth = np.arange(len(order)) * 10 // max(len(order), 1)
    rows = np.bincount(tenth, minlength=10)
    sums = [np.bincount(tenth, np.asarray(part, float)[order], 10) for part in (p, event, amount)]
    count, total = np.maximum(rows, 1), sums[2].sum()
    return pl.DataFrame(
        {
            "decile": np.arange(1, 11),
            "rows": rows,
            "predicted": sums[0] / count,
            "observed": sums[1] / count,
            "amount": sums[2],
            "amount_share_so_far": np.cumsum(sums[2]) / total if total else np.full(10, np.nan),
        }
    )


def bootstrap(
    measures: Mapping[str, Metric],
    cluster: ArrayLike,
    *,
    draws: int = 200,
    level: float = 0.95,
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
    names, place = np.unique(cluster, return_inverse=True)
    rng = np.random.default_rng(seed)
    rows = _weights(cluster, weight)
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(draws):
        times = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))[place]
        for name, measure in measures.items():
            found[name].append(measure(rows * times))
    return {name: _interval(np.array(values), level) for name, values in found.items()}


def _interval(values: Array, level: float) -> tuple[float, float]:
    defined = values[np.isfinite(values)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _weights(like: ArrayLike, weight: ArrayLike | None) -> Array:
    return np.ones(len(like)) if weight is None else np.asarray(weight, float)


def _masses(event: ArrayLike, weight: ArrayLike | None) -> tuple[Array, Array]:
    w, happened = _weights(event, weight), np.asarray(event, bool)
    return w * happened, w * ~happened


def _by_score(score: ArrayLike, *parts: Array) -> tuple[Array, ...]:
    """Sum each part over rows of equal score, lowest score first."""
    levels, place = np.unique(np.asarray(score, float), return_inverse=True)
    return tuple(np.bincount(place, part, len(levels)).astype(float) for part in parts)
