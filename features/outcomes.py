"""What became of everybody after some past days, without their features."""

from collections.abc import Mapping, Sequence
from functools import partial

import polars as pl

from features.asof import AsOf
from features.books import Books
from features.engine import Engine
from features.history import History, Part
from features.known import Known
from features.labels import labels
from features.snapshots import drawn


def outcomes(
    history: History,
    shares: Mapping[AsOf, float],
    until: AsOf,
    engine: Engine,
    months: Sequence[int] = (),
) -> dict[AsOf, pl.DataFrame]:
    """Each day's customers with what they did afterwards; every part is read once for all days.

    Args:
        history: everything known at the end of `until`.
        shares: past days, and which share of their customers is wanted, drawn by hash.
        until: the day up to which history is known.
        engine: where parts are worked on.
        months: which months after each day to sum margin over; those that `until` has not seen are null.

    Returns:
        For each day, sorted by customer: as_of, customer_id and labels (`features.labels`).
    """
    days = list(shares)
    work = partial(_part, columns=history.columns, shares=dict(shares), until=until, months=months)
    parts: list[Sequence[pl.DataFrame]] = engine.gather(engine.map(work, history.parts))
    found = {day: [part[place] for part in parts] for place, day in enumerate(days)}
    return {day: pl.concat(frames).sort("customer_id") for day, frames in found.items() if frames}


def _part(
    part: Part, columns: frozenset[str], shares: Mapping[AsOf, float], until: AsOf, months: Sequence[int]
) -> list[pl.DataFrame]:
    books = Books.open(part, columns)
    return [_day(Known.of(books, day), until, months, share) for day, share in shares.items()]


def _day(known: Known, until: AsOf, months: Sequence[int], share: float) -> pl.DataFrame:
    keys = pl.DataFrame({"customer_id": known.names}).select(
        as_of=pl.lit(known.as_of.day), customer_id="customer_id"
    )
    everyone = pl.concat([keys, labels(known, months=months, known_until=until)], how="horizontal")
    return everyone if share >= 1 else everyone.filter(drawn(share))
