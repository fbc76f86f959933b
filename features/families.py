"""Which families of features a shop can have, put side by side.

Each family gives one row per known customer, all in the same order; a family whose table or column the shop
does not have is not made. Families in which few customers have a row are joined by the customer's number.
"""

from collections.abc import Iterator

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
    stages,
)
from features.census import Norms
from features.known import Known
from features.options import StageOptions
from features.runs import CUSTOMER

# Trends and shares are made of these, where the shop has them.
_TRENDS = ("orders", "active_days", "lines", "quantity", "net_amount", "margin", "discount_amount")
_SHARES = ("orders", "net_amount", "margin")
# Summed where the shop has them.
_COUNTED = ("quantity", "discount_amount")
# Columns that only other features are made of.
_PASSING = ("cancelled_lines", "cancelled_amount", "discounted_orders")


def features(  # noqa: PLR0917 - what they are made of
    known: Known,
    baskets: basket.Baskets,
    norms: Norms,
    columns: frozenset[str],
    country: str | None,
    options: StageOptions,
) -> pl.DataFrame:
    """All features of one part's customers at one day.

    Args:
        known: what was known of them.
        baskets: what they had bought.
        norms: what is usual in the shop.
        columns: canonical transaction columns that the shop has at all.
        country: whose holidays count, or None.
        options: where the lines between stages lie.

    Returns:
        One row per customer of `known`, in that order.
    """
    aligned = pl.concat(
        [
            *_own(known, columns, country, options),
            *_shared(known, baskets, norms),
        ],
        how="horizontal",
    )
    derived = _derived(known, columns, country, set(aligned.columns))
    made = _joined(aligned, known).with_columns(*derived, spend.expected_order_amount(norms.spend))
    if "categories" in made.columns:
        made = made.with_columns(basket.narrowing())
    return stages.add_stages(made, norms.gaps, options).drop(_PASSING, strict=False)


def _own(
    known: Known, columns: frozenset[str], country: str | None, options: StageOptions
) -> Iterator[pl.DataFrame]:
    """What follows from the customer's own purchases alone."""
    bought, as_of = known.purchases, known.as_of
    quantiles = sorted({0.5, 0.75, 0.9, options.at_risk_quantile, options.lapsed_quantile})
    yield frequency.silence(known)
    yield frequency.counts("orders", bought)
    yield frequency.counts("active_days", known.days)
    yield frequency.totals(bought, "lines", "net_amount", *(c for c in _COUNTED if c in columns))
    yield frequency.margins(known)
    yield frequency.order_value(bought)
    yield rhythm.rhythm(known.days, as_of, quantiles)
    yield habits.habits(bought)
    yield calendar.own_season(bought, as_of, country)
    yield acquisition.first_order(bought, columns)
    yield acquisition.milestones(bought, as_of)
    yield friction.returns(known)
    yield friction.cancelled(known)
    if "discount_amount" in columns:
        yield bought.sums(basket.discounted())


def _shared(known: Known, baskets: basket.Baskets, norms: Norms) -> Iterator[pl.DataFrame]:
    """What the shop's other customers take part in, and the baskets, which hold the favourites."""
    summary = attrition.summarise(known.days, known.as_of.day)
    people = neighbourhood.people(known, baskets.features)
    if baskets.features.width:
        yield baskets.features
    if baskets.paid is not None and norms.prices is not None:
        yield basket.price_level(baskets.paid, norms.prices).to_frame()
    yield attrition.probabilities(norms.attrition, summary, known.as_of.horizon_days)
    yield acquisition.cohorts(norms.cohorts, known.days)
    yield neighbourhood.rates(people, norms.neighbours)


def _joined(aligned: pl.DataFrame, known: Known) -> pl.DataFrame:
    """With the families in which only some customers have a row."""
    books, as_of = known.books, known.as_of
    found = list(_sources(known))
    if books.feedback is not None:
        found.append(friction.feedback(books.feedback, as_of))
    if books.contacts is not None:
        found.append(friction.contacts(books.contacts, known.days, as_of))
    if books.points is not None:
        found.append(friction.points(books.points, as_of))
    if not found:
        return aligned
    made = aligned.with_columns(known.customers.alias(CUSTOMER))
    for family in found:
        made = made.join(family, on=CUSTOMER, how="left", maintain_order="left")
    return made.drop(CUSTOMER)


def _sources(known: Known) -> Iterator[pl.DataFrame]:
    customers = known.books.customers
    if customers is None:
        return
    source = acquisition.source(customers, known.customers, known.days, known.as_of)
    if source is not None:
        yield source.with_columns(known.customers.alias(CUSTOMER))


def _derived(known: Known, columns: frozenset[str], country: str | None, present: set[str]) -> list[pl.Expr]:
    """Features that are made from other features."""
    trends = [
        frequency.trend(name, days) for name in _TRENDS if name in present for days in frequency.TREND_WINDOWS
    ]
    shares = [frequency.share_of_lifetime(name, days) for name in _SHARES for days in frequency.SHARE_WINDOWS]
    discounts = [basket.discount_share(), basket.discount_share_lately(), basket.discounted_orders_share()]
    return [
        *trends,
        *shares,
        frequency.margin_share(),
        *frequency.order_size(columns),
        *friction.return_rates(),
        friction.cancelled_share(),
        *(discounts if "discount_amount" in columns else []),
        *([friction.purchase_to_complaint()] if known.books.feedback is not None else []),
        *calendar.season(known.as_of),
        *calendar.holidays(known.as_of, country),
    ]
