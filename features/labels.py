"""What happened after a decision: who bought again, what it brought, and who had been contacted.

Only for days whose outcome window is complete; the caller asks `AsOf.is_complete` first.
"""

from collections.abc import Sequence

import polars as pl

from features.asof import AsOf
from features.orders import net_by, purchases

CONTACTED_ARMS = ("treatment", "explore")


def labels(
    orders: pl.LazyFrame,
    margins: pl.LazyFrame,
    contacts: pl.LazyFrame | None,
    as_of: AsOf,
    *,
    months: Sequence[int],
    known_until: AsOf,
) -> pl.LazyFrame:
    """One row per customer with a net purchase by `as_of`.

    Args:
        orders: see `features.orders.orders`.
        margins: customer_id, ordered_on, margin: net margin per customer and day, returns included.
        contacts: customer_id, contacted_on (Date), arm, assignment_probability; or None.
        as_of: the day the rows are about.
        months: which months after `as_of` to sum margin over (1 is the first).
        known_until: the day up to which history is known; months that end later are null.

    Returns:
        as_of, customer_id, returned, in_gap, contacted, weight, window_margin and margin_month_NN; unsorted.
    """
    on, cancelled = pl.col("ordered_on"), pl.col("cancelled_on")
    people = purchases(orders, as_of).select("customer_id").unique()
    bought = net_by(cancelled <= as_of.outcome_end)
    outcome = orders.group_by("customer_id").agg(
        returned=(as_of.outcome(on) & bought).any(), in_gap=(as_of.in_gap(on) & bought).any()
    )
    earned = margins.group_by("customer_id").agg(
        window_margin=pl.col("margin").filter(as_of.outcome(on)).sum(),
        **{margin_month(k): _month_margin(as_of, k, known_until) for k in months},
    )
    joined = people.join(outcome, on="customer_id", how="left").join(earned, on="customer_id", how="left")
    touched = (
        joined if contacts is None else joined.join(_touched(contacts, as_of), on="customer_id", how="left")
    )
    if contacts is None:
        touched = touched.with_columns(contacted=pl.lit(value=False), weight=pl.lit(1.0))
    complete = [margin_month(k) for k in months if as_of.month(k)[1] <= known_until.day]
    return touched.with_columns(
        pl.lit(as_of.day).alias("as_of"),
        pl.col("returned", "in_gap", "contacted").fill_null(value=False),
        pl.col("window_margin", *complete).fill_null(0),
        pl.col("weight").fill_null(1.0),
    )


def margin_month(k: int) -> str:
    """Name of the column that holds the net margin of the k-th month after as_of."""
    return f"margin_month_{k:02d}"


def daily_margins(lines: pl.LazyFrame) -> pl.LazyFrame:
    """Net margin per customer and day, returns included."""
    return lines.group_by("customer_id", "ordered_on").agg(pl.col("margin").sum())


def _month_margin(as_of: AsOf, k: int, known_until: AsOf) -> pl.Expr:
    start, end = as_of.month(k)
    if end > known_until.day:
        return pl.lit(None, pl.Int64)
    on = pl.col("ordered_on")
    return pl.col("margin").filter((on > start) & (on <= end)).sum()


def _touched(contacts: pl.LazyFrame, as_of: AsOf) -> pl.LazyFrame:
    """Who was in a campaign between a horizon before the day and the end of the window, and in which arm."""
    near = contacts.filter(as_of.touching(pl.col("contacted_on")))
    reached = pl.col("arm").is_in(CONTACTED_ARMS)
    chance = pl.col("assignment_probability").filter(~reached)
    return near.group_by("customer_id").agg(
        contacted=reached.any(), weight=(1.0 / chance).max().clip(1.0, 100.0)
    )
