"""What a customer buys: breadth, favourites and the part of them in the basket.

Built from priced lines known at the as_of; ties between favourites go to the greater amount, then to the
name.
"""

import polars as pl

from features.asof import AsOf


def baskets(lines: pl.LazyFrame, as_of: AsOf) -> pl.LazyFrame:
    """One row per customer.

    Args:
        lines: priced lines (`features.lines.priced_lines`).
        as_of: the day; later lines are not read.

    Returns:
        customer_id, categories, products_bought, favourite_category, favourite_category_share,
        favourite_product.
    """
    bought = lines.filter(as_of.history(pl.col("ordered_on")), ~pl.col("returns"))
    category = _favourite(bought, "category", "category").with_columns(
        favourite_category_share=pl.col("most") / pl.col("all")
    )
    product = _favourite(bought, "product_id", "product_name")
    people = bought.select("customer_id").unique()
    return people.join(
        category.select(
            "customer_id", "favourite_category_share", categories="kinds", favourite_category="shown"
        ),
        on="customer_id",
        how="left",
    ).join(
        product.select("customer_id", products_bought="kinds", favourite_product="shown"),
        on="customer_id",
        how="left",
    )


def _favourite(bought: pl.LazyFrame, column: str, shown: str) -> pl.LazyFrame:
    """Per customer: the value on most lines as people read it, its lines, all lines, number of values."""
    named = bought.filter(pl.col(column).is_not_null()).select(
        "customer_id", "net_amount", key=column, label=pl.coalesce(shown, column)
    )
    counted = named.group_by("customer_id", "key").agg(
        pl.len().alias("n"), pl.col("net_amount").sum().alias("amount"), pl.col("label").max()
    )
    return counted.group_by("customer_id").agg(
        shown=pl.col("label").sort_by("n", "amount", "key", descending=[True, True, False]).first(),
        most=pl.col("n").max().cast(pl.Float64),
        all=pl.col("n").sum().cast(pl.Float64),
        kinds=pl.len().cast(pl.Int32),
    )
