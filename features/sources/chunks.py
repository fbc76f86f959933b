"""What does a chunk look like, whatever it was read from?

The source's own columns, then `source_line`, `fault` and `raw`.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import MAXYEAR, MINYEAR

import polars as pl

from features.errors import DataRefused

LINE = "source_line"
"""The line on which a record begins, or the number of a row; expressions may read it too."""
CONTROL: Mapping[str, pl.DataType] = {LINE: pl.Int64(), "fault": pl.String(), "raw": pl.String()}
"""The columns of a chunk that are not the source's."""


def own_names(header: Sequence[str], what: str) -> list[str]:
    """Names of the source's columns, fit for a frame.

    Blanks around a name are dropped; a column without a name is called `column_<n>`; a name that chunks use
    themselves gets an underscore in front.

    Args:
        header: the names as delivered.
        what: the delivery, for the message.

    Raises:
        DataRefused: naming each name that stands twice.
    """
    names = [name.strip() or f"column_{place}" for place, name in enumerate(header, 1)]
    names = [f"_{name}" if name in CONTROL else name for name in names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataRefused(
            f"{what}: the header names {', '.join(map(repr, twice))} more than once, so it is not clear "
            "which column is meant. Rename or drop all but one in the export."
        )
    return names


def typed_chunk(rows: pl.DataFrame, first_line: int) -> pl.DataFrame:
    """A chunk of rows that come with types; texts that are broken inside are faults as in a text file."""
    lines = pl.int_range(first_line, first_line + pl.len(), dtype=pl.Int64).alias(LINE)
    texts = [pl.col(name) for name, dtype in rows.schema.items() if dtype == pl.String]
    broken = rows.select(text.str.contains("[\0\ufffd]").any() for text in texts)
    if not any(broken.row(0) if texts else ()):
        sound = (pl.lit(None, pl.String).alias(name) for name in ("fault", "raw"))
        return rows.with_columns(lines, *sound)
    nul, other = (
        pl.any_horizontal(text.str.contains(mark, literal=True) for text in texts)
        for mark in ("\0", "\ufffd")
    )
    fault = pl.when(nul).then(pl.lit("nul_byte")).when(other).then(pl.lit("bad_encoding"))
    marked = rows.with_columns(lines, fault.alias("fault"))
    return marked.with_columns(
        as_json(marked.select(rows.columns), marked["fault"].is_not_null()).alias("raw")
    )


def as_json(rows: pl.DataFrame, wanted: pl.Series) -> pl.Series:
    """The JSON text of each wanted row, null for the others."""
    chosen = pl.DataFrame([_showable(column) for column in rows.filter(wanted)])
    texts = [json.dumps(row, ensure_ascii=False, default=str) for row in chosen.iter_rows(named=True)]
    places = wanted.arg_true()
    return pl.Series("raw", [None], dtype=pl.String).new_from_index(0, len(rows)).scatter(places, texts)


def _showable(column: pl.Series) -> pl.Series:
    """A column that Python can hold: bytes in hex, times beyond its calendar as plain numbers."""
    if column.dtype == pl.Binary:
        return column.bin.encode("hex")
    if column.dtype == pl.Duration:
        return column.dt.to_string("iso")
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        held = column.dt.year().is_between(MINYEAR, MAXYEAR)
        beyond = column.is_not_null() & ~held.fill_null(value=False)
        return column.to_physical() if beyond.any() else column
    return column
