"""Which products and categories each customer bought, sorted once so that baskets of many days are quick.

Lines are sorted by customer, then by product (or category), then by day. What was known of one pair of
customer and product at some day then lies together, and what it adds up to is the difference of two running
sums.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from features.asof import AsOf

Places = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
# Customers, and places among sorted names.
Codes = npt.NDArray[np.uint32]

# Units are summed as integers of so many parts.
_UNIT_PARTS = 2**10
_CODE_BITS = 32
_DAY = pl.col("ordered_on")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Lines in runs of one customer and one value (a product, a category), each run sorted by day.

    Attributes:
        owners: customers who have such lines, ascending.
        firsts: the first pair of each owner.
        owner_of: of each pair, the place of its owner.
        codes: the value of each pair, ascending for each owner.
        bounds: where the lines of each pair begin, and where the last pair's end.
        pair_of: of each line, the place of its pair.
        days: of each line, `ordered_on`.
        running: of each summed column, the sum of all lines before each place; one longer than the lines.
        labels: of each line, its place in `Goods.label_names`; None where values name themselves.
    """

    owners: Codes
    firsts: Places
    owner_of: Numbers
    codes: Codes
    bounds: Places
    pair_of: Numbers
    days: pl.Series
    running: Mapping[str, Places]
    labels: Codes | None

    @classmethod
    def of(cls, lines: pl.DataFrame, *sums: str) -> Self:
        """Sort lines by customer, code and day.

        Args:
            lines: sorted by customer and day; customer, ordered_on and the columns to be summed; `code`
                (UInt32), without which all lines of a customer are one pair; `label` (UInt32) where values
                have one. Lines whose code is null are left out.
            sums: Int64 columns without null.
        """
        coded = "code" in lines.columns
        if coded and lines["code"].null_count():
            lines = lines.filter(pl.col("code").is_not_null())
        keys = lines["customer"].to_numpy().astype(np.int64)
        keys <<= _CODE_BITS
        order = None
        if coded:
            keys |= lines["code"].to_numpy()
            # Customers lie in order already, and days stay in order: most of the sort is done.
            order = np.argsort(keys, kind="stable")
            keys = keys.take(order)
        starts = changes(keys)
        pairs = keys.take(starts)
        codes = pairs.astype(np.uint32)
        pairs >>= _CODE_BITS
        firsts = changes(pairs)
        return cls(
            owners=pairs.take(firsts).astype(np.uint32),
            firsts=firsts,
            owner_of=_numbers(firsts, len(pairs)),
            codes=codes,
            bounds=np.append(starts, len(keys)),
            pair_of=_numbers(starts, len(keys)),
            days=pl.Series("ordered_on", _taken(lines["ordered_on"].to_physical(), order)).cast(pl.Date),
            running={name: _running(_taken(lines[name], order)) for name in sums},
            labels=_taken(lines["label"], order) if "label" in lines.columns else None,
        )


@dataclass(frozen=True, slots=True)
class KnownPairs:
    """What was known of pairs at some day.

    Attributes:
        pairs: all there ever were.
        starts: where each pair's known lines begin.
        lines: how many there are, maybe none.
    """

    pairs: Pairs
    starts: Places
    lines: Places

    @classmethod
    def of(cls, pairs: Pairs, as_of: AsOf) -> Self:
        """Cut each pair to the lines that features may read at a day."""
        history, known = as_of.history(_DAY), as_of.known(_DAY)
        found = pairs.days.to_frame().select(unknown=~history, stale=known & ~history)
        starts, lines = pairs.bounds[:-1], np.diff(pairs.bounds)
        if found["unknown"].any():
            lines = lines - _counts(found["unknown"], starts)
        if found["stale"].any():
            starts = starts + _counts(found["stale"], starts)
        return cls(pairs, starts, lines)

    def within(self, window: pl.Expr) -> Numbers:
        """Pairs with a line in a window, ascending.

        Args:
            window: over `ordered_on`; no line in it is unknown.
        """
        lines = self.pairs.days.to_frame().select(window.arg_true()).to_series().to_numpy()
        pairs = self.pairs.pair_of.take(lines)
        return pairs.take(changes(pairs))

    def first_within(self, window: pl.Expr, pairs: Numbers) -> Numbers:
        """Those of some pairs whose first known line lies in a window."""
        firsts = self.pairs.days.gather(self.starts.take(pairs))
        return pairs.compress(firsts.to_frame().select(window).to_series().to_numpy())

    def per_owner(self, pairs: Numbers) -> Places:
        """How many of some pairs each owner has."""
        return np.bincount(self.pairs.owner_of.take(pairs), minlength=len(self.pairs.owners))

    def owned(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Sums of a value of all pairs over each owner's."""
        return np.add.reduceat(values, self.pairs.firsts)

    def total(self, name: str, pairs: Places | None = None) -> Places:
        """Sums of a column over the known lines of each pair, or of some."""
        starts = self.starts if pairs is None else self.starts.take(pairs)
        ends = starts + (self.lines if pairs is None else self.lines.take(pairs))
        running = self.pairs.running[name]
        sums = running.take(ends)
        sums -= running.take(starts)
        return sums

    def foremost(self, measure: Places) -> Places:
        """Each owner's pair with the greatest measure; of equals the greatest amount, then the least code."""
        owner_of = self.pairs.owner_of
        best = np.flatnonzero(_tops(measure, self.pairs.firsts))
        best = best[_tops(self.total("amount", best), changes(owner_of.take(best)))]
        return best.take(changes(owner_of.take(best)))


@dataclass(frozen=True, slots=True)
class Goods:
    """What baskets of any day are made of. What the shop does not have is None.

    Attributes:
        customers: all lines, one pair per customer; sums `amount` and `full` (amount at full price).
        products: lines with a product; sum `amount`.
        categories: lines with a category; sums `amount`, `units` (in parts) and `priced` (the amount of lines
            with units).
        first_categories: for each owner of `categories`, a place in `category_names`, or null.
        label_names: what products are called, ascending.
        category_names: categories, ascending.
    """

    customers: Pairs | None
    products: Pairs | None
    categories: Pairs | None
    first_categories: pl.Series
    label_names: pl.Series
    category_names: pl.Series


def goods(lines: pl.DataFrame, columns: frozenset[str]) -> Goods:
    """Prepare the sale lines of some customers.

    Args:
        lines: sorted by customer and time; customer (UInt32), ordered_on, net_amount (minor units, no null)
            and, where the shop has them, product_id, product_name, category, discount_amount and quantity.
        columns: canonical transaction columns that the shop has; no other is read, but names of products are.
    """
    product, category = (
        _coded(lines[name]) if name in columns else None for name in ("product_id", "category")
    )
    label = _labelled(lines) if product is not None else None
    categories = None if category is None else _categories(lines, category.codes, columns)
    return Goods(
        customers=_customers(lines) if "discount_amount" in columns else None,
        products=None if product is None else _products(lines, product, label),
        categories=categories,
        first_categories=_first_categories(lines, category, categories),
        label_names=_names(label or product),
        category_names=_names(category),
    )


def places_of(wanted: Codes, among: Codes, some: Flags | None = None) -> pl.Series:
    """Where each wanted customer lies among others, or among some of them: UInt32, null for who does not."""
    places = np.full(max(wanted.max(initial=0), among.max(initial=0)) + 1, -1, np.int32)
    if some is None:
        places[among] = np.arange(len(among))
    else:
        places[among[some]] = np.flatnonzero(some)
    found = pl.Series(places.take(wanted))
    return found.set(found < 0, None).cast(pl.UInt32)


def changes(keys: npt.NDArray[Any]) -> Places:
    """Places where a run of equal keys begins."""
    begins = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=begins[1:])
    return np.flatnonzero(begins)


@dataclass(frozen=True, slots=True)
class _Coded:
    """Texts by their place in their names, which are sorted."""

    codes: pl.Series
    names: pl.Series


def _coded(texts: pl.Series) -> _Coded:
    # Categories of their own are numbered from zero on. They last as long as a column of them.
    kinds = texts.cast(pl.Categorical(pl.Categories.random()))
    numbers = kinds.to_physical()
    used = numbers.drop_nulls().to_numpy()
    count = int(used.max()) + 1 if len(used) else 0
    names = pl.Series(np.arange(count, dtype=np.uint32)).cat.to(kinds.dtype).cast(pl.String)
    order = names.arg_sort()
    codes = np.argsort(order.to_numpy()).astype(np.uint32)
    placed = pl.Series(codes).gather(numbers) if numbers.null_count() else pl.Series(codes.take(used))
    return _Coded(placed, names.gather(order))


def _labelled(lines: pl.DataFrame) -> _Coded | None:
    """What people call the products where they have names, else their ids; None where none has a name."""
    if "product_name" not in lines.columns or lines["product_name"].null_count() == lines.height:
        return None
    return _coded(lines.select(pl.coalesce("product_name", "product_id")).to_series())


def _names(coded: _Coded | None) -> pl.Series:
    return pl.Series([], dtype=pl.String) if coded is None else coded.names


def _customers(lines: pl.DataFrame) -> Pairs:
    amount, discounted = pl.col("net_amount"), (pl.col("discount_amount") > 0).fill_null(value=False)
    sold = lines.select(
        "customer", "ordered_on", amount=amount, full=pl.when(discounted).then(0).otherwise(amount)
    )
    return Pairs.of(sold, "amount", "full")


def _products(lines: pl.DataFrame, product: _Coded, label: _Coded | None) -> Pairs:
    labels = {} if label is None else {"label": label.codes}
    sold = lines.select("customer", "ordered_on", amount="net_amount", code=product.codes, **labels)
    return Pairs.of(sold, "amount")


def _categories(lines: pl.DataFrame, codes: pl.Series, columns: frozenset[str]) -> Pairs:
    sold = lines.select("customer", "ordered_on", amount="net_amount", code=codes)
    if "quantity" not in columns:
        return Pairs.of(sold, "amount")
    units = lines.select((pl.col("quantity") * _UNIT_PARTS).round().cast(pl.Int64)).to_series()
    counted = (units > 0).fill_null(value=False)
    if counted.all():
        pairs = Pairs.of(sold.with_columns(units=units), "amount", "units")
        return replace(pairs, running={**pairs.running, "priced": pairs.running["amount"]})
    priced = pl.when(counted)
    sold = sold.with_columns(
        units=priced.then(units).otherwise(0), priced=priced.then(pl.col("amount")).otherwise(0)
    )
    return Pairs.of(sold, "amount", "units", "priced")


def _first_categories(lines: pl.DataFrame, category: _Coded | None, categories: Pairs | None) -> pl.Series:
    """What most was spent on on the first day, or of equals the first by name; for each owner.

    Later lines change nothing, so it is the same at every day that knows the customer.
    """
    if category is None or categories is None:
        return pl.Series([], dtype=pl.UInt32)
    days, starts = lines["ordered_on"].to_physical().to_numpy(), changes(lines["customer"].to_numpy())
    at_first = pl.Series(days == np.repeat(days.take(starts), np.diff(starts, append=len(days))))
    sold = lines.select("customer", "ordered_on", amount="net_amount", code=category.codes).filter(at_first)
    pairs = Pairs.of(sold, "amount")
    bought = KnownPairs(pairs, pairs.bounds[:-1], np.diff(pairs.bounds))
    codes = pl.Series(pairs.codes.take(bought.foremost(bought.total("amount"))))
    return codes.gather(places_of(categories.owners, pairs.owners))


def _numbers(firsts: Places, count: int) -> Numbers:
    """The number of each one's run."""
    return np.repeat(np.arange(len(firsts), dtype=np.int32), np.diff(firsts, append=count))


def _taken(values: pl.Series, order: Places | None) -> npt.NDArray[Any]:
    return values.to_numpy() if order is None else values.to_numpy().take(order)


def _running(values: Places) -> Places:
    sums = np.empty(len(values) + 1, np.int64)
    sums[0] = 0
    np.cumsum(values, out=sums[1:])
    return sums


def _counts(which: pl.Series, firsts: Places) -> Places:
    """How many of each run's are marked."""
    return np.add.reduceat(which.to_numpy().view(np.int8), firsts, dtype=np.int64)


def _tops(values: Places, firsts: Places) -> Flags:
    """Which values are the greatest of their run."""
    tops = np.maximum.reduceat(values, firsts)
    top: Flags = values == np.repeat(tops, np.diff(firsts, append=len(values)))
    return top
