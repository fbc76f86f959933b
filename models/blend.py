"""How much do a model and simple rules each say about what people will bring?

On data of wholesalers the spend of the last year ranks the lapsed as well as trees do. So several experts,
each with an expectation of its own, are multiplied into one: log E = a + sum of b_i * log(expert_i +
floor_i), no b_i below 0, fitted on out-of-fold predictions. The fit maximises the Poisson quasi-likelihood,
which finds the mean whatever the law of the margins is (Gourieroux, Monfort and Trognon 1984, "Pseudo
maximum likelihood methods: applications to Poisson models"), and is held at equal shares: what was best on
the past days is rarely best on the next ones, and equal shares are hard to beat (Clemen 1989, "Combining
forecasts"). The lapsed and the others are fitted apart where there are enough of both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from models.boosting import Mask
from models.metrics import Array, ArrayLike
from models.standing import GONE

_ALL, _GONE, _HERE = "all", "gone", "here"
# People of one kind who brought anything; below, both kinds are fitted together.
_LEAST_PEOPLE = 200
# What equal shares weigh against the data, as if so many people had spoken for them.
_PRIOR_PEOPLE = 1000.0
_STEPS = 100
_FARTHEST = 30.0


@dataclass(frozen=True, slots=True)
class Blend:
    """A product of experts.

    Attributes:
        floors: what is added to each expert before its logarithm is taken.
        unit: minor units that count as 1 in the logarithms.
        weights: kind of people: intercept, then the exponent of each expert.
    """

    floors: tuple[float, ...]
    unit: float
    weights: Mapping[str, tuple[float, ...]]

    def apply(self, experts: Array, stage: pl.Series) -> Array:
        """Expected margin, minor units, above 0.

        Args:
            experts: one column per expert, minor units.
            stage: of each row.
        """
        logs, gone = _logs(experts, self.floors, self.unit), gone_rows(stage)
        found = np.zeros(len(logs))
        for kind, rows in ((_GONE, gone), (_HERE, ~gone)):
            beta = np.array(self.weights.get(kind, self.weights[_ALL]))
            found[rows] = self.unit * _mean(logs[rows], beta)
        return found

    def to_json(self) -> dict[str, Any]:
        """The blend as JSON values."""
        weights = {kind: list(numbers) for kind, numbers in self.weights.items()}
        return {"floors": list(self.floors), "unit": self.unit, "weights": weights}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The blend that `to_json` wrote."""
        weights = {kind: tuple(numbers) for kind, numbers in content["weights"].items()}
        return cls(tuple(content["floors"]), content["unit"], weights)


def gone_rows(stage: pl.Series) -> Mask:
    """Who is lapsed or lost."""
    return np.asarray(stage.cast(pl.String).is_in(GONE).to_numpy(), bool)


def fit_blend(  # noqa: PLR0917 - columns that belong together
    experts: Array,
    floors: tuple[float, ...],
    margin: Array,
    weight: Array,
    people: ArrayLike,
    stage: pl.Series,
) -> Blend:
    """Fit how much each expert says.

    Args:
        experts: out-of-fold expectations, one column per expert, minor units.
        floors: what is added to each before its logarithm is taken, minor units.
        margin: what each row brought, winsorised; what is below 0 counts as 0.
        weight: of each row.
        people: the customer of each row.
        stage: of each row.
    """
    brought = np.maximum(margin, 0.0)
    unit = float(np.median(brought[brought > 0])) if (brought > 0).any() else 1.0
    logs, gone, y = _logs(experts, floors, unit), gone_rows(stage), brought / unit
    kinds = {_ALL: np.ones(len(y), bool), _GONE: gone, _HERE: ~gone}
    counts = {kind: len(np.unique(people[rows & (y > 0)])) for kind, rows in kinds.items()}
    apart = min(counts[_GONE], counts[_HERE]) >= _LEAST_PEOPLE
    fitted = {
        kind: _fitted(logs[rows], y[rows], weight[rows], max(counts[kind], 1))
        for kind, rows in kinds.items()
        if kind == _ALL or apart
    }
    return Blend(floors, unit, fitted)


def _logs(experts: Array, floors: tuple[float, ...], unit: float) -> Array:
    return np.asarray(np.log((np.maximum(experts, 0.0) + np.array(floors)) / unit), float)


def _mean(logs: Array, beta: Array) -> Array:
    return np.asarray(np.exp(np.clip(beta[0] + (logs * beta[1:]).sum(axis=1), -_FARTHEST, _FARTHEST)), float)


def _fitted(logs: Array, y: Array, weight: Array, people: int) -> tuple[float, ...]:
    """Newton steps over the exponents that are above 0 or want to be, halved until they gain."""
    x = np.column_stack([np.ones(len(y)), logs])
    prior = np.r_[0.0, np.full(logs.shape[1], 1 / logs.shape[1])]
    ridge = np.full(len(prior), _PRIOR_PEOPLE / people)
    ridge[0] = 0.0
    beta, share = prior.copy(), weight / weight.sum()
    beta[0] = np.log(max((share * y).sum(), 1e-9) / max((share * _mean(logs, beta)).sum(), 1e-9))

    def loss(at: Array) -> float:
        mean = _mean(logs, at)
        return float((share * (mean - y * np.log(mean))).sum() + (ridge * (at - prior) ** 2).sum() / 2)

    best = loss(beta)
    for _ in range(_STEPS):
        mean = _mean(logs, beta)
        slope = (x * (share * (y - mean))[:, None]).sum(axis=0) - ridge * (beta - prior)
        curvature = np.einsum("n,ni,nj->ij", share * mean, x, x) + np.diag(ridge + 1e-9)
        taken, found = _descended(loss, beta, _step(beta, slope, curvature), best)
        if best - found < 1e-10:
            break
        beta, best = taken, found
    return tuple(float(number) for number in beta)


def _step(beta: Array, slope: Array, curvature: Array) -> Array:
    """The Newton step among the exponents that do not want below 0."""
    free = (beta > 0) | (slope > 0)
    free[0] = True
    while True:
        step = np.zeros(len(beta))
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], slope[free])
        stuck = free & (beta == 0) & (step < 0)
        stuck[0] = False
        if not stuck.any():
            return step
        free &= ~stuck


def _descended(loss: Callable[[Array], float], beta: Array, step: Array, best: float) -> tuple[Array, float]:
    """The first of the whole step, half of it... that lowers the loss; no exponent falls below 0."""
    for halvings in range(20):
        tried = beta + step / 2**halvings
        tried[1:] = np.maximum(tried[1:], 0.0)
        found = loss(tried)
        if found < best:
            return tried, found
    return beta, best
