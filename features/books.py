"""The books of some customers: everything features read of them, sorted once, by number instead of by name.

A customer's number is their row in `people`. Every frame is sorted by it, so that what belongs to one customer
lies together and `features.runs` can add it up without looking for it.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from features.goods import Goods, goods
from features.history import Part
from features.orders import orders
from features.runs import CUSTOMER, Runs

_SMALL = ("customers", "contacts", "feedback", "points")
# Read where the shop has them; the others are read always.
_NAMED = ("product_name", "category")
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
    "returned_order_id",
)


@dataclass(frozen=True, slots=True)
class Books:
    """Frames of some customers; `customer` (UInt32) is a row of `people`.

    Attributes:
        people: customer_id.
        orders: see `features.orders.orders`, less the name of the order.
        margins: customer, ordered_on, margin: net margin per day, returns included.
        returned: customer, ordered_on, returned_amount: one row per line that gives something back.
        goods: what was bought, line by line; None once baskets are counted.
        customers: one row per customer, or None; so are the other tables that a shop may have.
        contacts: with `contacted_on`.
        feedback: with `occurred_on`.
        points: with `expires_on`; what is held now.
    """

    people: pl.DataFrame
    orders: pl.DataFrame
    margins: pl.DataFrame
    returned: pl.DataFrame
    goods: Goods | None
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
        named = [name for name in _NAMED if name in columns]
        lines = part.lines.select(*_LINE, *named).collect()
        runs = Runs.of(lines, "customer_id")
        people = runs.firsts("customer_id")
        numbered = lines.with_columns(runs.run_of().alias(CUSTOMER)).drop("customer_id")
        small = {name: _numbered(getattr(part, name), people) for name in _SMALL}
        return cls(
            people=people,
            orders=orders(numbered).drop("order_id"),
            margins=_margins(numbered),
            returned=_returned(numbered),
            goods=goods(_sold(numbered), columns),
            **small,
        )

    def without_goods(self) -> "Books":
        """The books once all baskets are counted: about a third of the memory."""
        return replace(self, goods=None)

    def only(self, kept: npt.NDArray[np.bool_]) -> "Books":
        """The books of the kept customers, their numbers unchanged: the others have no rows."""
        if kept.all():
            return self
        names = ("orders", "margins", "returned", *_SMALL)
        frames = {name: getattr(self, name) for name in names}
        return replace(self, **{name: _only(frame, kept) for name, frame in frames.items()})


def _margins(lines: pl.DataFrame) -> pl.DataFrame:
    runs = Runs.of(lines, CUSTOMER, "ordered_on")
    return pl.concat([runs.firsts(CUSTOMER, "ordered_on"), runs.sums("margin")], how="horizontal")


def _returned(lines: pl.DataFrame) -> pl.DataFrame:
    back = lines.filter("returns")
    return back.select(CUSTOMER, "ordered_on", returned_amount=-pl.col("net_amount"))


def _sold(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.filter(~pl.col("returns")) if lines["returns"].any() else lines


def _numbered(frame: pl.LazyFrame | None, people: pl.DataFrame) -> pl.DataFrame | None:
    """A table with the customers' numbers; rows of people without an order line are left out."""
    if frame is None:
        return None
    numbers = people.lazy().with_row_index(CUSTOMER)
    joined = frame.join(numbers, on="customer_id", how="inner", maintain_order="left")
    return joined.drop("customer_id").collect().sort(CUSTOMER, maintain_order=True)


def _only(frame: pl.DataFrame | None, kept: npt.NDArray[np.bool_]) -> pl.DataFrame | None:
    return None if frame is None else frame.filter(pl.Series(kept[frame[CUSTOMER].to_numpy()]))
