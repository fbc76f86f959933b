"""Which rows of an export are broken, and how: what people, tools and transfers do to files."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Fault(StrEnum):
    """What is wrong with a row."""

    BROKEN_TIME = "broken_time"
    TEXT_IN_NUMBER = "text_in_number"
    BLANK_REQUIRED = "blank_required"
    RAGGED = "ragged"
    BAD_BYTES = "bad_bytes"


@dataclass(frozen=True, slots=True)
class Spots:
    """Which cells of a file can break; cells are counted from 0 and hold no separator."""

    times: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()
    required: tuple[int, ...] = ()
    texts: tuple[int, ...] = ()


SHARE = 0.003
_TIMES = (b"2024-13-45 10:00:00", b"31/02/2024", b"0000-00-00 00:00:00", b"yesterday")
_NUMBERS = (b"n/a", b"twelve", b"#REF!", b"1O.50")
# A byte that starts no character in UTF-8: the cell was written by a tool that speaks Latin-1.
_LATIN = "Crème fraîche".encode("latin-1")
_EXTRA = b",,see note"


def soil(
    rng: np.random.Generator, rows: list[bytes], spots: Spots, share: float = SHARE
) -> list[tuple[int, Fault]]:
    """Break a small share of the rows, in place.

    Args:
        rng: decides which rows, and how.
        rows: lines of a CSV file without their ends.
        spots: which cells can break.
        share: of the rows.

    Returns:
        Index and fault of every broken row, in order.
    """
    chosen = np.flatnonzero(rng.random(len(rows)) < share)
    kinds = _kinds(spots)
    faults = [kinds[i] for i in rng.integers(len(kinds), size=len(chosen))]
    picks = rng.integers(1 << 30, size=(len(chosen), 2))
    broken = [(int(index), fault) for index, fault in zip(chosen, faults, strict=True)]
    for (index, fault), (cell, value) in zip(broken, picks.tolist(), strict=True):
        rows[index] = _break(rows[index], fault, spots, cell, value)
    return broken


def _kinds(spots: Spots) -> list[Fault]:
    possible = {
        Fault.BROKEN_TIME: spots.times,
        Fault.TEXT_IN_NUMBER: spots.numbers,
        Fault.BLANK_REQUIRED: spots.required,
        Fault.BAD_BYTES: spots.texts,
    }
    return [Fault.RAGGED, *(fault for fault, cells in possible.items() if cells)]


def _break(row: bytes, fault: Fault, spots: Spots, cell: int, value: int) -> bytes:
    match fault:
        case Fault.RAGGED:
            return row + _EXTRA if value % 2 else b",".join(row.split(b",")[:3])
        case Fault.BROKEN_TIME:
            return _replace(row, spots.times, cell, _TIMES[value % len(_TIMES)])
        case Fault.TEXT_IN_NUMBER:
            return _replace(row, spots.numbers, cell, _NUMBERS[value % len(_NUMBERS)])
        case Fault.BLANK_REQUIRED:
            return _replace(row, spots.required, cell, b"")
        case Fault.BAD_BYTES:
            return _replace(row, spots.texts, cell, _LATIN)


def _replace(row: bytes, places: tuple[int, ...], cell: int, text: bytes) -> bytes:
    cells = row.split(b",")
    cells[places[cell % len(places)]] = text
    return b",".join(cells)
