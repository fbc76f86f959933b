"""What a customer buys: breadth, favourites, novelty, prices against the shelf, and how much at full price.

Lines are counted once, per customer, product and category (`pairs`); everything else is made from those.
Ties between favourites go to the greater amount, then to the name.
"""

import polars as pl

from features.asof import AsOf
from features.frequency import contrast
from features.habits import entropy, x_log_x

RECENT_DAYS = 90
_ON = pl.col("ordered_on")
_CUSTOMER = ["customer_id"]
# Units, and amounts that are no whole minor units, are summed as integers of so many parts.
_UNIT_PARTS, _AMOUNT_PARTS = 2**10, 2**20


def pairs(lines: pl.LazyFrame, as_of: AsOf) -> pl.LazyFrame:
    """One row per customer, product and category with sales known at the as_of.

    Args:
        lines: priced lines (`features.lines.priced_lines`).
        as_of: the day; later lines are not read.

    Returns:
        customer_id, product_id, category, label (the product, for people), n (lines), amount, full (amount at
        full price), units (in parts), priced (amount of lines with units), first_on, recent and before (lines
        of the last 90 days and of the 90 before).
    """
    amount, units = pl.col("net_amount"), (pl.col("quantity") * _UNIT_PARTS).round().cast(pl.Int64)
    counted = units > 0
    bought = lines.filter(as_of.history(_ON), ~pl.col("returns"))
    return bought.group_by("customer_id", "product_id", "category").agg(
        pl.coalesce("product_name", "product_id").max().alias("label"),
        pl.len().cast(pl.Int64).alias("n"),
        amount.sum().alias("amount"),
        pl.when(pl.col("discount_amount") > 0).then(0).otherwise(amount).sum().alias("full"),
        pl.when(counted).then(units).sum().alias("units"),
        pl.when(counted).then(amount).sum().alias("priced"),
        _ON.min().alias("first_on"),
        as_of.last_days(_ON, RECENT_DAYS).sum().cast(pl.Int64).alias("recent"),
        as_of.last_days(_ON, RECENT_DAYS, before=RECENT_DAYS).sum().cast(pl.Int64).alias("before"),
    )


def full_price(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Per customer: what part of the spend went to lines without a discount."""
    amount = pl.col("amount").sum()
    return pairs.group_by(_CUSTOMER).agg(
        full_price_share=pl.when(amount > 0).then(pl.col("full").sum() / amount)
    )


def discount_share() -> pl.Expr:
    """Discount as a share of what would have been paid without it, over the lifetime."""
    full = (pl.col("net_amount") + pl.col("discount_amount")).cast(pl.Float64)
    return pl.when(full > 0).then(pl.col("discount_amount") / full).alias("discount_share")


def discounted_orders_share() -> pl.Expr:
    """Orders with a discount, a share of all. For `group_by("customer_id").agg(...)` over orders."""
    return ((pl.col("discount_amount") > 0).sum() / pl.len()).alias("discounted_orders_share")


def products(pairs: pl.LazyFrame, as_of: AsOf) -> pl.LazyFrame:
    """Per customer: how many products, how varied, the favourite, and how many of the last ones were new."""
    named = pairs.filter(pl.col("product_id").is_not_null())
    counted = named.group_by("customer_id", key="product_id").agg(
        pl.col("label").max(), pl.col("n", "amount", "recent", "before").sum(), pl.col("first_on").min()
    )
    lately = pl.col("recent") > 0
    new = as_of.last_days(pl.col("first_on"), RECENT_DAYS)
    return _breadth(counted, "product", "products_bought", "products").join(
        counted.group_by(_CUSTOMER).agg(
            pl.when(lately.any()).then(new.sum() / lately.sum()).alias(f"new_product_share_{RECENT_DAYS}d")
        ),
        on="customer_id",
    )


def categories(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Per customer: how many categories, how varied, and the favourite."""
    return _breadth(_by_category(pairs), "category", "categories", "categories")


def price_level(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Per customer: what they paid against the same units at the mean price of each category so far."""
    bought = _by_category(pairs).filter(pl.col("units") > 0)
    shelf = bought.group_by("key").agg(
        all_priced=pl.col("priced").sum().cast(pl.Float64), all_units=pl.col("units").sum().cast(pl.Float64)
    )
    usual = (
        (pl.col("units") * (pl.col("all_priced") / pl.col("all_units")) * _AMOUNT_PARTS)
        .round()
        .cast(pl.Int64)
    )
    expected = usual.sum()
    level = pl.col("priced").sum().cast(pl.Float64) * _AMOUNT_PARTS / expected
    return bought.join(shelf, on="key").group_by(_CUSTOMER).agg(price_level=pl.when(expected > 0).then(level))


def narrowing() -> pl.Expr:
    """Spend holds while breadth falls, a sign of buying elsewhere: the spend's trend less the breadth's."""
    spend, breadth = (pl.col(f"{name}_trend_{RECENT_DAYS}d") for name in ("net_amount", "categories"))
    return (spend - breadth).alias(f"narrowing_{RECENT_DAYS}d")


def _by_category(pairs: pl.LazyFrame) -> pl.LazyFrame:
    return (
        pairs.filter(pl.col("category").is_not_null())
        .group_by("customer_id", key="category")
        .agg(pl.col("n", "amount", "units", "priced", "recent", "before").sum())
        .with_columns(label="key")
    )


def _breadth(counted: pl.LazyFrame, one: str, many: str, window: str) -> pl.LazyFrame:
    """Number of values bought over the lifetime and lately, their trend, entropy, and the favourite."""
    n = pl.col("n")
    now, before = (pl.col(name) > 0 for name in ("recent", "before"))
    measured = counted.group_by(_CUSTOMER).agg(
        pl.len().cast(pl.Int32).alias(many),
        now.sum().cast(pl.Int32).alias(f"{window}_{RECENT_DAYS}d"),
        contrast(now.sum().cast(pl.Float64), before.sum().cast(pl.Float64)).alias(
            f"{window}_trend_{RECENT_DAYS}d"
        ),
        entropy(x_log_x(n).sum(), n.sum()).alias(f"{one}_entropy"),
        (n.max() / n.sum()).alias(f"favourite_{one}_share"),
    )
    order = ["customer_id", "n", "amount", "key"]
    favourite = (
        counted.filter(n == n.max().over("customer_id"))
        .sort(order, descending=[False, True, True, False])
        .unique("customer_id", keep="first", maintain_order=True)
        .select("customer_id", pl.col("label").alias(f"favourite_{one}"))
    )
    return measured.join(favourite, on="customer_id")
