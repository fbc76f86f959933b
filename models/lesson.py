"""Which rows teach a model of p0, and what do they look like to it?"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
import polars as pl

from features.asof import AsOf
from features.errors import DataRefused
from features.wording import counted
from models.boosting import Mask, Sample
from models.log_odds import logit
from models.matrix import FeatureContract, to_matrix
from models.metrics import Array
from models.splits import customer_fold, purge
from models.standing import is_gone

# The newest days that calibrate: at least so many, and more until so many returns are among them.
_NEWEST_DAYS = 3
_NEWEST_RETURNS = 300


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

    def teaches(self) -> pl.Expr:
        """Whether a row is of one of the days that teach."""
        return pl.col("as_of").is_in([*self.rates])

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


def learnable(training: pl.DataFrame) -> pl.DataFrame:
    """Rows that say what happens without a contact, in the one order that fits are made in."""
    untouched = ~pl.col("in_gap") & ~pl.col("contacted") & (pl.col("weight") > 0)
    return training.filter(untouched).sort("as_of", "customer_id")


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


def past_rows(rows: pl.DataFrame, test: AsOf, most: int | None = None) -> pl.Series:
    """Which rows have an outcome that was known at the end of the test day: those of its newest days.

    Args:
        rows: learnable rows.
        test: the test day.
        most: so many days; None takes all.
    """
    days = rows["as_of"].unique().sort(descending=True)
    known = [one.day for one in purge([test.at(day) for day in days], test)]
    return rows["as_of"].is_in(known[:most])


def newest_days(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """Learnable rows, in their order, of at most so many of the newest days; nothing is copied."""
    days = rows["as_of"].unique().sort(descending=True).head(most)
    return rows.tail(int(rows["as_of"].is_in(days.implode()).sum()))


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
    few_back = back < least
    what = f"{counted(back if few_back else away, 'customer')} {'came back' if few_back else 'stayed away'}"
    days = counted(rows["as_of"].n_unique(), "past day")
    span = f" from {rows['as_of'].min()!s} to {rows['as_of'].max()!s}" if len(rows) else ""
    raise DataRefused(
        f"Only {what} in the outcome windows of {days}{span}, but learning needs {least} "
        f"(train.min_positives): {'lengthen' if few_back else 'shorten'} churn.horizon_days, or deliver more "
        "history."
    )


def are_too_few(rows: pl.DataFrame, least: int) -> bool:
    """Whether fewer customers than `least` came back, or stayed away."""
    return min(_both_outcomes(rows)) < least


def _both_outcomes(rows: pl.DataFrame) -> tuple[int, int]:
    """Customers who came back at any of the days, and customers who stayed away."""
    back, away = (rows.filter(one)["customer_id"].n_unique() for one in ("returned", ~pl.col("returned")))
    return back, away
