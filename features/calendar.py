"""Which season a decision falls into, and how much of the own spend is seasonal."""

import math

import polars as pl

from features.asof import AsOf

_YEAR = 365.25


def season(as_of: AsOf) -> tuple[pl.Expr, ...]:
    """Position of the outcome window's middle in the year, as a point on a circle."""
    middle = as_of.outcome_start.timetuple().tm_yday + as_of.horizon_days / 2
    angle = 2 * math.pi * middle / _YEAR
    return (
        pl.lit(round(math.sin(angle), 9)).alias("season_sin"),
        pl.lit(round(math.cos(angle), 9)).alias("season_cos"),
    )


def bought_in_season(as_of: AsOf) -> pl.Expr:
    """Orders that fell into the outcome window's days of earlier years, a share of all orders.

    For `group_by("customer_id").agg(...)` over orders known at the as_of.
    """
    start = as_of.outcome_start.timetuple().tm_yday
    days_after = (pl.col("ordered_on").dt.ordinal_day().cast(pl.Int32) - start - 1) % 365
    inside = (days_after < as_of.horizon_days).sum().cast(pl.Float64)
    return (inside / pl.len()).alias("orders_in_season_share")


def last_year_window(as_of: AsOf) -> pl.Expr:
    """Orders in the same window a year earlier."""
    before = 365 - as_of.gap_days - as_of.horizon_days
    inside = as_of.last_days(pl.col("ordered_on"), as_of.horizon_days, before=max(before, 0))
    return inside.sum().cast(pl.Int32).alias("orders_same_window_last_year")
