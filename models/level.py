"""How high does a whole day lie, and what is to be expected of the days to come?

How many come back differs from day to day with season and trend, for everybody alike. A day's *shift* is what
must be added to the log-odds of its scores for their mean to come true. The level to expect lies half way
between the mean shift of the last year and that of the newest days: the newest alone carry their season on,
the year alone misses a trend (development figures: README, decisions).
"""

import numpy as np
import numpy.typing as npt

from models.log_odds import expit, logit
from models.metrics import Array

_YEAR, _NEWEST, _BETWEEN = 12, 3, 0.5
_STEPS = 30


def shifts(raw: Array, event: Array, weight: Array, day: npt.NDArray[np.int64]) -> Array:
    """The shift of each day, log-odds.

    Args:
        raw: scores, probabilities.
        event: 0/1.
        weight: of each row.
        day: number of each row's day, 0 is the oldest.
    """
    parts = [day == number for number in range(int(day.max()) + 1)]
    return np.array([shift(raw[rows], event[rows], weight[rows]) for rows in parts])


def shift(raw: Array, event: Array, weight: Array, belief: float = 1.0) -> float:
    """What must be added to the log-odds for the mean to come true, with so many rows' belief in 0."""
    z, found = logit(raw), 0.0
    for _ in range(_STEPS):
        p = expit(z + found)
        # A quarter is the most that one row can weigh in the curvature.
        curvature = float((weight * p * (1 - p)).sum()) + belief / 4
        step = (float((weight * (event - p)).sum()) - belief / 4 * found) / curvature
        found += step
        if abs(step) < 1e-10:
            break
    return found


def expected(of_days: Array) -> float:
    """The shift to expect next, from those of the days so far, oldest first."""
    return float((1 - _BETWEEN) * of_days[-_YEAR:].mean() + _BETWEEN * of_days[-_NEWEST:].mean())
