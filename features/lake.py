"""How accepted rows are kept and read back: Delta tables of customer-hash buckets.

Each table is a sorted base (one part per bucket) plus increments, bucket by bucket (one part per delivery).
Readers merge both: rows of replaced deliveries are left out, and where a later delivery brings a row or an
order again, the later one counts. Compaction writes the merged rows as the new base.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from features import ledger, parts
from features.contracts import TABLES, Table
from features.engine import Engine
from features.hashing import sha256, stable_hash
from features.merging import BUCKET, ORIGIN, ROWS_AT_ONCE, Merged, base, increment, stored
from features.parts import Piece

__all__ = ["BUCKET", "ORIGIN", "Lake"]

_log = logging.getLogger(__name__)


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

    def brought(self) -> dict[str, frozenset[str]]:
        """The tables that it holds, and the canonical columns that live deliveries brought of each."""
        live = ledger.live(self.root).select("table", pl.col("columns").str.split(",")).explode("columns")
        each = live.group_by("table").agg(pl.col("columns").unique())
        return {table: frozenset(columns) for table, columns in each.sort("table").iter_rows()}

    def bucket_count(self, table: Table) -> int:
        """Tables that nobody owns have one bucket."""
        return self.buckets if table.owner else 1

    def add(self, table: Table, delivery: int, rows: pl.LazyFrame) -> None:
        """Put a delivery's rows in as an increment. Nobody reads them until the ledger says so.

        Args:
            table: the canonical table.
            delivery: its number in the ledger.
            rows: canonical columns (absent ones become null) and the columns of `ORIGIN`.
        """
        self.switch_in(table, delivery, self.write(table, delivery, rows))

    def write(self, table: Table, delivery: int, rows: pl.LazyFrame) -> list[Piece]:
        """The files of an increment, which belong to nothing before `switch_in`; see `add`."""
        present = rows.collect_schema()
        absent = [pl.lit(None, dtype).alias(c) for c, dtype in table.schema.items() if c not in present]
        frame = (
            rows.with_columns(*absent, _bucket(table, self.bucket_count(table)))
            .select(stored(table).names())
            .cast(stored(table))
        )
        total = frame.select(pl.len()).collect().item()
        passes = 1 if total <= ROWS_AT_ONCE else self.bucket_count(table)
        groups = (frame.filter(pl.col(BUCKET) % passes == number) for number in range(passes))
        # Rows of a bucket lie together; those that read them put them in order.
        by_bucket = (group.collect().rechunk().sort(BUCKET, maintain_order=True) for group in groups)
        path, part = self._path(table.name), increment(delivery)
        return [parts.write(path, part, each, stored(table)) for each in by_bucket]

    def switch_in(self, table: Table, delivery: int, pieces: Sequence[Piece]) -> None:
        """Make written files the increment of a delivery."""
        parts.switch_in(self._path(table.name), pieces, stored(table), only=increment(delivery))

    def merged(self, name: str) -> Merged:
        """What counts now, for many scans of the same content."""
        return Merged.of(self.root, TABLES[name])

    def scan(self, name: str, buckets: Sequence[int] | None = None) -> pl.LazyFrame:
        """What counts now: canonical columns and origin, in (owner, time) order within each bucket.

        Args:
            name: the table.
            buckets: customer-hash buckets, or None for all of them in order.
        """
        wanted = range(self.bucket_count(TABLES[name])) if buckets is None else buckets
        return self.merged(name).scan(wanted)

    def rows(self, name: str) -> dict[int, int]:
        """Rows of each bucket, nearly: some of the base may be replaced. Nothing of the base is read."""
        return self.merged(name).rows(range(self.bucket_count(TABLES[name])))

    def parts(self, name: str) -> dict[str, int]:
        """Rows per part, from the table's log; nothing is read."""
        return dict(parts.held(self._path(name)).rows)

    def compact(self, name: str, engine: Engine | None = None) -> int:
        """Write the merged rows as the new base, in one commit, bucket by bucket.

        Args:
            name: the table.
            engine: where buckets are merged and written; default here, one after the other.

        Returns:
            Rows in the new base.
        """
        table = TABLES[name]
        if not self.holds(name):
            return 0
        numbers = range(self.bucket_count(table))
        rebase = partial(_rebased, path=self._path(name), held=self.merged(name))
        pieces = map(rebase, numbers) if engine is None else engine.gather(engine.map(rebase, numbers))
        parts.switch_in(self._path(name), pieces, stored(table), only=None)
        total = sum(self.parts(name).values())
        _log.info("%s: %d rows in the base", name, total)
        return total

    def needs_compaction(self, name: str, share: float, most_parts: int) -> bool:
        """Whether increments have grown past a share of the base, or past a number."""
        held = self.parts(name)
        added = [rows for part, rows in held.items() if not part.startswith("base")]
        based = sum(held.values()) - sum(added)
        return bool(added) and (len(added) > most_parts or sum(added) > share * based)

    def owner_of(self, name: str, fingerprint: str) -> str | None:
        """The id with a fingerprint, if it owns anything that a table stores, whether it counts or not."""
        table = TABLES[name]
        if table.owner is None:
            return None
        held = parts.held(self._path(name))
        owners = held.scan(held.files, stored(table)).select(table.owner).unique()
        found = owners.filter(sha256(table.owner) == fingerprint).collect()
        return None if found.is_empty() else str(found.item())

    def rewrite_without(self, name: str, customer_ids: Iterable[str]) -> int:
        """Take a person's rows out of a table for good, older versions included.

        Returns:
            Rows taken out.
        """
        table, gone = TABLES[name], list(customer_ids)
        held = parts.held(self._path(name))
        if table.owner is None or not held.rows:
            return 0
        kept = ~pl.col(table.owner).is_in(gone).fill_null(value=False)
        left = ((part, held.scan([part], stored(table)).filter(kept).collect()) for part in held.rows)
        parts.replace(self._path(name), left, stored(table), only=None)
        parts.vacuum(self._path(name), at_once=True)
        return sum(held.rows.values()) - sum(self.parts(name).values())

    def _path(self, name: str) -> Path:
        return self.root / name


def _rebased(number: int, path: Path, held: Merged) -> Piece:
    """One bucket of the new base."""
    schema = stored(held.table)
    frame = held.scan([number]).with_columns(pl.lit(number, pl.Int32).alias(BUCKET))
    return parts.write(path, base(number), frame.select(schema.names()).collect(), schema)


def _bucket(table: Table, count: int) -> pl.Expr:
    if table.owner is None or count == 1:
        return pl.lit(0, pl.Int32).alias(BUCKET)
    # Guests have no owner: they lie together in the first bucket.
    hashed = stable_hash(table.owner, "bucket").fill_null(0)
    return (hashed % count).cast(pl.Int32).alias(BUCKET)
