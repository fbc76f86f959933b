"""How recently, how often and for how much a customer bought, over windows that end at the as_of.

Money is in minor units. Sums are of integers, so that the order of rows cannot change a bit.
"""

from collections.abc import Sequence

import polars as pl

from features.asof import AsOf
from features.known import WINDOWS, Known
from features.runs import Runs, named

# Both the window and the doubled window are in WINDOWS.
TREND_WINDOWS: tuple[int, ...] = (30, 90)
SHARE_WINDOWS: tuple[int, ...] = (90, 365)
_EVERY = (None, *WINDOWS)
_ON = pl.col("ordered_on")


def silence(known: Known) -> pl.DataFrame:
    """The last purchase's day; whole days since it and since the first."""
    ends = pl.concat(
        [
            known.days.firsts(_ON.alias("first")),
            known.days.lasts(_ON.alias("last_purchase_on")),
        ],
        how="horizontal",
    )
    return ends.select(
        "last_purchase_on",
        _days_until(known.as_of, "last_purchase_on").alias("days_since_last_purchase"),
        _days_until(known.as_of, "first").alias("tenure_days"),
    )


def counts(name: str, runs: Runs, windows: Sequence[int | None] = _EVERY) -> pl.DataFrame:
    """Number of rows over the lifetime and in each window: Int32."""
    return pl.DataFrame({named(name, days): runs.count(days).cast(pl.Int32) for days in windows})


def totals(runs: Runs, *columns: str) -> pl.DataFrame:
    """Sum of each integer column over the lifetime and over each window."""
    return runs.over(_EVERY, *columns)


def margins(known: Known) -> pl.DataFrame:
    """Net margin, returns included, over the lifetime and over each window."""
    as_of = known.as_of
    rows = known.books.margins.filter(as_of.history(_ON))
    return known.runs(rows).with_windows(as_of, "ordered_on", WINDOWS).over(_EVERY, "margin")


def order_value(purchases: Runs) -> pl.DataFrame:
    """First, last, smallest, largest, mean and spread of the order value; last and spread over the mean."""
    value = pl.col("net_amount")
    count = purchases.count()
    whole = pl.DataFrame(
        [
            purchases.firsts(value.alias("order_value_first")).to_series(),
            purchases.lasts(value.alias("order_value_last")).to_series(),
            purchases.least(value.alias("order_value_min")).to_series(),
            purchases.most(value.alias("order_value_max")).to_series(),
            (purchases.sums(value).to_series() / count).alias("order_value_mean"),
        ]
    )
    last = pl.col("order_value_last") / pl.col("order_value_mean")
    whole = whole.with_columns(last.alias("order_value_last_ratio"))
    off = purchases.rows["net_amount"].to_numpy() - purchases.spread(whole["order_value_mean"]).to_numpy()
    squares, several = pl.Series(purchases.added(off * off)), pl.lit(count) > 1
    std = (pl.lit(squares) / pl.lit(count)).sqrt()
    return whole.with_columns(
        pl.when(several).then(std).alias("order_value_std"),
        pl.when(several).then(std / pl.col("order_value_mean")).alias("order_value_variation"),
    )


def order_size(columns: frozenset[str]) -> list[pl.Expr]:
    """Lines, and units where they are known, of the mean order."""
    sizes = {"lines_per_order": "lines", "units_per_order": "quantity"}
    return [
        (pl.col(column) / pl.col("orders")).alias(name)
        for name, column in sizes.items()
        if column == "lines" or column in columns
    ]


def trend(name: str, days: int) -> pl.Expr:
    """The window against the one before it, in [-1, 1]: (now - before) / (now + before); 0 when both are 0.

    Reads the columns of the window and of the doubled window, which must exist: both are in `WINDOWS`.
    """
    now = pl.col(named(name, days)).cast(pl.Float64)
    before = pl.col(named(name, 2 * days)).cast(pl.Float64) - now
    return contrast(now, before).alias(f"{name}_trend_{days}d")


def contrast(now: pl.Expr, before: pl.Expr) -> pl.Expr:
    """The difference of two Float64 values as a share of their sizes, in [-1, 1]; 0 when both are 0."""
    both = now.abs() + before.abs()
    return pl.when(both > 0).then((now - before) / both).when(both == 0).then(0.0)


def share_of_lifetime(name: str, days: int) -> pl.Expr:
    """What part of the lifetime's sum fell into the window; null when the lifetime's sum is not positive."""
    whole = pl.col(name).cast(pl.Float64)
    return pl.when(whole > 0).then(pl.col(named(name, days)) / whole).alias(f"{name}_share_{days}d")


def margin_share() -> pl.Expr:
    """Net margin as a share of what was paid, over the lifetime."""
    paid = pl.col("net_amount").cast(pl.Float64)
    return pl.when(paid > 0).then(pl.col("margin") / paid).alias("margin_share")


def _days_until(as_of: AsOf, column: str) -> pl.Expr:
    return (pl.lit(as_of.day) - pl.col(column)).dt.total_days().cast(pl.Int32)
