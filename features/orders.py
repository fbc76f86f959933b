"""Which purchases count: orders, what returns took back of them, and since when.

A return nets the order it names, else the customer's latest earlier order that holds the product, else
nothing. An order whose whole amount was given back counts as no purchase from that day on; before that day
nobody could know, so it still counts in every decision made earlier.
"""

import polars as pl

from features.asof import AsOf
from features.runs import Runs

_ORDER = ["customer", "order_id"]
# The column of a return that names the order it gives back, where the shop has it.
NAMES_ORDER = "returned_order_id"


def orders(lines: pl.DataFrame) -> pl.DataFrame:
    """One row per order of a known customer.

    Args:
        lines: priced lines (`features.lines.priced_lines`) with `customer`, the customer's number; sorted by
            customer, time and order.

    Returns:
        customer, order_id, ordered_on, hour, net_amount (positive lines, minor units), margin,
        discount_amount, quantity (whole units), lines (all Int64), cancelled_on (Date or null); sorted by
        customer and time.
    """
    returns = lines["returns"]
    sales = lines.filter(~returns) if returns.any() else lines
    runs = _runs(sales)
    placed = (
        pl.concat(
            [
                runs.firsts("customer", "order_id", "ordered_on", "ordered_local"),
                runs.sums("net_amount", "margin", "discount_amount", _units().alias("quantity")),
            ],
            how="horizontal",
        )
        .with_columns(
            # Thousandths, so that parts of units add up exactly.
            pl.col("ordered_local").dt.hour().alias("hour"),
            ((pl.col("quantity") + _THOUSAND // 2) // _THOUSAND).alias("quantity"),
            runs.count().alias("lines"),
        )
        .drop("ordered_local")
    )
    if not returns.any():
        return placed.with_columns(cancelled_on=pl.lit(None, pl.Date))
    return placed.join(_cancelled(lines, sales, placed), on=_ORDER, how="left", maintain_order="left")


_THOUSAND = 1000


def purchases(orders: pl.DataFrame, as_of: AsOf) -> pl.DataFrame:
    """Net purchases as they were known at the end of a day, within the lookback."""
    on, cancelled = pl.col("ordered_on"), pl.col("cancelled_on")
    return orders.filter(as_of.history(on) & net_by(as_of.known(cancelled)))


def net_by(cancelled: pl.Expr) -> pl.Expr:
    """A net purchase: positive, and not cancelled by then.

    Args:
        cancelled: whether `cancelled_on` lies within what is known; null counts as no.
    """
    return (pl.col("net_amount") > 0) & ~cancelled.fill_null(value=False)


def _units() -> pl.Expr:
    return (pl.col("quantity") * _THOUSAND).round().cast(pl.Int64)


def _runs(sales: pl.DataFrame) -> Runs:
    """Lines order by order, in the order in which they began."""
    runs = Runs.of(sales, *_ORDER)
    if _distinct(runs.firsts(*_ORDER)):
        return runs
    # Lines of one order may lie apart in time, with another order in between.
    began = pl.col("ordered_at").min().over(_ORDER)
    together = sales.with_columns(
        began.alias("began"), pl.col("ordered_on", "ordered_local").first().over(_ORDER)
    )
    return Runs.of(together.sort("customer", "began", "order_id", "ordered_at", maintain_order=True), *_ORDER)


def _distinct(names: pl.DataFrame) -> bool:
    """Whether all differ. By their hashes: equal hashes of two different names only cost time."""
    alone = names["order_id"].hash()
    return alone.n_unique() == len(alone) or not names.is_duplicated().any()


def _cancelled(lines: pl.DataFrame, sales: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """Orders that were given back in full, and on which day. Only customers with a return are looked at."""
    back = lines.filter("returns")
    if NAMES_ORDER not in back.columns:
        back = back.with_columns(pl.lit(None, pl.String).alias(NAMES_ORDER))
    own = sales.lazy().join(back.lazy().select("customer").unique(), on="customer", how="semi")
    return (
        _returned(back.lazy(), own)
        .join(placed.lazy().select(*_ORDER, gross="net_amount"), on=_ORDER)
        .filter(pl.col("returned_so_far") >= pl.col("gross"))
        .group_by(_ORDER)
        .agg(cancelled_on=pl.col("returned_on").min())
        .collect()
    )


def _returned(back: pl.LazyFrame, sales: pl.LazyFrame) -> pl.LazyFrame:
    """Per order and return line: the day and what had been given back by then."""
    given = back.select(
        "customer",
        "ordered_at",
        "order_id",
        "product_id",
        NAMES_ORDER,
        returned_on="ordered_on",
        amount=-pl.col("net_amount"),
    )
    own = sales.select(*_ORDER, same=pl.lit(value=True)).unique(_ORDER)
    named = given.join(own, on=_ORDER, how="left").with_columns(
        target=pl.coalesce(NAMES_ORDER, pl.when(pl.col("same")).then("order_id"))
    )
    holds = (
        sales.filter(pl.col("product_id").is_not_null())
        .select("customer", "product_id", "ordered_at", held_by="order_id")
        .sort("ordered_at", "customer", "product_id", "held_by")
    )
    unnamed = (
        named.filter(pl.col("target").is_null())
        .drop("target")
        .sort("ordered_at", "customer", "order_id", "product_id", "amount")
        .join_asof(
            holds,
            on="ordered_at",
            by=["customer", "product_id"],
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .rename({"held_by": "target"})
    )
    columns = ["customer", "target", "returned_on", "amount"]
    resolved = pl.concat(
        [named.filter(pl.col("target").is_not_null()).select(columns), unnamed.select(columns)]
    )
    # Several returns on one day are one step, so that their order within the day cannot matter.
    daily = (
        resolved.filter(pl.col("target").is_not_null())
        .group_by("customer", order_id="target", on="returned_on")
        .agg(pl.col("amount").sum())
        .sort("customer", "order_id", "on")
    )
    return daily.select(*_ORDER, returned_on="on", returned_so_far=pl.col("amount").cum_sum().over(_ORDER))
