"""What did a query give? Its result is kept aside, so that it can be named by its content and read again.

The copy lies in a folder that only its owner can read, and goes when the process ends.
"""

import atexit
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from features.errors import ConfigError
from features.options import SourceOptions
from features.sources.chunks import own_names, typed_chunk
from features.sources.columns import check_columns
from features.sources.databases import Cursor, ask, has_after

_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Pulled:
    """The result of a query.

    Attributes:
        folder: parts in Parquet, each with types of its own.
        digest: hash of the rows, whatever their order.
        after: greatest value of the cursor column, or the `:after` of this pull when there were no rows; None
            when the query has no `:after`.
    """

    folder: Path
    digest: str
    after: str | None


def pull(source: SourceOptions, where: str, after: str | None) -> Pulled:
    """Run the query of a source and keep its result aside.

    Raises:
        ConfigError: when the address, or the cursor of a query with `:after`, is wrong.
        DataRefused: when the database or the query fails.
    """
    query = source.query or ""
    start = (after or source.cursor_start) if has_after(query) else None
    if start is not None and source.cursor is None:
        raise ConfigError(
            f"{where}.cursor: a query with :after needs it: the column whose greatest value is kept."
        )
    folder = Path(tempfile.mkdtemp(prefix="winback-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    total, greatest = 0, None
    with ask(source.uri or "", query, start, where) as cursor:
        names = own_names([str(entry[0]) for entry in cursor.description or ()], f"{where}.query")
        place = _cursor_place(names, source, where) if start is not None else None
        for number, rows in enumerate(_batches(cursor)):
            _frame(rows, names).write_parquet(folder / f"{number:06}.parquet")
            total += sum(_row_hash(row) for row in rows)
            if place is not None:
                values = (row[place] for row in rows if row[place] is not None)
                greatest = max(values, default=None) if greatest is None else max(values, default=greatest)
    digest = f"{total % (1 << 256):064x}"
    return Pulled(folder, digest, start if greatest is None else _text(greatest))


def read_pulled(folder: Path, table: str, source: SourceOptions, chunk_rows: int) -> Iterator[pl.DataFrame]:
    """Chunks of a pulled result; `source_line` is the number of the row."""
    line = 1
    for part in sorted(folder.glob("*.parquet")):
        rows = pl.read_parquet(part)
        check_columns(rows.columns, table, source, f"The result of sources.{table}.query")
        for chunk in rows.iter_slices(chunk_rows):
            yield typed_chunk(chunk, line)
            line += len(chunk)


def _batches(cursor: Cursor) -> Iterator[list[Any]]:
    """Rows in batches; the first one may be empty, so that the columns of an empty result are known."""
    yield cursor.fetchmany(_ROWS)
    while rows := cursor.fetchmany(_ROWS):
        yield rows


def _cursor_place(names: list[str], source: SourceOptions, where: str) -> int:
    if source.cursor not in names:
        raise ConfigError(
            f"{where}.cursor: the query gives no column {source.cursor!r}; it gives {', '.join(names)}."
        )
    return names.index(source.cursor)


def _frame(rows: Sequence[Sequence[object]], names: list[str]) -> pl.DataFrame:
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return pl.DataFrame([_column(name, list(values)) for name, values in zip(names, columns, strict=True)])


def _column(name: str, values: list[Any]) -> pl.Series:
    """A column of the type that all its values share, else of text."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds - {int} and kinds <= {int, float, Decimal}:
        return pl.Series(
            name, [None if value is None else float(value) for value in values], dtype=pl.Float64
        )
    if kinds == {date}:
        return pl.Series(name, values, dtype=pl.Date)
    if kinds == {datetime}:
        return _times(name, values)
    return pl.Series(name, [None if value is None else _text(value) for value in values], dtype=pl.String)


def _times(name: str, values: list[Any]) -> pl.Series:
    aware = {value.tzinfo is not None for value in values if value is not None}
    if aware == {False}:
        return pl.Series(name, values, dtype=pl.Datetime("us"))
    if aware == {True}:
        utc = [None if value is None else value.astimezone(UTC).replace(tzinfo=None) for value in values]
        return pl.Series(name, utc, dtype=pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.Series(name, [None if value is None else _text(value) for value in values], dtype=pl.String)


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case datetime() | date():
            return value.isoformat()
        case dict() | list() | tuple():
            return json.dumps(value, default=str, ensure_ascii=False)
        case _:
            return str(value)


def _row_hash(row: Sequence[object]) -> int:
    """A sum of these does not depend on the order of the rows, which a database is free to choose."""
    text = json.dumps([None if value is None else _text(value) for value in row])
    return int.from_bytes(hashlib.sha256(text.encode()).digest())
