"""How recently, how often and for how much a customer bought, over windows that end at the as_of.

Expressions for `group_by("customer_id").agg(...)` over orders (net purchases known at the as_of). Money is in
minor units. Sums are of integers, so that the order of rows cannot change a bit.
"""

from collections.abc import Sequence

import polars as pl

from features.asof import AsOf

WINDOWS: tuple[int, ...] = (7, 14, 30, 60, 90, 180, 365)

_ON = pl.col("ordered_on")


def days_since_last_purchase(as_of: AsOf) -> pl.Expr:
    """Whole days from the last purchase to the as_of."""
    return (pl.lit(as_of.day) - _ON.max()).dt.total_days().cast(pl.Int32).alias("days_since_last_purchase")


def tenure_days(as_of: AsOf) -> pl.Expr:
    """Whole days from the first purchase to the as_of."""
    return (pl.lit(as_of.day) - _ON.min()).dt.total_days().cast(pl.Int32).alias("tenure_days")


def orders(as_of: AsOf, days: int | None = None) -> pl.Expr:
    """Number of orders in the window; None is the whole history."""
    return _count(_inside(as_of, days)).alias(_named("orders", days))


def active_days(as_of: AsOf, days: int | None = None) -> pl.Expr:
    """Number of distinct days with an order in the window."""
    inside = _ON if days is None else _ON.filter(as_of.last_days(_ON, days))
    return inside.n_unique().cast(pl.Int32).alias(_named("active_days", days))


def total(column: str, as_of: AsOf, days: int | None = None) -> pl.Expr:
    """Sum of an integer column over the orders in the window."""
    inside = pl.col(column) if days is None else pl.col(column).filter(as_of.last_days(_ON, days))
    return inside.sum().alias(_named(column, days))


def order_value() -> Sequence[pl.Expr]:
    """First, last, smallest, largest, mean and spread of the order value, minor units.

    The spread is taken of values rounded to hundreds of minor units, whose squares still sum exactly.
    """
    value = pl.col("net_amount")
    ordered = value.sort_by("ordered_at", "order_id")
    count = pl.len()
    mean = value.sum() / count
    squares = (value / 100).round().cast(pl.Int64).pow(2).sum().cast(pl.Float64) * 1e4
    spread = (squares / count - mean.pow(2)).clip(lower_bound=0).sqrt()
    return (
        ordered.first().alias("order_value_first"),
        ordered.last().alias("order_value_last"),
        value.min().alias("order_value_min"),
        value.max().alias("order_value_max"),
        mean.alias("order_value_mean"),
        pl.when(count > 1).then(spread).alias("order_value_std"),
    )


def trend(name: str, days: int) -> pl.Expr:
    """The window against the one before it, in [-1, 1]: (now - before) / (now + before); 0 when both are 0.

    Reads the columns of the window and of the doubled window, which must exist: both are in `WINDOWS`.
    """
    now = pl.col(_named(name, days)).cast(pl.Float64)
    before = pl.col(_named(name, 2 * days)).cast(pl.Float64) - now
    both = now.abs() + before.abs()
    return pl.when(both > 0).then((now - before) / both).otherwise(0.0).alias(f"{name}_trend_{days}d")


def share_of_lifetime(name: str, days: int) -> pl.Expr:
    """What part of the lifetime's sum fell into the window; null when the lifetime's sum is not positive."""
    whole = pl.col(name).cast(pl.Float64)
    return pl.when(whole > 0).then(pl.col(_named(name, days)) / whole).alias(f"{name}_share_{days}d")


def discount_share() -> pl.Expr:
    """Discount as a share of what would have been paid without it, over the lifetime."""
    full = (pl.col("net_amount") + pl.col("discount_amount")).cast(pl.Float64)
    return pl.when(full > 0).then(pl.col("discount_amount") / full).alias("discount_share")


def _count(inside: pl.Expr) -> pl.Expr:
    return inside.sum().cast(pl.Int32)


def _inside(as_of: AsOf, days: int | None) -> pl.Expr:
    return _ON.is_not_null() if days is None else as_of.last_days(_ON, days)


def _named(name: str, days: int | None) -> str:
    return name if days is None else f"{name}_{days}d"
