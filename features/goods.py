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
Owners = npt.NDArray[np.uint32]

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
        starts: where each pair's lines begin.
        ends: where they end.
        pair_of: of each line, the place of its pair.
        days: of each line.
        running: of each summed column, the sum of all lines before each place; one longer than the lines.
        labels: of each line, its place in `Goods.label_names`; None where values name themselves.
    """

    owners: Owners
    firsts: Places
    owner_of: npt.NDArray[np.int32]
    codes: npt.NDArray[np.uint32]
    starts: Places
    ends: Places
    pair_of: npt.NDArray[np.int32]
    days: pl.Series
    running: Mapping[str, Places]
    labels: npt.NDArray[np.uint32] | None

    @classmethod
    def of(cls, lines: pl.DataFrame, *sums: str) -> Self:
        """Sort lines by customer, code and day.

        Args:
            lines: sorted by customer and day; customer, ordered_on and the columns to be summed; `code` (UInt32),
                without which all lines of a customer are one pair; `label` (UInt32) where values have one. Lines
                whose code is null are left out.
            sums: Int64 columns without null.
        """
        order = None
        if "code" in lines.columns:
            lines = lines.filter(pl.col("code").is_not_null()) if lines["code"].null_count() else lines
        keys = lines["customer"].to_numpy().astype(np.int64)
        keys <<= _CODE_BITS
        if "code" in lines.columns:
            keys |= lines["code"].to_numpy()
            # Customers lie in order already, and days stay in order: most of the sort is done.
            order = np.argsort(keys, kind="stable")
            keys = keys.take(order)
        starts = changes(keys)
        bounds = np.append(starts, len(keys))
        pairs = keys.take(starts)
        codes = pairs.astype(np.uint32)
        pairs >>= _CODE_BITS
        firsts = changes(pairs)
        return cls(
            owners=pairs.take(firsts).astype(np.uint32),
            firsts=firsts,
            owner_of=_numbers(firsts, len(pairs)),
            codes=codes,
            starts=bounds[:-1],
            ends=bounds[1:],
            pair_of=_numbers(starts, len(keys)),
            days=pl.Series("ordered_on", _taken(lines["ordered_on"].to_physical(), order)).cast(pl.Date),
            running={name: _running(_taken(lines[name], order)) for name in sums},
            labels=_taken(lines["label"], order) if "label" in lines.columns else None,
        )

    @property
    def sizes(self) -> Places:
        """Pairs of each owner."""
        return np.diff(self.firsts, append=len(self.starts))

    def total(self, name: str, places: Places | slice = slice(None)) -> Places:
        """Sums of a column over the lines of each pair, or of those at the places."""
        running = self.running[name]
        sums = running.take(self.ends[places])
        sums -= running.take(self.starts[places])
        return sums


@dataclass(frozen=True, slots=True)
class Known:
    """Pairs as they were known at some day: only those with a line by then, and only these lines.

    Attributes:
        pairs: with the places of the known lines.
        recent: number of each owner's pairs with a line in the window.
        before: the same in the window before.
        new: number of those whose first line lies in the window.
    """

    pairs: Pairs
    recent: Places
    before: Places
    new: Places

    @classmethod
    def of(cls, pairs: Pairs, as_of: AsOf, days: int) -> Self:
        """Cut each pair to what was known.

        Args:
            pairs: all there ever were.
            as_of: the day; lines that features may not read then are left out.
            days: length of the window in which things are recent.
        """
        known = as_of.history(_DAY)
        marks = pairs.days.to_frame().select(
            known=known,
            stale=as_of.known(_DAY) & ~known,
            recent=known & as_of.last_days(_DAY, days),
            before=known & as_of.last_days(_DAY, days, before=days),
        )
        flags = {mark.name: mark.to_numpy() for mark in marks}
        starts, lines = pairs.starts, pairs.ends - pairs.starts
        if not flags["known"].all():
            lines = _counts(pairs.pair_of, flags["known"], len(starts))
        if flags["stale"].any():
            starts = starts + _counts(pairs.pair_of, flags["stale"], len(starts))
        recent, before = (_distinct(pairs.pair_of[flags[name]]) for name in ("recent", "before"))
        new = recent[flags["recent"].take(starts.take(recent))]
        some = np.logical_or.reduceat(lines > 0, pairs.firsts)
        owned = (_counts(pairs.owner_of, places, len(some))[some] for places in (recent, before, new))
        return cls(_only(pairs, starts, lines), *owned)


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
        lines: sorted by customer and time; customer (UInt32), ordered_on, net_amount (minor units, no null) and,
            where the shop has them, product_id, product_name, category, discount_amount and quantity.
        columns: canonical transaction columns that the shop has; no other is read, but names of products are.
    """
    product, category = (
        _coded(lines[name]) if name in columns else None for name in ("product_id", "category")
    )
    label = product if product is None else _labelled(lines) or product
    categories = None if category is None else _categories(lines, category.codes, columns)
    return Goods(
        customers=_customers(lines) if "discount_amount" in columns else None,
        products=None if product is None else _products(lines, product, label),
        categories=categories,
        first_categories=_first_categories(lines, category, categories),
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


def places_of(wanted: Owners, among: Owners) -> pl.Series:
    """Where each wanted customer lies among others: UInt32, null where they do not."""
    places = np.full(max(wanted.max(initial=0), among.max(initial=0)) + 1, -1, np.int32)
    places[among] = np.arange(len(among))
    found = pl.Series(places.take(wanted))
    return found.set(found < 0, None).cast(pl.UInt32)


def changes(keys: npt.NDArray[Any]) -> Places:
    """Places where a run of equal keys begins."""
    return np.flatnonzero(np.append(np.ones(min(len(keys), 1), np.bool_), keys[1:] != keys[:-1]))


@dataclass(frozen=True, slots=True)
class _Coded:
    """Texts by their place in their names, which are sorted."""

    codes: pl.Series
    names: pl.Series


def _coded(texts: pl.Series) -> _Coded:
    names = texts.unique().drop_nulls().cast(pl.String).sort()
    return _Coded(texts.cast(pl.Enum(names)).to_physical().cast(pl.UInt32), names)


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
    labels = {} if label is None or label is product else {"label": label.codes}
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
    codes = pl.Series(pairs.codes.take(foremost(pairs, "amount")))
    return codes.gather(places_of(categories.owners, pairs.owners))


def _numbers(firsts: Places, count: int) -> npt.NDArray[np.int32]:
    """The number of each one's run."""
    return np.repeat(np.arange(len(firsts), dtype=np.int32), np.diff(firsts, append=count))


def _taken(values: pl.Series, order: Places | None) -> npt.NDArray[Any]:
    return values.to_numpy() if order is None else values.to_numpy().take(order)


def _running(values: Places) -> Places:
    sums = np.empty(len(values) + 1, np.int64)
    sums[0] = 0
    np.cumsum(values, out=sums[1:])
    return sums


def _counts(run_of: npt.NDArray[np.int32], which: npt.NDArray[Any], count: int) -> Places:
    """How many of those in each run are meant: by flags or by places."""
    return np.bincount(run_of[which], minlength=count)


def _distinct(ascending: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    return ascending.take(changes(ascending))


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
        owner_of=np.repeat(np.arange(len(left), dtype=np.int32), left),
        codes=pairs.codes[kept],
        starts=starts[kept],
        ends=ends[kept],
    )
