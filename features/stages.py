"""Where a customer stands on a day: how long their usual gap is, and how overdue they are.

A customer with few gaps says little about their own rhythm, so each quantile of the own gaps is drawn towards
the same quantile of the whole shop: `(n * own + w * shop) / (n + w)`, n gaps of their own and
w = `shrink_orders`. The functions are expressions over one row per customer; `add_stages` puts them together.
Where nobody has a gap yet, there is no usual gap, and only the fixed numbers of days decide.

The shop's side is counted, not gathered: how many gaps there are of each length. Counts of parts of the shop
add up to the whole shop's.
"""

from collections.abc import Mapping
from math import ceil, floor

import numpy as np
import polars as pl

from features.contracts import Stage
from features.options import StageOptions
from features.rhythm import quantile_name
from features.runs import Runs

KEYS = ("gap_days",)
# A quantile and its value in days; None where the shop has no gap.
ShopQuantiles = Mapping[float, float | None]

_SILENCE = pl.col("days_since_last_purchase")


def count_gaps(days: Runs) -> pl.DataFrame:
    """How many gaps of each length there are: `KEYS` and `count`, sorted; the counts of parts add up.

    Args:
        days: `gap_days`, see `features.rhythm.order_days`.
    """
    counts = np.bincount(days.rows["gap_days"].drop_nulls().to_numpy())
    return pl.DataFrame(
        {"gap_days": np.arange(len(counts), dtype=np.int32), "count": counts},
        schema={"gap_days": pl.Int32, "count": pl.Int64},
    ).filter(pl.col("count") > 0)


def shop_quantiles(counts: pl.DataFrame, options: StageOptions) -> ShopQuantiles:
    """Quantiles over all gaps, the shop's side of the shrinking.

    Args:
        counts: of all parts, added up and sorted, see `count_gaps`.
        options: which quantiles.
    """
    return {quantile: gap_quantile(counts, quantile) for quantile in quantiles(options)}


def add_stages(customers: pl.DataFrame, shop: ShopQuantiles, options: StageOptions) -> pl.DataFrame:
    """Usual gap, how overdue, the two limits and the stage of each customer.

    Args:
        customers: `orders`, `days_since_last_purchase`, `gaps` and the quantiles of the own gaps.
        shop: from `shop_quantiles`.
        options: where the lines lie.

    Returns:
        `customers` with `usual_gap_days`, `at_risk_limit_days`, `lapse_limit_days`, `overdue_ratio`,
        `days_to_next_purchase`, `stage`.
    """
    return customers.with_columns(
        usual_gap_days(shop, options), at_risk_limit_days(shop, options), lapse_limit_days(shop, options)
    ).with_columns(overdue_ratio(), days_to_next_purchase(), stage(options))


def quantiles(options: StageOptions) -> tuple[float, ...]:
    """Which quantiles of the own gaps `add_stages` reads, each once."""
    return tuple(dict.fromkeys((0.5, options.at_risk_quantile, options.lapsed_quantile)))


def shrunk_quantile(quantile: float, shop: ShopQuantiles, options: StageOptions) -> pl.Expr:
    """A quantile of the own gaps, drawn towards the shop's; the shop's alone without own gaps; days."""
    own, whole = pl.col(quantile_name(quantile)), pl.lit(shop[quantile], pl.Float64)
    n, weight = pl.col("gaps").cast(pl.Float64), options.shrink_orders
    shrunk = (n * own + weight * whole) / (n + weight)
    return pl.when(n > 0).then(pl.coalesce(shrunk, own)).otherwise(whole)


def usual_gap_days(shop: ShopQuantiles, options: StageOptions) -> pl.Expr:
    """The shrunk median gap, days."""
    return shrunk_quantile(0.5, shop, options).alias("usual_gap_days")


def overdue_ratio() -> pl.Expr:
    """Days since the last purchase, counted in usual gaps."""
    usual = pl.col("usual_gap_days")
    return pl.when(usual > 0).then(_SILENCE / usual).alias("overdue_ratio")


def days_to_next_purchase() -> pl.Expr:
    """Days from the as_of to when the next purchase would be usual; negative when it is overdue."""
    return (pl.col("usual_gap_days") - _SILENCE).alias("days_to_next_purchase")


def at_risk_limit_days(shop: ShopQuantiles, options: StageOptions) -> pl.Expr:
    """Silent longer than this many days: at risk."""
    return shrunk_quantile(options.at_risk_quantile, shop, options).alias("at_risk_limit_days")


def lapse_limit_days(shop: ShopQuantiles, options: StageOptions) -> pl.Expr:
    """Silent longer than this many days: lapsed. Never less than the floor."""
    least = pl.lit(options.lapse_floor_days, pl.Float64)
    limit = shrunk_quantile(options.lapsed_quantile, shop, options)
    return pl.max_horizontal(least, limit).alias("lapse_limit_days")


def stage(options: StageOptions) -> pl.Expr:
    """The first stage that matches (DESIGN section 2); null without a purchase."""
    return (
        pl.when(_SILENCE.is_null())
        .then(None)
        .when(_SILENCE.gt(options.lost_after_days))
        .then(pl.lit(Stage.LOST.value))
        .when(_SILENCE.gt(pl.col("lapse_limit_days")))
        .then(pl.lit(Stage.LAPSED.value))
        .when(_SILENCE.gt(pl.col("at_risk_limit_days")))
        .then(pl.lit(Stage.AT_RISK.value))
        .when(pl.col("orders") == 1)
        .then(pl.lit(Stage.NEW.value))
        .otherwise(pl.lit(Stage.ACTIVE.value))
        .alias("stage")
    )


def gap_quantile(counts: pl.DataFrame, quantile: float) -> float | None:
    """As if all gaps stood in a row: the one at the place, or between its neighbours; None without a gap."""
    if counts.is_empty():
        return None
    upto = counts["count"].cum_sum()
    place = float((upto.item(-1) - 1) * quantile)
    below = floor(place)
    # At a place stands the first length that, with all shorter ones, more gaps have than stand before it.
    short, long = (counts["gap_days"].item(upto.search_sorted(at, "right")) for at in (below, ceil(place)))
    return float(short + (place - below) * (long - short))
