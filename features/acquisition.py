"""How a customer came, what the first order was like, and how they and their cohort did since.

A cohort is everyone whose first purchase fell into the same month, as far as it was known at the as_of.
Every frame has one row per customer, in the order of the runs.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from features.asof import AsOf
from features.condensed import Whole
from features.runs import CUSTOMER, Runs

MILESTONES: tuple[int, ...] = (30, 90, 180, 365)
_ACTIVE_DAYS = 90

# A cohort is the number of its month, counted from January 1970.
COHORT = "cohort"
KEYS = (COHORT,)
CUSTOMERS, REPEATED, LATELY = "customers", "repeated", "lately"

_ON = pl.col("ordered_on")


def first_order(purchases: Runs, columns: frozenset[str]) -> pl.DataFrame:
    """The first order's margin, lines, units and discount.

    Args:
        purchases: net purchases, sorted by time.
        columns: canonical transaction columns that the shop has at all.
    """
    read = ["margin", "lines", *({"quantity", "discount_amount"} & columns), "net_amount"]
    exprs = [
        pl.col("margin").alias("first_order_margin"),
        pl.col("lines").cast(pl.Int32).alias("first_order_lines"),
    ]
    if "quantity" in columns:
        exprs.append(pl.col("quantity").alias("first_order_units"))
    if "discount_amount" in columns:
        given = pl.col("discount_amount")
        full = (pl.col("net_amount") + given).cast(pl.Float64)
        exprs.append(pl.when(full > 0).then(given / full).alias("first_order_discount_share"))
    return purchases.firsts(*read).select(exprs)


def milestones(purchases: Runs, as_of: AsOf) -> pl.DataFrame:
    """How many milestones have passed; orders up to each, null before it has passed.

    Args:
        purchases: net purchases, sorted by day.
        as_of: the day.
    """
    on = _days(purchases)
    first = on[purchases.starts]
    since = on - np.repeat(first, purchases.lengths)
    # How many milestones an order is too late for; the counts of it, added up, are the orders by each.
    late = np.add.reduce([since > days for days in MILESTONES], dtype=np.int8)
    places = late * np.int64(purchases.size) + purchases.run_of()
    orders = np.bincount(places, minlength=purchases.size * (len(MILESTONES) + 1))
    by_then = orders.reshape(len(MILESTONES) + 1, purchases.size).cumsum(axis=0, dtype=np.int32)
    age = (pl.lit(as_of.day) - _ON).dt.total_days()
    return (
        purchases.firsts("ordered_on")
        .with_columns(pl.Series(_orders(days), by_then[n]) for n, days in enumerate(MILESTONES))
        .select(
            pl.sum_horizontal((age >= days).cast(pl.Int32) for days in MILESTONES).alias("milestones_passed"),
            *(pl.when(age >= days).then(_orders(days)).alias(_orders(days)) for days in MILESTONES),
        )
    )


def source(customers: pl.DataFrame, known: pl.Series, days: Runs, as_of: AsOf) -> pl.DataFrame | None:
    """The channel they came by, and days from becoming a customer to the first order.

    Args:
        customers: one row per `customer` at most, with the columns that the shop has.
        known: the customer of each run.
        days: order days, sorted within each run.
        as_of: the day; what lies after it is not known.

    Returns:
        None when the shop knows neither.
    """
    columns = [pl.col(name) for name in ("acquisition_channel",) if name in customers.columns]
    if "acquired_on" in customers.columns:
        on = pl.col("acquired_on")
        joined = pl.when(as_of.known(on)).then(on)
        columns.append((_ON - joined).dt.total_days().cast(pl.Int32).alias("days_to_first_order"))
    if not columns:
        return None
    firsts = days.firsts("ordered_on").with_columns(known.alias(CUSTOMER))
    return firsts.join(customers, on=CUSTOMER, how="left", maintain_order="left").select(columns)


def cohort_counts(days: Runs, as_of: AsOf) -> pl.DataFrame:
    """How many customers each cohort has, and how many of them bought again so far, and lately.

    Args:
        days: order days, sorted within each run.
        as_of: the day.

    Returns:
        `cohort`; `customers`, `repeated`, `lately` (Int64); sorted. The counts of parts of a shop add up to
        those of the shop.
    """
    people = days.lasts("ordered_on").select(
        pl.Series(COHORT, _months(days), dtype=pl.Int64),
        pl.Series(REPEATED, days.lengths > 1, dtype=pl.Boolean),
        as_of.last_days(_ON, _ACTIVE_DAYS).alias(LATELY),
    )
    sums = pl.len().alias(CUSTOMERS), pl.col(REPEATED, LATELY).sum()
    return people.group_by(COHORT).agg(expr.cast(pl.Int64) for expr in sums).sort(COHORT)


def cohorts(counts: pl.DataFrame, days: Runs) -> pl.DataFrame:
    """Of each customer's cohort: its size, and the shares that bought again so far, and lately.

    Args:
        counts: from `cohort_counts`, of all customers of the shop, sorted.
        days: as there.

    Returns:
        cohort_customers, cohort_repeat_share, cohort_active_share_90d.
    """
    size = pl.col(CUSTOMERS).cast(pl.Float64)
    each = counts.select(
        pl.col(CUSTOMERS).cast(pl.Int32).alias("cohort_customers"),
        (pl.col(REPEATED) / size).alias("cohort_repeat_share"),
        (pl.col(LATELY) / size).alias(f"cohort_active_share_{_ACTIVE_DAYS}d"),
    )
    months = _months(days)
    if not len(months):
        return each.clear()
    every = np.arange(months.min(), months.max() + 1)
    place = np.searchsorted(counts[COHORT].to_numpy(), every)
    return each.select(pl.all().gather(place[months - every[0]]))


def _months(days: Runs) -> Whole:
    """The cohort of each customer: the month of the first day, looked up in a calendar."""
    on = _days(days)[days.starts]
    if not len(on):
        return np.empty(0, np.int64)
    every = np.arange(on.min(), on.max() + 1).astype("datetime64[D]").astype("datetime64[M]")
    return np.asarray(every.astype(np.int64)[on - on.min()])


def _days(runs: Runs) -> npt.NDArray[np.int32]:
    """Days since 1970."""
    return runs.rows["ordered_on"].to_physical().to_numpy()


def _orders(days: int) -> str:
    return f"orders_first_{days}d"
