"""How likely is each person to buy again in the outcome window, if nobody contacts them?

One pooled model over many monthly days. The number of rounds is found forward in time: taught by the days
whose outcome was known by the newest complete day, judged on that day (over customers instead when there is
no such past). Out-of-fold predictions of the newest days calibrate; then one refit on everything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import polars as pl

from features.asof import AsOf
from features.errors import DataRefused
from models.boosting import Mask, Recipe, Sample, Validated, grow, predict, validate, validate_forward
from models.calibration import Calibrator, calibrate
from models.matrix import FeatureContract, to_matrix
from models.metrics import Array
from models.options import TrainOptions, XgbOptions
from models.splits import customer_fold, purge

# The newest days that stop and calibrate: at least so many, and more until so many returns are among them.
_NEWEST_DAYS = 3
_NEWEST_RETURNS = 300
# Returns that both sides of the search for rounds need, forward in time.
_FORWARD_RETURNS = 100
# The last fit, with a known number of rounds, on more rows than those that found it.
Regrow = Callable[[FeatureContract, Recipe, int], bytes]


@dataclass(frozen=True, slots=True)
class ChurnFit:
    """A fitted model of p0.

    Attributes:
        raw: the trees, UBJSON.
        calibrator: from their output to p0.
        rounds: boosting rounds.
        curve: cross-validated log loss after each round.
        out_of_fold: calibrated p0 of every training row from the model that never saw its customer.
        newest: which training rows are of the newest days.
    """

    raw: bytes
    calibrator: Calibrator
    rounds: int
    curve: tuple[float, ...]
    out_of_fold: Array
    newest: Mask

    def p0(self, matrix: pl.DataFrame) -> Array:
        """P(net purchase in the outcome window), not contacted."""
        return self.calibrator.apply(predict(self.raw, matrix))


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

    With `regrow` the trees come from it; rounds and calibration are found on these rows all the same.

    Raises:
        DataRefused: when too few customers came back, or too few stayed away, to learn from.
    """
    refuse_too_few(rows, options.min_positives)
    sample = churn_sample(rows, contract, options.folds, seed)
    newest = newest_rows(rows)
    recipe = Recipe("binary:logistic", xgb, seed)
    found = _validated(sample, rows, as_of, newest, recipe)
    repeats = newest.sum() / rows.filter(pl.Series(newest))["customer_id"].n_unique()
    calibrator = calibrate(
        found.out_of_fold[newest], sample.label[newest], sample.weight[newest], sample.fold[newest], repeats
    )
    raw = regrow(contract, recipe, found.rounds) if regrow else grow(sample, recipe, found.rounds)
    out_of_fold = calibrator.apply(found.out_of_fold)
    return ChurnFit(raw, calibrator, found.rounds, found.curve, out_of_fold, newest)


def churn_sample(rows: pl.DataFrame, contract: FeatureContract, folds: int = 1, seed: int = 0) -> Sample:
    """Learnable rows as trees take them; with one fold nobody can be held back."""
    return Sample(
        to_matrix(rows, contract),
        rows["returned"].cast(pl.Float64).to_numpy(),
        rows["weight"].cast(pl.Float64).to_numpy(),
        rows.select(customer_fold("customer_id", folds, seed)).to_series().to_numpy(),
    )


def past_rows(rows: pl.DataFrame, as_of: AsOf) -> tuple[Mask, Mask]:
    """Rows whose outcome was known at the end of the newest day, and the rows of that day."""
    newest: date = rows["as_of"].max()  # type: ignore[assignment]  # refused when empty
    known = [one.day for one in purge([as_of.at(day) for day in rows["as_of"].unique()], as_of.at(newest))]
    return rows["as_of"].is_in(known).to_numpy(), (rows["as_of"] == newest).to_numpy()


def _validated(sample: Sample, rows: pl.DataFrame, as_of: AsOf, newest: Mask, recipe: Recipe) -> Validated:
    past, judged = past_rows(rows, as_of)
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
    back = rows.filter("returned")["customer_id"].n_unique()
    away = rows.filter(~pl.col("returned"))["customer_id"].n_unique()
    if min(back, away) >= least:
        return
    what = f"{back} customers came back" if back < least else f"{away} customers stayed away"
    days = f"{rows['as_of'].n_unique()} past days"
    span = f" from {rows['as_of'].min()!s} to {rows['as_of'].max()!s}" if len(rows) else ""
    raise DataRefused(
        f"Only {what} in the outcome windows of {days}{span}, but learning needs {least} "
        "(train.min_positives): lengthen the history or shorten churn.horizon_days."
    )
