"""In which rhythm a customer buys: how long their gaps are, how even, and how clustered.

A gap is the number of days between two consecutive order days of one customer. `with_gaps` finds them; every
other function is an expression for `group_by("customer_id").agg(...)` over its rows up to the `as_of`. A gap
looks back only, so rows after the `as_of` change nothing once they are left out. Sums are sums of integers:
the order of rows cannot reach a result.
"""

import math
from collections.abc import Sequence

import polars as pl

from features.asof import AsOf

GAP = pl.col("gap_days").cast(pl.Int64)
_ON = pl.col("ordered_on")

# As even as a k of 50: beyond it, a handful of gaps tells nothing more.
MAX_REGULARITY = 50.0
# Fractions are summed as integers of this many parts.
_PARTS = 2**20


def with_gaps(orders: pl.LazyFrame) -> pl.LazyFrame:
    """The order days of each customer with the gap before each, and the gap before that.

    Args:
        orders: `customer_id`, `ordered_on`; any number of rows per day, in any order.

    Returns:
        `customer_id`, `ordered_on`, `gap_days`, `previous_gap_days` (Int32; null where there is none), one
        row per customer and day, sorted by both.
    """
    customer = pl.col("customer_id")
    same = customer == customer.shift(1)
    gap = pl.when(same).then((_ON - _ON.shift(1)).dt.total_days().cast(pl.Int32))
    return (
        orders.select("customer_id", "ordered_on")
        .unique()
        .sort("customer_id", "ordered_on")
        .with_columns(gap.alias("gap_days"))
        .with_columns(pl.when(same).then(pl.col("gap_days").shift(1)).alias("previous_gap_days"))
    )


def rhythm(
    as_of: AsOf, quantiles: Sequence[float] = (0.5, 0.75, 0.9), window_days: int = 365
) -> list[pl.Expr]:
    """Every feature of this module."""
    return [
        gaps(),
        gap_days_mean(),
        gap_days_std(),
        gap_variation(),
        *(gap_days_quantile(quantile) for quantile in dict.fromkeys(quantiles)),
        last_gap_days(),
        last_gap_ratio(),
        last_gap_rank(),
        silence_rank(as_of),
        gap_regularity(),
        clumpiness(as_of, window_days),
    ]


def gaps() -> pl.Expr:
    """Number of gaps: order days after the first."""
    return GAP.count().cast(pl.Int64).alias("gaps")


def gap_days_mean() -> pl.Expr:
    """Mean gap, days."""
    return _mean().alias("gap_days_mean")


def gap_days_std() -> pl.Expr:
    """Standard deviation of the gaps, days; null below two gaps."""
    return _std().alias("gap_days_std")


def gap_variation() -> pl.Expr:
    """Standard deviation of the gaps over their mean: 0 like clockwork, 1 at random, more in bursts."""
    return (_std() / _mean()).alias("gap_variation")


def gap_days_quantile(quantile: float) -> pl.Expr:
    """A quantile of the gaps, days, between neighbours where it falls between two."""
    return GAP.quantile(quantile, interpolation="linear").alias(quantile_name(quantile))


def quantile_name(quantile: float) -> str:
    """Name of the quantile's column: `gap_days_median`, `gap_days_q90`."""
    if quantile == 0.5:
        return "gap_days_median"
    return "gap_days_q" + f"{100 * quantile:g}".replace(".", "_")


def last_gap_days() -> pl.Expr:
    """The gap before the last order day, days."""
    return pl.col("gap_days").max_by(_ON).cast(pl.Int32).alias("last_gap_days")


def last_gap_ratio() -> pl.Expr:
    """The last gap over the median gap: above 1 the customer slows down."""
    median = GAP.quantile(0.5, interpolation="linear")
    return (GAP.max_by(_ON) / median).alias("last_gap_ratio")


def last_gap_rank() -> pl.Expr:
    """What part of the own gaps is no longer than the last one; null below two gaps."""
    count = GAP.count()
    rank = GAP.le(GAP.max_by(_ON)).sum() / count
    return pl.when(count > 1).then(rank).alias("last_gap_rank")


def silence_rank(as_of: AsOf) -> pl.Expr:
    """What part of the own gaps is shorter than the silence since the last order day; null without a gap."""
    count = GAP.count()
    silence = (pl.lit(as_of.day) - _ON.max()).dt.total_days()
    return pl.when(count > 0).then(GAP.lt(silence).sum() / count).alias("silence_rank")


def gap_regularity() -> pl.Expr:
    """Shape k of the gaps as gamma variables: 1 is buying at random, more is more even, less is in bursts.

    Of two consecutive gaps, the first one's share of both has variance 1 / (4 (2k + 1)) (Wheat and Morrison
    1990, JMR 27; the regularity of Platzer and Reutterer 2016, Marketing Science 35), whatever the customer's
    own rate. Null below two such pairs; at most `MAX_REGULARITY`.
    """
    earlier = pl.col("previous_gap_days").cast(pl.Int64)
    # Twice the share less one; its mean is known to be 0, its mean square is 1 / (2k + 1).
    lean = ((GAP - earlier) / (GAP + earlier)).pow(2)
    pairs = earlier.count()
    spread = _in_parts(lean).sum() / _PARTS / pairs
    floored = pl.max_horizontal(spread, pl.lit(1 / (2 * MAX_REGULARITY + 1)))
    return pl.when(pairs >= 2).then((1 - floored) / (2 * floored)).alias("gap_regularity")


def clumpiness(as_of: AsOf, window_days: int) -> pl.Expr:
    """How clustered the order days of the last `window_days` are: 0 evenly spread, 1 all at one end.

    One less the entropy of the shares that the gaps cut out of the window, its ends included, against the
    greatest entropy that so many gaps can have (Zhang, Bradlow and Small 2015, Marketing Science 34). Null
    without an order day in the window.
    """
    inside = as_of.last_days(_ON, window_days)
    place = window_days - (pl.lit(as_of.day) - _ON).dt.total_days()
    between = GAP.filter(inside & (place > GAP))
    before, after = place.filter(inside).min(), window_days + 1 - place.filter(inside).max()
    logs = _in_parts(_x_log_x(between)).sum() + _in_parts(_x_log_x(before)) + _in_parts(_x_log_x(after))
    whole = window_days + 1
    # Not divided by a number: Polars does that in two ways, which differ in the last bit, by the row count.
    entropy = math.log(whole) - logs * (1 / (_PARTS * whole))
    days = inside.sum()
    value = (1 - entropy / (days + 1).log()).clip(0, 1)
    return pl.when(days > 0).then(value).alias(f"clumpiness_{window_days}d")


def _mean() -> pl.Expr:
    count = GAP.count()
    return pl.when(count > 0).then(GAP.sum() / count)


def _std() -> pl.Expr:
    count = GAP.count().cast(pl.Int64)
    squares = count * GAP.pow(2).sum() - GAP.sum().pow(2)
    return pl.when(count > 1).then((squares / (count * (count - 1))).sqrt())


def _x_log_x(x: pl.Expr) -> pl.Expr:
    return x * x.cast(pl.Float64).log()


def _in_parts(x: pl.Expr) -> pl.Expr:
    return (x * _PARTS).round().cast(pl.Int64)
