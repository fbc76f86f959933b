"""Where a customer stands on a day: how long their usual gap is, and how overdue they are.

A customer with few gaps says little about their own rhythm, so each quantile of the own gaps is drawn towards
the same quantile of their segment (default: the whole shop): `(n * own + w * segment) / (n + w)`, n gaps of
their own and w = `shrink_orders`. The functions are expressions over one row per customer; `add_stages` puts
them together. Where nobody has a gap yet, there is no usual gap, and only the fixed numbers of days decide.
"""

from datetime import date

import polars as pl

from features.contracts import Stage
from features.options import StageOptions
from features.rhythm import gap_days_quantile, quantile_name

_SILENCE = pl.col("days_since_last_purchase")
SEGMENT = "segment"


def segment_quantiles(
    gaps: pl.LazyFrame, as_of: date, options: StageOptions, segments: pl.LazyFrame | None = None
) -> pl.LazyFrame:
    """Quantiles over all gaps known at the end of `as_of`, the segment's side of the shrinking.

    Args:
        gaps: `customer_id`, `ordered_on`, `gap_days`, see `features.rhythm.with_gaps`.
        as_of: the last day that is known.
        options: which quantiles.
        segments: `customer_id`, `segment`; None: one segment, the shop.

    Returns:
        One row per segment with `segment` (without `segments`: exactly one row, no such column) and
        `segment_gap_days_median`, ... A segment without a gap has the shop's quantiles; a shop without one,
        nulls.
    """
    known = gaps.filter(pl.col("ordered_on") <= as_of)
    over_gaps = [
        gap_days_quantile(quantile).cast(pl.Float64).alias(_segment_name(quantile))
        for quantile in quantiles(options)
    ]
    shop = known.select(over_gaps)
    if segments is None:
        return shop
    names = [_segment_name(quantile) for quantile in quantiles(options)]
    return (
        segments.join(known, on="customer_id", how="left")
        .group_by(SEGMENT)
        .agg(over_gaps)
        .join(shop, how="cross", suffix="_shop")
        .select(SEGMENT, *(pl.coalesce(name, f"{name}_shop").alias(name) for name in names))
    )


def add_stages(customers: pl.LazyFrame, segments: pl.LazyFrame, options: StageOptions) -> pl.LazyFrame:
    """Usual gap, how overdue, the two limits and the stage of each customer.

    Args:
        customers: `orders`, `days_since_last_purchase`, `gaps` and the quantiles of the own gaps; with
            `segment` if `segments` has it.
        segments: from `segment_quantiles`.
        options: where the lines lie.

    Returns:
        `customers` with `usual_gap_days`, `at_risk_limit_days`, `lapse_limit_days`, `overdue_ratio`,
        `days_to_next_purchase`, `stage`.
    """
    if SEGMENT in segments.collect_schema():
        joined = customers.join(segments, on=SEGMENT, how="left", nulls_equal=True)
    else:
        joined = customers.join(segments, how="cross")
    return (
        joined.with_columns(usual_gap_days(options), at_risk_limit_days(options), lapse_limit_days(options))
        .with_columns(overdue_ratio(), days_to_next_purchase(), stage(options))
        .drop([_segment_name(quantile) for quantile in quantiles(options)])
    )


def quantiles(options: StageOptions) -> tuple[float, ...]:
    """Which quantiles of the own gaps `add_stages` reads, each once."""
    return tuple(dict.fromkeys((0.5, options.at_risk_quantile, options.lapsed_quantile)))


def shrunk_quantile(quantile: float, options: StageOptions) -> pl.Expr:
    """A quantile of the own gaps, drawn towards the segment's; the segment's alone without own gaps; days."""
    own, segment = pl.col(quantile_name(quantile)), pl.col(_segment_name(quantile))
    n, weight = pl.col("gaps").cast(pl.Float64), options.shrink_orders
    shrunk = (n * own + weight * segment) / (n + weight)
    return pl.when(n > 0).then(pl.coalesce(shrunk, own)).otherwise(segment)


def usual_gap_days(options: StageOptions) -> pl.Expr:
    """The shrunk median gap, days."""
    return shrunk_quantile(0.5, options).alias("usual_gap_days")


def overdue_ratio() -> pl.Expr:
    """Days since the last purchase, counted in usual gaps."""
    usual = pl.col("usual_gap_days")
    return pl.when(usual > 0).then(_SILENCE / usual).alias("overdue_ratio")


def days_to_next_purchase() -> pl.Expr:
    """Days from the as_of to when the next purchase would be usual; negative when it is overdue."""
    return (pl.col("usual_gap_days") - _SILENCE).alias("days_to_next_purchase")


def at_risk_limit_days(options: StageOptions) -> pl.Expr:
    """Silent longer than this many days: at risk."""
    return shrunk_quantile(options.at_risk_quantile, options).alias("at_risk_limit_days")


def lapse_limit_days(options: StageOptions) -> pl.Expr:
    """Silent longer than this many days: lapsed. Never less than the floor."""
    floor = pl.lit(options.lapse_floor_days, pl.Float64)
    limit = shrunk_quantile(options.lapsed_quantile, options)
    return pl.max_horizontal(floor, limit).alias("lapse_limit_days")


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


def _segment_name(quantile: float) -> str:
    return f"segment_{quantile_name(quantile)}"
