"""All features of all customers at one or many days: the families put together.

One row per (as_of, customer) with a net purchase by then. A family whose table the shop does not have is
absent, not zero. Each snapshot reads the same History; nothing after its day is seen, because every family
takes its windows from `AsOf`.
"""

from collections.abc import Sequence

import polars as pl

from features import basket, rhythm
from features.asof import AsOf
from features.families import derived, families, latent, neighbours, passing, zeros
from features.frequency import placed
from features.hashing import uniform
from features.history import History
from features.labels import labels
from features.options import StageOptions
from features.orders import purchases
from features.stages import add_stages, segment_quantiles

KEYS = ("as_of", "customer_id")
# Facts that people read and rules use; models do not learn from them.
FACTS = (
    "stage",
    "last_purchase_on",
    "favourite_product",
    "favourite_category",
    "points_balance",
    "points_expiring",
    "days_to_points_expiry",
)


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
    known = placed(purchases(history.orders, as_of)).collect().lazy()
    gaps = rhythm.with_gaps(known).collect().lazy()
    everyone, *others = pl.collect_all(families(history, known, gaps, as_of, stages))
    for family in [*others, *latent(known, gaps, as_of)]:
        everyone = everyone.join(family, on="customer_id", how="left")
    joined = everyone.join(neighbours(history, everyone, as_of), on="customer_id", how="left")
    finished = _derived(joined.lazy(), as_of, history, joined.columns)
    return (
        add_stages(finished, segment_quantiles(gaps, as_of.day, stages), stages)
        .select(pl.lit(as_of.day).alias("as_of"), "customer_id", pl.exclude("customer_id", *passing()))
        .sort("customer_id")
        .collect()
    )


def _derived(joined: pl.LazyFrame, as_of: AsOf, history: History, present: list[str]) -> pl.LazyFrame:
    filled = joined.with_columns(pl.col(zeros()).fill_null(0))
    made = filled.with_columns(derived(as_of, history, present))
    return made.with_columns(basket.narrowing()) if "categories" in present else made
