"""How parts of the customers become features at some days: read once, counted, then finished.

`prepare` reads a part, counts its baskets and what the shop's norms are made of; once all parts are counted,
`finish` makes the features of one of the days. What lies in between is small against the lines.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from features import basket, census, families
from features.asof import AsOf
from features.books import Books
from features.census import Counts, Norms
from features.engine import Engine
from features.hashing import uniform
from features.history import History, Part
from features.known import Known
from features.options import StageOptions


@dataclass(frozen=True, slots=True)
class Plan:
    """Which features are made.

    Attributes:
        days: the snapshots.
        columns: canonical transaction columns that the shop has at all.
        country: whose holidays count, or None.
        stages: where the lines between stages lie.
        share: which share of the customers is kept, drawn by hash; everybody is counted in the norms.
    """

    days: tuple[AsOf, ...]
    columns: frozenset[str]
    country: str | None
    stages: StageOptions
    share: float = 1.0

    @classmethod
    def of(cls, history: History, days: Sequence[AsOf], stages: StageOptions, share: float = 1.0) -> "Plan":
        """The plan for a shop."""
        ordered = tuple(sorted(days, key=lambda one: one.day))
        return cls(ordered, history.columns, history.country, stages, share)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A part, read and counted.

    Attributes:
        books: of its kept customers.
        baskets: of each snapshot.
        counts: of each snapshot, what the shop's norms are made of.
    """

    books: Books
    baskets: Mapping[AsOf, basket.Baskets]
    counts: Mapping[AsOf, Counts]


def started(engine: Engine, history: History, plan: Plan) -> tuple[list[partial[pl.DataFrame]], list[Any]]:
    """Read and count every part, and find the norms of each day.

    Returns:
        For each day of the plan, in order, the function that makes a prepared part's features; and the
        prepared parts, as results to come.
    """
    prepared = engine.map(partial(prepare, plan=plan), history.parts)
    counted = engine.gather(engine.map(_counts, prepared))
    by_day = [[part[day] for part in counted] for day in plan.days]
    norms: list[Norms] = engine.gather(engine.map(partial(_norms, stages=plan.stages), by_day))
    days = zip(plan.days, norms, strict=True)
    return [partial(finish, plan=plan, day=day, norms=one) for day, one in days], prepared


def prepare(part: Part, plan: Plan) -> Prepared:
    """Read a part, count its baskets and its customers at each snapshot, and keep what features need."""
    books, goods = Books.open_with_goods(part, plan.columns)
    kept = None if plan.share >= 1 else books.people.select(drawn(plan.share)).to_series()
    baskets, counts = {}, {}
    for day in plan.days:
        known = Known.of(books, day)
        found = basket.baskets(goods, known.customers, day)
        counts[day] = census.count(known, found)
        baskets[day] = found if kept is None else found.only(kept.gather(known.customers))
    return Prepared(books if kept is None else books.only(kept.to_numpy()), baskets, counts)


def finish(
    prepared: Prepared,
    plan: Plan,
    day: AsOf,
    norms: Norms,
    outcome: Callable[[Known], pl.DataFrame] | None = None,
) -> pl.DataFrame:
    """Features of a prepared part's customers.

    Args:
        prepared: from `prepare`.
        plan: what was prepared.
        day: one of its days.
        norms: of that day.
        outcome: what is put beside the features: one row per known customer.
    """
    known = Known.of(prepared.books, day)
    made = families.features(known, prepared.baskets[day], norms, plan.columns, plan.country, plan.stages)
    keys = pl.DataFrame({"customer_id": known.names}).select(as_of=pl.lit(day.day), customer_id="customer_id")
    beside = [] if outcome is None else [outcome(known)]
    return pl.concat([keys, made, *beside], how="horizontal")


def _norms(counts: Sequence[Counts], stages: StageOptions) -> Norms:
    return Norms.of(census.merged(counts), stages)


def _counts(prepared: Prepared) -> Mapping[AsOf, Counts]:
    return prepared.counts


def drawn(share: float) -> pl.Expr:
    """Whether a customer is in a sample of this share: always the same ones, and all of a smaller sample."""
    return uniform("customer_id", "training") < share
