"""The books of some customers: everything features read of them, sorted once, by number instead of by name.

A customer's number is their row in `people`. Every frame is sorted by it, so that what belongs to one
customer lies together and `features.runs` can add it up without looking for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from features.goods import Goods, goods
from features.history import History, Part
from features.orders import NAMES_ORDER, orders
from features.runs import CUSTOMER, Runs

_SMALL = ("customers", "contacts", "feedback", "points")
# Read where the shop has them; the others are read always.
_NAMED = ("product_name", "category", NAMES_ORDER)
_LINE = (
    "customer_id",
    "ordered_at",
    "ordered_local",
    "ordered_on",
    "order_id",
    "product_id",
    "quantity",
    "net_amount",
    "discount_amount",
    "margin",
    "returns",
)


@dataclass(frozen=True, slots=True)
class Books:
    """Frames of some customers; `customer` (UInt32) is a row of `people`.

    Attributes:
        people: customer_id.
        orders: see `features.orders.orders`, less the name of the order.
        margins: customer, ordered_on, margin: net margin per day, returns included.
        returned: customer, ordered_on, returned_amount: one row per line that gives something back.
        customers: one row per customer, or None; so are the other tables that a shop may have.
        contacts: with `contacted_on`.
        feedback: with `occurred_on`.
        points: with `expires_on`; what is held now.
    """

    people: pl.DataFrame
    orders: pl.DataFrame
    margins: pl.DataFrame
    returned: pl.DataFrame
    customers: pl.DataFrame | None = None
    contacts: pl.DataFrame | None = None
    feedback: pl.DataFrame | None = None
    points: pl.DataFrame | None = None

    @classmethod
    def open(cls, part: Part, columns: frozenset[str]) -> "Books":
        """Read and sort the books of a part's customers.

        Args:
            part: whose.
            columns: canonical transaction columns that the shop has at all.
        """
        lines, people = _numbered_lines(part, columns)
        return cls._of(part, lines, people)

    @classmethod
    def open_with_goods(cls, part: Part, columns: frozenset[str]) -> tuple["Books", Goods]:
        """The books, and what was bought line by line, which takes most of the memory; baskets read it."""
        lines, people = _numbered_lines(part, columns)
        sold = lines.filter(~pl.col("returns")) if lines["returns"].any() else lines
        return cls._of(part, lines, people), goods(sold, columns)

    @classmethod
    def _of(cls, part: Part, lines: pl.DataFrame, people: pl.DataFrame) -> "Books":
        return cls(
            people=people,
            orders=orders(lines).drop("order_id"),
            margins=_margins(lines),
            returned=_returned(lines),
            **{name: _numbered(getattr(part, name), people) for name in _SMALL},
        )

    def named(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with the customers' ids in place of their numbers."""
        ids = self.people["customer_id"].gather(rows[CUSTOMER])
        return rows.with_columns(ids).drop(CUSTOMER)

    def only(self, kept: npt.NDArray[np.bool_]) -> "Books":
        """The books of the kept customers, their numbers unchanged: the others have no rows."""
        rows = {name: _only(getattr(self, name), kept) for name in ("orders", "margins", "returned")}
        held = {name: getattr(self, name) for name in _SMALL}
        small = {name: _only(frame, kept) for name, frame in held.items() if frame is not None}
        return replace(self, **rows, **small)


def accounts(history: History, customer_ids: Iterable[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Orders and daily net margins of some customers by name, with `customer_id` in place of the number.

    Args:
        history: of the shop.
        customer_ids: whose.
    """
    opened = [Books.open(part, history.columns) for part in history.only(customer_ids).parts]
    orders = [one.named(one.orders) for one in opened]
    margins = [one.named(one.margins) for one in opened]
    return pl.concat(orders, how="diagonal"), pl.concat(margins)


def _margins(lines: pl.DataFrame) -> pl.DataFrame:
    runs = Runs.of(lines, CUSTOMER, "ordered_on")
    return pl.concat([runs.firsts(CUSTOMER, "ordered_on"), runs.sums("margin")], how="horizontal")


def _returned(lines: pl.DataFrame) -> pl.DataFrame:
    back = lines.filter("returns")
    return back.select(CUSTOMER, "ordered_on", returned_amount=-pl.col("net_amount"))


def _numbered_lines(part: Part, columns: frozenset[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A part's lines with `customer`, and the people whose numbers these are."""
    named = [name for name in _NAMED if name in columns]
    # In one piece: otherwise every step that follows puts the pieces of each file together again.
    lines = part.lines.select(*_LINE, *named).collect().rechunk()
    runs = Runs.of(lines, "customer_id")
    numbers = pl.Series(CUSTOMER, runs.run_of().astype(np.uint32))
    numbered = lines.with_columns(numbers).drop("customer_id")
    if _days_come_again(runs):
        numbered = numbered.sort(CUSTOMER, "ordered_on", maintain_order=True)
    return numbered, runs.firsts("customer_id")


def _days_come_again(runs: Runs) -> bool:
    """Whether days do not rise within a run: some zones set their clocks back when midnight has passed."""
    falls = np.diff(runs.rows["ordered_on"].to_physical().to_numpy()) < 0
    falls[runs.starts[1:] - 1] = False
    return bool(falls.any())


def _numbered(frame: pl.LazyFrame | None, people: pl.DataFrame) -> pl.DataFrame | None:
    """A table with the customers' numbers; rows of people without an order line are left out."""
    if frame is None:
        return None
    numbers = people.lazy().with_row_index(CUSTOMER)
    joined = frame.join(numbers, on="customer_id", how="inner", maintain_order="left")
    return joined.drop("customer_id").collect().sort(CUSTOMER, maintain_order=True)


def _only(frame: pl.DataFrame, kept: npt.NDArray[np.bool_]) -> pl.DataFrame:
    return frame.filter(pl.Series(kept[frame[CUSTOMER].to_numpy()]))
