"""How often do people like this one return: the rates of their region, channel and favourite category.

The rates are of the last outcome window that was complete at the as_of: who had bought by its beginning, and
who of them bought within it. They are drawn towards the shop's own rate, the more so the fewer people there
are. Nothing of the outcome window that the as_of itself asks about is seen.
"""

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from features.asof import AsOf
from features.known import Known
from features.orders import as_known, net_by
from features.runs import CUSTOMER

# The shop's rate counts as much as so many people.
WEIGHT = 50.0
# What is grouped by: name of the feature's prefix, and the column that says who belongs together.
GROUPS: Mapping[str, str] = {
    "region": "region",
    "channel": "acquisition_channel",
    "category": "favourite_category",
}
# The shop is a group too, of one value.
SHOP, WHOLE = "shop", ""
SHOP_RATE = f"{SHOP}_return_rate"
# What is counted, `back` and `seen`, is counted by these.
KEYS = ("group", "value")


def people(known: Known, baskets: pl.DataFrame) -> pl.DataFrame:
    """Who is known, with what says to whom they belong, as far as the shop has it.

    Args:
        known: what was known of them.
        baskets: one row per known customer, with `favourite_category` where the shop has categories.

    Returns:
        customer and columns of `GROUPS`, one row per known customer.
    """
    who = known.customers.alias(CUSTOMER).to_frame()
    favourites = [name for name in GROUPS.values() if name in baskets.columns]
    told = pl.concat([who, baskets.select(favourites)], how="horizontal") if favourites else who
    if known.books.customers is None:
        return told
    columns = [name for name in GROUPS.values() if name in known.books.customers.columns]
    own = known.books.customers.select(CUSTOMER, *columns)
    return told.join(own, on=CUSTOMER, how="left", maintain_order="left")


def count(orders: pl.DataFrame, people: pl.DataFrame, as_of: AsOf) -> pl.DataFrame:
    """How many people of each group bought by the last complete window, and how many of them within it.

    Args:
        orders: customer, ordered_on, net_amount and cancelled_on of everyone.
        people: customer, and the columns of `GROUPS` that the shop has.
        as_of: the day at which the window ends.

    Returns:
        `KEYS`, and Int64 `seen` and `back`; sorted. The shop's row counts people that are not asked for too.
    """
    seen, back = outcomes(orders, as_of)
    who = people["customer"].to_numpy()
    judged = people.select(
        *_present(people).values(), seen=pl.Series(seen.take(who)), back=pl.Series(back.take(who))
    )
    groups = [
        judged.lazy()
        .filter(pl.col(column).is_not_null())
        .group_by(value=pl.col(column).cast(pl.String))
        .agg(pl.col("seen", "back").sum())
        .select(pl.lit(name).alias("group"), "value", pl.col("seen", "back").cast(pl.Int64))
        for name, column in _present(people).items()
    ]
    whole = {"group": SHOP, "value": WHOLE, "seen": int(seen.sum()), "back": int(back.sum())}
    return pl.concat([pl.LazyFrame([whole]), *groups]).sort(KEYS).collect()


def outcomes(orders: pl.DataFrame, as_of: AsOf) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Who had bought by the last complete window, and who of them bought within it, as known at the as_of.

    Args:
        orders: see `count`.
        as_of: the day at which the window ends.

    Returns:
        Two arrays in which a customer's number is the place.
    """
    earlier = as_of.at(as_of.day - timedelta(days=as_of.gap_days + as_of.horizon_days))
    on, cancelled_on = pl.col("ordered_on"), pl.col("cancelled_on")
    before = as_known(orders, earlier.day).filter(earlier.history(on) & net_by(earlier.known(cancelled_on)))
    within = as_known(orders, as_of.day).filter(earlier.outcome(on) & net_by(as_of.known(cancelled_on)))
    size = int(orders["customer"].to_numpy().max(initial=0)) + 1
    seen, back = (np.zeros(size, np.bool_) for _ in range(2))
    seen[before["customer"].to_numpy()] = True
    back[within["customer"].to_numpy()] = True
    return seen, back & seen


def rates(people: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    """`<group>_return_rate` for each group whose column is there, and the shop's.

    Args:
        people: see `count`.
        counts: of all parts of the shop, added up by `KEYS`.

    Returns:
        One row per row of `people`, in that order; null where nobody had bought by then.
    """
    seen, back = counts.filter(pl.col("group") == SHOP).select("seen", "back").row(0)
    shop = back / seen if seen else None
    shrunk = counts.select(
        *KEYS, rate=(pl.col("back") + pl.lit(shop, pl.Float64) * WEIGHT) / (pl.col("seen") + WEIGHT)
    )
    return people.select(
        pl.repeat(shop, pl.len(), dtype=pl.Float64).alias(SHOP_RATE),
        *(_rate(name, column, shrunk) for name, column in _present(people).items()),
    )


def _present(people: pl.DataFrame) -> dict[str, str]:
    return {name: column for name, column in GROUPS.items() if column in people.columns}


def _rate(group: str, column: str, rates: pl.DataFrame) -> pl.Expr:
    mine = rates.filter(pl.col("group") == group)
    rate = (
        pl.col(column)
        .cast(pl.String)
        .replace_strict(mine["value"], mine["rate"], default=None, return_dtype=pl.Float64)
    )
    return rate.alias(f"{group}_return_rate")
