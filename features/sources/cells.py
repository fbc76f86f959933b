r"""How is a cell read as text, number, time or flag, and which cells cannot be read?

Every function takes a whole column of any type and gives the values and where a cell held something
unreadable. A missing cell is null, empty, blank, `NULL` or `\N` (exactly: Mr Null has a name); it is never
unreadable.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

_MISSING = ("", "NULL", "\\N")
_FLAGS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}
_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_NO_YEAR = 9999
# Tried in order after "T" became a blank and blanks before an offset were dropped.
_ISO = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M%#z",
    "%Y%m%d",
)
# How databases write that there is no such time: year 0 or year 9999, in the order of any format.
_NO_DAY = (
    r"^(?:0000[-/.]?00[-/.]?00|9999[-/.]?[0-9]{2}[-/.]?[0-9]{2}"
    r"|00[-/.]00[-/.]0000|[0-9]{1,2}[-/.][0-9]{1,2}[-/.]9999)(?:[^0-9].*)?$"
)
_OFFSET = re.compile(r"%[:#]*z|%s|%\+")


class Cells(NamedTuple):
    """Values of a column, and where its cells held something that is not one."""

    values: pl.Series
    unreadable: pl.Series


def read_text(column: pl.Series) -> Cells:
    """Text without blanks around it; a whole number has no decimal point, bytes are written in hex."""
    return Cells(_text(column), _nowhere(column))


def read_number(column: pl.Series, decimal: str) -> Cells:
    """Numbers, finite ones only.

    Args:
        column: numbers, or texts such as 1,234.50 or -3 or 3- with well-formed groups.
        decimal: the decimal mark, `.` or `,`; the other one groups thousands.
    """
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        numbers, given = column.cast(pl.Float64), column.is_not_null()
    else:
        text = _text(column)
        numbers, given = _parsed_numbers(text, decimal), text.is_not_null()
    finite = pl.select(pl.when(numbers.is_finite()).then(numbers)).to_series()
    return Cells(finite.alias(column.name), given & finite.is_null())


def read_time(column: pl.Series, formats: Sequence[str], zone: str) -> Cells:
    """Times in UTC.

    Args:
        column: dates, datetimes or texts; a time without an offset is one of `zone`. When clocks go back the
            earlier of two times is meant; a time that clocks skipped is moved one hour on.
        formats: strptime formats tried in order; none: ISO 8601.
        zone: name of a time zone.
    """
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        given = column.is_not_null()
        kind = pl.Datetime("us", getattr(column.dtype, "time_zone", None))
        times = _in_utc(_believed(column).cast(kind), zone)
    else:
        text = _text(column)
        given = text.is_not_null()
        times = _parsed_times(text, formats, zone)
    return Cells(times.alias(column.name), given & times.is_null())


def says_no_time(column: pl.Series) -> pl.Series:
    """Where a cell is what databases write for no time at all: `0000-00-00`, or a day of the year 9999.

    Optional columns take it for empty, which is nothing to tell; in a required one it cannot be read.
    """
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        return (column.dt.year() == _NO_YEAR).fill_null(value=False)
    return _text(column).str.contains(_NO_DAY).fill_null(value=False)


def read_day(column: pl.Series, formats: Sequence[str], zone: str) -> Cells:
    """Days of the time zone; see `read_time`."""
    times, unreadable = read_time(column, formats, zone)
    return Cells(times.dt.convert_time_zone(zone).dt.date(), unreadable)


def read_flag(column: pl.Series) -> Cells:
    """True or false from true, t, yes, y, 1 and their opposites, in any case."""
    if column.dtype == pl.Boolean:
        return Cells(column, _nowhere(column))
    text = _text(column)
    flags = text.str.to_lowercase().replace_strict(_FLAGS, default=None, return_dtype=pl.Boolean)
    return Cells(flags, text.is_not_null() & flags.is_null())


def tidy(column: pl.Series) -> pl.Series:
    """Text without blanks around it, missing as null; columns of other types as they are."""
    if column.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        stripped = column.cast(pl.String).str.strip_chars()
        return stripped.set(stripped.is_in(_MISSING), None)
    return column


def _text(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Binary:
        column = column.bin.encode("hex")
    elif column.dtype.is_decimal():
        column = column.cast(pl.String).str.replace(r"\.0+$", "")
    elif column.dtype.is_float():
        whole = (column == column.round()) & (column.abs() < 2**53)
        short = column.set(~whole.fill_null(value=False), None).cast(pl.Int64).cast(pl.String)
        column = short.zip_with(short.is_not_null(), column.fill_nan(None).cast(pl.String))
    elif column.dtype == pl.Duration:
        column = column.dt.to_string("iso")
    return tidy(column.cast(pl.String))


def _parsed_numbers(text: pl.Series, decimal: str) -> pl.Series:
    group = "," if decimal == "." else "."
    mark, grouped = re.escape(decimal), re.escape(group)
    digits = rf"(?:(?:[0-9]+|[0-9]{{1,3}}(?:{grouped}[0-9]{{3}})+)(?:{mark}[0-9]*)?|{mark}[0-9]+)"
    well_formed = rf"^(?:[+-]?{digits}(?:[eE][+-]?[0-9]+)?|{digits}-)$"
    cell = pl.when(pl.col("cell").str.contains(well_formed)).then(pl.col("cell"))
    plain = cell.str.replace_all(group, "", literal=True).str.replace(decimal, ".", literal=True)
    signed = pl.when(plain.str.ends_with("-")).then("-" + plain.str.strip_suffix("-")).otherwise(plain)
    return text.to_frame("cell").select(signed.cast(pl.Float64, strict=False)).to_series()


def _parsed_times(text: pl.Series, formats: Sequence[str], zone: str) -> pl.Series:
    if not formats:
        text = text.str.replace(r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]", "$1 ").str.replace(
            r"([0-9]) ?([Zz]|[+-][0-9]{2}:?(?:[0-9]{2})?)$", "$1$2"
        )
    times = pl.Series([None] * len(text), dtype=pl.Datetime("us", "UTC"))
    for layout in formats or _ISO:
        left = times.is_null() & text.is_not_null()
        if not left.any():
            break
        times = times.zip_with(~left, _parsed(text.set(~left, None), layout, zone))
    return times


def _parsed(text: pl.Series, layout: str, zone: str) -> pl.Series:
    aware = _OFFSET.search(layout) is not None
    kind = pl.Datetime("us", "UTC" if aware else None)
    return _in_utc(text.str.strptime(kind, layout.replace(".%f", "%.f"), strict=False), zone)


def _in_utc(times: pl.Series, zone: str) -> pl.Series:
    """Times in UTC; null outside the years that are believed."""
    times = _believed(times)
    if times.dtype == pl.Datetime("us"):
        times = _located(times, zone)
    return times.dt.convert_time_zone("UTC")


def _believed(times: pl.Series) -> pl.Series:
    """Times of believed years; a typed cell can lie so far off that it has no year at all."""
    believed = times.dt.year().is_between(_FIRST_YEAR, _LAST_YEAR).fill_null(value=False)
    return times.set(~believed, None)


def _located(naive: pl.Series, zone: str) -> pl.Series:
    def at(times: pl.Series) -> pl.Series:
        return times.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")

    located = at(naive)
    # Clocks skip an hour (or half of one) in spring; a few islands once skipped a whole day.
    for hours in (1, 24):
        skipped = located.is_null() & naive.is_not_null()
        if skipped.any():
            located = located.zip_with(~skipped, at(naive.dt.offset_by(f"{hours}h")))
    return located


def _nowhere(column: pl.Series) -> pl.Series:
    return pl.Series([False]).new_from_index(0, len(column))
