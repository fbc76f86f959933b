"""How often do people like this one return: the rates of their region, channel and favourite category.

The rates are of the last outcome window that was complete at the as_of: who had bought by its beginning, and
who of them bought within it. They are drawn towards the shop's own rate, the more so the fewer people there
are. Nothing of the outcome window that the as_of itself asks about is seen.
"""

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from features.asof import AsOf
from features.orders import net_by, purchases

# The shop's rate counts as much as so many people.
WEIGHT = 50.0
# What is grouped by: name of the feature's prefix, and the column that says who belongs together.
GROUPS: Mapping[str, str] = {
    "region": "region",
    "channel": "acquisition_channel",
    "category": "favourite_category",
}
SHOP_RATE = "shop_return_rate"


def outcomes(orders: pl.LazyFrame, as_of: AsOf) -> pl.LazyFrame:
    """Per customer of the last complete window: whether they returned, as it was known at the as_of.

    Args:
        orders: see `features.orders.orders`.
        as_of: the day at which the window ends.
    """
    earlier = as_of.at(as_of.day - timedelta(days=as_of.gap_days + as_of.horizon_days))
    bought = net_by(as_of.known(pl.col("cancelled_on"))) & earlier.outcome(pl.col("ordered_on"))
    back = orders.filter(bought).select("customer_id", back=pl.lit(value=True)).unique()
    people = purchases(orders, earlier).select("customer_id").unique()
    return people.join(back, on="customer_id", how="left").select(
        "customer_id", pl.col("back").fill_null(value=False)
    )


def rates(people: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Add `<group>_return_rate` for each group whose column is there, and the shop's.

    Args:
        people: customer_id and the columns of `GROUPS` that the shop has.
        outcomes: from `outcomes`.

    Returns:
        customer_id and the rates; null where nobody had bought by then.
    """
    shop = outcomes["back"].mean() if outcomes.height else None
    judged = people.join(outcomes, on="customer_id", how="left")
    columns = {name: column for name, column in GROUPS.items() if column in people.columns}
    return (
        judged.lazy()
        .select(
            "customer_id",
            pl.lit(shop, pl.Float64).alias(SHOP_RATE),
            *(_shrunk(column, shop).alias(f"{name}_return_rate") for name, column in columns.items()),
        )
        .collect()
    )


def _shrunk(column: str, shop: object) -> pl.Expr:
    back, seen = pl.col("back").sum().over(column), pl.col("back").count().over(column)
    whole = pl.lit(shop, pl.Float64)
    return pl.when(pl.col(column).is_not_null()).then((back + WEIGHT * whole) / (seen + WEIGHT))
