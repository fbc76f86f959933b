"""All features of all customers at one or many days: the families put together.

One row per (as_of, customer) with a net purchase by then. A family whose table the shop does not have is
absent, not zero. Each snapshot reads the same History; nothing after its day is seen, because every family
takes its windows from `AsOf`.
"""

from collections.abc import Sequence

import polars as pl

from features import attrition, basket, calendar, frequency, friction, rhythm, spend
from features.asof import AsOf
from features.frequency import WINDOWS
from features.hashing import uniform
from features.history import History
from features.labels import labels
from features.options import StageOptions
from features.orders import purchases
from features.stages import add_stages, segment_quantiles

KEYS = ("as_of", "customer_id")
# Facts that people read and rules use; models do not learn from them.
FACTS = ("stage", "last_purchase_on", "favourite_product", "favourite_category")
_TREND_WINDOWS = (30, 90)
_MONEY_WINDOWS = (30, 60, 90, 180, 365)


def training_table(  # noqa: PLR0917 - what it is made of, in order
    history: History,
    snapshots: Sequence[AsOf],
    until: AsOf,
    months: int,
    stages: StageOptions,
    max_rows: int,
) -> pl.DataFrame:
    """Features of past days with what happened after each, sorted by as_of and customer.

    Beyond `max_rows` a sample of customers is kept, drawn by hash: whole customers, the same ones every time,
    each with the same chance, so that measures on the sample need no weights.

    Args:
        history: everything known at the end of `until`.
        snapshots: days whose outcome window is complete by then.
        until: the day up to which history is known.
        months: months after each day whose margin is summed, see `features.labels`.
        stages: where the lines between stages lie.
        max_rows: most rows to return, about.
    """
    drawn = uniform("customer_id", "training") < _share(history, snapshots, max_rows)
    return pl.concat(
        [
            feature_table(history, as_of, stages)
            .filter(drawn)
            .join(_outcomes(history, as_of, until, months), on=KEYS, validate="1:1", maintain_order="left")
            for as_of in sorted(snapshots, key=lambda one: one.day)
        ],
        how="diagonal",
    )


def _share(history: History, snapshots: Sequence[AsOf], max_rows: int) -> float:
    """Which share of the customers gives at most so many rows."""
    first = history.orders.group_by("customer_id").agg(pl.col("ordered_on").min())
    rows = first.select(pl.sum_horizontal(one.known(pl.col("ordered_on")).sum() for one in snapshots))
    return max_rows / max(int(rows.collect().item()), max_rows)


def _outcomes(history: History, as_of: AsOf, until: AsOf, months: int) -> pl.DataFrame:
    return labels(
        history.orders,
        history.margins,
        history.contacts,
        as_of,
        months=range(1, months + 1),
        known_until=until,
    ).collect()


def feature_table(history: History, as_of: AsOf, stages: StageOptions) -> pl.DataFrame:
    """Features of one day.

    Args:
        history: everything known; rows after the day are not read.
        as_of: the day and its windows.
        stages: where the lines between stages lie.

    Returns:
        as_of, customer_id, features and `FACTS`; sorted by customer_id. Money is in minor units.
    """
    known = purchases(history.orders, as_of).collect().lazy()
    gaps = rhythm.with_gaps(known).collect().lazy()
    families = [
        _frequency(known, as_of, history.columns),
        _margin(history.margins, as_of),
        _rhythm(gaps, as_of, stages),
        *_latent(known, as_of),
        *_optional(history, as_of),
    ]
    people, *others = pl.collect_all(families)
    joined = people
    for family in others:
        joined = joined.join(family, on="customer_id", how="left")
    finished = _derived(joined.lazy(), as_of, history.columns)
    return (
        add_stages(finished, segment_quantiles(gaps, as_of.day, stages), stages)
        .select(pl.lit(as_of.day).alias("as_of"), "customer_id", pl.exclude("customer_id"))
        .sort("customer_id")
        .collect()
    )


def _frequency(known: pl.LazyFrame, as_of: AsOf, columns: frozenset[str]) -> pl.LazyFrame:
    sums = ["net_amount", "lines", *(c for c in ("quantity", "discount_amount") if c in columns)]
    known = known.with_columns(pl.col("quantity").round().cast(pl.Int64), pl.col("lines").cast(pl.Int64))
    return known.group_by("customer_id").agg(
        pl.col("ordered_on").max().alias("last_purchase_on"),
        frequency.days_since_last_purchase(as_of),
        frequency.tenure_days(as_of),
        frequency.orders(as_of),
        *[frequency.orders(as_of, days) for days in WINDOWS],
        frequency.active_days(as_of),
        *[frequency.total(name, as_of) for name in sums],
        *[frequency.total(name, as_of, days) for name in sums for days in _MONEY_WINDOWS],
        *frequency.order_value(),
        calendar.bought_in_season(as_of),
        calendar.last_year_window(as_of),
    )


def _margin(margins: pl.LazyFrame, as_of: AsOf) -> pl.LazyFrame:
    known = margins.filter(as_of.history(pl.col("ordered_on")))
    windows = [frequency.total("margin", as_of, days) for days in _MONEY_WINDOWS]
    return known.group_by("customer_id").agg(frequency.total("margin", as_of), *windows)


def _rhythm(gaps: pl.LazyFrame, as_of: AsOf, stages: StageOptions) -> pl.LazyFrame:
    quantiles = sorted({0.5, 0.75, 0.9, stages.at_risk_quantile, stages.lapsed_quantile})
    return gaps.group_by("customer_id").agg(*rhythm.rhythm(as_of, quantiles))


def _latent(known: pl.LazyFrame, as_of: AsOf) -> list[pl.LazyFrame]:
    """MBG/NBD and Gamma-Gamma, fitted on what was known at the as_of."""
    summary = attrition.summarise(known.select("customer_id", "ordered_on").unique(), as_of.day)
    spent = spend.summarise(known, as_of.day)
    alive, values = pl.collect_all([summary.sort("customer_id"), spent.sort("customer_id")])
    return [
        attrition.probabilities(attrition.fit(alive), alive, as_of.horizon_days).lazy(),
        spend.expected_order_amount(spend.fit(values), values).lazy(),
    ]


def _optional(history: History, as_of: AsOf) -> list[pl.LazyFrame]:
    families = []
    if history.columns & {"category", "product_id"}:
        families.append(basket.baskets(history.lines, as_of))
    families.append(friction.returns(history.lines, as_of))
    if history.feedback is not None:
        families.append(friction.feedback(history.feedback, as_of))
    if history.contacts is not None:
        families.append(friction.contacts(history.contacts, as_of))
    if history.customers is not None:
        families.append(history.customers.select("customer_id", "acquisition_channel"))
    return families


def _derived(joined: pl.LazyFrame, as_of: AsOf, columns: frozenset[str]) -> pl.LazyFrame:
    trends = [frequency.trend(name, days) for name in ("orders", "net_amount") for days in _TREND_WINDOWS]
    shares = [frequency.share_of_lifetime(name, 90) for name in ("orders", "net_amount")]
    discounts = [frequency.discount_share()] if "discount_amount" in columns else []
    return joined.with_columns(*trends, *shares, *discounts, *calendar.season(as_of))
