"""What a shop's order days add up to: who fell silent for how long and came back, and what habits are like.

A diary holds the order days of some customers as they are known at the end of one day: an order that was
cancelled by then never counts. Everything here is a count or an integer sum, so that the counts of parts of
the shop add up to the whole shop's (`merged`). Customers whom we contacted ourselves count like all others:
over months of follow-up, leaving them out would leave out most.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from features import stages
from features.asof import AsOf
from features.books import Books
from features.history import Part
from features.known import Known
from features.rhythm import squared_leans
from features.runs import CUSTOMER, Runs

# Counts by name: key columns, then Int64 sums.
Counts = Mapping[str, pl.DataFrame]
_SILENCES = {"silent_days": pl.Int32(), "returned": pl.Boolean(), "count": pl.Int64()}
_SNAPSHOTS = {"as_of": pl.Date(), "customers": pl.Int64(), "returned": pl.Int64()}
_TOTALS = {"name": pl.String(), "value": pl.Int64()}
# The columns by which they add up.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "silences": ("silent_days", "returned"),
    "gaps": stages.KEYS,
    "snapshots": ("as_of",),
    "totals": ("name",),
}
# Squared leans are summed up as whole numbers of so many to one, exactly.
LEAN_UNITS = 1_000_000
_LAST, _NEXT, _ON = pl.col("last_on"), pl.col("next_on"), pl.col("ordered_on")


def diary(part: Part, columns: frozenset[str], until: AsOf) -> Runs:
    """The order days of a part's customers.

    Args:
        part: whose.
        columns: canonical transaction columns that the shop has at all.
        until: the day up to which orders and cancellations are known.

    Returns:
        `customer`, `ordered_on`, `gap_days`, `previous_gap_days` (see `features.rhythm`), and `margin` of the
        day's orders in minor units: one run per customer, sorted by day.
    """
    known = Known.of(Books.open(part, columns), AsOf(until.day, until.horizon_days))
    margin = Runs.of(known.purchases.rows, CUSTOMER, "ordered_on").sums("margin").to_series()
    return Runs(known.days.rows.with_columns(margin), known.days.starts, known.days.ends)


def count_silences(days: Runs, judged: Iterable[AsOf]) -> pl.DataFrame:
    """How long customers had been silent on past days, and whether they came back.

    Args:
        days: from `diary`.
        judged: past days. Customers who ordered in a day's history count; they came back if their next order
            lies in its outcome window.

    Returns:
        `silent_days`, `returned` and `count`: customers, over all the days.
    """
    silent = (pl.col("day") - _LAST).dt.total_days().cast(pl.Int32).alias("silent_days")
    found = [
        _orders_around(days, one)
        .filter(one.history(_LAST))
        .select(silent, one.outcome(_NEXT).alias("returned"), pl.lit(1, pl.Int64).alias("count"))
        for one in judged
    ]
    return _added([pl.DataFrame(schema=_SILENCES), *found], _KEYS["silences"])


def count_habits(days: Runs, until: AsOf, snapshots: Iterable[AsOf]) -> dict[str, pl.DataFrame]:
    """What a diagnosis of the shop is made of.

    Args:
        days: from `diary`.
        until: the day up to which it is known, with the windows that are asked about.
        snapshots: days to learn from, whose outcome windows are complete.

    Returns:
        `snapshots`: per day the customers known by then, less those who ordered in the gap, and how many of
        them returned. `totals`: `name` and `value`; `customers` had the time of a gap and an outcome window
        since their first order day, and `one_time` of them have no other; `margin` and `repeat_margin` are
        minor units, the latter of all but first order days; `leans` are squared leans, in `LEAN_UNITS`, of
        `pairs` of consecutive gaps, see `features.rhythm.gap_regularity`.
    """
    around = [(one, _orders_around(days, one)) for one in snapshots]
    counted = [_snapshot(rows, one) for one, rows in around]
    totals = _totals(days, until)
    names = {"name": list(totals), "value": list(totals.values())}
    return {
        "snapshots": pl.concat([pl.DataFrame(schema=_SNAPSHOTS), *counted]),
        "totals": pl.DataFrame(names, schema=_TOTALS),
    }


def merged(counts: Sequence[Counts]) -> dict[str, pl.DataFrame]:
    """The counts of several parts together, sorted by their keys; there is at least one part."""
    return {name: _added([one[name] for one in counts], _KEYS[name]) for name in counts[0]}


def _orders_around(days: Runs, one: AsOf) -> pl.DataFrame:
    """`day`, and the order days before and after it of everybody who is known by then.

    Who did not order again has the last one for the next.
    """
    after = days.upto("ordered_on", [one.day])[0]
    known = after > days.starts
    last, following = after[known] - 1, after[known]
    following = np.where(following < days.ends[known], following, last)
    on = days.rows["ordered_on"]
    return pl.DataFrame({"last_on": on.gather(last), "next_on": on.gather(following)}).with_columns(
        pl.lit(one.day).alias("day")
    )


def _snapshot(rows: pl.DataFrame, one: AsOf) -> pl.DataFrame:
    learned = rows.filter(~one.in_gap(_NEXT))
    counts = learned.select(pl.len().alias("customers"), one.outcome(_NEXT).sum().alias("returned"))
    return counts.select(pl.lit(one.day).alias("as_of"), pl.all().cast(pl.Int64))


def _totals(days: Runs, until: AsOf) -> dict[str, int]:
    first = days.firsts("ordered_on").with_columns(days.count().alias("order_days"))
    seen = first.filter(~until.last_days(_ON, until.gap_days + until.horizon_days))
    gap, earlier = (days.rows[name].fill_null(0).to_numpy() for name in ("gap_days", "previous_gap_days"))
    leans = np.rint(squared_leans(gap, earlier) * LEAN_UNITS).astype(np.int64)
    margin = int(days.rows["margin"].sum())
    return {
        "customers": seen.height,
        "one_time": seen.filter(pl.col("order_days") == 1).height,
        "margin": margin,
        "repeat_margin": margin - int(days.firsts("margin").to_series().sum()),
        "leans": int(leans.sum()),
        "pairs": int((earlier > 0).sum()),
    }


def _added(frames: Sequence[pl.DataFrame], keys: tuple[str, ...]) -> pl.DataFrame:
    return pl.concat(frames).group_by(keys).agg(pl.exclude(keys).sum()).sort(keys)
