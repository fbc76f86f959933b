"""What really happened to the people of the shop: for tests and examples, never for the pipeline."""

from datetime import date

import polars as pl

from flows.demo_shop.calendar import Season
from flows.demo_shop.people import CAUSES, OFFERS, Cause
from flows.demo_shop.plan import ShopPlan
from flows.demo_shop.visits import Walk

# Fewer orders than this show no change.
_SHOWS_AFTER = 4
_SIGNS = {
    Cause.PRICE: "price_sensitivity",
    Cause.COMPETITOR: "basket_shrinking",
    Cause.OUTGROWN: "rhythm_broken",
}


def true_departures(plan: ShopPlan, walked: Walk, accounts: pl.DataFrame) -> pl.DataFrame:
    """`departures`: every time somebody left.

    Returns:
        `customer_id`, `left_on` (the day of the last order), `cause`, `visible_sign` (what the data shows of
        it; null: nothing), `orders` (so far), `returned_on` (null: still away at the end).
    """
    nth = pl.int_range(pl.len()).over("person").alias("nth")
    gone = walked.departures.with_columns(nth)
    back = walked.comebacks.select("person", pl.col("day").alias("back"), nth)
    found = gone.join(back, on=["person", "nth"], how="left", maintain_order="left").sort("person", "nth")
    found = found.with_columns(cause=pl.Series([str(one) for one in CAUSES]).gather(found["cause"]))
    return found.select(
        accounts["customer_id"].gather(found["person"]),
        _on(plan.start, "day").alias("left_on"),
        "cause",
        _sign().alias("visible_sign"),
        "orders",
        _on(plan.start, "back").alias("returned_on"),
    )


def true_people(people: pl.DataFrame, departures: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """`people`: one row per person: rhythm, loyalty, effect of a contact, and how things stand at the end.

    `mean_gap_days` is at the pace of an average day; `effect_<offer>` shifts the log of the buying rate for
    30 days; `left_on` and `cause` are null for those who are still customers.
    """
    seasons = pl.Series([one.name.lower() for one in Season])
    away = departures.filter(pl.col("returned_on").is_null()).select(
        "customer_id", "left_on", "cause", "visible_sign"
    )
    rows = people.select(
        accounts["customer_id"],
        accounts["second_id"],
        accounts["acquisition_channel"],
        pl.col("mean_gap").alias("mean_gap_days"),
        "regularity",
        "leave_probability",
        "complaint_rate",
        "price_sensitivity",
        seasons.gather(people["season"]).alias("season"),
        *(f"effect_{offer}" for offer in OFFERS),
    )
    rows = rows.join(away, on="customer_id", how="left", maintain_order="left")
    seasonal = pl.col("left_on").is_null() & (pl.col("season") != Season.ALL_YEAR.name.lower())
    sign = pl.when(seasonal).then(pl.lit("seasonal_buyer")).otherwise("visible_sign")
    return rows.with_columns(visible_sign=sign)


def _sign() -> pl.Expr:
    cause = pl.col("cause")
    shown = cause.replace_strict(_SIGNS, default=None, return_dtype=pl.String)
    return (
        pl.when(cause == Cause.COMPLAINT)
        .then(pl.lit("bad_experience"))
        .when((cause == Cause.NEVER_SETTLED) & (pl.col("orders") == 1))
        .then(pl.lit("never_settled"))
        .when(pl.col("orders") >= _SHOWS_AFTER)
        .then(shown)
    )


def _on(start: date, day: str) -> pl.Expr:
    return pl.lit(start) + pl.duration(days=pl.col(day).floor().cast(pl.Int64))
