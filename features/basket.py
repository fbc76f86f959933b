"""What a customer buys: breadth, favourites, novelty, prices against the shelf, and how much at full price.

Ties between favourites go to the greater amount, then to the name. What the shelf's prices are, all customers
say together: each part of them is counted (`Baskets.shelf`), the counts are added up over the parts, and then
each customer's price level is read from what was kept of their basket (`Paid`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from features.asof import AsOf
from features.frequency import contrast
from features.goods import Codes, Flags, Goods, KnownPairs, Pairs, Places, changes, places_of
from features.habits import entropy, x_log_x

RECENT_DAYS = 90
_LATELY_DAYS = 365
# What the shelf's counts are counted by; see `Baskets.shelf`.
KEYS = ("category",)


@dataclass(frozen=True, slots=True)
class Paid:
    """What customers paid by category, as small as it gets: it is held for all customers of the shop at once.

    Attributes:
        priced: per customer, the amount of all lines with units.
        sizes: per customer, the number of categories they come from.
        categories: their places in `names`, customer by customer.
        units: bought of each, in parts.
        names: of categories.
    """

    priced: Places
    sizes: npt.NDArray[np.unsignedinteger]
    categories: npt.NDArray[np.unsignedinteger]
    units: npt.NDArray[np.unsignedinteger]
    names: pl.Series

    def only(self, kept: Flags) -> "Paid":
        """What some of the customers paid."""
        mine = np.repeat(kept, self.sizes)
        return Paid(self.priced[kept], self.sizes[kept], self.categories[mine], self.units[mine], self.names)


@dataclass(frozen=True, slots=True)
class Baskets:
    """Baskets of some customers at one day.

    Attributes:
        features: one row per customer that was asked for, in that order; null where no such line is known.
        shelf: category, priced (amount) and units (in parts) of everyone's lines with units, sorted; None
            where the shop does not know categories or units.
        paid: for `price_level`, one entry per customer that was asked for; None as above.
    """

    features: pl.DataFrame
    shelf: pl.DataFrame | None
    paid: Paid | None

    def only(self, kept: pl.Series) -> "Baskets":
        """Those of some of the customers; the shelf is everybody's still."""
        features = self.features.filter(kept) if self.features.width else self.features
        return Baskets(features, self.shelf, None if self.paid is None else self.paid.only(kept.to_numpy()))


def baskets(goods: Goods, customers: pl.Series, as_of: AsOf) -> Baskets:
    """What was bought by a day.

    Args:
        goods: all lines of these customers and maybe of others.
        customers: UInt32, ascending.
        as_of: the day; later lines are not read.
    """
    wanted, found = customers.to_numpy(), []
    shelf = paid = None
    if goods.customers is not None:
        found.append(_full_price(KnownPairs.of(goods.customers, as_of), wanted))
    if goods.products is not None:
        found.append(_products(goods, KnownPairs.of(goods.products, as_of), as_of, wanted))
    if goods.categories is not None:
        known = KnownPairs.of(goods.categories, as_of)
        found.append(_categories(goods, known, as_of, wanted))
        if "units" in goods.categories.running:
            shelf, paid = _priced(known, goods.category_names, wanted)
    features = pl.concat([pl.DataFrame(height=len(wanted)), *found], how="horizontal")
    return Baskets(features, shelf, paid)


def shelf_prices(shelf: pl.DataFrame) -> pl.DataFrame:
    """The mean price of a unit in each category, so far.

    Args:
        shelf: `Baskets.shelf` of all parts, added up by `KEYS`.

    Returns:
        category and price, in minor units per part of a unit.
    """
    priced, units = (pl.col(name).cast(pl.Float64) for name in ("priced", "units"))
    return shelf.select("category", price=priced / units)


def price_level(paid: Paid, prices: pl.DataFrame) -> pl.Series:
    """What customers paid against the same units at the mean price of each category so far.

    Args:
        paid: of one part.
        prices: from `shelf_prices`.
    """
    by_code = pl.DataFrame({"category": paid.names}).join(
        prices, on="category", how="left", maintain_order="left"
    )
    usual = by_code["price"].to_numpy().take(paid.categories) * paid.units
    some = paid.sizes > 0
    sizes = paid.sizes[some].astype(np.int64)
    expected = np.zeros(len(some))
    expected[some] = np.add.reduceat(usual, np.cumsum(sizes) - sizes)
    whole = pl.col("expected")
    sums = pl.DataFrame({"priced": paid.priced, "expected": expected})
    return sums.select(price_level=pl.when(whole > 0).then(pl.col("priced") / whole)).to_series()


def discount_share() -> pl.Expr:
    """Discount as a share of what would have been paid without it, over the lifetime."""
    full = (pl.col("net_amount") + pl.col("discount_amount")).cast(pl.Float64)
    return pl.when(full > 0).then(pl.col("discount_amount") / full).alias("discount_share")


def discount_share_lately(days: int = _LATELY_DAYS) -> pl.Expr:
    """The same in the window; null where nothing was bought in it."""
    paid, discount = (pl.col(f"{name}_{days}d") for name in ("net_amount", "discount_amount"))
    full = (paid + discount).cast(pl.Float64)
    return pl.when(full > 0).then(discount / full).alias(f"discount_share_{days}d")


def discounted() -> pl.Expr:
    """Whether an order had a discount. Its sum over the lifetime is what `discounted_orders_share` reads."""
    return (pl.col("discount_amount") > 0).alias("discounted_orders")


def discounted_orders_share() -> pl.Expr:
    """Orders with a discount, a share of all; from the sum of `discounted` and the number of orders."""
    return (pl.col("discounted_orders") / pl.col("orders")).alias("discounted_orders_share")


def narrowing() -> pl.Expr:
    """Spend holds while breadth falls, a sign of buying elsewhere: the spend's trend less the breadth's."""
    spend, breadth = (pl.col(f"{name}_trend_{RECENT_DAYS}d") for name in ("net_amount", "categories"))
    return (spend - breadth).alias(f"narrowing_{RECENT_DAYS}d")


def _full_price(known: KnownPairs, wanted: Codes) -> pl.DataFrame:
    """What part of the spend went to lines without a discount."""
    sums = pl.DataFrame({name: known.total(name) for name in ("amount", "full")})
    amount = pl.col("amount")
    shares = sums.select(full_price_share=pl.when(amount > 0).then(pl.col("full") / amount))
    return _aligned(shares, known.pairs, known.lines > 0, wanted)


def _products(goods: Goods, known: KnownPairs, as_of: AsOf, wanted: Codes) -> pl.DataFrame:
    """How many products, how varied, the favourite, and how many of the last ones were new."""
    counted = _counted(known, as_of, goods.label_names)
    lately = pl.col("now")
    new_share = pl.when(lately > 0).then(pl.col("new") / lately)
    measured = counted.select(
        pl.col("many").cast(pl.Int32).alias("products_bought"),
        *_breadth("product", "products"),
        new_share.alias(f"new_product_share_{RECENT_DAYS}d"),
    )
    return _aligned(measured, known.pairs, counted["lines"].to_numpy() > 0, wanted)


def _categories(goods: Goods, known: KnownPairs, as_of: AsOf, wanted: Codes) -> pl.DataFrame:
    """How many categories, how varied, the favourite, and the first one."""
    counted = _counted(known, as_of, goods.category_names)
    measured = counted.select(
        pl.col("many").cast(pl.Int32).alias("categories"), *_breadth("category", "categories")
    )
    # It was the first however far back features read.
    first = goods.first_categories.gather(places_of(wanted, known.pairs.owners))
    aligned = _aligned(measured, known.pairs, counted["lines"].to_numpy() > 0, wanted)
    return aligned.with_columns(first_category=goods.category_names.gather(first))


def _counted(known: KnownPairs, as_of: AsOf, names: pl.Series) -> pl.DataFrame:
    """One row per owner: what was bought how often; whatever it is where nothing is known."""
    on, n = pl.col("ordered_on"), known.lines
    history, now = as_of.history(on), as_of.last_days(on, RECENT_DAYS)
    recent = known.within(history & now)
    before = known.within(history & as_of.last_days(on, RECENT_DAYS, before=RECENT_DAYS))
    favourite = known.foremost(n)
    return pl.DataFrame(
        {
            "many": known.owned((n > 0).astype(np.int32)),
            "now": known.per_owner(recent),
            "before": known.per_owner(before),
            "new": known.per_owner(known.first_within(now, recent)),
            "lines": known.owned(n),
            "logs": _logs(known),
            "most": n.take(favourite),
            "favourite": names.gather(_called(known, favourite)),
        }
    )


def _breadth(one: str, window: str) -> list[pl.Expr]:
    """Number of values bought lately, their trend, entropy, and the favourite; over `_counted`."""
    now, before, lines = (pl.col(name) for name in ("now", "before", "lines"))
    trend = contrast(now.cast(pl.Float64), before.cast(pl.Float64))
    return [
        now.cast(pl.Int32).alias(f"{window}_{RECENT_DAYS}d"),
        trend.alias(f"{window}_trend_{RECENT_DAYS}d"),
        entropy(pl.col("logs"), lines).alias(f"{one}_entropy"),
        (pl.col("most") / lines).alias(f"favourite_{one}_share"),
        pl.col("favourite").alias(f"favourite_{one}"),
    ]


def _logs(known: KnownPairs) -> Places:
    """Sum of n log n over each owner's pairs. It is nothing for one line, and looked up for the rest."""
    several = np.flatnonzero(known.lines > 1)
    n = known.lines.take(several)
    table = pl.DataFrame({"n": np.arange(2, n.max(initial=1) + 1)}).select(x_log_x(pl.col("n"))).to_series()
    owners = known.pairs.owner_of.take(several)
    firsts = changes(owners)
    logs = np.zeros(len(known.pairs.owners), np.int64)
    logs[owners.take(firsts)] = np.add.reduceat(table.to_numpy().take(n - 2), firsts)
    return logs


def _called(known: KnownPairs, places: Places) -> pl.Series:
    """The code of each of these pairs, or the greatest label on its lines, where lines have labels."""
    labels = known.pairs.labels
    if labels is None:
        return pl.Series(known.pairs.codes.take(places))
    starts = known.starts.take(places)
    # Every other stretch lies between two of the pairs.
    bounds = np.column_stack([starts, starts + known.lines.take(places)]).ravel()
    return pl.Series(np.maximum.reduceat(np.append(labels, np.uint32(0)), bounds)[::2])


def _priced(known: KnownPairs, names: pl.Series, wanted: Codes) -> tuple[pl.DataFrame, Paid]:
    """What everyone paid for how much of each category, and what the wanted ones did."""
    pairs, priced, units = known.pairs, known.total("priced"), known.total("units")
    counted = pl.DataFrame({"code": pairs.codes, "priced": priced, "units": units}).filter(
        pl.col("units") > 0
    )
    shelf = counted.group_by("code").sum().sort("code")
    named = shelf.select(names.gather(shelf["code"]).alias("category"), "priced", "units")
    row = places_of(pairs.owners, wanted)
    asked = row.is_not_null().to_numpy().take(pairs.owner_of) & (units > 0)
    return named, Paid(
        priced=_placed(known.owned(priced), row, len(wanted)),
        sizes=_small(_placed(known.owned(asked.astype(np.int64)), row, len(wanted))),
        categories=_small(pairs.codes[asked]),
        units=_small(units[asked]),
        names=names,
    )


def _aligned(frame: pl.DataFrame, pairs: Pairs, known: Flags, wanted: Codes) -> pl.DataFrame:
    """One row per wanted customer, from one row per owner; null where nothing is known."""
    return frame.select(pl.all().gather(places_of(wanted, pairs.owners, known)))


def _placed(values: Places, row: pl.Series, count: int) -> Places:
    placed, known = np.zeros(count, np.int64), row.is_not_null().to_numpy()
    placed[row.drop_nulls().to_numpy()] = values[known]
    return placed


def _small(values: npt.NDArray[np.integer]) -> npt.NDArray[np.unsignedinteger]:
    """The same numbers, none of them negative, in as few bytes as they need."""
    return values.astype(np.min_scalar_type(values.max(initial=0)))
