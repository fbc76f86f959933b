"""How a Delta table of sorted parts is written: whole files in the order given, switched in by one commit.

Delta's own writer sorts rows by partition without keeping their order, so parts are written as Parquet
files here and handed to Delta as a transaction. Files of a run that was killed before its commit belong to
no version; a vacuum removes them.
"""

import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

PART = "part"
_ROW_GROUP = 250_000
_KEEP_HOURS = 7 * 24


@dataclass(frozen=True, slots=True)
class Held:
    """What one version of a table consists of.

    Attributes:
        files: those of each part, by the part's name.
        rows: how many each part has.
    """

    files: Mapping[str, Sequence[Path]]
    rows: Mapping[str, int]

    def scan(self, names: Iterable[str], schema: pl.Schema) -> pl.LazyFrame:
        """Rows of the parts in the order given; a part that is not there has none.

        Args:
            names: the parts.
            schema: columns to be read; one that a file does not have yet is null.
        """
        files = [file for name in names for file in self.files.get(name, ())]
        if not files:
            return pl.LazyFrame(schema=schema)
        return pl.scan_parquet(
            files, schema=schema, missing_columns="insert", extra_columns="ignore", glob=False,
            hive_partitioning=False,
        )  # fmt: skip


def exists(table: Path) -> bool:
    """Whether the folder holds a Delta table."""
    return (table / "_delta_log").is_dir()


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of a part that is written and belongs to no version of its table yet.

    Attributes:
        part: the part's name.
        file: its path below the table's folder.
        rows: how many it has.
    """

    part: str
    file: Path
    rows: int


def write(table: Path, part: str, frame: pl.DataFrame, schema: pl.Schema) -> Piece:
    """Write rows of a part, in order, beside the files that count.

    Args:
        table: folder of the Delta table.
        part: the part's name; the column `PART` is not in the frame.
        frame: the rows.
        schema: columns of the table.
    """
    file = Path(f"{PART}={part}") / f"{uuid.uuid4()}.parquet"
    (table / file).parent.mkdir(parents=True, exist_ok=True)
    frame.select(schema.names()).write_parquet(
        table / file, compression="zstd", row_group_size=_ROW_GROUP, statistics=True
    )
    return Piece(part, file, frame.height)


def switch_in(table: Path, pieces: Iterable[Piece], schema: pl.Schema, only: str | None) -> None:
    """Make pieces the table's content, in one commit.

    Args:
        table: folder of the Delta table; made when absent.
        pieces: what `write` gave.
        schema: columns of the table.
        only: the one part that is replaced; None replaces them all.
    """
    from deltalake import DeltaTable, Schema
    from deltalake.transaction import AddAction

    now = time.time_ns() // 1_000_000
    added = [
        AddAction(
            piece.file.as_posix(),
            (table / piece.file).stat().st_size,
            {PART: piece.part},
            now,
            data_change=True,
            stats=json.dumps({"numRecords": piece.rows}),
        )
        for piece in pieces
    ]
    stored = Schema.from_arrow(pl.DataFrame(schema={**schema, PART: pl.String()}).to_arrow().schema)
    held = DeltaTable(table) if exists(table) else DeltaTable.create(table, stored, partition_by=[PART])
    held.create_write_transaction(
        added,
        mode="overwrite",
        schema=stored,
        partition_by=[PART],
        partition_filters=[(PART, "=", only)] if only else None,
    )


def replace(
    table: Path, frames: Iterable[tuple[str, pl.DataFrame]], schema: pl.Schema, only: str | None
) -> None:
    """Write parts and make them the table's content; one frame is in memory at a time.

    Args:
        table: see `switch_in`, as for the rest.
        frames: part name and its rows in order.
        schema: columns of the frames.
        only: the one part that is replaced.
    """
    switch_in(table, [write(table, part, frame, schema) for part, frame in frames], schema, only)


def held(table: Path) -> Held:
    """The parts of the table's newest version, from its log; no file of rows is read."""
    from deltalake import DeltaTable

    if not exists(table):
        return Held({}, {})
    added = pl.DataFrame(DeltaTable(table).get_add_actions(flatten=True)).sort(f"partition.{PART}", "path")
    files: dict[str, list[Path]] = {}
    rows: dict[str, int] = {}
    for part, path, count in added.select(f"partition.{PART}", "path", "num_records").iter_rows():
        files.setdefault(part, []).append(table / path)
        rows[part] = rows.get(part, 0) + count
    return Held(files, rows)


def files(table: Path) -> list[Path]:
    """The files of the newest version of any Delta table, partitioned or not.

    Polars' own reader of Delta tables looks for them under their quoted address, and finds none where a
    folder's name has a space.
    """
    from deltalake import DeltaTable

    added = pl.DataFrame(DeltaTable(table).get_add_actions(flatten=True))
    return [table / path for path in added["path"].sort()]


def vacuum(table: Path, *, at_once: bool = False) -> int:
    """Delete files that no version of the last week needs; returns how many.

    Args:
        table: folder of the Delta table.
        at_once: keep nothing but the newest version (a person was erased).
    """
    from deltalake import DeltaTable

    if not exists(table):
        return 0
    hours = 0 if at_once else _KEEP_HOURS
    gone = DeltaTable(table).vacuum(retention_hours=hours, enforce_retention_duration=False, dry_run=False)
    return len(gone)
