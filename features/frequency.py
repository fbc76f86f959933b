"""How recently, how often and for how much a customer bought, over windows that end at the as_of.

Expressions for `group_by("customer_id").agg(...)` over orders (net purchases known at the as_of) as `placed`
leaves them. Money is in minor units. Sums are of integers, so that the order of rows cannot change a bit.
"""

from collections.abc import Sequence

import polars as pl

from features.asof import AsOf

WINDOWS: tuple[int, ...] = (7, 14, 30, 60, 90, 180, 365)
# Both the window and the doubled window are in WINDOWS.
TREND_WINDOWS: tuple[int, ...] = (30, 90)
SHARE_WINDOWS: tuple[int, ...] = (90, 365)

_ON = pl.col("ordered_on")


def placed(orders: pl.LazyFrame) -> pl.LazyFrame:
    """Orders with whole units, `first_on`, and marks on each customer's first and last one.

    Args:
        orders: sorted by customer, time and order, as `features.orders.orders` leaves them.
    """
    customer, first = pl.col("customer_id"), pl.when("is_first").then(_ON)
    marked = orders.with_columns(
        pl.col("quantity").round().cast(pl.Int64),
        pl.col("lines", "products").cast(pl.Int64),
        is_first=(customer != customer.shift(1)).fill_null(value=True),
        is_last=(customer != customer.shift(-1)).fill_null(value=True),
    )
    return marked.with_columns(first_on=first.forward_fill())


def days_since_last_purchase(as_of: AsOf) -> pl.Expr:
    """Whole days from the last purchase to the as_of."""
    return (pl.lit(as_of.day) - _ON.max()).dt.total_days().cast(pl.Int32).alias("days_since_last_purchase")


def tenure_days(as_of: AsOf) -> pl.Expr:
    """Whole days from the first purchase to the as_of."""
    return (pl.lit(as_of.day) - _ON.min()).dt.total_days().cast(pl.Int32).alias("tenure_days")


def counts(name: str, as_of: AsOf, on: str = "ordered_on") -> list[pl.Expr]:
    """Number of rows over the lifetime and in each window."""
    windows = [as_of.last_days(pl.col(on), days).sum().alias(named(name, days)) for days in WINDOWS]
    return [expr.cast(pl.Int32) for expr in (pl.len().alias(name), *windows)]


def totals(column: str, as_of: AsOf) -> list[pl.Expr]:
    """Sum of an integer column over the lifetime and over each window."""
    value = pl.col(column)
    windows = [
        pl.when(as_of.last_days(_ON, days)).then(value).sum().alias(named(column, days)) for days in WINDOWS
    ]
    return [value.sum().alias(column), *windows]


def order_value() -> Sequence[pl.Expr]:
    """First, last, smallest, largest, mean and spread of the order value, minor units; spread over mean.

    Squares are summed in 128 bits, where they are exact.
    """
    value, wide = pl.col("net_amount"), pl.col("net_amount").cast(pl.Int128)
    count = pl.len().cast(pl.Int128)
    squares = (count * wide.pow(2).sum() - wide.sum().pow(2)).cast(pl.Float64)
    spread = squares.sqrt() / pl.len()
    mean = value.sum() / pl.len()
    several = pl.len() > 1
    return (
        at_first("net_amount").alias("order_value_first"),
        pl.when("is_last").then(value).sum().alias("order_value_last"),
        value.min().alias("order_value_min"),
        value.max().alias("order_value_max"),
        mean.alias("order_value_mean"),
        pl.when(several).then(spread).alias("order_value_std"),
        pl.when(several).then(spread / mean).alias("order_value_variation"),
    )


def at_first(column: str) -> pl.Expr:
    """An integer column's value in the first order."""
    return pl.when("is_first").then(pl.col(column)).sum()


def order_size(columns: frozenset[str]) -> list[pl.Expr]:
    """Lines, and units where they are known, of the mean order."""
    sizes = {"lines_per_order": "lines", "units_per_order": "quantity"}
    return [
        (pl.col(column).sum() / pl.len()).alias(name)
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


def named(name: str, days: int | None) -> str:
    """Name of a windowed column; None is the lifetime."""
    return name if days is None else f"{name}_{days}d"
