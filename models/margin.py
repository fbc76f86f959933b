"""How much margin is to be expected on average from people like this one?

Margins are heavy tailed and can be negative. Trees learn the inverse hyperbolic sine of the scaled margin,
winsorised, which ranks well and is not ruled by a few orders; where many bring nothing, a hurdle comes first
(brings anything x margin if so). What the trees say is then mapped, by out-of-fold bins, to the plain mean of
the margin, so that sums over many people are right. With few rows the means of the stages stand in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from models.boosting import Mask, Recipe, Sample, grow, predict, validate
from models.matrix import FeatureContract, to_matrix
from models.metrics import Array, binned
from models.options import XgbOptions

_LEAST_ROWS = 300
_MOST_ROWS = 60_000
_BINS_GROW = 5
_STEPS = 20
_MOST_BINS = 20
_HURDLE_BELOW = 0.9
_TAILS = (0.005, 0.995)
_LEARNING_RATE, _ROUNDS, _EARLY_STOPPING, _MAX_BIN = 0.1, 60, 10, 64
# A stage's own mean counts against the mean of all as if all held so many more rows.
_STAGE_SHRINKAGE = 50.0
_ANYONE = ""


@dataclass(frozen=True, slots=True)
class MarginModel:
    """The mean margin of a person, minor units, with its standard error.

    Attributes:
        level: trees of the margin of those who bring any, UBJSON; None: means of the stages.
        hurdle: trees of P(brings any), UBJSON; None: all do.
        scale: minor units of one unit of the trees' scale.
        knots: raw predictions where the map to the mean is pinned.
        means: mean margin there, minor units.
        errors: standard error of that mean.
        stages: stage: mean and standard error; the entry with no name is for all others.
    """

    level: bytes | None
    hurdle: bytes | None
    scale: float
    knots: tuple[float, ...]
    means: tuple[float, ...]
    errors: tuple[float, ...]
    stages: Mapping[str, tuple[float, float]]

    def predict(self, matrix: pl.DataFrame, stage: pl.Series) -> tuple[Array, Array]:
        """Mean margin and its standard error, per row."""
        if self.level is None:
            found = [self.stages.get(name, self.stages[_ANYONE]) for name in stage.cast(pl.String)]
            both = np.array(found, float).reshape(-1, 2)
            return both[:, 0], both[:, 1]
        raw = self.ranking(matrix)
        mean = through(raw, self.knots, self.means)
        error = np.interp(raw, self.knots, self.errors)
        # Beyond the last knot the mean goes on in proportion, and so does what is not known of it.
        beyond = (raw > self.knots[-1]) & (self.means[-1] > 0)
        return mean, np.where(beyond, error * mean / self.means[-1] if self.means[-1] else error, error)

    def ranking(self, matrix: pl.DataFrame) -> Array:
        """What the trees say before it is mapped to the mean, minor units; there are trees."""
        raw = self.scale * np.sinh(predict(self.level or b"", matrix))
        return raw if self.hurdle is None else raw * predict(self.hurdle, matrix)

    def to_json(self) -> dict[str, Any]:
        """Everything but the trees as JSON values."""
        numbers = {name: list(getattr(self, name)) for name in ("knots", "means", "errors")}
        return {"scale": self.scale, **numbers, "stages": {k: list(v) for k, v in self.stages.items()}}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], level: bytes | None, hurdle: bytes | None) -> Self:
        """The model that `to_json` wrote, with its trees."""
        numbers = {name: tuple(content[name]) for name in ("knots", "means", "errors")}
        stages = {name: (pair[0], pair[1]) for name, pair in content["stages"].items()}
        return cls(level=level, hurdle=hurdle, scale=content["scale"], stages=stages, **numbers)


@dataclass(frozen=True, slots=True)
class MarginRows:
    """Rows to learn a margin from.

    Attributes:
        rows: feature rows with stage, weight and fold.
        margin: what each brought, minor units.
    """

    rows: pl.DataFrame
    margin: Array

    def step(self, most: int = _MOST_ROWS) -> int:
        """Every how manieth row is kept so that there are at most so many."""
        return -(-len(self.rows) // most) or 1

    def thinned(self, most: int = _MOST_ROWS) -> "MarginRows":
        """At most so many rows, evenly spread over the days and people."""
        step = self.step(most)
        return MarginRows(self.rows.gather_every(step), self.margin[::step])


def fit_margin(data: MarginRows, contract: FeatureContract, xgb: XgbOptions, seed: int) -> MarginModel:
    """Fit the mean margin, or the means of the stages when there are too few rows."""
    thin = data.thinned()
    return crossed_margin(thin, np.ones(len(thin.rows), bool), contract, xgb, seed)[0]


def crossed_margin(  # noqa: PLR0917 - the arguments of `fit_margin`, and which rows are taught
    data: MarginRows, taught: Mask, contract: FeatureContract, xgb: XgbOptions, seed: int, trees: int = 1
) -> tuple[MarginModel, Array]:
    """The mean margin of the taught rows, and for every row the ranking of trees that never saw its customer.

    Where the means of the stages stand in, they are the ranking.

    Args:
        data: the rows.
        taught: which of them are learned from.
        contract: the features.
        xgb: parameters of the trees.
        seed: of the draws.
        trees: grown side by side in each round.
    """
    brings = (data.margin != 0) & taught
    if brings.sum() < _LEAST_ROWS or data.rows["fold"].n_unique() < 2:
        means = stage_means(MarginRows(data.rows.filter(pl.Series(taught)), data.margin[taught]))
        return means, means.predict(data.rows, data.rows["stage"])[0]
    weight = data.rows["weight"].cast(pl.Float64).to_numpy()
    matrix, fold = to_matrix(data.rows, contract), data.rows["fold"].to_numpy()
    scale = float(np.median(np.abs(data.margin[brings])))
    size = np.arcsinh(data.margin / scale)
    size = np.clip(size, *np.quantile(size[brings], _TAILS))
    options = brisk(xgb)
    everyone = Sample(matrix, size, weight, fold)
    level, raw = crossed(everyone, brings, Recipe("reg:squarederror", options, seed, trees))
    raw, hurdle = scale * np.sinh(raw), None
    if np.average(brings[taught], weights=weight[taught]) < _HURDLE_BELOW:
        sample = Sample(matrix, brings.astype(float), weight, fold)
        hurdle, chance = crossed(sample, taught, Recipe("binary:logistic", options, seed, trees))
        raw = raw * chance
    repeats = taught.sum() / data.rows.filter(pl.Series(taught))["customer_id"].n_unique()
    mapped = mean_map(raw[taught], data.margin[taught], weight[taught], float(repeats))
    return MarginModel(level, hurdle, scale, *mapped, stages={}), raw


def brisk(xgb: XgbOptions) -> XgbOptions:
    """Fewer and longer steps on coarser bins: margins are too noisy to repay fine ones."""
    return xgb.model_copy(
        update={
            "learning_rate": max(xgb.learning_rate, _LEARNING_RATE),
            "rounds": min(xgb.rounds, _ROUNDS),
            "early_stopping": min(xgb.early_stopping, _EARLY_STOPPING),
            "max_bin": min(xgb.max_bin, _MAX_BIN),
        }
    )


def stage_means(data: MarginRows) -> MarginModel:
    """The mean margin of each stage, shrunk to the mean of all."""
    weight = data.rows["weight"].cast(pl.Float64).to_numpy()
    stage = data.rows["stage"].cast(pl.String).to_numpy()
    people = data.rows["customer_id"].to_numpy()
    everyone = float(np.average(data.margin, weights=weight)) if len(weight) else 0.0
    spread = float(data.margin.std()) if len(weight) else 0.0
    means = {_ANYONE: (everyone, spread / max(len(np.unique(people)), 1) ** 0.5)}
    for name in sorted(set(stage)):
        own = stage == name
        mass = weight[own].sum()
        total = (weight[own] * data.margin[own]).sum() + _STAGE_SHRINKAGE * everyone
        mean = total / (mass + _STAGE_SHRINKAGE)
        means[str(name)] = (float(mean), spread / len(np.unique(people[own])) ** 0.5)
    return MarginModel(None, None, 1.0, (), (), (), means)


def crossed(sample: Sample, taught: Mask, recipe: Recipe) -> tuple[bytes, Array]:
    """Trees of the taught rows, and a prediction of every row by trees that never saw its customer."""
    found = validate(sample, taught, recipe, taught)
    return grow(sample.where(taught), recipe, found.rounds), found.out_of_fold


def mean_map(
    raw: Array, margin: Array, weight: Array, repeats: float
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Knots, means that never fall, and standard errors: the isotonic mean of the margin over bins of raw.

    Bins grow with the square root of the customers, in number and in size: more people tell the mean better
    and further apart.
    """
    from sklearn.isotonic import IsotonicRegression

    count = int(np.clip((len(raw) / repeats) ** 0.5 / _BINS_GROW, 1, _MOST_BINS))
    bins = binned(raw, margin, weight, count)
    steps = IsotonicRegression().fit_transform(
        bins["predicted"], bins["observed"], sample_weight=bins["mass"]
    )
    means, place = np.unique(steps, return_inverse=True)
    mass = np.bincount(place, bins["mass"])
    knots = np.bincount(place, bins["mass"] * bins["predicted"]) / mass
    variance = np.bincount(place, bins["mass"] * bins["variance"]) / mass
    # Kish's effective number: rows that weigh unequally tell less than their count.
    effective = weight.sum() ** 2 / (weight**2).sum() / len(weight)
    customers = np.maximum(np.bincount(place, bins["rows"]) * effective / repeats, 1)
    found = (knots, _in_sum(raw, margin, weight, knots, means), np.sqrt(variance / customers))
    knots_, means_, errors_ = (tuple(float(value) for value in part) for part in found)
    return knots_, means_, errors_


def _in_sum(raw: Array, margin: Array, weight: Array, knots: Array, means: Array) -> Array:
    """Means at the knots with which the lines between them come out right in sum too.

    Least squares of the lines, half a step at a time from the means of the bins.
    """
    place = np.interp(raw, knots, np.arange(len(knots)))
    left = place.astype(np.int64)
    right, share = np.minimum(left + 1, len(knots) - 1), place - left

    def gathered(part: Array) -> Array:
        ends = np.bincount(left, part * (1 - share), len(knots)), np.bincount(right, part * share, len(knots))
        return np.asarray(ends[0] + ends[1], float)

    mass = np.maximum(gathered(weight), 1e-12)
    for _ in range(_STEPS):
        rest = weight * (margin - through(raw, knots, means))
        means = np.maximum.accumulate(means + gathered(rest) / mass / 2)
    return means


def through(raw: Array, knots: Array | tuple[float, ...], means: Array | tuple[float, ...]) -> Array:
    """Straight lines between the knots; beyond them in proportion, so that people stay told apart."""
    inside = np.interp(raw, knots, means)
    for at, mean, beyond in ((knots[0], means[0], raw < knots[0]), (knots[-1], means[-1], raw > knots[-1])):
        slope = mean / at if at > 0 and mean > 0 else 0.0
        inside = np.where(beyond, mean + slope * (raw - at), inside)
    return np.asarray(inside, float)
