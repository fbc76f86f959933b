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
import numpy.typing as npt
import polars as pl

from models.boosting import Recipe, Sample, grow, predict, validate
from models.matrix import FeatureContract, to_matrix
from models.metrics import Array, binned
from models.options import XgbOptions

_LEAST_ROWS = 300
_MOST_ROWS = 100_000
_ROWS_PER_BIN = 100
_MOST_BINS = 20
_HURDLE_BELOW = 0.9
_TAILS = (0.005, 0.995)
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
        raw = self.scale * np.sinh(predict(self.level, matrix))
        if self.hurdle is not None:
            raw = raw * predict(self.hurdle, matrix)
        return _mapped(raw, self.knots, self.means), np.interp(raw, self.knots, self.errors)

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

    def thinned(self) -> "MarginRows":
        """At most so many rows, evenly spread over the days and people."""
        step = -(-len(self.rows) // _MOST_ROWS) or 1
        return MarginRows(self.rows.gather_every(step), self.margin[::step])


def fit_margin(data: MarginRows, contract: FeatureContract, xgb: XgbOptions, seed: int) -> MarginModel:
    """Fit the mean margin, or the means of the stages when there are too few rows."""
    brings = data.margin != 0
    if brings.sum() < _LEAST_ROWS or data.rows["fold"].n_unique() < 2:
        return stage_means(data)
    data = data.thinned()
    brings = data.margin != 0
    weight = data.rows["weight"].cast(pl.Float64).to_numpy()
    fold = data.rows["fold"].to_numpy()
    matrix = to_matrix(data.rows, contract)
    scale = float(np.median(np.abs(data.margin[brings])))
    size = np.arcsinh(data.margin / scale)
    size = np.clip(size, *np.quantile(size[brings], _TAILS))
    everyone = Sample(matrix, size, weight, fold)
    level, raw = _crossed(everyone, brings, Recipe("reg:squarederror", xgb, seed))
    raw, hurdle = scale * np.sinh(raw), None
    if np.average(brings, weights=weight) < _HURDLE_BELOW:
        sample = Sample(matrix, brings.astype(float), weight, fold)
        hurdle, chance = _crossed(sample, np.ones(len(brings), bool), Recipe("binary:logistic", xgb, seed))
        raw = raw * chance
    repeats = len(data.rows) / data.rows["customer_id"].n_unique()
    return MarginModel(level, hurdle, scale, *_mean_map(raw, data.margin, weight, repeats), stages={})


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
        mean = (np.dot(weight[own], data.margin[own]) + _STAGE_SHRINKAGE * everyone) / (
            mass + _STAGE_SHRINKAGE
        )
        means[str(name)] = (float(mean), spread / len(np.unique(people[own])) ** 0.5)
    return MarginModel(None, None, 1.0, (), (), (), means)


def _crossed(sample: Sample, taught: npt.NDArray[np.bool_], recipe: Recipe) -> tuple[bytes, Array]:
    """Trees of the taught rows, and a prediction of every row by trees that never saw its customer."""
    teaching = sample.where(taught)
    found = validate(teaching, np.ones(len(teaching.label), bool), recipe)
    out_of_fold = np.zeros(len(sample.label))
    out_of_fold[taught] = found.out_of_fold
    if not taught.all():
        for fold in np.unique(sample.fold):
            raw = grow(teaching.where(teaching.fold != fold), recipe, found.rounds)
            rest = (sample.fold == fold) & ~taught
            out_of_fold[rest] = predict(raw, sample.matrix.filter(pl.Series(rest)))
    return grow(teaching, recipe, found.rounds), out_of_fold


def _mean_map(
    raw: Array, margin: Array, weight: Array, repeats: float
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Knots, means that never fall, and standard errors: the isotonic mean of the margin over bins of raw."""
    from sklearn.isotonic import IsotonicRegression

    count = int(np.clip(len(raw) / repeats / _ROWS_PER_BIN, 1, _MOST_BINS))
    bins = binned(raw, margin, weight, count)
    steps = IsotonicRegression().fit_transform(
        bins["predicted"], bins["observed"], sample_weight=bins["mass"]
    )
    means, place = np.unique(steps, return_inverse=True)
    mass = np.bincount(place, bins["mass"])
    knots = np.bincount(place, bins["mass"] * bins["predicted"]) / mass
    variance = np.bincount(place, bins["mass"] * bins["variance"]) / mass
    customers = np.maximum(np.bincount(place, bins["rows"]) / repeats, 1)
    found = (knots, means, np.sqrt(variance / customers))
    knots_, means_, errors_ = (tuple(float(value) for value in part) for part in found)
    return knots_, means_, errors_


def _mapped(raw: Array, knots: tuple[float, ...], means: tuple[float, ...]) -> Array:
    """Straight lines between the knots; beyond them in proportion, so that people stay told apart."""
    inside = np.interp(raw, knots, means)
    for at, mean, beyond in ((knots[0], means[0], raw < knots[0]), (knots[-1], means[-1], raw > knots[-1])):
        slope = mean / at if at > 0 and mean > 0 else 0.0
        inside = np.where(beyond, mean + slope * (raw - at), inside)
    return np.asarray(inside, float)
