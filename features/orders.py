"""Which purchases count: orders, what returns took back of them, and since when.

A return nets the order it names, else the customer's latest earlier order that holds the product, else
nothing. An order whose whole amount was given back counts as no purchase from that day on; before that day
nobody could know, so it still counts in every decision made earlier. An order to which lines of a later day
belong counts on each day as far as it had come by then (`as_known`).
"""

from datetime import date

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
        customer and time. Where lines of an order lie on several days: one row for each, see `as_known`.
    """
    returns = lines["returns"]
    sales = lines.filter(~returns) if returns.any() else lines
    runs = _runs(sales)
    placed = _placed(runs).with_columns(
        # Thousandths, so that parts of units add up exactly.
        pl.col("ordered_local").dt.hour().alias("hour"),
        ((pl.col("quantity") + _THOUSAND // 2) // _THOUSAND).alias("quantity"),
    )
    placed = placed.drop("ordered_local")
    if not returns.any():
        return placed.with_columns(cancelled_on=pl.lit(None, pl.Date))
    rows = placed.with_row_index(_ROW)
    return rows.join(_cancelled(lines, sales, rows), on=_ROW, how="left", maintain_order="left").drop(_ROW)


_THOUSAND = 1000
_ROW = "row"
# An order as it stood from the day of one of its lines on, until it grew by lines of a later day.
_STOOD_ON, _GREW_ON = "stood_on", "grew_on"
_SUMS = ("net_amount", "margin", "discount_amount", "quantity", "lines")


def as_known(orders: pl.DataFrame, day: date) -> pl.DataFrame:
    """Each order once, as far as it had come at the end of a day; of most orders there is one row anyway.

    Args:
        orders: from `orders`; those that begin after the day may be left out.
        day: the last day that is known.
    """
    if _GREW_ON not in orders.columns:
        return orders
    grew_later = (pl.col(_GREW_ON) > day).fill_null(value=True)
    stood = (pl.col(_STOOD_ON) <= day).fill_null(value=True)
    return orders.filter(stood, grew_later).drop(_STOOD_ON, _GREW_ON)


def purchases(orders: pl.DataFrame, as_of: AsOf) -> pl.DataFrame:
    """Net purchases as they were known at the end of a day, within the lookback."""
    on, cancelled = pl.col("ordered_on"), pl.col("cancelled_on")
    return as_known(orders, as_of.day).filter(as_of.history(on) & net_by(as_of.known(cancelled)))


def net_by(cancelled: pl.Expr) -> pl.Expr:
    """A net purchase: positive, and not cancelled by then.

    Args:
        cancelled: whether `cancelled_on` lies within what is known; null counts as no.
    """
    return (pl.col("net_amount") > 0) & ~cancelled.fill_null(value=False)


def _units() -> pl.Expr:
    return (pl.col("quantity") * _THOUSAND).round().cast(pl.Int64)


def _placed(runs: Runs) -> pl.DataFrame:
    """Orders, quantities in thousandths."""
    whole = _added(runs)
    late = runs.lasts("ordered_on").to_series() > whole["ordered_on"]
    if not late.any():
        return whole
    numbered = runs.rows.with_columns(pl.Series(_ROW, runs.run_of())).filter(runs.spread(late))
    daily = Runs.of(numbered, _ROW, "ordered_on")
    added = pl.concat(
        [daily.firsts(_ROW, pl.col("ordered_on").alias(_STOOD_ON)), _added(daily)], how="horizontal"
    )
    grown = added.with_columns(
        pl.col("ordered_on", "ordered_local").first().over(_ROW),
        pl.col(_SUMS).cum_sum().over(_ROW),
        pl.col(_STOOD_ON).shift(-1).over(_ROW).alias(_GREW_ON),
    )
    others = whole.with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias(_ROW),
        pl.col("ordered_on").alias(_STOOD_ON),
        pl.lit(None, pl.Date).alias(_GREW_ON),
    ).filter(~late)
    return pl.concat([others, grown.select(others.columns)]).sort(_ROW, _STOOD_ON).drop(_ROW)


def _added(runs: Runs) -> pl.DataFrame:
    """One row per run: what its lines add up to, and when it began."""
    return pl.concat(
        [
            runs.firsts("customer", "order_id", "ordered_on", "ordered_local"),
            runs.sums("net_amount", "margin", "discount_amount", _units().alias("quantity")),
        ],
        how="horizontal",
    ).with_columns(runs.count().alias("lines"))


def _runs(sales: pl.DataFrame) -> Runs:
    """Lines order by order, in the order in which they began."""
    runs = Runs.of(sales, *_ORDER)
    if _distinct(runs.firsts(*_ORDER)):
        return runs
    # Lines of one order may lie apart in time, with another order in between.
    began = [pl.col(name).min().over(_ORDER).alias(f"began_{name}") for name in ("ordered_on", "ordered_at")]
    together = sales.with_columns(began).sort(
        "customer", "began_ordered_on", "began_ordered_at", "order_id", maintain_order=True
    )
    return Runs.of(together, *_ORDER)


def _distinct(names: pl.DataFrame) -> bool:
    """Whether all differ. By their hashes: equal hashes of two different names only cost time."""
    alone = names["order_id"].hash()
    return alone.n_unique() == len(alone) or not names.is_duplicated().any()


def _cancelled(lines: pl.DataFrame, sales: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """Rows that were given back in full, and on which day. Only customers with a return are looked at."""
    back = lines.filter("returns")
    if NAMES_ORDER not in back.columns:
        back = back.with_columns(pl.lit(None, pl.String).alias(NAMES_ORDER))
    own = sales.lazy().join(back.lazy().select("customer").unique(), on="customer", how="semi")
    return (
        _returned(back.lazy(), own)
        .join(placed.lazy().select(*_ORDER, _ROW, gross="net_amount"), on=_ORDER)
        .filter(pl.col("returned_so_far") >= pl.col("gross"))
        .group_by(_ROW)
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
    own = sales.group_by(_ORDER).agg(began_on=pl.col("ordered_on").min())
    same = pl.col("began_on") <= pl.col("returned_on")
    named = given.join(own, on=_ORDER, how="left").with_columns(
        target=pl.coalesce(NAMES_ORDER, pl.when(same).then("order_id"))
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
