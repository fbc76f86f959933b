"""How are the models of p0 fitted: churn on everyone, reactivation on those who are gone?

Both are pooled over many monthly days, of which the older may count less. The number of rounds is found
forward in time: taught by the days whose outcome was known by the newest complete day, judged on that day
(over customers instead when there is no such past). Out-of-fold predictions of the newest days mix and
calibrate; then one refit on everything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Self

import numpy as np
import polars as pl

from features.asof import AsOf
from features.errors import DataRefused
from models.boosting import Mask, Recipe, Sample, Validated, grow, validate, validate_forward
from models.by_standing import calibrate_by_standing
from models.calibration import Scored, held_back_loss, logit, platt
from models.matrix import FeatureContract, to_matrix
from models.metrics import Array
from models.options import TrainOptions, XgbOptions
from models.returning import ReturnModel, mixed
from models.splits import customer_fold, purge
from models.standing import is_gone, standing

CHURN, REACTIVATION = "churn", "reactivation"
# The newest days that stop and calibrate: at least so many, and more until so many returns are among them.
_NEWEST_DAYS = 3
_NEWEST_RETURNS = 300
# Returns that both sides of the search for rounds need, forward in time.
_FORWARD_RETURNS = 100
# Parts of the reactivation trees that are tried in the mix.
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Which rows teach, how much each counts, and what is told beforehand.

    How many come back differs from day to day with the season, for everybody alike. The trees are told each
    day's own rate, so that they need not explain it by what differs between people.

    Attributes:
        gone_only: only rows of the lapsed and lost.
        rates: day: share of its rows that returned; the newest is where predictions start from.
        half_life_days: age at which a day counts half; None counts all alike.
    """

    gone_only: bool
    rates: Mapping[date, float]
    half_life_days: float | None

    @classmethod
    def of(cls, rows: pl.DataFrame, *, gone_only: bool, half_life_days: float | None) -> Self:
        """The lesson of learnable rows, of the gone alone where asked."""
        weight = rows["weight"].cast(pl.Float64).to_numpy()
        days, place = np.unique(rows["as_of"].to_numpy(), return_inverse=True)
        back = np.bincount(place, weight * rows["returned"].to_numpy())
        # Half a row of either kind keeps the rates inside.
        rates = (back + 0.5) / (np.bincount(place, weight) + 1.0)
        return cls(gone_only, dict(zip(days.tolist(), rates.tolist(), strict=True)), half_life_days)

    @property
    def newest(self) -> date:
        """The newest day that teaches."""
        return max(self.rates)

    def weight(self) -> pl.Expr:
        """The weight of each row by the age of its day, times its own."""
        own = pl.col("weight").cast(pl.Float64)
        if self.half_life_days is None:
            return own
        age = (self.newest - pl.col("as_of")).dt.total_days().cast(pl.Float64)
        return own * (age * (-1 / self.half_life_days) * float(np.log(2))).exp()

    def offset(self, rows: pl.DataFrame) -> Array:
        """The log-odds of each row's day."""
        rates = rows.select(pl.col("as_of").replace_strict(self.rates, return_dtype=pl.Float64)).to_series()
        return logit(rates.to_numpy())


# The last fit, with a known number of rounds, on more rows than those that found it.
Regrow = Callable[[FeatureContract, Lesson, Recipe, int], bytes]


@dataclass(frozen=True, slots=True)
class ChurnFit:
    """A fitted model of p0, and how it came about.

    Attributes:
        model: what was fitted.
        rounds: boosting rounds, for `CHURN` and `REACTIVATION`.
        curves: log loss on the judged rows after each round, for the same.
        out_of_fold: calibrated p0 of every training row from trees that never saw its customer.
        newest: which training rows are of the newest days.
    """

    model: ReturnModel
    rounds: Mapping[str, int]
    curves: Mapping[str, tuple[float, ...]]
    out_of_fold: Array
    newest: Mask


def learnable(training: pl.DataFrame) -> pl.DataFrame:
    """Rows that say what happens without a contact, in the one order that fits are made in."""
    untouched = ~pl.col("in_gap") & ~pl.col("contacted") & (pl.col("weight") > 0)
    return training.filter(untouched).sort("as_of", "customer_id")


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

    With `regrow` the trees come from it; rounds, mix and calibration are found on these rows all the same.

    Raises:
        DataRefused: when too few customers came back, or too few stayed away, to learn from.
    """
    refuse_too_few(rows, options.min_positives)
    newest, recipe = newest_rows(rows), Recipe("binary:logistic", xgb, seed)
    gone = rows.select(is_gone()).to_series().to_numpy()
    found, trees = {}, {}
    for name, asked in ((CHURN, np.ones(len(rows), bool)), (REACTIVATION, gone)):
        some = rows.filter(pl.Series(asked))
        if are_too_few(some, options.min_positives):
            continue
        lesson = Lesson.of(some, gone_only=name == REACTIVATION, half_life_days=options.half_life_days)
        sample = churn_sample(some, contract, lesson, options.folds, seed)
        found[name] = _validated(sample, some, as_of, newest[asked], recipe)
        rounds = found[name].rounds
        trees[name] = regrow(contract, lesson, recipe, rounds) if regrow else grow(sample, recipe, rounds)
    raw, share = found[CHURN].out_of_fold.copy(), 0.0
    scores = _scored(rows, raw, newest, options.folds, seed)  # sees what becomes of raw below
    if REACTIVATION in found:
        share = _best_share(scores.where(newest & gone), found[REACTIVATION].out_of_fold[newest[gone]])
        raw[gone] = mixed(found[REACTIVATION].out_of_fold, raw[gone], share)
    stands = rows.select(standing()).to_series().to_numpy()
    calibration = calibrate_by_standing(scores.where(newest), stands[newest])
    return ChurnFit(
        ReturnModel(trees[CHURN], trees.get(REACTIVATION), share, calibration),
        {name: one.rounds for name, one in found.items()},
        {name: one.curve for name, one in found.items()},
        calibration.apply(raw, stands),
        newest,
    )


def churn_sample(
    rows: pl.DataFrame, contract: FeatureContract, lesson: Lesson, folds: int = 1, seed: int = 0
) -> Sample:
    """The learnable rows of a lesson as trees take them; with one fold nobody can be held back."""
    some = rows.filter(is_gone()) if lesson.gone_only else rows
    return Sample(
        to_matrix(some, contract),
        some["returned"].cast(pl.Float64).to_numpy(),
        some.select(lesson.weight()).to_series().to_numpy(),
        some.select(customer_fold("customer_id", folds, seed)).to_series().to_numpy(),
        lesson.offset(some),
        lesson.rates[lesson.newest],
    )


def past_rows(rows: pl.DataFrame, test: AsOf) -> pl.Series:
    """Which rows have an outcome that was known at the end of the test day."""
    known = [one.day for one in purge([test.at(day) for day in rows["as_of"].unique()], test)]
    return rows["as_of"].is_in(known)


def _validated(sample: Sample, rows: pl.DataFrame, as_of: AsOf, newest: Mask, recipe: Recipe) -> Validated:
    last: date = rows["as_of"].max()  # type: ignore[assignment]  # not empty
    past, judged = past_rows(rows, as_of.at(last)).to_numpy(), (rows["as_of"] == last).to_numpy()
    if min(sample.label[past].sum(), sample.label[judged].sum()) < _FORWARD_RETURNS:
        return validate(sample, newest, recipe)
    return validate_forward(sample, past, judged, recipe)


def newest_rows(rows: pl.DataFrame) -> Mask:
    """Rows of the newest days: three, or more until a few hundred returns are among them."""
    days = rows.group_by("as_of").agg(pl.col("returned").sum()).sort("as_of", descending=True)
    enough = days["returned"].cum_sum() >= _NEWEST_RETURNS
    count = max(_NEWEST_DAYS, int(enough.arg_max() or 0) + 1 if enough.any() else len(days))
    return rows["as_of"].is_in(days["as_of"].head(count).implode()).to_numpy()


def refuse_too_few(rows: pl.DataFrame, least: int) -> None:
    """Refuse rows among which fewer customers than `least` came back, or stayed away."""
    if not are_too_few(rows, least):
        return
    back, away = _both_outcomes(rows)
    what = f"{back} customers came back" if back < least else f"{away} customers stayed away"
    days = f"{rows['as_of'].n_unique()} past days"
    span = f" from {rows['as_of'].min()!s} to {rows['as_of'].max()!s}" if len(rows) else ""
    raise DataRefused(
        f"Only {what} in the outcome windows of {days}{span}, but learning needs {least} "
        "(train.min_positives): lengthen the history or shorten churn.horizon_days."
    )


def are_too_few(rows: pl.DataFrame, least: int) -> bool:
    """Whether fewer customers than `least` came back, or stayed away."""
    return min(_both_outcomes(rows)) < least


def _both_outcomes(rows: pl.DataFrame) -> tuple[int, int]:
    """Customers who came back at any of the days, and customers who stayed away."""
    back, away = (rows.filter(one)["customer_id"].n_unique() for one in ("returned", ~pl.col("returned")))
    return back, away


def _scored(rows: pl.DataFrame, raw: Array, newest: Mask, folds: int, seed: int) -> Scored:
    return Scored(
        raw,
        rows["returned"].cast(pl.Float64).to_numpy(),
        rows["weight"].cast(pl.Float64).to_numpy(),
        rows.select(customer_fold("customer_id", folds, seed)).to_series().to_numpy(),
        float(newest.sum() / rows.filter(pl.Series(newest))["customer_id"].n_unique()),
    )


def _best_share(everyone: Scored, own: Array) -> float:
    """The mix of the reactivation trees with those of everyone that serves the gone best, held back."""
    all_rows = np.ones(len(own), bool)

    def loss(share: float) -> float:
        scores = replace(everyone, raw=mixed(own, everyone.raw, share))
        return held_back_loss(platt, scores, all_rows, all_rows)

    return min(_SHARES, key=loss)
