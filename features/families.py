"""Which families of features a shop can have, and from which frame each is made.

Every function gives one row per customer; a family whose table or column the shop does not have is not made.
Frames that several families read (net purchases, order days, product pairs) are made once.
"""

import polars as pl

from features import (
    acquisition,
    attrition,
    basket,
    calendar,
    frequency,
    friction,
    habits,
    neighbourhood,
    rhythm,
    spend,
)
from features.asof import AsOf
from features.history import History
from features.options import StageOptions

# Trends and shares are made of these, where the shop has them.
_TRENDS = ("orders", "active_days", "lines", "quantity", "net_amount", "margin", "discount_amount")
_SHARES = ("orders", "net_amount", "margin")


def families(
    history: History, known: pl.LazyFrame, gaps: pl.LazyFrame, as_of: AsOf, stages: StageOptions
) -> list[pl.LazyFrame]:
    """All families but those made from other features; the first has everyone.

    Args:
        history: everything known.
        known: net purchases known at the as_of, see `frequency.placed`.
        gaps: see `rhythm.with_gaps`.
        as_of: the day and its windows.
        stages: which quantiles of the gaps are read.
    """
    return [
        _orders(known, as_of, history),
        _margins(history.margins, as_of),
        _rhythms(gaps, as_of, stages),
        habits.habits(known, history.timezone),
        acquisition.cohorts(known, as_of),
        friction.returns(history.returned, as_of),
        friction.cancelled(history.orders, as_of),
        *_baskets(history, as_of),
        *_told(history, gaps, as_of),
        *_people(history, known, as_of),
    ]


def latent(known: pl.LazyFrame, gaps: pl.LazyFrame, as_of: AsOf) -> list[pl.DataFrame]:
    """MBG/NBD and Gamma-Gamma, fitted on what was known at the as_of."""
    summary = attrition.summarise(gaps.select("customer_id", "ordered_on"), as_of.day)
    spent = spend.summarise(known, as_of.day)
    alive, values = pl.collect_all([summary.sort("customer_id"), spent.sort("customer_id")])
    return [
        attrition.probabilities(attrition.fit(alive), alive, as_of.horizon_days),
        spend.expected_order_amount(spend.fit(values), values),
    ]


def neighbours(history: History, people: pl.DataFrame, as_of: AsOf) -> pl.DataFrame:
    """How often people of the same region, channel and favourite category returned lately."""
    outcomes = neighbourhood.outcomes(history.orders, as_of).collect()
    present = [column for column in neighbourhood.GROUPS.values() if column in people.columns]
    grouped = people.select("customer_id", *present)
    return neighbourhood.rates(_with_region(history, grouped), outcomes)


def derived(as_of: AsOf, history: History, present: list[str]) -> list[pl.Expr]:
    """Features that are made from other features."""
    trends = [
        frequency.trend(name, days) for name in _TRENDS if name in present for days in frequency.TREND_WINDOWS
    ]
    shares = [frequency.share_of_lifetime(name, days) for name in _SHARES for days in frequency.SHARE_WINDOWS]
    return [
        *trends,
        *shares,
        frequency.margin_share(),
        *friction.return_rates(),
        friction.cancelled_share(),
        *([basket.discount_share()] if "discount_amount" in history.columns else []),
        *calendar.season(as_of),
        *calendar.holidays(as_of, history.country),
    ]


def zeros() -> list[str]:
    """Columns in which a missing row is a true zero: every line is known."""
    return [*friction.return_names(), "cancelled_orders", "cancelled_orders_365d", *passing()]


def passing() -> list[str]:
    """Columns that only other features are made of."""
    return ["cancelled_lines", "cancelled_amount"]


def _orders(known: pl.LazyFrame, as_of: AsOf, history: History) -> pl.LazyFrame:
    columns = history.columns
    sums = ["lines", "net_amount", *(c for c in ("quantity", "discount_amount") if c in columns)]
    discounts = [basket.discounted_orders_share()] if "discount_amount" in columns else []
    return known.group_by("customer_id").agg(
        pl.col("ordered_on").max().alias("last_purchase_on"),
        frequency.days_since_last_purchase(as_of),
        frequency.tenure_days(as_of),
        *frequency.counts("orders", as_of),
        *(expr for name in sums for expr in frequency.totals(name, as_of)),
        *frequency.order_value(),
        *frequency.order_size(columns),
        *discounts,
        *acquisition.first_order(columns),
        *acquisition.milestones(as_of),
        calendar.bought_in_season(as_of),
        calendar.last_year_window(as_of),
        *calendar.holiday_spend_share(as_of, history.country),
    )


def _margins(margins: pl.LazyFrame, as_of: AsOf) -> pl.LazyFrame:
    known = margins.filter(as_of.history(pl.col("ordered_on")))
    return known.group_by("customer_id").agg(frequency.totals("margin", as_of))


def _rhythms(gaps: pl.LazyFrame, as_of: AsOf, stages: StageOptions) -> pl.LazyFrame:
    quantiles = sorted({0.5, 0.75, 0.9, stages.at_risk_quantile, stages.lapsed_quantile})
    return gaps.group_by("customer_id").agg(
        *frequency.counts("active_days", as_of), *rhythm.rhythm(as_of, quantiles)
    )


def _baskets(history: History, as_of: AsOf) -> list[pl.LazyFrame]:
    columns = history.columns
    if not columns & {"category", "product_id", "discount_amount"}:
        return []
    pairs = basket.pairs(history.lines, as_of).collect().lazy()
    found = []
    if "discount_amount" in columns:
        found.append(basket.full_price(pairs))
    if "product_id" in columns:
        found.append(basket.products(pairs, as_of))
    if "category" in columns:
        found += [basket.categories(pairs), history.first_categories]
    if {"category", "quantity"} <= columns:
        found.append(basket.price_level(pairs))
    return found


def _told(history: History, gaps: pl.LazyFrame, as_of: AsOf) -> list[pl.LazyFrame]:
    found = []
    if history.feedback is not None:
        found.append(friction.feedback(history.feedback, as_of))
    if history.contacts is not None:
        found.append(friction.contacts(history.contacts, gaps, as_of))
    if history.points is not None:
        found.append(friction.points(history.points, as_of))
    return found


def _people(history: History, known: pl.LazyFrame, as_of: AsOf) -> list[pl.LazyFrame]:
    if history.customers is None:
        return []
    source = acquisition.source(history.customers, known, as_of, history.timezone)
    return [] if source is None else [source]


def _with_region(history: History, people: pl.DataFrame) -> pl.DataFrame:
    customers = history.customers
    if customers is None or "region" not in customers.collect_schema().names():
        return people
    return people.join(customers.select("customer_id", "region").collect(), on="customer_id", how="left")
