"""Which past days may teach, which may judge, and which customers are held back from a fit.

A day teaches only when its outcome window is complete; it may be used beside a test day only when that
window ends by the test day (purging). Inside fitting, roles are split by customer, never by row: rows of one
customer at neighbouring days are nearly copies of each other.
"""

from datetime import date, timedelta
from itertools import takewhile
from math import ceil

import polars as pl

from features.asof import AsOf
from features.errors import DataRefused
from features.hashing import stable_hash
from features.wording import counted

_SHORTEST_MONTH_DAYS = 28


def days_to_build(as_of: AsOf, learned: int, tests: int) -> int:
    """So many monthly days that every test day has as many to learn from as the model that is kept.

    Args:
        as_of: the windows.
        learned: days that a model learns from.
        tests: newest days that judge, each by a fit on what was known by then.
    """
    unknown = ceil((as_of.gap_days + as_of.horizon_days) / _SHORTEST_MONTH_DAYS)
    return learned + tests - 1 + unknown


def complete_snapshots(as_of: AsOf, first_day: date, limit: int) -> list[AsOf]:
    """Days to learn from, newest first: monthly back from the newest day whose outcome is complete.

    A day is taken while at least one outcome window's length of history lies before it.

    Args:
        as_of: the decision; nothing after its day is known.
        first_day: the first day of the history.
        limit: most days to take.

    Raises:
        DataRefused: when the history is too short for a single day.
    """
    newest = as_of.at(as_of.day - timedelta(days=as_of.gap_days + as_of.horizon_days))
    oldest_day = first_day + timedelta(days=as_of.horizon_days - 1)
    enough = takewhile(lambda one: one.day >= oldest_day, newest.months_back())
    snapshots = [one for one, _ in zip(enough, range(limit), strict=False)]
    if not snapshots:
        needed = 2 * as_of.horizon_days + as_of.gap_days
        have = max((as_of.day - first_day).days + 1, 0)
        gap = f", with a gap of {counted(as_of.gap_days, 'day')} between" if as_of.gap_days else ""
        raise DataRefused(
            f"The history from {first_day} to {as_of.day} has {have} days, but learning needs {needed}: one "
            f"outcome window of {as_of.horizon_days} days and as much before it{gap}. Deliver more history, "
            f"or shorten churn.horizon_days{' or churn.gap_days' if gap else ''}."
        )
    return snapshots


def purge(snapshots: list[AsOf], test: AsOf) -> list[AsOf]:
    """The snapshots whose outcome is known at the end of the test day."""
    return [one for one in snapshots if one.is_complete(test.day)]


def customer_fold(column: str, folds: int, seed: int) -> pl.Expr:
    """The fold of each customer, 0 to folds - 1: the same on every day and in every order of rows."""
    return (stable_hash(column, f"fold-{seed}") % folds).cast(pl.Int32).alias("fold")
