"""How do physical lines become records, so that each record comes out exactly once, good or with a fault?

The cells of a CSV record may span lines inside quotes. A stray quote must not swallow the records after it,
so a record that spans lines is believed only when it closes within 100 lines, every closing quote ends a
cell, it has the right number of cells, and not every line of it would be a whole row by its separators
alone. Otherwise its first line stands alone, with a fault, and reading resumes at the second line. Blank
lines are not records.
"""

import csv
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Literal, NamedTuple

from features.options import SourceOptions
from features.sources.text import MAX_RECORD, Lines

_NOT_BLANK = re.compile(r"[^ \t]+")


class Record(NamedTuple):
    """One record: the line it begins on, its cells or its fault, its text."""

    line: int
    cells: list[str] | None
    fault: str | None
    raw: str


Format = Literal["csv", "whitespace"]


def read_header(lines: Lines, source: SourceOptions, layout: Format) -> Record | None:
    """The first record of a file, whatever its number of cells; None when all lines are blank."""
    return next(_records(lines, _splitter(lines, source, layout, None), None), None)


def read_records(lines: Lines, source: SourceOptions, layout: Format, width: int) -> Iterator[Record]:
    """Every record after the header.

    Args:
        lines: the file, its header taken.
        source: separator and quote.
        layout: cells between separators, or between runs of blanks and tabs.
        width: number of cells of a whole record.

    Returns:
        Records in file order. Faults: `nul_byte`, `bad_encoding`, `unclosed_quote`, `ragged_row`; the first
        that holds, in this order.
    """
    return _records(lines, _splitter(lines, source, layout, width), width)


# Takes a line and, where its quotes say so, those after it; gives cells (None: a quote stays open) and text.
_Splitter = Callable[[str], tuple[list[str] | None, str]]


def _records(lines: Lines, split: _Splitter, width: int | None) -> Iterator[Record]:
    while (line := lines.take()) is not None:
        if not line or line.isspace():
            continue
        number = lines.number
        cells, raw = split(line)
        if "\0" in raw:
            yield Record(number, None, "nul_byte", raw)
        elif "\ufffd" in raw:
            yield Record(number, None, "bad_encoding", raw)
        elif cells is None:
            yield Record(number, None, "unclosed_quote", raw)
        elif width is not None and len(cells) != width:
            yield Record(number, None, "ragged_row", raw)
        else:
            yield Record(number, cells, None, raw)


def _splitter(lines: Lines, source: SourceOptions, layout: Format, width: int | None) -> _Splitter:
    if layout == "whitespace":
        return lambda line: (_NOT_BLANK.findall(line), line)
    separator, quote = source.separator, source.quote
    csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_RECORD))

    def split(line: str) -> tuple[list[str] | None, str]:
        if quote not in line:
            return line.split(separator), line
        # A second line is offered: the reader asks for it only when a quote is still open.
        reader = csv.reader((line + "\n", "\n"), delimiter=separator, quotechar=quote)
        cells = next(reader)
        if reader.line_num == 1:
            return cells, line
        return _spanning(line, lines, source, width) or (None, line)

    return split


def _spanning(
    line: str, lines: Lines, source: SourceOptions, width: int | None
) -> tuple[list[str], str] | None:
    """The cells and the text of a record that spans lines, or None when it is not to be believed."""
    ahead = lines.ahead()
    texts = (text + "\n" for text in chain((line,), ahead))
    reader = csv.reader(texts, delimiter=source.separator, quotechar=source.quote, strict=True)
    try:
        cells = next(reader)
    except csv.Error:
        return None
    taken = [line, *ahead[: reader.line_num - 1]]
    if width is not None and (len(cells) != width or _are_whole_rows(taken, source.separator, width)):
        return None
    lines.skip(reader.line_num - 1)
    return cells, "\n".join(taken)


def _are_whole_rows(texts: list[str], separator: str, width: int) -> bool:
    """Whether each line alone would be a row. With fewer than three cells that says nothing."""
    return width > 2 and all(text.count(separator) == width - 1 for text in texts)
