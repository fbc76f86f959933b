"""How does one file become chunks of its own columns, with bounded memory?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, cast

import polars as pl

from features.errors import ConfigError, DataRefused
from features.options import SourceOptions
from features.sources.chunks import CONTROL, LINE, own_names, typed_chunk
from features.sources.columns import check_columns
from features.sources.records import Format, Record, read_header, read_records
from features.sources.text import first_bytes, open_lines

_PARQUET = b"PAR1"
_TEXT_SUFFIXES = (".csv", ".txt", ".tsv", ".gz")
_MAX_CELLS = 2_000_000
_MAX_CHARACTERS = 64 << 20


def read_file(path: Path, table: str, source: SourceOptions, chunk_rows: int) -> Iterator[pl.DataFrame]:
    """Chunks of one file.

    Args:
        path: a CSV, whitespace-separated or Parquet file; text may be compressed with gzip.
        table: canonical name of the table, for messages.
        source: how to read it.
        chunk_rows: rows of a chunk at most; chunks of wide rows are smaller.

    Yields:
        The source's columns, then `source_line`, `fault` and `raw`.

    Raises:
        DataRefused: when the file cannot be read as what it should be, or lacks a mapped column. It may come
            after the first chunks.
        ConfigError: when the options contradict themselves.
    """
    where = f"sources.{table}"
    layout = _layout(path, source, where)
    if layout == "parquet":
        return read_parquet(path, table, source, chunk_rows)
    if len({source.separator, source.quote, "\n", "\r"}) != 4:
        raise ConfigError(f"{where}: separator and quote must differ, and neither may end a line.")
    return _read_text(path, table, source, layout, chunk_rows)


def read_parquet(path: Path, table: str, source: SourceOptions, chunk_rows: int) -> Iterator[pl.DataFrame]:
    """Chunks of a Parquet file; see `read_file`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    line = 1
    try:
        with pq.ParquetFile(path) as file:
            names = own_names(file.schema_arrow.names, str(path))
            check_columns(names, table, source, str(path))
            rows_at_once = max(1, min(chunk_rows, _MAX_CELLS // max(1, len(names))))
            for batch in file.iter_batches(rows_at_once):
                rows = cast("pl.DataFrame", pl.from_arrow(batch.rename_columns(names)))
                yield typed_chunk(rows, line)
                line += len(rows)
    except (pa.ArrowException, OSError) as error:
        first = str(error).partition("\n")[0]
        raise DataRefused(f"{path} cannot be read as Parquet: {first}. Deliver it again, whole.") from None


def _read_text(
    path: Path, table: str, source: SourceOptions, layout: Format, chunk_rows: int
) -> Iterator[pl.DataFrame]:
    where = f"sources.{table}"
    with open_lines(path, source, where) as lines:
        header = read_header(lines, source, layout)
        names = own_names(_header_cells(header, path, source, where), str(path))
        check_columns(names, table, source, str(path))
        gathered = _Gathered(names)
        room = max(1, min(chunk_rows, _MAX_CELLS // len(names)))
        for record in read_records(lines, source, layout, len(names)):
            gathered.add(record)
            if len(gathered.lines) == room or gathered.characters > _MAX_CHARACTERS:
                yield gathered.chunk(path, where)
                gathered = _Gathered(names)
        if gathered.lines:
            yield gathered.chunk(path, where)


class _Gathered:
    """Records on their way into a chunk.

    All cells are in one flat list: with a list per record the garbage collector would go through them all,
    again and again.
    """

    def __init__(self, names: list[str]) -> None:
        self.lines: list[int] = []
        self.characters = 0
        self._names = names
        self._cells: list[str | None] = []
        self._faulty: dict[int, tuple[str | None, str]] = {}

    def add(self, record: Record) -> None:
        line, cells, fault, raw = record
        if cells is None:
            self._faulty[len(self.lines)] = (fault, raw)
            self._cells.extend([None] * len(self._names))
        else:
            self._cells.extend(cells)
        self.lines.append(line)
        self.characters += len(raw)

    def chunk(self, path: Path, where: str) -> pl.DataFrame:
        width = len(self._names)
        try:
            columns = [
                pl.Series(name, self._cells[place::width], dtype=pl.String)
                for place, name in enumerate(self._names)
            ]
        except UnicodeError:
            raise DataRefused(
                f"{path}: between lines {self.lines[0]} and {self.lines[-1]} there are characters that are "
                f"no text in the encoding of {where}.encoding. Set it to the file's own encoding."
            ) from None
        faults: list[str | None] = [None] * len(self.lines)
        texts = faults.copy()
        for row, (fault, text) in self._faulty.items():
            faults[row], texts[row] = fault, text
        for name, values in ((LINE, self.lines), ("fault", faults), ("raw", texts)):
            columns.append(pl.Series(name, values, dtype=CONTROL[name]))
        return pl.DataFrame(columns)


def _header_cells(header: Record | None, path: Path, source: SourceOptions, where: str) -> list[str]:
    if header is None:
        raise DataRefused(f"{path} is empty: it holds no header and no rows. Deliver it again, or remove it.")
    match header.fault:
        case "nul_byte" | "bad_encoding":
            fault = f"bytes that are not {source.encoding}. Set {where}.encoding (cp1252, utf-16-le, ...)"
        case "unclosed_quote":
            fault = f"a quote that is never closed. Correct it, or set {where}.quote"
        case _:
            return header.cells or []
    raise DataRefused(f"{path}: the header, on line {header.line}, holds {fault}.")


def _layout(path: Path, source: SourceOptions, where: str) -> Format | Literal["parquet"]:
    """Which reader a file needs, by its first bytes and the config."""
    is_parquet = first_bytes(path, 4) == _PARQUET
    if source.format == "parquet" or (source.format == "auto" and path.suffix.lower() == ".parquet"):
        if not is_parquet:
            raise DataRefused(
                f"{path} is not a Parquet file: its first bytes say otherwise. "
                f"Deliver Parquet, or set {where}.format to csv or whitespace."
            )
        return "parquet"
    if not is_parquet:
        return "whitespace" if source.format == "whitespace" else "csv"
    if source.format == "auto" and path.suffix.lower() not in _TEXT_SUFFIXES:
        return "parquet"
    raise DataRefused(
        f"{path} is called a text file, but by its first bytes it is Parquet. "
        f"Rename it to {path.stem}.parquet, or set {where}.format: parquet."
    )
