"""Which season and which holidays a decision falls into, and how much of the own spend is seasonal."""

import math
from dataclasses import replace
from datetime import timedelta

import polars as pl

from features import feasts
from features.asof import AsOf
from features.runs import Runs

_YEAR = 365.25
_ON = pl.col("ordered_on")
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
    found: dict[str, int | None] = {"holidays_in_window": len(feasts.public_holidays(country, year) & window)}
    if big:
        found |= {
            "days_to_big_holiday": min(ahead, default=None),
            "big_holidays_in_window": len(big & window),
        }
    if fast:
        found |= {"fast_days_in_window": len(fast & window)}
    return [pl.lit(value, pl.Int32).alias(name) for name, value in found.items()]


def own_season(purchases: Runs, as_of: AsOf, country: str | None) -> pl.DataFrame:
    """How much of the own purchases falls into the season that the decision asks about.

    Args:
        purchases: net purchases known at the as_of.
        as_of: the day.
        country: whose big holidays count, or None.

    Returns:
        orders_in_season_share: orders within the outcome window's days of earlier years, a share of all;
        orders_same_window_last_year; with a country that has big holidays `holiday_spend_share`: what part of
        the spend fell into the four weeks that end with one.
    """
    near = feasts.days_before(country, as_of.day.year, _SHOPPING_DAYS) if country else frozenset()
    days = _every_day(purchases).select(
        _in_season(as_of).alias("in_season"),
        _last_year(as_of).alias("last_year"),
        _ON.is_in(sorted(near)).alias("near"),
    )
    # Asked once per day of the calendar, not once per purchase.
    place = (_ON - _ON.min()).dt.total_days().cast(pl.UInt32)
    of_day = days[purchases.rows.select(place).to_series()]
    amount = purchases.rows["net_amount"]
    spent = [(amount * of_day["near"]).alias("near"), amount.alias("all")] if near else []
    sums = replace(purchases, rows=pl.DataFrame([of_day["in_season"], of_day["last_year"], *spent])).sums(
        pl.all()
    )
    shares = [(pl.col("near") / pl.col("all")).alias("holiday_spend_share")] if near else []
    return sums.with_columns(purchases.count().alias("orders")).select(
        (pl.col("in_season") / pl.col("orders")).alias("orders_in_season_share"),
        pl.col("last_year").cast(pl.Int32).alias("orders_same_window_last_year"),
        *shares,
    )


def _every_day(purchases: Runs) -> pl.DataFrame:
    """The days from the first purchase of all to the last."""
    days = purchases.rows.select(pl.date_ranges(_ON.min(), _ON.max()).alias("ordered_on"))
    return days.explode("ordered_on").drop_nulls()


def _in_season(as_of: AsOf) -> pl.Expr:
    start = as_of.outcome_start.timetuple().tm_yday
    days_after = (_ON.dt.ordinal_day().cast(pl.Int32) - start - 1) % 365
    return days_after < as_of.horizon_days


def _last_year(as_of: AsOf) -> pl.Expr:
    before = 365 - as_of.gap_days - as_of.horizon_days
    return as_of.last_days(_ON, as_of.horizon_days, before=max(before, 0))
