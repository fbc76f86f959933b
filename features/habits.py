"""At which hour, weekday, day of the month and month does a customer buy, and how firmly?

A habit is the value on most orders (the smallest of equals), its share of all orders, and how concentrated
the orders are: 1 when all fall on one value, 0 when they are spread as evenly as so few orders can be.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from features.runs import Places, Runs

# Fractions are summed as integers of this many parts.
PARTS = 2**20
# How many values a habit can take.
KINDS: Mapping[str, int] = {"weekday": 7, "hour": 24, "month_day": 31, "month": 12}

# Every value fits, and 2 ** 27 customers beside it.
_BITS = 5
_VALUES = 1 << _BITS
_MOST = _VALUES - 1

Numbers = npt.NDArray[np.uint32]


def habits(purchases: Runs) -> pl.DataFrame:
    """One row per run.

    Args:
        purchases: net purchases known at the as_of: `ordered_on`, and `hour` in the shop's zone.

    Returns:
        `<kind>_usual`, `<kind>_usual_share`, `<kind>_concentration` for each of `KINDS`; the last is null for
        one order.
    """
    orders, values = purchases.lengths, _values(purchases.rows)
    run = purchases.run_of() << _BITS
    logs = pl.select(x_log_x(pl.int_range(1, orders.max(initial=0) + 1))).to_series().to_numpy()
    # The greater number is the smaller value: of equal counts it is the one taken.
    counted = [_counted(np.sort(run | (_MOST - values[kind])), purchases, logs) for kind in KINDS]
    tops, sums = zip(*counted, strict=True)
    # All kinds below each other: one plan for the four.
    found = pl.DataFrame(
        {
            "orders": np.tile(orders, len(KINDS)),
            "top": np.concatenate(tops),
            "logs": np.concatenate(sums),
            "values": np.repeat([*KINDS.values()], purchases.size),
        }
    ).select(usual(), usual_share(), concentration())
    return pl.DataFrame(
        {
            f"{kind}_{column.name}": column.slice(number * purchases.size, purchases.size)
            for number, kind in enumerate(KINDS)
            for column in found
        }
    )


def usual() -> pl.Expr:
    """The value on most orders; of equals the smallest."""
    return (_MOST - pl.col("top") % _VALUES).cast(pl.Int32).alias("usual")


def usual_share() -> pl.Expr:
    """What part of the orders is on it."""
    return (pl.col("top") // _VALUES / pl.col("orders")).alias("usual_share")


def concentration() -> pl.Expr:
    """One less the entropy of the orders over the values, against the greatest that so many could have."""
    orders = pl.col("orders")
    most = pl.min_horizontal("orders", "values").cast(pl.Float64).log()
    spread = entropy(pl.col("logs"), orders)
    return pl.when(orders > 1).then((1 - spread / most).clip(0, 1)).alias("concentration")


def x_log_x(count: pl.Expr) -> pl.Expr:
    """The product n log n of a positive whole number, in `PARTS`, so that sums of it are exact."""
    return (count * count.cast(pl.Float64).log() * PARTS).round().cast(pl.Int64)


def entropy(logs: pl.Expr, total: pl.Expr) -> pl.Expr:
    """Shannon entropy of shares, in nats, from the sum of `x_log_x` of their counts and the counts' sum."""
    n = total.cast(pl.Float64)
    # Multiplied, not divided, by a number: Polars divides in two ways, which differ in the last bit.
    return (n.log() - logs * (1 / PARTS) / n).clip(lower_bound=0)


def _values(rows: pl.DataFrame) -> dict[str, npt.NDArray[np.uint8]]:
    """What each order counts for; days of the calendar are taken apart once, not once per order."""
    days = rows["ordered_on"].to_physical().to_numpy()
    earliest, latest = (days.min(), days.max()) if len(days) else (0, 0)
    day = pl.int_range(earliest, latest + 1, dtype=pl.Int32).cast(pl.Date).dt
    calendar = pl.select(weekday=day.weekday(), month_day=day.day(), month=day.month())
    place = (days - earliest).astype(np.intp)
    of_day = {part.name: part.to_numpy().astype(np.uint8)[place] for part in calendar}
    return {"hour": rows["hour"].to_numpy().astype(np.uint8), **of_day}


def _counted(keys: Numbers, purchases: Runs, logs: Places) -> tuple[Places, Places]:
    """Of each run: the greatest count with its value, as one number, and the sum of n log n of all counts.

    Args:
        keys: run and value of each order as one number, sorted.
        purchases: the runs.
        logs: n log n in `PARTS` of 1, 2, ...
    """
    # A value on one order counts 1, and its n log n is 0: only those on several are looked at.
    top = (keys[purchases.ends - 1] & _MOST).astype(np.int64) + _VALUES
    sums = np.zeros(purchases.size, np.int64)
    again = np.concatenate([[False], keys[1:] == keys[:-1], [False]])
    edges = np.flatnonzero(again[1:] != again[:-1])
    key, count = keys[edges[::2]].astype(np.int64), edges[1::2] - edges[::2] + 1
    run = key >> _BITS
    np.maximum.at(top, run, (count << _BITS) + (key & _MOST))
    np.add.at(sums, run, logs[count - 1])
    return top, sums
