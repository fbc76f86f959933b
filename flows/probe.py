"""Can a source be read as its mapping says? Tried on its first rows, without taking anything in."""

from collections.abc import Iterator
from itertools import islice

import polars as pl

from features.contracts import TABLES
from features.options import SourceOptions
from features.sources import map_chunk
from features.sources.chunks import typed_chunk
from flows import inputs
from flows.settings import Settings

_ROWS = 1000


def probe(settings: Settings, table: str) -> tuple[int, int]:
    """Read the first rows of a source, of each of its files.

    Args:
        settings: the config.
        table: a key of its sources.

    Returns:
        Rows that cannot be read as mapped, and rows looked at.

    Raises:
        WinbackError: when the source is not there, cannot be opened, or lacks mapped columns.
    """
    source = inputs.sources(settings)[table]
    unreadable = looked_at = 0
    for chunk in _first_chunks(table, source):
        mapped = map_chunk(chunk, TABLES[table], source, settings.timezone)
        excluded = pl.col("fault").str.starts_with("excluded_")
        unreadable += mapped.filter(pl.col("fault").is_not_null() & ~excluded).height
        if "assumed" in mapped.columns:
            unreadable += mapped.filter(pl.col("fault").is_null(), pl.col("assumed").is_not_null()).height
        looked_at += mapped.height
    return unreadable, looked_at


def _first_chunks(table: str, source: SourceOptions) -> Iterator[pl.DataFrame]:
    from features.sources.files import find_files
    from features.sources.readers import read_file

    if source.uri is not None:
        yield typed_chunk(first_rows(source.uri, str(source.query), source.cursor_start, table, _ROWS), 1)
        return
    for _, path in find_files(source.path or (), f"sources.{table}.path"):
        yield from islice(read_file(path, table, source, _ROWS), 1)


def first_rows(uri: str, query: str, after: str | None, table: str, rows: int) -> pl.DataFrame:
    """The first rows of a query.

    Args:
        uri: database, secrets put in.
        query: one SELECT.
        after: value of `:after`, if the query has one.
        table: for messages.
        rows: at most so many.
    """
    from features.sources.databases import ask, has_after

    with ask(uri, query, after if has_after(query) else None, f"sources.{table}") as cursor:
        names = [str(column[0]) for column in cursor.description or ()]
        found = cursor.fetchmany(rows)
    values = [tuple(row) for row in found]
    return pl.DataFrame(values, schema=names, orient="row", strict=False, infer_schema_length=None)
