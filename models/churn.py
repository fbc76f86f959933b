"""How are the models of p0 fitted: churn on everyone, reactivation on those who are gone?

Both are pooled over many monthly days, of which the older may count less. Everything that is chosen is found
forward in time: taught by the days whose outcome was known by the newest complete day, judged on that day
(the number of trees, and how much each opinion counts; over customers and in equal shares when there is no
such past). Out-of-fold predictions of the newest days calibrate; then one refit on everything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from features.asof import AsOf
from models.boosting import Mask, Recipe, Sample, Validated, grow, validate, validate_forward
from models.by_standing import calibrate_by_standing, cross_calibrated
from models.calibration import Scored
from models.lesson import Lesson, are_too_few, churn_sample, newest_rows, past_rows, refuse_too_few
from models.matrix import FeatureContract
from models.metrics import Array
from models.options import TrainOptions, XgbOptions
from models.returning import ATTRITION, CHURN, REACTIVATION, SMOOTH, ReturnModel, attrition_opinion
from models.smooth import fit_smooth
from models.stack import equally, mixed, weigh
from models.standing import is_gone, standing

_ATTRITION_FEATURE = "p_no_purchase_{}d"
# Returns that both sides need for anything to be found forward in time.
_FORWARD_RETURNS = 100
# The last fit, with a known number of rounds, on more rows than those that found it.
Regrow = Callable[[FeatureContract, Lesson, Recipe, int], bytes]


@dataclass(frozen=True, slots=True)
class ChurnFit:
    """A fitted model of p0, and how it came about.

    Attributes:
        model: what was fitted.
        rounds: boosting rounds, for `CHURN` and `REACTIVATION`.
        curves: log loss on the judged rows after each round, for the same.
        out_of_fold: p0 of every training row from trees that never saw its customer, calibrated on all rows.
        newest: which training rows are of the newest days.
        scores: what was calibrated.
        stands: standing of each training row.
        day: number of each training row's day, 0 is the oldest.
    """

    model: ReturnModel
    rounds: Mapping[str, int]
    curves: Mapping[str, tuple[float, ...]]
    out_of_fold: Array
    newest: Mask
    scores: Scored
    stands: npt.NDArray[Any]
    day: npt.NDArray[np.int64]

    def cross_calibrated(self) -> Array:
        """p0 of every training row by trees and by a calibration that never saw its customer."""
        return cross_calibrated(self.scores, self.stands, self.day, self.newest)


@dataclass(frozen=True, slots=True)
class _Opinion:
    """What one says: out of fold of all rows it is asked about, and forward of those judged."""

    out_of_fold: Array
    forward: Array | None


@dataclass(frozen=True, slots=True)
class _Forward:
    """The search forward in time: rows of the past, and the judged rows of the newest day."""

    past: Mask
    judged: Mask

    @classmethod
    def of(cls, rows: pl.DataFrame, as_of: AsOf, last: date) -> "_Forward":
        """The search on some rows; `last` is the newest day of all, on which these may have none."""
        return cls(past_rows(rows, as_of.at(last)).to_numpy(), (rows["as_of"] == last).to_numpy())

    def is_enough(self, returned: Array) -> bool:
        return bool(min(returned[self.past].sum(), returned[self.judged].sum()) >= _FORWARD_RETURNS)


@dataclass(frozen=True, slots=True)
class _Trees:
    """Trees in XGBoost's own bytes, what they were taught, and how they were found."""

    raw: bytes
    sample: Sample
    found: Validated

    @property
    def opinion(self) -> _Opinion:
        return _Opinion(self.found.out_of_fold, self.found.forward)


@dataclass(frozen=True, slots=True)
class _Grower:
    """How trees are grown; `last` is the newest day of all."""

    contract: FeatureContract
    as_of: AsOf
    last: date
    recipe: Recipe
    options: TrainOptions
    regrow: Regrow | None

    def trees(self, rows: pl.DataFrame, newest: Mask, *, gone_only: bool) -> _Trees:
        lesson = Lesson.of(rows, gone_only=gone_only, half_life_days=self.options.half_life_days)
        sample = churn_sample(rows, self.contract, lesson, self.options.folds, self.recipe.seed)
        found = _validated(sample, _Forward.of(rows, self.as_of, self.last), newest, self.recipe)
        if self.regrow is None:
            raw = grow(sample, self.recipe, found.rounds)
        else:
            raw = self.regrow(self.contract, lesson, self.recipe, found.rounds)
        return _Trees(raw, sample, found)


@dataclass(frozen=True, slots=True)
class _Mix:
    """All opinions as one score of each row, and how much each opinion counts in it."""

    raw: Array
    weights: dict[str, float]
    weights_of_gone: dict[str, float]


def fit_churn(
    rows: pl.DataFrame,
    contract: FeatureContract,
    as_of: AsOf,
    *,
    xgb: XgbOptions,
    options: TrainOptions,
    seed: int,
    regrow: Regrow | None = None,
) -> ChurnFit:
    """Fit p0 on learnable rows; the windows are those of `as_of`.

    With `regrow` the trees come from it; all else is found on these rows all the same.

    Raises:
        DataRefused: when too few customers came back, or too few stayed away, to learn from.
    """
    refuse_too_few(rows, options.min_positives)
    newest, gone = newest_rows(rows), rows.select(is_gone()).to_series()
    grower = _Grower(contract, as_of, _last(rows), Recipe("binary:logistic", xgb, seed), options, regrow)
    trees = {CHURN: grower.trees(rows, newest, gone_only=False)}
    if not are_too_few(rows.filter(gone), options.min_positives):
        trees[REACTIVATION] = grower.trees(rows.filter(gone), newest[gone.to_numpy()], gone_only=True)
    attrition = _attrition_feature(contract, as_of)
    mix = _mix(rows, trees, contract, _Forward.of(rows, as_of, _last(rows)), attrition)
    scores = _scores(rows, trees[CHURN].sample, mix.raw, newest)
    stands = rows.select(standing()).to_series().to_numpy()
    _, day = np.unique(rows["as_of"].to_numpy(), return_inverse=True)
    calibration = calibrate_by_standing(scores, stands, day, newest)
    model = ReturnModel(
        churn=trees[CHURN].raw,
        reactivation=trees[REACTIVATION].raw if REACTIVATION in trees else None,
        smooth=fit_smooth(trees[CHURN].sample, contract),
        attrition=attrition,
        weights=mix.weights,
        weights_of_gone=mix.weights_of_gone,
        calibration=calibration,
    )
    return ChurnFit(
        model=model,
        rounds={name: one.found.rounds for name, one in trees.items()},
        curves={name: one.found.curve for name, one in trees.items()},
        out_of_fold=calibration.apply(mix.raw, stands),
        newest=newest,
        scores=scores,
        stands=stands,
        day=day,
    )


def _last(rows: pl.DataFrame) -> date:
    return rows["as_of"].max()  # type: ignore[return-value]  # not empty


def _validated(sample: Sample, forward: _Forward, newest: Mask, recipe: Recipe) -> Validated:
    if forward.is_enough(sample.label):
        return validate_forward(sample, forward.past, forward.judged, recipe)
    return validate(sample, newest, recipe)


def _attrition_feature(contract: FeatureContract, as_of: AsOf) -> str | None:
    """The feature that holds the latent attrition model's word on this horizon, if there is one."""
    name = _ATTRITION_FEATURE.format(as_of.horizon_days)
    return name if name in contract.numbers else None


def _mix(
    rows: pl.DataFrame,
    trees: Mapping[str, _Trees],
    contract: FeatureContract,
    forward: _Forward,
    attrition: str | None,
) -> _Mix:
    """Weigh the opinions and put together what they say; for the gone with trees of their own."""
    sample, gone = trees[CHURN].sample, rows.select(is_gone()).to_series().to_numpy()
    opinions = {CHURN: trees[CHURN].opinion, SMOOTH: _smooth_opinion(sample, contract, forward)}
    if attrition is not None:
        said = attrition_opinion(sample.matrix, attrition)
        opinions[ATTRITION] = _Opinion(said, said[forward.judged])
    of_gone = trees[REACTIVATION].opinion if REACTIVATION in trees else None
    weights, weights_of_gone = _weights(opinions, of_gone, sample, forward, gone)
    raw = mixed({name: one.out_of_fold for name, one in opinions.items()}, weights)
    if gone.any():
        theirs = {name: one.out_of_fold[gone] for name, one in opinions.items()}
        theirs |= {REACTIVATION: of_gone.out_of_fold} if of_gone else {}
        raw[gone] = mixed(theirs, weights_of_gone)
    return _Mix(raw, weights, weights_of_gone)


def _scores(rows: pl.DataFrame, sample: Sample, raw: Array, newest: Mask) -> Scored:
    """What is calibrated: out-of-fold scores, each row with the weight of its own day."""
    repeats = float(newest.sum() / rows.filter(pl.Series(newest))["customer_id"].n_unique())
    own = rows["weight"].cast(pl.Float64).to_numpy()
    return Scored(raw, sample.label, own, sample.fold, repeats)


def _smooth_opinion(sample: Sample, contract: FeatureContract, forward: _Forward) -> _Opinion:
    out_of_fold = np.zeros(len(sample.label))
    for fold in np.unique(sample.fold):
        held = sample.fold == fold
        line = fit_smooth(sample.where(~held), contract)
        out_of_fold[held] = line.predict(sample.matrix.filter(pl.Series(held)))
    if not forward.is_enough(sample.label):
        return _Opinion(out_of_fold, None)
    line = fit_smooth(sample.where(forward.past), contract)
    return _Opinion(out_of_fold, line.predict(sample.matrix.filter(pl.Series(forward.judged))))


def _weights(
    opinions: Mapping[str, _Opinion],
    of_gone: _Opinion | None,
    sample: Sample,
    forward: _Forward,
    gone: Mask,
) -> tuple[dict[str, float], dict[str, float]]:
    """How much each opinion counts, for those who are not gone and for the gone."""
    names = [*opinions]
    weights = equally(names)
    weights_of_gone = equally([*names, REACTIVATION] if of_gone else names)
    told = {name: one.forward for name, one in opinions.items() if one.forward is not None}
    if not forward.is_enough(sample.label) or len(told) < len(names):
        return weights, weights_of_gone
    event, weight, away = sample.label[forward.judged], sample.weight[forward.judged], gone[forward.judged]
    weights = weigh({name: p[~away] for name, p in told.items()}, event[~away], weight[~away])
    theirs = {name: p[away] for name, p in told.items()}
    if of_gone is None or of_gone.forward is not None:
        theirs |= {REACTIVATION: of_gone.forward} if of_gone and of_gone.forward is not None else {}
        weights_of_gone = weigh(theirs, event[away], weight[away])
    return weights, weights_of_gone
