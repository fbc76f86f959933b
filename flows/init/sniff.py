"""What kind of file or table is this, and what stands in its first rows? `winback init` reads no more."""

import codecs
import csv
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from features.errors import ConfigError, DataRefused

_BYTES = 4 << 20
_ROWS = 20_000
_SEPARATORS = (",", ";", "\t", "|")
_SEPARATOR_WORDS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_FOREIGN = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"SQLite format 3": "an SQLite database",
}
_NUMBER = re.compile(r"[+-]?[0-9][0-9.,]*")
_SCHEME = re.compile(r"^[a-z][a-z0-9+]*://")


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a source and how to read the rest.

    Attributes:
        rows: cells as text (native types from Parquet and databases), empty ones null.
        options: keys of the source in the config, beside `columns`.
        findings: what was seen, in plain words.
    """

    rows: pl.DataFrame
    options: dict[str, Any]
    findings: list[str] = field(default_factory=list)


def look(place: str, query: str | None) -> Sample:
    """Read the first rows of a file, or of a query.

    Args:
        place: path of a file, or URI of a database.
        query: one SELECT; for databases only.

    Raises:
        ConfigError: when the two do not go together.
        DataRefused: when it is nothing that can be read.
    """
    if _SCHEME.match(place):
        return _look_at_database(place, query)
    if query is not None:
        raise ConfigError(
            f"--query goes with a database, and {place} is a file. Write a database as sqlite:///{place}, "
            f"duckdb:///{place} or postgresql://..., or leave --query out."
        )
    path = Path(place).expanduser()
    if not path.is_file():
        raise DataRefused(f"There is no file {place}. Give the file with your order lines.")
    head = _head(path)
    if head.startswith(b"PAR1"):
        return _look_at_parquet(path, place)
    for mark, kind in _FOREIGN.items():
        if head.startswith(mark):
            raise DataRefused(f"{place} is {kind}. Save the order lines as CSV, or give sqlite:///{place}.")
    return _look_at_text(head, place)


def _look_at_database(uri: str, query: str | None) -> Sample:
    if query is None:
        raise ConfigError(f"{uri} is a database: say with --query which SELECT gives the order lines.")
    from flows.probe import first_rows
    from flows.settings import secret

    rows = first_rows(secret(uri), query, "1970-01-01", "transactions", _ROWS)
    return Sample(_not_empty(rows, uri), {"uri": uri, "query": query}, ["It is a database query."])


def _look_at_parquet(path: Path, place: str) -> Sample:
    try:
        rows = pl.scan_parquet(path).head(_ROWS).collect()
    except pl.exceptions.PolarsError as error:
        raise DataRefused(f"{place} is not readable Parquet: {str(error).splitlines()[0]}.") from None
    return Sample(_not_empty(rows, place), {"path": place}, ["It is a Parquet file."])


def _look_at_text(head: bytes, place: str) -> Sample:
    text, encoding, why = _decode(head)
    lines = [line for line in text.splitlines() if line.strip()][:_ROWS]
    if len(lines) < 2:
        raise DataRefused(f"{place} has no rows below its first line. Give a file with data in it.")
    options: dict[str, Any] = {"path": place}
    findings = [why]
    if encoding != "utf-8":
        options["encoding"] = encoding
    separator = _separator(lines)
    if separator is None:
        options["format"] = "whitespace"
        findings.append("Cells are separated by blanks.")
        records = [line.split() for line in lines]
    else:
        options |= {} if separator == "," else {"separator": separator}
        findings.append(f"Cells are separated by {_SEPARATOR_WORDS[separator]}.")
        records = _records(text, separator, place)
    rows = _frame(records, place)
    if _decimal_comma(rows):
        options["decimal"] = ","
        findings.append("Numbers have a decimal comma.")
    return Sample(rows, options, findings)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(_BYTES)
    if not head.startswith(b"\x1f\x8b"):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _BYTES)
    except zlib.error as error:
        raise DataRefused(f"{path} is damaged: it cannot be uncompressed ({error}).") from None


def _decode(head: bytes) -> tuple[str, str, str]:
    """Text of whole lines, the name of its encoding, and how that was found out."""
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if head.startswith(mark):
            return _whole(head.decode(name, "ignore")), name, "The text is UTF-16 (by its byte mark)."
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        text = head.decode("cp1252", "replace")
        return _whole(text), "cp1252", "The text is not UTF-8; it reads well as Windows-1252 (cp1252)."
    return _whole(text), "utf-8", "The text is UTF-8."


def _whole(text: str) -> str:
    """Without the last line, which the end of the sample may have cut, if there is another."""
    if len(text) < _BYTES // 4:
        return text
    return text[: text.rfind("\n") + 1] or text


def _separator(lines: list[str]) -> str | None:
    """What cells are separated by; None: blanks."""
    best, width = ",", 1
    for candidate in _SEPARATORS:
        found = _usual_width(list(csv.reader(lines[:200], delimiter=candidate)))
        if found > width:
            best, width = candidate, found
    blanks = _usual_width([line.split() for line in lines[:200]])
    return None if width == 1 and blanks > 1 else best


def _usual_width(records: list[list[str]]) -> int:
    """The width of the header, if most records have it too."""
    widths = Counter(len(record) for record in records)
    header = len(records[0])
    return header if widths[header] >= 0.8 * len(records) else 0


def _records(text: str, separator: str, place: str) -> list[list[str]]:
    def some() -> Iterator[list[str]]:
        for number, record in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=separator)):
            if number > _ROWS:
                return
            if record:
                yield record

    try:
        return list(some())
    except csv.Error as error:
        raise DataRefused(f"{place} is not readable CSV: {error}.") from None


def _frame(records: list[list[str]], place: str) -> pl.DataFrame:
    header = [name.strip() or f"column_{number}" for number, name in enumerate(records[0], 1)]
    if all(_NUMBER.fullmatch(name) for name in header) or len(set(header)) < len(header):
        raise DataRefused(
            f"The first line of {place} does not name the columns, or names one twice: "
            f"{', '.join(header[:8])}. Add a line with a name for each column."
        )
    whole = [record for record in records[1:] if len(record) == len(header)]
    columns = zip(*whole, strict=True) if whole else ([] for _ in header)
    frame = pl.DataFrame(
        dict(zip(header, map(list, columns), strict=True)), schema=dict.fromkeys(header, pl.String)
    )
    stripped = pl.all().str.strip_chars()
    return _not_empty(frame.select(pl.when(stripped != "").then(stripped).name.keep()), place)


def _not_empty(rows: pl.DataFrame, place: str) -> pl.DataFrame:
    if rows.is_empty():
        raise DataRefused(f"{place} gives no rows. Give a source with data in it.")
    return rows


def _decimal_comma(rows: pl.DataFrame) -> bool:
    """Whether a column holds numbers such as 12,50 and 1.234,50 and none such as 12.50."""

    def share(column: pl.Series, pattern: str) -> float:
        found = column.drop_nulls().str.contains(pattern).mean()
        return float(found) if isinstance(found, float) else 0.0

    comma, point = r"^-?[0-9]+(\.[0-9]{3})*,[0-9]{1,2}$", r"^-?[0-9]+(,[0-9]{3})*\.[0-9]{1,2}$"
    return any(share(c, comma) > 0.5 for c in rows) and not any(share(c, point) > 0.5 for c in rows)
