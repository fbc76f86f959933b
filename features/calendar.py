"""Which season and which holidays a decision falls into, and how much of the own spend is seasonal."""

import math
from datetime import timedelta

import polars as pl

from features import feasts
from features.asof import AsOf

_YEAR = 365.25
# Before a big holiday people shop for it.
_SHOPPING_DAYS = 28


def season(as_of: AsOf) -> tuple[pl.Expr, ...]:
    """Position of the outcome window's middle in the year, as a point on a circle."""
    middle = as_of.outcome_start.timetuple().tm_yday + as_of.horizon_days / 2
    angle = 2 * math.pi * middle / _YEAR
    return (
        pl.lit(round(math.sin(angle), 9)).alias("season_sin"),
        pl.lit(round(math.cos(angle), 9)).alias("season_cos"),
    )


def holidays(as_of: AsOf, country: str | None) -> list[pl.Expr]:
    """What the country's calendar holds for the outcome window: the same for everyone on one day."""
    if country is None:
        return []
    year = as_of.day.year
    window = {as_of.outcome_start + timedelta(days=n) for n in range(1, as_of.horizon_days + 1)}
    big = {day for dates in feasts.big_holidays(country, year).values() for day in dates}
    ahead = [(day - as_of.day).days for day in big if day > as_of.day]
    fast = feasts.fast_days(country, year)
    found = {"holidays_in_window": len(feasts.public_holidays(country, year) & window)}
    if big:
        found |= {"days_to_big_holiday": min(ahead), "big_holidays_in_window": len(big & window)}
    if fast:
        found |= {"fast_days_in_window": len(fast & window)}
    return [pl.lit(value, pl.Int32).alias(name) for name, value in found.items()]


def holiday_spend_share(as_of: AsOf, country: str | None) -> list[pl.Expr]:
    """What part of the own spend fell into the four weeks that end with a big holiday.

    For `group_by("customer_id").agg(...)` over orders known at the as_of.
    """
    near = feasts.days_before(country, as_of.day.year, _SHOPPING_DAYS) if country else frozenset()
    if not near:
        return []
    amount = pl.col("net_amount")
    inside = pl.when(pl.col("ordered_on").is_in(sorted(near))).then(amount).sum()
    return [(inside / amount.sum()).alias("holiday_spend_share")]


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
