"""At which hour, weekday, day of the month and month does a customer buy, and how firmly?

A habit is the value on most orders (the smallest of equals), its share of all orders, and how concentrated
the orders are: 1 when all fall on one value, 0 when they are spread as evenly as so few orders can be.
"""

import math
from collections.abc import Mapping

import polars as pl

# Fractions are summed as integers of this many parts.
PARTS = 2**20
# How many values a habit can take.
KINDS: Mapping[str, int] = {"weekday": 7, "hour": 24, "month_day": 31, "month": 12}


def habits(orders: pl.LazyFrame, timezone: str) -> pl.LazyFrame:
    """One row per customer.

    Args:
        orders: net purchases known at the as_of.
        timezone: the shop's zone; hours are counted in it.

    Returns:
        customer_id, and `<kind>_usual`, `<kind>_usual_share`, `<kind>_concentration` for each of `KINDS`;
        the last is null for one order.
    """
    on, at = pl.col("ordered_on"), pl.col("ordered_at").dt.convert_time_zone(timezone)
    values = {
        "weekday": on.dt.weekday(),
        "hour": at.dt.hour(),
        "month_day": on.dt.day(),
        "month": on.dt.month(),
    }
    each = [
        orders.select(
            "customer_id", pl.lit(number, pl.Int8).alias("kind"), value.cast(pl.Int64).alias("value")
        )
        for number, value in enumerate(values[kind] for kind in KINDS)
    ]
    counted = pl.concat(each).group_by("customer_id", "kind", "value").agg(pl.len().cast(pl.Int64).alias("n"))
    # The greatest count, and of equals the smallest value, as one number.
    ranked = counted.with_columns(rank=pl.col("n") * 32 + (31 - pl.col("value")), logs=x_log_x(pl.col("n")))
    return ranked.group_by("customer_id").agg(
        expr for number, kind in enumerate(KINDS) for expr in _habit(kind, pl.col("kind") == number)
    )


def x_log_x(count: pl.Expr) -> pl.Expr:
    """The product n log n of a positive whole number, in `PARTS`, so that sums of it are exact."""
    return (count * count.cast(pl.Float64).log() * PARTS).round().cast(pl.Int64)


def entropy(logs: pl.Expr, total: pl.Expr) -> pl.Expr:
    """Shannon entropy of shares, in nats, from the sum of `x_log_x` of their counts and the counts' sum."""
    n = total.cast(pl.Float64)
    # Multiplied, not divided, by a number: Polars divides in two ways, which differ in the last bit.
    return (n.log() - logs * (1 / PARTS) / n).clip(lower_bound=0)


def _habit(kind: str, mine: pl.Expr) -> list[pl.Expr]:
    total, top = pl.when(mine).then(pl.col("n")).sum(), pl.when(mine).then(pl.col("rank")).max()
    spread = entropy(pl.when(mine).then(pl.col("logs")).sum(), total)
    most = pl.min_horizontal(total.cast(pl.Float64).log(), pl.lit(math.log(KINDS[kind])))
    return [
        (31 - top % 32).cast(pl.Int32).alias(f"{kind}_usual"),
        ((top // 32) / total).alias(f"{kind}_usual_share"),
        pl.when(total > 1).then((1 - spread / most).clip(0, 1)).alias(f"{kind}_concentration"),
    ]
