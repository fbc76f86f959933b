"""How much does each opinion on a return count? Weights of log-odds, found forward in time.

Opinions were formed on the past of one day and are weighed by what happened after that day. Weights are never
negative and are held near an equal share: one day says little about which opinion will be right next.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from models.boosting import Mask
from models.log_odds import expit, logit
from models.metrics import Array

# How many rows' worth of belief holds each weight at an equal share.
_RIDGE = 30.0
_STEPS = 50


class _Rows(NamedTuple):
    """What is weighed: a column per opinion after one of ones, what happened, how much each row counts."""

    columns: Array
    event: Array
    weight: Array


def weigh(opinions: Mapping[str, Array], event: Array, weight: Array) -> dict[str, float]:
    """Weights of opinions by penalised log loss.

    Args:
        opinions: name: probability of each row.
        event: 0/1.
        weight: of each row.
    """
    columns = np.column_stack([np.ones(len(event)), *(logit(p) for p in opinions.values())])
    equal = np.r_[0.0, np.full(len(opinions), 1 / len(opinions))]
    ridge = np.r_[1e-6, np.full(len(opinions), _RIDGE)]
    free, beta = np.ones(len(equal), bool), equal.copy()
    for _ in opinions:
        beta = _newton(_Rows(columns, event, weight), np.where(free, equal, 0.0), ridge, free)
        negative = free & (beta < 0) & (np.arange(len(beta)) > 0)
        if not negative.any():
            break
        free &= ~negative
    return dict(zip(opinions, np.round(np.maximum(beta[1:], 0.0), 6).tolist(), strict=True))


def equally(names: list[str]) -> dict[str, float]:
    """The weights where nothing could be learned."""
    return {name: 1 / len(names) for name in names}


def mixed(opinions: Mapping[str, Array], weights: Mapping[str, float]) -> Array:
    """Opinions put together: a probability, still to be calibrated."""
    total = np.zeros(len(next(iter(opinions.values()))))
    for name, p in opinions.items():
        total += weights[name] * logit(p)
    return expit(total)


def _newton(rows: _Rows, start: Array, ridge: Array, free: Mask) -> Array:
    columns, event, weight = rows
    beta = start.copy()
    for _ in range(_STEPS):
        p = expit((columns * beta).sum(axis=1))
        slope = (columns * (weight * (event - p))[:, None]).sum(axis=0) - ridge * (beta - start)
        bent = columns * (weight * p * (1 - p))[:, None]
        curvature = np.array([(bent * columns[:, [k]]).sum(axis=0) for k in range(len(beta))])
        step = np.zeros(len(beta))
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)] + np.diag(ridge[free]), slope[free])
        beta += step
        if np.abs(step).max() < 1e-9:
            break
    return beta
