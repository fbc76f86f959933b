"""Which deliveries does a source hold, and what are their rows?"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from features.contracts import Table
from features.digests import file_digest
from features.errors import DataRefused
from features.options import SourceOptions
from features.sources.files import find_files
from features.sources.fill_down import fill_down
from features.sources.queries import pull, read_pulled
from features.sources.readers import read_file

# Raised for a table when the same bytes would be read or mapped to other rows than before: its files are then
# taken in again. Each by itself, since for transactions that means all lines, and other list ids.
_READINGS = {"customers": 2, "identities": 2, "feedback": 2, "suppressions": 2}
_FIRST_READING = 1
_NOT_ABOUT_ROWS = frozenset(("path", "uri", "cursor", "cursor_start", "key", "overlap", "max_age_days"))


@dataclass(frozen=True, slots=True)
class Delivery:
    """One file, or the result of one query.

    Attributes:
        table: canonical name of the table.
        name: the file's path below the fixed part of the configured one, or `query`.
        digest: SHA-256 over the content and the options that change what is read from it.
        path: the file, or the folder that keeps a pulled result until the process ends.
        after: for a query, the `:after` of the next pull.
    """

    table: str
    name: str
    digest: str
    path: Path | None = None
    after: str | None = None


def find_deliveries(table: Table, source: SourceOptions, after: str | None = None) -> list[Delivery]:
    """What the source holds now: its files by name, or the result of its query, which is pulled at once.

    Args:
        table: the canonical table.
        source: files, or a query with its address; secrets are in their place.
        after: for a query with `:after`, where the last pull ended; None starts at `cursor_start`.

    Raises:
        DataRefused: when no file matches, a file cannot be read, or the database or the query fails.
        ConfigError: when the address, the query or a needed extra is wrong.
    """
    where = f"sources.{table.name}"
    if source.uri is not None:
        pulled = pull(source, where, after)
        digest = _digest(table, source, pulled.digest)
        return [Delivery(table.name, "query", digest, pulled.folder, pulled.after)]
    return [
        Delivery(table.name, name, _digest(table, source, _file_digest(path)), path)
        for name, path in find_files(source.path or (), f"{where}.path")
    ]


def read_delivery(
    delivery: Delivery, source: SourceOptions, chunk_rows: int = 200_000
) -> Iterator[pl.DataFrame]:
    """Raw chunks of a delivery, with bounded memory.

    Args:
        delivery: what `find_deliveries` gave.
        source: the same options.
        chunk_rows: rows of a chunk at most.

    Yields:
        The source's own columns (text from text files), then `source_line`, `fault` and `raw`. Every record
        comes out once. A delivery without rows yields nothing.

    Raises:
        DataRefused: when it cannot be read as a whole; this may come after the first chunks, so nothing may
            be kept before the last one.
    """
    if delivery.path is None:
        raise DataRefused(f"The delivery {delivery.name} of {delivery.table} has no content to read.")
    read = read_pulled if source.uri is not None else read_file
    chunks = read(delivery.path, delivery.table, source, chunk_rows)
    return fill_down(chunks, source.fill_down) if source.fill_down else chunks


def _digest(table: Table, source: SourceOptions, *content: str) -> str:
    options = source.model_dump(mode="json", exclude=set(_NOT_ABOUT_ROWS))
    reading = _READINGS.get(table.name, _FIRST_READING)
    text = json.dumps([reading, options, *content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _file_digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise DataRefused(f"{path} cannot be read: {error.strerror}.") from None
