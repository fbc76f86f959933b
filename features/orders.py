"""Which purchases count: orders, what returns took back of them, and since when.

A return nets the order it names, else the customer's latest earlier order that holds the product, else
nothing. An order whose whole amount was given back counts as no purchase from that day on; before that day
nobody could know, so it still counts in every decision made earlier.
"""

import polars as pl

from features.asof import AsOf

_ORDER = ["customer_id", "order_id"]


def orders(lines: pl.LazyFrame) -> pl.LazyFrame:
    """One row per order of a known customer.

    Args:
        lines: priced lines (`features.lines.priced_lines`).

    Returns:
        customer_id, order_id, ordered_at, ordered_on, net_amount (positive lines, minor units), margin,
        discount_amount, quantity, lines, products, cancelled_on (Date or null); sorted by customer and time.
    """
    sales = lines.filter(~pl.col("returns"))
    placed = sales.group_by(_ORDER).agg(
        pl.col("ordered_at").min(),
        pl.col("ordered_on").min(),
        pl.col("net_amount").sum(),
        pl.col("margin").sum(),
        pl.col("discount_amount").sum(),
        pl.col("quantity").cast(pl.Float64).sum().round(3),
        pl.len().alias("lines"),
        pl.col("product_id").n_unique().alias("products"),
    )
    given_back = _returned(lines, sales)
    cancelled = (
        given_back.join(placed.select(*_ORDER, gross="net_amount"), on=_ORDER)
        .filter(pl.col("returned_so_far") >= pl.col("gross"))
        .group_by(_ORDER)
        .agg(cancelled_on=pl.col("returned_on").min())
    )
    return placed.join(cancelled, on=_ORDER, how="left").sort("customer_id", "ordered_at", "order_id")


def purchases(orders: pl.LazyFrame, as_of: AsOf) -> pl.LazyFrame:
    """Net purchases as they were known at the end of a day, within the lookback."""
    return orders.filter(as_of.history(pl.col("ordered_on")), net_by(as_of.known(pl.col("cancelled_on"))))


def net_by(cancelled: pl.Expr) -> pl.Expr:
    """A net purchase: positive, and not cancelled by then.

    Args:
        cancelled: whether `cancelled_on` lies within what is known; null counts as no.
    """
    return (pl.col("net_amount") > 0) & ~cancelled.fill_null(value=False)


def _returned(lines: pl.LazyFrame, sales: pl.LazyFrame) -> pl.LazyFrame:
    """Per order and return line: the day and what had been given back by then."""
    back = lines.filter(pl.col("returns")).select(
        "customer_id",
        "ordered_at",
        "order_id",
        "product_id",
        "returned_order_id",
        returned_on="ordered_on",
        amount=-pl.col("net_amount"),
    )
    own = sales.select(*_ORDER, same=pl.lit(value=True)).unique(_ORDER)
    named = back.join(own, on=_ORDER, how="left").with_columns(
        target=pl.coalesce("returned_order_id", pl.when(pl.col("same")).then("order_id"))
    )
    holds = (
        sales.filter(pl.col("product_id").is_not_null())
        .select("customer_id", "product_id", "ordered_at", held_by="order_id")
        .sort("ordered_at", "customer_id", "product_id", "held_by")
    )
    unnamed = (
        named.filter(pl.col("target").is_null())
        .drop("target")
        .sort("ordered_at", "customer_id", "order_id", "product_id", "amount")
        .join_asof(
            holds,
            on="ordered_at",
            by=["customer_id", "product_id"],
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .rename({"held_by": "target"})
    )
    columns = ["customer_id", "target", "ordered_at", "returned_on", "amount", "order_id"]
    resolved = pl.concat(
        [named.filter(pl.col("target").is_not_null()).select(columns), unnamed.select(columns)]
    )
    # Several returns on one day are one step, so that their order within the day cannot matter.
    daily = (
        resolved.filter(pl.col("target").is_not_null())
        .group_by("customer_id", order_id="target", on="returned_on")
        .agg(pl.col("amount").sum())
        .sort("customer_id", "order_id", "on")
    )
    return daily.select(*_ORDER, returned_on="on", returned_so_far=pl.col("amount").cum_sum().over(_ORDER))
