"""What happened after a decision: who bought again, what it brought, and who had been contacted.

Only for days whose outcome window is complete; the caller asks `AsOf.is_complete` first.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from features.asof import AsOf
from features.known import Known
from features.orders import as_known, net_by
from features.runs import CUSTOMER, day_number

CONTACTED_ARMS = ("treatment", "explore")
# Held out inside a list; people of the universal holdout were not drawn against those who were contacted.
_STAND_IN = "control"
DAYS_TO_RETURN = "days_to_return"


def labels(known: Known, *, months: Sequence[int], known_until: AsOf) -> pl.DataFrame:
    """What became of each of `known.customers`, in their order.

    Args:
        known: the customers of the day the rows are about, and their books up to a later day.
        months: which months after the day to sum margin over (1 is the first).
        known_until: the day up to which the books are known; months that end later are null.

    Returns:
        returned, in_gap, days_to_return (Int32, null for those who did not return), contacted, weight,
        window_margin and margin_month_NN.
    """
    return pl.concat([_bought(known), _touched(known), _earned(known, months, known_until)], how="horizontal")


def margin_month(k: int) -> str:
    """Name of the column that holds the net margin of the k-th month after as_of."""
    return f"margin_month_{k:02d}"


def _bought(known: Known) -> pl.DataFrame:
    """Whether a net purchase fell into the outcome window and into the gap before it, and after how long."""
    as_of, on = known.as_of, pl.col("ordered_on")
    later = as_known(known.books.orders, as_of.outcome_end).filter(
        (as_of.in_gap(on) | as_of.outcome(on)) & net_by(pl.col("cancelled_on") <= as_of.outcome_end)
    )
    sums = known.runs(later).sums(as_of.outcome(on).alias("returned"), as_of.in_gap(on).alias("in_gap"))
    waits = _first_days(known, later.filter(as_of.outcome(on)))
    return sums.select(pl.all() > 0).with_columns(waits.alias(DAYS_TO_RETURN))


def _first_days(known: Known, later: pl.DataFrame) -> pl.Series:
    """Days from `as_of` to the first of each customer's purchases; null where there is none."""
    runs = known.runs(later)
    when = np.append(runs.rows["ordered_on"].to_physical().to_numpy().astype(np.int32), np.int32(0))
    days = pl.Series(when[runs.starts] - np.int32(day_number(known.as_of.day)))
    return days.set(pl.Series(runs.lengths == 0), None)


def _earned(known: Known, months: Sequence[int], known_until: AsOf) -> pl.DataFrame:
    """Net margin inside the outcome window, and in each month after the day."""
    as_of = known.as_of
    spans = {"window_margin": (as_of.outcome_start, as_of.outcome_end)}
    spans |= {margin_month(k): as_of.month(k) for k in months}
    runs = known.runs(known.books.margins)
    days = sorted({day for span in spans.values() for day in span})
    places = dict(zip(days, runs.upto("ordered_on", days), strict=True))
    complete = {name: span for name, span in spans.items() if span[1] <= known_until.day}
    sums = np.concatenate([[0], np.cumsum(runs.rows["margin"].to_numpy())])
    earned = {name: sums[places[end]] - sums[places[start]] for name, (start, end) in complete.items()}
    unknown = [pl.lit(None, pl.Int64).alias(name) for name in spans if name not in complete]
    return pl.DataFrame(earned).with_columns(unknown).select(*spans)


def _touched(known: Known) -> pl.DataFrame:
    """Who was in a campaign between a horizon before the day and the end of the window, and in which arm.

    Controls stand in for those their list contacted. Whoever was held out by one list and, still silent, by
    the next stands for all whom either contacted: their chance is that of both draws. The universal holdout
    was taken out before that draw, so its people stand for themselves: counted twice, the selected would
    outweigh everybody else.
    """
    people = pl.DataFrame({CUSTOMER: known.customers})
    if known.books.contacts is None:
        return people.with_columns(contacted=pl.lit(value=False), weight=pl.lit(1.0)).drop(CUSTOMER)
    near = known.books.contacts.filter(known.as_of.touching(pl.col("contacted_on")))
    # One draw a day at most: what stands there twice is the same one.
    day = [CUSTOMER, "contacted_on", "arm"]
    draws = near.sort(*day, "assignment_probability").unique(day, keep="first", maintain_order=True)
    chance = pl.col("assignment_probability").filter(pl.col("arm") == _STAND_IN)
    found = draws.group_by(CUSTOMER, maintain_order=True).agg(
        contacted=pl.col("arm").is_in(CONTACTED_ARMS).any(),
        weight=(1.0 / chance).clip(1.0, 100.0).product(),
    )
    return people.join(found, on=CUSTOMER, how="left", maintain_order="left").select(
        pl.col("contacted").fill_null(value=False), pl.col("weight").fill_null(1.0)
    )
