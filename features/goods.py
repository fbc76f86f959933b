"""Which products and categories each customer bought, sorted once so that baskets of many days are quick.

Lines are sorted by customer, then by product (or category), then by day. What was known of one pair of customer
and product at some day then lies together, and what it adds up to is the difference of two running sums.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from features.asof import AsOf

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint32]

# Units are summed as integers of so many parts.
_UNIT_PARTS = 2**10
_CODE_BITS = 32
_DAY = pl.col("day")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Lines in runs of one customer and one value (a product, a category), each run sorted by day.

    Attributes:
        owners: customers who have such lines, ascending.
        firsts: the first pair of each owner.
        codes: the value of each pair, ascending for each owner.
        starts: where each pair's lines begin.
        ends: where they end.
        days: of each line, its place in `Goods.calendar`.
        running: of each summed column, the sum of all lines before each place; one longer than the lines.
        labels: of each line, its place in `Goods.label_names`; empty where values name themselves.
    """

    owners: Codes
    firsts: Places
    codes: Codes
    starts: Places
    ends: Places
    days: npt.NDArray[np.int32]
    running: Mapping[str, Places]
    labels: Codes

    @classmethod
    def of(cls, lines: pl.DataFrame, code: str, *sums: str) -> Self:
        """Sort lines by customer, code and day.

        Args:
            lines: sorted by customer and day, with customer, day and the columns named; lines without a code
                are left out.
            code: UInt32 column.
            sums: Int64 columns without null.
        """
        named = lines.filter(pl.col(code).is_not_null()) if lines[code].null_count() else lines
        keys = (named["customer"].to_numpy().astype(np.int64) << _CODE_BITS) | named[code].to_numpy()
        # Customers lie in order already, and days stay in order: most of the sort is done.
        order = np.argsort(keys, kind="stable")
        keys = keys.take(order)
        starts = changes(keys)
        pairs = keys.take(starts)
        owners = pairs >> _CODE_BITS
        firsts = changes(owners)
        labels = named["label"].to_numpy().take(order) if "label" in named.columns else np.empty(0, np.uint32)
        return cls(
            owners=owners.take(firsts).astype(np.uint32),
            firsts=firsts,
            codes=(pairs & (2**_CODE_BITS - 1)).astype(np.uint32),
            starts=starts,
            ends=np.append(starts[1:], len(keys)) if len(keys) else starts,
            days=named["day"].to_numpy().take(order),
            running={name: _running(named[name].to_numpy().take(order)) for name in sums},
            labels=labels,
        )

    @property
    def sizes(self) -> Places:
        """Pairs of each owner."""
        return np.diff(self.firsts, append=len(self.starts))

    def total(self, name: str, places: Places | slice = slice(None)) -> Places:
        """Sums of a column over the lines of each pair, or of those at the places."""
        running = self.running[name]
        return running.take(self.ends[places]) - running.take(self.starts[places])


@dataclass(frozen=True, slots=True)
class Goods:
    """What baskets of any day are made of. What the shop does not have is None.

    Attributes:
        columns: canonical transaction columns that the shop has.
        calendar: the days from the first line's to the last one's.
        customers: all lines, one pair per customer; sums `amount` and `full` (amount at full price).
        products: lines with a product; sum `amount`.
        categories: lines with a category; sums `amount`, `units` (in parts) and `priced` (the amount of lines
            with units).
        first_categories: for each owner of `categories`, a place in `category_names`, or null.
        label_names: what products are called, ascending.
        category_names: categories, ascending.
    """

    columns: frozenset[str]
    calendar: pl.Series
    customers: Pairs | None
    products: Pairs | None
    categories: Pairs | None
    first_categories: pl.Series
    label_names: pl.Series
    category_names: pl.Series

    def known(self, pairs: Pairs, as_of: AsOf, days: int) -> "Known":
        """What was known of the pairs at a day.

        Args:
            pairs: some of this shop's.
            as_of: the day; lines that features may not read then are left out.
            days: length of the window in which things are recent.
        """
        marks = self.calendar.to_frame().select(
            history=as_of.history(_DAY),
            stale=as_of.known(_DAY) & ~as_of.history(_DAY),
            recent=as_of.last_days(_DAY, days),
            before=as_of.last_days(_DAY, days, before=days) & as_of.history(_DAY),
        )
        return Known.of(pairs, marks)


@dataclass(frozen=True, slots=True)
class Known:
    """Pairs as they were known at some day: only those with a line by then, and only these lines.

    Attributes:
        pairs: with the places of the known lines.
        recent: whether a line of each pair lies in the window.
        before: whether one lies in the window before.
        new: whether the first line lies in the window.
    """

    pairs: Pairs
    recent: Flags
    before: Flags
    new: Flags

    @classmethod
    def of(cls, pairs: Pairs, marks: pl.DataFrame) -> Self:
        """Cut each pair to what is known.

        Args:
            pairs: all there ever were.
            marks: for each day of the calendar whether it is known (`history`), known but too long ago
                (`stale`), `recent`, or in the window `before` that.
        """
        marked = {mark.name: mark.to_numpy() for mark in marks}
        # Two counts in one sum: lines known, and known lines of the window before.
        counted = marked["history"].astype(np.int64) + (marked["before"].astype(np.int64) << _CODE_BITS)
        both = np.add.reduceat(counted.take(pairs.days), pairs.starts)
        lines, before = both & (2**_CODE_BITS - 1), (both >> _CODE_BITS) > 0
        starts = pairs.starts
        if marked["stale"].any():
            starts = starts + np.add.reduceat(marked["stale"].take(pairs.days), pairs.starts, dtype=np.int64)
        kept = _only(pairs, starts, lines)
        days, recent = pairs.days, marked["recent"]
        return cls(
            pairs=kept,
            recent=recent.take(days.take(kept.ends - 1)),
            before=before[lines > 0],
            new=recent.take(days.take(kept.starts)),
        )


def goods(lines: pl.DataFrame, columns: frozenset[str]) -> Goods:
    """Prepare the sale lines of some customers.

    Args:
        lines: sorted by customer and time; customer (UInt32), ordered_on, net_amount (minor units, no null) and,
            where the shop has them, product_id, product_name, category, discount_amount and quantity.
        columns: canonical transaction columns that the shop has; no other is read, but names of products are.
    """
    first, last = lines["ordered_on"].min(), lines["ordered_on"].max()
    calendar = pl.Series("day", [], pl.Date)
    if lines.height:
        calendar = pl.date_range(first, last, eager=True).alias("day")  # type: ignore[arg-type]
    product = _coded(lines, "product_id", columns)
    category, categories = _coded(lines, "category", columns), None
    label = _labels(lines, product)
    ready = lines.select(
        "customer",
        ((pl.col("ordered_on") - pl.lit(first, pl.Date)).dt.total_days().cast(pl.Int32)).alias("day"),
        amount="net_amount",
        **_prices(columns),
        **({} if category is None else {"category": category.codes}),
    )
    customers = products = None
    if "discount_amount" in columns:
        customers = Pairs.of(ready.with_columns(code=pl.lit(0, pl.UInt32)), "code", "amount", "full")
    if product is not None and label is not None:
        sold = ready.select("customer", "day", "amount", product=product.codes, label=label.codes)
        products = Pairs.of(sold, "product", "amount")
    if category is not None:
        sums = ("amount", "units", "priced") if "quantity" in columns else ("amount",)
        categories = Pairs.of(ready, "category", *sums)
    return Goods(
        columns=columns,
        calendar=calendar,
        customers=customers,
        products=products,
        categories=categories,
        first_categories=_first_categories(ready, categories),
        label_names=_names(label),
        category_names=_names(category),
    )


def foremost(pairs: Pairs, *measures: str | Places) -> Places:
    """For each owner, the pair that is the greatest in each measure in turn; of equals, the first by code.

    Args:
        pairs: with `running` sums.
        measures: a value per pair, or the name of a sum.
    """
    places, sizes = np.arange(len(pairs.starts)), pairs.sizes
    for measure in measures:
        values = pairs.total(measure, places) if isinstance(measure, str) else measure.take(places)
        firsts = np.cumsum(sizes) - sizes
        left = values == np.repeat(np.maximum.reduceat(values, firsts), sizes)
        sizes = np.add.reduceat(left, firsts, dtype=np.int64)
        places = places[left]
    return places.take(np.cumsum(sizes) - sizes)


def changes(keys: npt.NDArray[Any]) -> Places:
    """Places where a run of equal keys begins."""
    if not len(keys):
        return np.empty(0, np.int64)
    return np.concatenate([np.zeros(1, np.int64), np.flatnonzero(keys[1:] != keys[:-1]) + 1])


@dataclass(frozen=True, slots=True)
class _Coded:
    codes: pl.Series
    names: pl.Series


def _coded(lines: pl.DataFrame, name: str, columns: frozenset[str]) -> _Coded | None:
    return _code(lines[name]) if name in columns else None


def _code(values: pl.Series) -> _Coded:
    """Each text as its place among all, sorted: UInt32, null stays null."""
    names = values.unique().drop_nulls().cast(pl.String).sort()
    return _Coded(values.cast(pl.Enum(names)).to_physical().cast(pl.UInt32), names)


def _labels(lines: pl.DataFrame, product: _Coded | None) -> _Coded | None:
    """What people call the products: their names, else their ids."""
    named = "product_name" in lines.columns and lines["product_name"].null_count() < lines.height
    if product is None or not named:
        return product
    return _code(lines.select(pl.coalesce("product_name", "product_id")).to_series())


def _names(coded: _Coded | None) -> pl.Series:
    return pl.Series([], dtype=pl.String) if coded is None else coded.names


def _prices(columns: frozenset[str]) -> dict[str, pl.Expr]:
    """Columns to be summed, as far as the shop has what they are made of."""
    amount, units = pl.col("net_amount"), (pl.col("quantity") * _UNIT_PARTS).round().cast(pl.Int64)
    found = {}
    if "discount_amount" in columns:
        discounted = (pl.col("discount_amount") > 0).fill_null(value=False)
        found["full"] = pl.when(discounted).then(0).otherwise(amount)
    if {"category", "quantity"} <= columns:
        found["units"] = pl.when(units > 0).then(units).otherwise(0)
        found["priced"] = pl.when(units > 0).then(amount).otherwise(0)
    return found


def _first_categories(lines: pl.DataFrame, categories: Pairs | None) -> pl.Series:
    """What most was spent on on the first day, or of equals the first by name; for each owner.

    Later lines change nothing, so it is the same at every day that knows the customer.
    """
    if categories is None:
        return pl.Series([], dtype=pl.UInt32)
    customers, days = lines["customer"].to_numpy(), lines["day"].to_numpy()
    starts = changes(customers)
    on_first = days == np.repeat(days.take(starts), np.diff(starts, append=len(days)))
    at_first = Pairs.of(lines.filter(pl.Series(on_first)), "category", "amount")
    codes = pl.Series(at_first.codes.take(foremost(at_first, "amount")))
    return codes.gather(places_of(categories.owners, at_first.owners))


def places_of(wanted: npt.NDArray[Any], among: npt.NDArray[Any]) -> pl.Series:
    """Where each wanted value lies among others; both ascending. UInt32, null where it does not."""
    at = np.searchsorted(among, wanted)
    found = among.take(at, mode="clip") == wanted if len(among) else np.zeros(len(wanted), np.bool_)
    places = pl.Series(at.astype(np.uint32))
    return places if found.all() else places.set(pl.Series(~found), None)


def _running(values: Places) -> Places:
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=sums[1:])
    return sums


def _only(pairs: Pairs, starts: Places, lines: Places) -> Pairs:
    """The pairs that have lines, each with so many of them from `starts` on."""
    ends, kept = starts + lines, lines > 0
    if kept.all():
        return replace(pairs, starts=starts, ends=ends)
    sizes = np.add.reduceat(kept, pairs.firsts, dtype=np.int64)
    left = sizes[sizes > 0]
    return replace(
        pairs,
        owners=pairs.owners[sizes > 0],
        firsts=np.cumsum(left) - left,
        codes=pairs.codes[kept],
        starts=starts[kept],
        ends=ends[kept],
    )
