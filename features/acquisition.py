"""How a customer came, what the first order was like, and how they and their cohort did since.

A cohort is everyone whose first purchase fell into the same month, as far as it was known at the as_of.
"""

import polars as pl

from features.asof import AsOf
from features.frequency import at_first

MILESTONES: tuple[int, ...] = (30, 90, 180, 365)
_ACTIVE_DAYS = 90
_ON, _FIRST = pl.col("ordered_on"), pl.col("first_on")


def first_order(columns: frozenset[str]) -> list[pl.Expr]:
    """The first order's margin, lines, units and discount.

    For `group_by("customer_id").agg(...)` over orders, see `features.frequency.placed`.
    """
    exprs = [
        at_first("margin").alias("first_order_margin"),
        at_first("lines").cast(pl.Int32).alias("first_order_lines"),
    ]
    if "quantity" in columns:
        exprs.append(at_first("quantity").alias("first_order_units"))
    if "discount_amount" in columns:
        given = at_first("discount_amount")
        full = (at_first("net_amount") + given).cast(pl.Float64)
        exprs.append(pl.when(full > 0).then(given / full).alias("first_order_discount_share"))
    return exprs


def milestones(as_of: AsOf) -> list[pl.Expr]:
    """How many milestones have passed; orders up to each, null before it has passed.

    For `group_by("customer_id").agg(...)` over orders, see `features.frequency.placed`.
    """
    age = (pl.lit(as_of.day) - _FIRST.min()).dt.total_days()
    since = (_ON - _FIRST).dt.total_days()
    passed = pl.sum_horizontal((age >= days).cast(pl.Int32) for days in MILESTONES)
    early = [
        pl.when(age >= days).then((since <= days).sum().cast(pl.Int32)).alias(f"orders_first_{days}d")
        for days in MILESTONES
    ]
    return [passed.alias("milestones_passed"), *early]


def source(customers: pl.LazyFrame, known: pl.LazyFrame, as_of: AsOf, timezone: str) -> pl.LazyFrame | None:
    """Per customer: the channel they came by, and days from becoming a customer to the first order.

    Returns:
        None when the shop knows neither.
    """
    present = customers.collect_schema().names()
    columns = [pl.col(name) for name in ("acquisition_channel",) if name in present]
    if "acquired_at" in present:
        on = pl.col("acquired_at").dt.convert_time_zone(timezone).dt.date()
        joined = pl.when(as_of.known(on)).then(on)
        columns.append((_ON - joined).dt.total_days().cast(pl.Int32).alias("days_to_first_order"))
    if not columns:
        return None
    firsts = known.filter("is_first").select("customer_id", "ordered_on")
    return firsts.join(customers, on="customer_id", how="left").select("customer_id", *columns)


def cohorts(known: pl.LazyFrame, as_of: AsOf) -> pl.LazyFrame:
    """Per customer: how many of their cohort bought again so far, and lately.

    Args:
        known: orders, see `features.frequency.placed`.
        as_of: the day.

    Returns:
        customer_id, cohort_customers, cohort_repeat_share, cohort_active_share_90d.
    """
    people = known.group_by("customer_id").agg(
        cohort=_ON.min().dt.truncate("1mo"),
        repeated=(_ON.n_unique() > 1),
        lately=as_of.last_days(_ON, _ACTIVE_DAYS).any(),
    )
    size = pl.len().cast(pl.Float64)
    each = people.group_by("cohort").agg(
        cohort_customers=pl.len().cast(pl.Int32),
        cohort_repeat_share=pl.col("repeated").sum() / size,
        **{f"cohort_active_share_{_ACTIVE_DAYS}d": pl.col("lately").sum() / size},
    )
    return people.select("customer_id", "cohort").join(each, on="cohort").drop("cohort")
