"""What was known of some customers at the end of one day."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from features import rhythm
from features.asof import AsOf
from features.books import Books
from features.orders import purchases
from features.runs import CUSTOMER, Places, Runs

WINDOWS: tuple[int, ...] = (7, 14, 30, 60, 90, 180, 365)


@dataclass(frozen=True, slots=True)
class Known:
    """The net purchases of a day's customers; everybody else is nobody's concern on that day.

    Attributes:
        as_of: the day and its windows.
        books: what the shop wrote down, later rows among it.
        customers: numbers (UInt32, ascending) of those with a net purchase.
        purchases: their net purchases; run i is customers[i]'s.
        days: their order days with `gap_days` and `previous_gap_days`, see `features.rhythm`; run i likewise.
    """

    as_of: AsOf
    books: Books
    customers: pl.Series
    purchases: Runs
    days: Runs

    @classmethod
    def of(cls, books: Books, as_of: AsOf) -> "Known":
        """Leave out what nobody could know at the end of the day."""
        bought = Runs.of(purchases(books.orders, as_of)).with_windows(as_of, "ordered_on", WINDOWS)
        days = Runs.of(rhythm.order_days(bought)).with_windows(as_of, "ordered_on", WINDOWS)
        customers = bought.firsts(CUSTOMER).to_series()
        return cls(as_of, books, customers, bought, days)

    @property
    def names(self) -> pl.Series:
        """The customers' ids."""
        return self.books.people["customer_id"].gather(self.customers)

    def runs(self, rows: pl.DataFrame) -> Runs:
        """One run for each customer, of rows of the books; some runs are empty.

        Args:
            rows: sorted by customer; those of customers who are not known yet are left out.
        """
        starts, ends = self._places(rows)
        if int((ends - starts).sum()) < rows.height:
            mine = np.zeros(self.books.people.height, dtype=bool)
            mine[self.customers.to_numpy()] = True
            rows = rows.filter(pl.Series(mine[rows[CUSTOMER].to_numpy()]))
            starts, ends = self._places(rows)
        return Runs(rows, starts, ends)

    def _places(self, rows: pl.DataFrame) -> tuple[Places, Places]:
        """Where each customer's rows begin and end."""
        counts = np.bincount(rows[CUSTOMER].to_numpy(), minlength=self.books.people.height)
        ends = np.cumsum(counts)
        mine = self.customers.to_numpy()
        return (ends - counts)[mine], ends[mine]
