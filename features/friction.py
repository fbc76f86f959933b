"""What went wrong, and what a customer was told: returns, complaints, scores, contacts, points.

Each part needs a table of its own; where the table is absent its features are absent, and a customer who is
not in it has nulls.
"""

from datetime import timedelta

import polars as pl

from features.asof import AsOf
from features.frequency import counts, totals, trend
from features.known import WINDOWS, Known
from features.orders import as_known
from features.runs import CUSTOMER, Runs

COMPLAINTS = ("complaint", "ticket")
# Kinds of feedback with a scale of their own.
SCORED = ("nps", "survey")
ANSWER_DAYS = 14
POINTS_DAYS = 30
_RECENT_DAYS = 90


def returns(known: Known) -> pl.DataFrame:
    """Lines and amount given back, over the lifetime and in each window; nothing is a true zero."""
    as_of = known.as_of
    rows = known.books.returned.filter(as_of.history(pl.col("ordered_on")))
    runs = known.runs(rows).with_windows(as_of, "ordered_on", WINDOWS)
    return pl.concat([counts("return_lines", runs), totals(runs, "returned_amount")], how="horizontal")


def return_rates() -> list[pl.Expr]:
    """What part of what was bought came back. Reads the columns of `returns` and of all orders."""
    bought = (pl.col("net_amount") + pl.col("cancelled_amount")).cast(pl.Float64)
    lines = (pl.col("lines") + pl.col("cancelled_lines")).cast(pl.Float64)
    return [
        pl.when(bought > 0).then(pl.col("returned_amount") / bought).alias("returned_share"),
        pl.when(lines > 0).then(pl.col("return_lines") / lines).alias("return_lines_share"),
        trend("return_lines", _RECENT_DAYS),
    ]


def cancelled(known: Known) -> pl.DataFrame:
    """Orders that returns had taken back by the as_of, their lines and amount; nothing is a true zero."""
    as_of, on = known.as_of, pl.col("cancelled_on")
    placed = as_known(known.books.orders, as_of.day)
    gone = placed.filter(as_of.history(pl.col("ordered_on")), as_of.known(on))
    runs = known.runs(gone)
    sums = runs.sums(
        as_of.last_days(on, 365).alias("cancelled_orders_365d"),
        pl.col("lines").alias("cancelled_lines"),
        pl.col("net_amount").alias("cancelled_amount"),
    )
    return sums.select(
        runs.count().cast(pl.Int32).alias("cancelled_orders"),
        pl.col("cancelled_orders_365d", "cancelled_lines").cast(pl.Int32),
        "cancelled_amount",
    )


def cancelled_share() -> pl.Expr:
    """Cancelled orders as a share of all that were placed."""
    gone = pl.col("cancelled_orders").cast(pl.Float64)
    return (gone / (gone + pl.col("orders"))).alias("cancelled_orders_share")


def feedback(feedback: pl.DataFrame, as_of: AsOf) -> pl.DataFrame:
    """Per customer: complaints and how fresh the last is; scores and how the last differs from the first."""
    on, kind = pl.col("occurred_on"), pl.col("kind")
    complained = kind.is_in(COMPLAINTS)
    known = feedback.filter(as_of.history(on))
    features = [
        pl.len().cast(pl.Int32).alias("feedback_given"),
        _days_since(on.max(), as_of).alias("days_since_last_feedback"),
        complained.sum().cast(pl.Int32).alias("complaints"),
        *[
            (complained & as_of.last_days(on, days)).sum().cast(pl.Int32).alias(f"complaints_{days}d")
            for days in (_RECENT_DAYS, 365)
        ],
        _days_since(on.filter(complained).max(), as_of).alias("days_since_last_complaint"),
    ]
    if "score" in feedback.columns:
        features += _scores("score", pl.col("score").is_not_null())
        known = known.sort("occurred_at", "score")
        for name in SCORED:
            features += _scores(name, pl.col("score").is_not_null() & (kind == name))
    return known.group_by(CUSTOMER).agg(features)


def _scores(name: str, wanted: pl.Expr) -> list[pl.Expr]:
    """The last score, its change since the first, and the lowest; at equal times the higher is later."""
    score = pl.col("score").filter(wanted)
    return [
        score.last().alias(f"{name}_last"),
        (score.last() - score.first()).alias(f"{name}_change"),
        score.min().alias(f"{name}_min"),
    ]


def contacts(contacts: pl.DataFrame, days: Runs, as_of: AsOf) -> pl.DataFrame:
    """Per customer: contacts received, and how many a purchase followed within two weeks.

    Args:
        contacts: customer, contacted_on, arm.
        days: order days known at the as_of.
        as_of: the day; an answer counts once its two weeks have passed.
    """
    on = pl.col("contacted_on")
    reached = contacts.filter(as_of.history(on), pl.col("arm").is_in(("treatment", "explore")))
    bought_on = days.rows.select(CUSTOMER, "ordered_on").sort("ordered_on", CUSTOMER)
    met = (
        reached.select(CUSTOMER, "contacted_on")
        .sort("contacted_on", CUSTOMER)
        .join_asof(
            bought_on,
            left_on="contacted_on",
            right_on="ordered_on",
            by=CUSTOMER,
            strategy="forward",
            check_sortedness=False,
        )
    )
    over = on <= as_of.day - timedelta(days=ANSWER_DAYS)
    bought = over & ((pl.col("ordered_on") - on).dt.total_days() <= ANSWER_DAYS).fill_null(value=False)
    share = bought.sum().cast(pl.Float64) / over.sum()
    return met.group_by(CUSTOMER).agg(
        pl.len().cast(pl.Int32).alias("contacts_received"),
        *[
            as_of.last_days(on, days).sum().cast(pl.Int32).alias(f"contacts_received_{days}d")
            for days in (30, _RECENT_DAYS, 365)
        ],
        _days_since(on.max(), as_of).alias("days_since_last_contact"),
        bought.sum().cast(pl.Int32).alias("contacts_answered"),
        pl.when(over.any()).then(share).alias("contacts_answered_share"),
    )


def points(points: pl.DataFrame, as_of: AsOf) -> pl.DataFrame:
    """Per customer: points held, those about to expire, and days until the next do.

    A balance says nothing of the day since which it was known, so a past day's balance cannot be rebuilt:
    people read these columns, models do not learn from them.
    """
    on = pl.col("expires_on")
    hundredths = (pl.col("balance") * 100).round().cast(pl.Int64)
    held = points.filter(on.is_null() | (on > as_of.day), hundredths > 0)
    soon = (on - pl.lit(as_of.day)).dt.total_days() <= POINTS_DAYS
    # Multiplied, not divided, by a number: Polars divides in two ways, which differ in the last bit.
    return held.group_by(CUSTOMER).agg(
        points_balance=hundredths.sum() * 0.01,
        points_expiring=pl.when(soon).then(hundredths).sum() * 0.01,
        days_to_points_expiry=(on.min() - pl.lit(as_of.day)).dt.total_days().cast(pl.Int32),
    )


def purchase_to_complaint() -> pl.Expr:
    """Days from the last purchase to the last complaint: above 0, nothing was bought since the complaint."""
    days = pl.col("days_since_last_purchase") - pl.col("days_since_last_complaint")
    return days.alias("purchase_to_complaint_days")


def _days_since(last: pl.Expr, as_of: AsOf) -> pl.Expr:
    return (pl.lit(as_of.day) - last).dt.total_days().cast(pl.Int32)
