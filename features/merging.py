"""What counts now: how the sorted base of a table and its increments meet when they are read.

Rows of replaced deliveries are left out, and where a later delivery brings a row or an order again, the later
one counts. Within a bucket only customers whom an increment touches are sorted anew; the others lie in order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

import polars as pl

from features import ledger, parts
from features.contracts import UTC, Table

BUCKET = "bucket"
# Where an accepted row came from; carried with it for good.
ORIGIN = pl.Schema(
    {
        "delivery": pl.Int64(),
        "block": pl.Int64(),
        "source_file": pl.String(),
        "source_line": pl.Int64(),
        "ingested_at": UTC,
    }
)
# Increments with fewer rows are read once and held; larger ones are read again for each bucket.
ROWS_AT_ONCE = 5_000_000
# More than a delivery has lines or blocks.
_MOST_WITHIN = 1 << 40


@dataclass(frozen=True, slots=True)
class Merged:
    """One table as it is when this is made: what is written later does not reach it.

    Attributes:
        table: the canonical table.
        held: the files of its parts.
        live: numbers of the deliveries that count, if others were accepted that count no more.
        rule: how a delivery meets what was there before.
        added: rows of the live increments that count.
        fresh: how many there are per bucket.
        again: keys of the rows in the base that increments bring again.
        periods: first and last time of what increments bring anew, for the rule `replace_period`.
    """

    table: Table
    held: parts.Held
    live: tuple[int, ...] | None
    rule: str
    added: pl.LazyFrame
    fresh: Mapping[int, int]
    again: pl.DataFrame | None
    periods: tuple[tuple[datetime, datetime], ...]

    @classmethod
    def of(cls, root: Path, table: Table) -> "Merged":
        """The table under a lake's folder."""
        accepted = ledger.receipts(root).filter(pl.col("table") == table.name)
        counting = ledger.newest(accepted)
        rule: str = next(reversed(counting["rule"].to_list()), "keep")
        held = parts.held(root / table.name)
        apart = counting.filter(pl.col("seq").map_elements(increment, pl.String).is_in(list(held.rows)))
        names = [increment(seq) for seq in apart["seq"]]
        added = held.scan(names, stored(table))
        if sum(held.rows[name] for name in names) <= ROWS_AT_ONCE:
            added = added.collect().lazy()
        counted = _later_wins(added, rule, apart)
        return cls(
            table=table,
            held=held,
            live=tuple(counting["seq"]) if counting.height < accepted.height else None,
            rule=rule,
            added=counted,
            fresh=dict(counted.group_by(BUCKET).len().sort(BUCKET).collect(engine="streaming").iter_rows()),
            again=added.select(keys).unique().collect() if names and (keys := _keys(rule)) else None,
            periods=tuple(apart.select("first_at", "last_at").iter_rows())
            if rule == "replace_period"
            else (),
        )

    def scan(self, buckets: Iterable[int]) -> pl.LazyFrame:
        """Canonical columns and origin, bucket by bucket, by owner and time within each."""
        frames = [pl.LazyFrame(schema=stored(self.table))]
        for touched, group in groupby(sorted(buckets), self.fresh.__contains__):
            numbers = list(group)
            frames += map(self._merged, numbers) if touched else [self._base(numbers)]
        return pl.concat(frames).select(self._columns)

    def apart(self, buckets: Iterable[int]) -> tuple[pl.LazyFrame, pl.LazyFrame]:
        """The rows of `scan` in two frames, which costs less than to put them in one order.

        Returns:
            Rows of owners whom no increment touches, and all rows of the others; each bucket by bucket, by
            owner and time within each.
        """
        others, touched = self._apart(sorted(buckets))
        return others.select(self._columns), touched.select(self._columns)

    def rows(self, buckets: Iterable[int]) -> dict[int, int]:
        """Rows of each bucket, nearly: some of the base may be replaced. Nothing of the base is read."""
        return {n: self.held.rows.get(base(n), 0) + self.fresh.get(n, 0) for n in buckets}

    @property
    def _columns(self) -> list[str]:
        return [*self.table.schema.names(), *ORIGIN.names()]

    def _merged(self, number: int) -> pl.LazyFrame:
        """One bucket in order. Rows of touched owners lie between those of the others, never among them."""
        others, touched = self._apart([number])
        owner = self.table.owner
        return touched if owner is None or not self._holds([number]) else others.merge_sorted(touched, owner)

    def _apart(self, numbers: Sequence[int]) -> tuple[pl.LazyFrame, pl.LazyFrame]:
        there, added = self._base(numbers), self.added.filter(pl.col(BUCKET).is_in(numbers))
        is_touched = self._is_touched(added) if self._holds(numbers) else pl.lit(value=True)
        touched = pl.concat([there.filter(is_touched), added]).sort(sorting(self.table))
        return there.filter(~is_touched), touched

    def _holds(self, numbers: Sequence[int]) -> bool:
        """Whether there is a base for one of the buckets."""
        return any(base(number) in self.held.rows for number in numbers)

    def _is_touched(self, added: pl.LazyFrame) -> pl.Expr:
        """Whether a row of the base belongs to an owner of these rows; of a table without owners all do."""
        owner = self.table.owner
        if owner is None:
            return pl.lit(bool(self.fresh))
        owners = added.select(pl.col(owner).unique()).collect()[owner]
        return pl.col(owner).is_in(owners.implode(), nulls_equal=True)

    def _base(self, numbers: Iterable[int]) -> pl.LazyFrame:
        """Rows of the base that still count."""
        rows = self.held.scan([base(number) for number in numbers], stored(self.table))
        if self.live is not None:
            rows = rows.filter(pl.col("delivery").is_in(self.live))
        for first, last in self.periods:
            rows = rows.filter(~pl.col("ordered_at").is_between(first, last))
        if self.again is not None:
            rows = rows.join(self.again.lazy(), on=self.again.columns, how="anti", maintain_order="left")
        return rows


def stored(table: Table) -> pl.Schema:
    """What lies in a part."""
    return pl.Schema({**table.schema, **ORIGIN, BUCKET: pl.Int32()})


def sorting(table: Table) -> list[str]:
    """The bucket, the owner, the time, then what makes a row unique."""
    content = (
        column for column in ("order_id", "line_id", "product_id", "person_id") if column in table.index
    )
    return [BUCKET, *(c for c in (table.owner, table.time) if c), *content, "delivery", "source_line"]


def increment(delivery: int) -> str:
    """The part of a delivery."""
    return f"inc-{delivery:08d}"


def base(bucket: int) -> str:
    """The part of a bucket."""
    return f"base-{bucket:04d}"


def _keys(rule: str) -> list[str]:
    """Columns by which a row, or an order, is known again."""
    if rule == "replace_order":
        return ["order_id"]
    return rule.removeprefix("key:").split(",") if rule.startswith("key:") else []


def _later_wins(added: pl.LazyFrame, rule: str, apart: pl.DataFrame) -> pl.LazyFrame:
    """Increments among themselves: what a later delivery (or a later block of one) brings again, counts."""
    if rule == "replace_period":
        for seq, first, last in apart.select("seq", "first_at", "last_at").iter_rows():
            inside = pl.col("ordered_at").is_between(first, last) & (pl.col("delivery") < seq)
            added = added.filter(~inside)
    keys = _keys(rule)
    if not keys:
        return added
    within = pl.col("block") if rule == "replace_order" else pl.col("source_line")
    arrival = pl.col("delivery") * _MOST_WITHIN + within
    # Few are brought more than once. A row without its key is never another one's.
    named = added.filter(pl.all_horizontal(pl.col(key).is_not_null() for key in keys))
    latest = named.group_by(keys).agg(_first=arrival.min(), _last=arrival.max())
    again = latest.filter(pl.col("_first") < pl.col("_last")).drop("_first").collect(engine="streaming")
    placed = added.join(again.lazy(), on=keys, how="left", maintain_order="left")
    return placed.filter(pl.col("_last").is_null() | (arrival == pl.col("_last"))).drop("_last")
