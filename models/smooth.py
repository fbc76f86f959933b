"""What does a straight line through a few strong features say, where trees see steps?

A ridge logistic regression on the core of the features: recency, frequency, rhythm, money, and what the
latent attrition model expects. Each is bent by the inverse hyperbolic sine where it runs over several scales,
so that orders of 10 and 10,000 both count; each day has an intercept of its own, as the trees are told its
rate. It misses what only trees can see, and is right where they are unsure; mixed on the log-odds the two do
better than either (README, decisions).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import polars as pl

from models.boosting import Sample
from models.log_odds import expit, logit
from models.matrix import FeatureContract
from models.metrics import Array

# Which features take part, by name; those that a shop does not have are left out.
CORE = re.compile(
    r"days_since_last_purchase|tenure_days|orders|active_days(_\d+d)?|net_amount(_(90|180|365)d)?"
    r"|order_value_(mean|last|max)|gaps|gap_days_(mean|median|q90|std)|gap_variation|last_gap_(days|ratio)"
    r"|silence_rank|gap_regularity|clumpiness_365d|quantity_365d|lines_365d|products_bought|products_90d"
    r"|p_alive|p_no_purchase_\d+d|expected_purchases_\d+d|expected_order_amount|usual_gap_days|overdue_ratio"
    r"|lapse_limit_days|units_per_order|orders_same_window_last_year|orders_in_season_share"
    r"|return_lines_365d|lines_per_order|new_product_share_90d|cohort_active_share_90d|orders_first_90d"
)
_PROBABILITY = re.compile(r"p_no_purchase_\d+d")
# Strength of the ridge: how many rows the prior, that a feature says nothing, counts as.
_RIDGE = 2000.0
_MOST_ROWS = 200_000
_SCALES = 3.0
_KNOWN = (0.01, 0.99)
_FARTHEST = 5.0
_STEPS, _STILL = 30, 1e-9
_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Term:
    """One feature as the line reads it.

    Attributes:
        name: of the feature.
        bend: scale of the inverse hyperbolic sine; 0 leaves it straight, and -1 takes log-odds.
        fill: what stands in where it is unknown, after bending.
        center: mean over the rows it learned from.
        spread: standard deviation over them.
        weight: log-odds per standard deviation.
        unknown: log-odds where the feature is unknown, beyond what `fill` says.
    """

    name: str
    bend: float
    fill: float
    center: float
    spread: float
    weight: float = 0.0
    unknown: float = 0.0

    def standard(self, values: Array) -> Array:
        """Bent, filled, and counted in standard deviations from the mean, five at most."""
        bent = _bent(values, self.bend)
        filled = np.where(np.isnan(bent), self.fill, bent)
        return np.asarray(np.clip((filled - self.center) / self.spread, -_FARTHEST, _FARTHEST), float)

    def adds(self, values: Array) -> Array:
        """What the feature adds to the log-odds."""
        return self.weight * self.standard(values) + self.unknown * np.isnan(values)


@dataclass(frozen=True, slots=True)
class SmoothModel:
    """A fitted line.

    Attributes:
        terms: what is added up.
        level: log-odds where all terms are at their means, on the newest day.
    """

    terms: tuple[Term, ...]
    level: float

    def predict(self, matrix: pl.DataFrame) -> Array:
        """P(a purchase in the window) of each row of the features in the model's shape."""
        parts = self.contributions(matrix)
        total = np.full(len(matrix), self.level)
        for part in parts.values():
            total += part
        return expit(total)

    def contributions(self, matrix: pl.DataFrame) -> dict[str, Array]:
        """Feature: what it adds to the log-odds of each row, against the mean of all."""
        return {term.name: term.adds(_numbers(matrix, term.name)) for term in self.terms}

    def to_json(self) -> dict[str, Any]:
        """The model as JSON values."""
        terms = [[getattr(term, name) for name in Term.__slots__] for term in self.terms]
        return {"level": self.level, "terms": terms}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The model that `to_json` wrote."""
        return cls(tuple(Term(*term) for term in content["terms"]), content["level"])


def fit_smooth(sample: Sample, contract: FeatureContract) -> SmoothModel:
    """Fit the line to a sample whose offsets tell its days apart.

    Args:
        sample: rows, with `offset` and `level`.
        contract: the features in the sample's matrix.
    """
    step = -(-len(sample.label) // _MOST_ROWS) or 1
    rows = sample.where(np.arange(len(sample.label)) % step == 0)
    names = [name for name in contract.numbers if CORE.fullmatch(name)]
    columns = {name: _numbers(rows.matrix, name) for name in names}
    terms = [term for name, values in columns.items() if (term := _shaped(name, values)).spread > 0]
    unknown = [term for term in terms if _KNOWN[0] < np.isnan(columns[term.name]).mean() < _KNOWN[1]]
    offset = np.zeros(len(rows.label)) if rows.offset is None else rows.offset
    days, day = np.unique(offset, return_inverse=True)
    own = [term.standard(columns[term.name]) for term in terms]
    gaps = [np.isnan(columns[term.name]).astype(float) for term in unknown]
    beta = _newton(np.column_stack([*own, *gaps, np.eye(len(days))[day]]), rows, len(own) + len(gaps))
    beta = np.round(beta, _DIGITS)  # another number of threads sums in another order
    weights = dict(zip([term.name for term in terms], beta.tolist(), strict=False))
    without = dict(zip([term.name for term in unknown], beta[len(own) :].tolist(), strict=False))
    newest = (
        len(days) - 1 if rows.level is None else int(np.abs(days - logit(np.array([rows.level]))).argmin())
    )
    fitted = [replace(t, weight=weights[t.name], unknown=without.get(t.name, 0.0)) for t in terms]
    return SmoothModel(tuple(fitted), float(beta[len(own) + len(gaps) + newest]))


def _shaped(name: str, values: Array) -> Term:
    """How a feature is read; a spread of 0 where it says nothing."""
    known = values[~np.isnan(values)]
    if not len(known):
        return Term(name, 0.0, 0.0, 0.0, 0.0)
    bend = -1.0 if _PROBABILITY.fullmatch(name) else _scale(known)
    bent = _bent(known, bend)
    fill, share = float(bent.mean()), len(known) / len(values)
    spread = float(bent.std() * np.sqrt(share))  # unknown ones stand at the mean
    return Term(name, bend, fill, fill, spread if spread > 1e-6 else 0.0)


def _scale(known: Array) -> float:
    """Half the usual size where a feature runs over several scales, else 0."""
    sizes = np.abs(known[known != 0])
    return float(np.median(sizes) / 2) if len(sizes) and sizes.max() > _SCALES else 0.0


def _bent(values: Array, bend: float) -> Array:
    if bend < 0:
        return np.where(np.isnan(values), np.nan, logit(np.nan_to_num(values, nan=0.5)))
    return np.arcsinh(values / bend) if bend > 0 else values


def _numbers(matrix: pl.DataFrame, name: str) -> Array:
    """A feature as numbers, NaN where unknown."""
    return matrix[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _newton(design: Array, rows: Sample, penalised: int) -> Array:
    """Weights of least penalised log loss; the intercepts of the days, which come last, go free."""
    width = design.shape[1]
    ridge = np.where(np.arange(width) < penalised, _RIDGE, 1e-3)
    beta = np.zeros(width)
    for _ in range(_STEPS):
        p = expit(design @ beta)
        slope = design.T @ (rows.weight * (rows.label - p)) - ridge * beta
        curvature = (design * (rows.weight * p * (1 - p))[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(curvature, slope)
        beta += step
        if np.abs(step).max() < _STILL:
            break
    return beta
