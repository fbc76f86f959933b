"""All features of all customers at one or many days.

One row per (as_of, customer) with a net purchase by then. A family whose table the shop does not have is
absent, not zero. Nothing after a snapshot's day is seen, because every family takes its windows from `AsOf`.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeVar

import polars as pl

from features.asof import AsOf
from features.engine import Engine, Threads
from features.history import History, Part
from features.known import Known
from features.labels import labels
from features.options import StageOptions
from features.snapshots import Plan, Prepared, drawn, started

T = TypeVar("T")
# What is done with a part's features, given its number.
Sink = Callable[[int, pl.DataFrame], T]

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
    engine: Engine | None = None,
) -> pl.DataFrame:
    """Features of past days with what happened after each, sorted by as_of and part.

    Beyond `max_rows` a sample of customers is kept, drawn by hash: whole customers, the same ones every time,
    each with the same chance, so that measures on the sample need no weights.

    Args:
        history: everything known at the end of `until`.
        snapshots: days whose outcome window is complete by then.
        until: the day up to which history is known.
        months: months after each day whose margin is summed, see `features.labels`.
        stages: where the lines between stages lie.
        max_rows: most rows to return, about.
        engine: where parts are worked on; default threads of this machine.
    """
    outcome = partial(_outcome, until=until, months=range(1, months + 1))
    with _here_or(engine) as chosen:
        plan = Plan.of(history, snapshots, stages, _share(chosen, history, snapshots, max_rows))
        days, prepared = started(chosen, history, plan)
        made = [one for day in days for one in chosen.map(partial(day, outcome=outcome), prepared)]
        tables: list[pl.DataFrame] = chosen.gather(made)
    return pl.concat(tables, how="diagonal")


def training_parts(  # noqa: PLR0917 - what they are made of, in order
    history: History,
    snapshots: Sequence[AsOf],
    until: AsOf,
    months: int,
    stages: StageOptions,
    engine: Engine,
) -> list[Any]:
    """Training tables of all customers, one per part, as results to come that stay where they are made.

    Args:
        history: see `training_table`, as for the rest.
        snapshots: days whose outcome window is complete.
        until: the day up to which history is known.
        months: months after each day whose margin is summed.
        stages: where the lines between stages lie.
        engine: where parts are worked on.
    """
    outcome = partial(_outcome, until=until, months=range(1, months + 1))
    days, prepared = started(engine, history, Plan.of(history, snapshots, stages))
    return engine.map(partial(_all_days, days=[partial(day, outcome=outcome) for day in days]), prepared)


def sampled(
    parts: Sequence[Any], history: History, snapshots: Sequence[AsOf], max_rows: int, engine: Engine
) -> pl.DataFrame:
    """About so many rows of `training_parts`, brought here: the sample that `training_table` draws."""
    share = _share(engine, history, snapshots, max_rows)
    sample: list[pl.DataFrame] = engine.gather(engine.map(partial(_sample, share=share), parts))
    return pl.concat(sample, how="diagonal")


def feature_table(
    history: History, as_of: AsOf, stages: StageOptions, engine: Engine | None = None
) -> pl.DataFrame:
    """Features of one day, in memory.

    Args:
        history: everything known; rows after the day are not read.
        as_of: the day and its windows.
        stages: where the lines between stages lie.
        engine: where parts are worked on; default threads of this machine.

    Returns:
        as_of, customer_id, features and `FACTS`; sorted by part and customer_id. Money is in minor units.
    """
    with _here_or(engine) as chosen:
        [day], prepared = started(chosen, history, Plan.of(history, [as_of], stages))
        tables: list[pl.DataFrame] = chosen.gather(chosen.map(day, prepared))
    return pl.concat(tables)


def each_part(
    history: History,
    as_of: AsOf,
    stages: StageOptions,
    engine: Engine,
    sink: Sink[T],
) -> list[T]:
    """Features of one day, part by part, where the parts are: no more than a few are in memory at a time.

    Args:
        history: everything known; rows after the day are not read.
        as_of: the day and its windows.
        stages: where the lines between stages lie.
        engine: where parts are worked on.
        sink: given the number of a part and its features (see `feature_table`); what it returns is small.

    Returns:
        What the sink returned, in the order of the parts.
    """
    if not history.parts:
        return []
    [day], prepared = started(engine, history, Plan.of(history, [as_of], stages))
    return engine.gather(engine.map(partial(_sunk, day=day, sink=sink), range(len(prepared)), prepared))


def _here_or(engine: Engine | None) -> AbstractContextManager[Engine]:
    """The engine given, which stays open, or threads of this machine."""
    return Threads() if engine is None else nullcontext(engine)


def _sunk(
    number: int,
    prepared: Prepared,
    day: Callable[[Prepared], pl.DataFrame],
    sink: Sink[T],
) -> T:
    return sink(number, day(prepared))


def _all_days(prepared: Prepared, days: Sequence[Callable[[Prepared], pl.DataFrame]]) -> pl.DataFrame:
    return pl.concat([day(prepared) for day in days], how="diagonal")


def _sample(rows: pl.DataFrame, share: float) -> pl.DataFrame:
    return rows if share >= 1 else rows.filter(drawn(share))


def _outcome(known: Known, until: AsOf, months: Sequence[int]) -> pl.DataFrame:
    return labels(known, months=months, known_until=until)


def _share(engine: Engine, history: History, days: Sequence[AsOf], max_rows: int) -> float:
    """Which share of the customers gives at most so many rows."""
    rows: int = sum(engine.gather(engine.map(partial(_rows, days=tuple(days)), history.parts)))
    return max_rows / max(rows, max_rows)


def _rows(part: Part, days: Sequence[AsOf]) -> int:
    """Customers of a part on all days together."""
    firsts = part.first_days().select(pl.sum_horizontal(day.known(pl.col("first_on")).sum() for day in days))
    return int(firsts.item())
