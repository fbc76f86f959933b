"""Sums, firsts and lasts per customer, from rows that already lie in order.

Rows sorted by customer (and by day within one) make one run per customer. What a run adds up to is the
difference of two running sums, so no row is hashed or compared twice, and every window of every measure costs
one look-up per customer. Sums are of integers: they are exact, and the order of rows cannot reach them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from features.asof import AsOf

Places = npt.NDArray[np.int64]
Number = TypeVar("Number", np.int64, np.float64)
CUSTOMER = "customer"
_EPOCH = date(1970, 1, 1)


def named(name: str, days: int | None) -> str:
    """Name of a windowed column; None is the lifetime."""
    return name if days is None else f"{name}_{days}d"


def day_number(day: date) -> int:
    """A day as Polars and NumPy hold it: days since 1970."""
    return (day - _EPOCH).days


@dataclass(frozen=True, slots=True)
class Runs:
    """Rows in runs of equal keys.

    Attributes:
        rows: the rows; equal keys lie together.
        starts: where each run begins, Int64.
        ends: where it ends: the place after its last row.
        windows: where the rows of the last so many days begin in each run, see `with_windows`.
    """

    rows: pl.DataFrame
    starts: Places
    ends: Places
    windows: Mapping[int, Places] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: pl.DataFrame, *keys: str) -> Self:
        """Find the runs.

        Args:
            rows: equal keys lie together; key columns hold no null.
            keys: columns that are equal within a run; default `customer`.
        """
        if rows.is_empty():
            none = np.empty(0, np.int64)
            return cls(rows, none, none)
        columns = [pl.col(key) for key in keys or (CUSTOMER,)]
        begins = pl.any_horizontal((column != column.shift(1)).fill_null(value=True) for column in columns)
        starts = rows.select(begins.arg_true()).to_series().to_numpy().astype(np.int64)
        return cls(rows, starts, np.append(starts[1:], rows.height))

    def with_windows(self, as_of: AsOf, on: str, days: Iterable[int]) -> Self:
        """The same runs, with the places where the last so many days begin.

        Args:
            as_of: windows end with its day; no row is later.
            on: the Date column by which each run is sorted.
            days: lengths of the windows.
        """
        lengths = list(days)
        ends = self.upto(on, [as_of.day - timedelta(days=length) for length in lengths])
        return type(self)(self.rows, self.starts, self.ends, dict(zip(lengths, ends, strict=True)))

    def upto(self, on: str, days: Sequence[date]) -> list[Places]:
        """For each day, the place in each run after its last row of that day or earlier.

        Args:
            on: the Date column by which each run is sorted; it holds no null.
            days: in any order.
        """
        if self.rows.is_empty():
            return [self.starts for _ in days]
        wanted = np.array([day_number(day) for day in days], dtype=np.int64)
        marks = np.unique(wanted)
        when = self.rows[on].to_physical().to_numpy()
        first, last = int(when.min()), int(when.max())
        # A row counts for every mark on or after its day: one look-up per row, one count per run and mark.
        reached = np.searchsorted(marks, np.arange(first, last + 1))
        count = len(marks) + 1
        cells = np.repeat(np.arange(0, self.size * count, count), self.lengths) + reached[when - first]
        counted = np.bincount(cells, minlength=self.size * count).reshape(self.size, count)
        passed = counted.cumsum(axis=1)
        return [self.starts + passed[:, place] for place in np.searchsorted(marks, wanted)]

    @property
    def size(self) -> int:
        """Number of runs."""
        return len(self.starts)

    @property
    def lengths(self) -> Places:
        """Rows per run."""
        return self.ends - self.starts

    def run_of(self) -> Places:
        """The number of each row's run."""
        return np.repeat(np.arange(self.size), self.lengths)

    def spread(self, values: pl.Series) -> pl.Series:
        """One value per run, repeated for each of its rows."""
        return values.gather(self.run_of().astype(np.uint32))

    def firsts(self, *exprs: pl.Expr | str) -> pl.DataFrame:
        """The first row of each run."""
        return self.rows.select(exprs).select(pl.all().gather(self.starts))

    def lasts(self, *exprs: pl.Expr | str) -> pl.DataFrame:
        """The last row of each run."""
        return self.rows.select(exprs).select(pl.all().gather(self.ends - 1))

    def count(self, days: int | None = None) -> pl.Series:
        """Rows per run, in the last so many days or at all: Int64."""
        return pl.Series(self.ends - (self.starts if days is None else self.windows[days]))

    def sums(self, *exprs: pl.Expr | str) -> pl.DataFrame:
        """Sums of integer or Boolean expressions over each run, Int64; null counts as nothing."""
        return self.over((None,), *exprs)

    def over(self, windows: Iterable[int | None], *exprs: pl.Expr | str) -> pl.DataFrame:
        """Sums over several windows: columns `<name>` (None) and `<name>_<days>d`, expression by expression.

        Args:
            windows: lengths in days; None is the whole run.
            exprs: integer or Boolean expressions over the rows.
        """
        starts = {days: self.starts if days is None else self.windows[days] for days in windows}
        columns = {}
        for series in self.rows.select(exprs):
            sums = np.zeros(self.rows.height + 1, np.int64)
            np.cumsum(series.cast(pl.Int64).fill_null(0).to_numpy(), out=sums[1:])
            upto = sums.take(self.ends)
            for days, start in starts.items():
                columns[named(series.name, days)] = upto - sums.take(start)
        return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Int64))

    def least(self, *exprs: pl.Expr | str) -> pl.DataFrame:
        """The least of each run; no run is empty, no value null."""
        return self._reduced(np.minimum, self.rows.select(exprs))

    def most(self, *exprs: pl.Expr | str) -> pl.DataFrame:
        """The greatest of each run; no run is empty, no value null."""
        return self._reduced(np.maximum, self.rows.select(exprs))

    def added(self, values: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """Sums over each run of numbers that lie beside the rows, in the rows' order; no run is empty."""
        return np.add.reduceat(values, self.starts) if self.size else values

    def where(self, keep: pl.Expr) -> Self:
        """The runs of the rows that are kept; runs without a row vanish. Windows are not kept."""
        mask = self.rows.select(keep.fill_null(value=False)).to_series()
        lengths = np.add.reduceat(mask.to_numpy(), self.starts, dtype=np.int64) if self.size else self.starts
        ends = np.cumsum(lengths[lengths > 0])
        return type(self)(self.rows.filter(mask), ends - lengths[lengths > 0], ends)

    def _reduced(self, reduce: np.ufunc, values: pl.DataFrame) -> pl.DataFrame:
        if not self.size:
            return values
        return pl.DataFrame(
            {series.name: pl.Series(reduce.reduceat(series.to_numpy(), self.starts)) for series in values}
        )
