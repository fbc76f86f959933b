"""How accepted rows are kept and read back: Delta tables of customer-hash buckets.

Each table is a sorted base (one part per bucket) plus small sorted increments (one part per delivery).
Readers merge both: rows of replaced deliveries are left out, and where a later delivery brings a row or an
order again, the later one counts. Compaction writes the merged rows as the new base.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from features import ledger, parts
from features.contracts import TABLES, UTC, Table
from features.hashing import sha256, stable_hash
from features.parts import PART

_log = logging.getLogger(__name__)

# A larger delivery is sorted bucket by bucket, so that memory stays bounded.
_ROWS_AT_ONCE = 5_000_000
BUCKET = "bucket"
_MOST_BLOCKS = 1 << 20
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


@dataclass(frozen=True, slots=True)
class Lake:
    """The tables under one folder.

    Attributes:
        root: the `lake/` folder of the workspace.
        buckets: customer-hash buckets of tables that belong to customers.
    """

    root: Path
    buckets: int = 16

    def holds(self, name: str) -> bool:
        """Whether a delivery of this table was ever accepted."""
        return not ledger.live(self.root, name).is_empty()

    def columns(self, name: str) -> frozenset[str]:
        """Canonical columns that some live delivery of the table brought."""
        brought = ledger.live(self.root, name)["columns"]
        return frozenset(column for columns in brought for column in columns.split(","))

    def bucket_count(self, table: Table) -> int:
        """Tables that nobody owns have one bucket."""
        return self.buckets if table.owner else 1

    def add(self, table: Table, delivery: int, rows: pl.LazyFrame) -> None:
        """Write a delivery's rows as an increment. Nobody reads them until the ledger says so.

        Args:
            table: the canonical table.
            delivery: its number in the ledger.
            rows: canonical columns (absent ones become null) and the columns of `ORIGIN`.
        """
        present = rows.collect_schema()
        absent = [pl.lit(None, dtype).alias(c) for c, dtype in table.schema.items() if c not in present]
        part = _increment(delivery)
        frame = (
            rows.with_columns(*absent, _bucket(table, self.bucket_count(table)))
            .select(_stored(table).names())
            .cast(_stored(table))
        )
        total = frame.select(pl.len()).collect().item()
        passes = 1 if total <= _ROWS_AT_ONCE else self.bucket_count(table)
        groups = (frame.filter(pl.col(BUCKET) % passes == number) for number in range(passes))
        sorted_groups = ((part, group.sort(_order(table)).collect()) for group in groups)
        parts.replace(self._path(table.name), sorted_groups, _stored(table), only=part)

    def scan(self, name: str, bucket: int | None = None) -> pl.LazyFrame:
        """What counts now: canonical columns and origin, in (owner, time) order within each bucket.

        Args:
            name: the table.
            bucket: one customer-hash bucket, or None for all of them in order.
        """
        table = TABLES[name]
        if not self.holds(name):
            return pl.LazyFrame(schema={**table.schema, **ORIGIN})
        wanted = range(self.bucket_count(table)) if bucket is None else (bucket,)
        merge = _Merge.of(self, table)
        return pl.concat([merge.bucket(number) for number in wanted])

    def parts(self, name: str) -> dict[str, int]:
        """Rows per part, from the table's log; nothing is read."""
        return parts.counts(self._path(name))

    def compact(self, name: str) -> int:
        """Write the merged rows as the new base, in one commit, bucket by bucket.

        Returns:
            Rows in the new base.
        """
        table = TABLES[name]
        if not self.holds(name):
            return 0
        merge = _Merge.of(self, table)
        based = ((_base(n), merge.as_base(n)) for n in range(self.bucket_count(table)))
        parts.replace(self._path(name), based, _stored(table), only=None)
        total = sum(self.parts(name).values())
        _log.info("%s: %d rows in the base", name, total)
        return total

    def needs_compaction(self, name: str, share: float, most_parts: int) -> bool:
        """Whether increments have grown past a share of the base, or past a number."""
        held = self.parts(name)
        added = [rows for part, rows in held.items() if not part.startswith("base")]
        base = sum(held.values()) - sum(added)
        return bool(added) and (len(added) > most_parts or sum(added) > share * base)

    def owner_of(self, name: str, fingerprint: str) -> str | None:
        """The id with a fingerprint, if it owns anything that a table stores, whether it counts or not."""
        table = TABLES[name]
        if table.owner is None or not parts.exists(self._path(name)):
            return None
        owners = pl.scan_delta(str(self._path(name))).select(table.owner).unique()
        found = owners.filter(sha256(table.owner) == fingerprint).collect()
        return None if found.is_empty() else str(found.item())

    def rewrite_without(self, name: str, customer_ids: Iterable[str]) -> int:
        """Take a person's rows out of a table for good, older versions included.

        Returns:
            Rows taken out.
        """
        table, gone = TABLES[name], list(customer_ids)
        before = self.parts(name)
        if table.owner is None or not before:
            return 0
        stored = pl.scan_delta(str(self._path(name))).filter(
            ~pl.col(table.owner).is_in(gone).fill_null(value=False)
        )
        kept = ((part, stored.filter(pl.col(PART) == part).drop(PART).collect()) for part in before)
        parts.replace(self._path(name), kept, _stored(table), only=None)
        parts.vacuum(self._path(name), at_once=True)
        return sum(before.values()) - sum(self.parts(name).values())

    def _path(self, name: str) -> Path:
        return self.root / name


@dataclass(frozen=True, slots=True)
class _Merge:
    """The base and the live increments of one table, and the rule by which they meet."""

    table: Table
    stored: pl.LazyFrame
    live: tuple[int, ...]
    added: pl.DataFrame
    rule: str
    periods: pl.DataFrame

    @classmethod
    def of(cls, lake: Lake, table: Table) -> "_Merge":
        held = ledger.live(lake.root, table.name)
        live = tuple(held["seq"])
        stored = pl.scan_delta(str(lake._path(table.name)))  # noqa: SLF001 - same module
        names = [_increment(number) for number in live]
        rule = held["rule"][-1]
        added = stored.filter(pl.col(PART).is_in(names)).collect()
        periods = held.filter(pl.col("seq").is_in(added["delivery"].unique().implode()))
        return cls(table, stored, live, _later_wins(added, rule, periods), rule, periods)

    def as_base(self, number: int) -> pl.DataFrame:
        """Merged rows of one bucket as they are stored in the base."""
        place = pl.lit(number, pl.Int32).alias(BUCKET)
        return self.bucket(number).with_columns(place).select(_stored(self.table).names()).collect()

    def bucket(self, number: int) -> pl.LazyFrame:
        """Merged rows of one bucket, sorted."""
        columns = [*self.table.schema.names(), *ORIGIN.names()]
        base = self.stored.filter(pl.col(PART) == _base(number), pl.col("delivery").is_in(self.live))
        fresh = self.added.filter(pl.col(BUCKET) == number)
        base = _without(base, self.added, self.rule, self.periods)
        if fresh.is_empty():
            return base.select(columns)
        return pl.concat([base.select(columns), fresh.lazy().select(columns)]).sort(_order(self.table)[1:])


def _later_wins(added: pl.DataFrame, rule: str, periods: pl.DataFrame) -> pl.DataFrame:
    """Increments among themselves: what a later delivery (or a later block of one) brings again, counts."""
    if rule == "replace_order":
        named = pl.col("order_id").is_not_null()
        arrival = pl.col("delivery") * _MOST_BLOCKS + pl.col("block")
        return added.filter(~named | (arrival == arrival.max().over("order_id")))
    if rule == "replace_period":
        for seq, first, last in periods.sort("seq").select("seq", "first_at", "last_at").rows():
            inside = pl.col("ordered_at").is_between(first, last) & (pl.col("delivery") < seq)
            added = added.filter(~inside)
        return added
    if rule.startswith("key:"):
        keys = rule.removeprefix("key:").split(",")
        named = pl.all_horizontal(pl.col(key).is_not_null() for key in keys)
        position = pl.col("_position")
        placed = added.sort("delivery", "source_line").with_row_index("_position")
        return placed.filter(~named | (position == position.max().over(keys))).drop("_position")
    return added


def _without(base: pl.LazyFrame, added: pl.DataFrame, rule: str, periods: pl.DataFrame) -> pl.LazyFrame:
    """The base without the rows that increments bring again."""
    if added.is_empty() or rule == "keep":
        return base
    if rule == "replace_period":
        for first, last in periods.select("first_at", "last_at").rows():
            base = base.filter(~pl.col("ordered_at").is_between(first, last))
        return base
    keys = ["order_id"] if rule == "replace_order" else rule.removeprefix("key:").split(",")
    again = added.lazy().select(keys).unique()
    return base.join(again, on=keys, how="anti", maintain_order="left")


def _bucket(table: Table, count: int) -> pl.Expr:
    if table.owner is None or count == 1:
        return pl.lit(0, pl.Int32).alias(BUCKET)
    # Guests have no owner: they lie together in the first bucket.
    hashed = stable_hash(table.owner, "bucket").fill_null(0)
    return (hashed % count).cast(pl.Int32).alias(BUCKET)


def _stored(table: Table) -> pl.Schema:
    return pl.Schema({**table.schema, **ORIGIN, BUCKET: pl.Int32()})


def _order(table: Table) -> list[str]:
    """The bucket, the owner, the time, then what makes a row unique."""
    return [BUCKET, *[c for c in (table.owner, table.time) if c], *_content(table), "delivery", "source_line"]


def _content(table: Table) -> list[str]:
    return [column for column in ("order_id", "line_id", "product_id", "person_id") if column in table.index]


def _increment(delivery: int) -> str:
    return f"inc-{delivery:08d}"


def _base(bucket: int) -> str:
    return f"base-{bucket:04d}"
