"""What every order line is worth: the shop's day, the net margin, and whether it gives something back."""

from collections.abc import Mapping

import polars as pl

MarginRate = float | Mapping[str, float]


def priced_lines(
    transactions: pl.LazyFrame, products: pl.LazyFrame | None, timezone: str, margin_rate: MarginRate
) -> pl.LazyFrame:
    """Lines of known customers with their day and margin.

    Args:
        transactions: the canonical table; money in minor units.
        products: product_id and unit_cost (minor units), used where a line has no cost of its own; or None.
        timezone: the shop's zone; days are counted in it.
        margin_rate: margin as a share of net_amount where no cost is known, one number or one per category.

    Returns:
        The canonical columns with `ordered_local` (Datetime) and `ordered_on` (Date) in the shop's zone,
        `margin` (minor units, Int64), `margin_assumed` (whether the margin rate stood in for a cost) and
        `returns` (whether the line gives something back). Guests are left out.
    """
    lines = (
        transactions.filter(pl.col("customer_id").is_not_null())
        .with_columns(
            ordered_local=pl.col("ordered_at").dt.convert_time_zone(timezone).dt.replace_time_zone(None),
            returns=pl.col("is_return").fill_null(value=False) | (pl.col("net_amount") < 0),
        )
        .with_columns(ordered_on=pl.col("ordered_local").dt.date())
    )
    cost = pl.col("cost_amount")
    if products is not None:
        costs = products.select("product_id", "unit_cost").unique("product_id", keep="any")
        lines = lines.join(costs, on="product_id", how="left", maintain_order="left")
        units = pl.col("quantity").abs().fill_null(1) * pl.when(pl.col("returns")).then(-1).otherwise(1)
        cost = pl.coalesce(cost, (pl.col("unit_cost") * units).round().cast(pl.Int64))
    assumed = (pl.col("net_amount") * _rate(margin_rate)).round().cast(pl.Int64)
    return lines.with_columns(
        margin=pl.coalesce(pl.col("net_amount") - cost, assumed), margin_assumed=cost.is_null()
    ).drop("unit_cost", strict=False)


def _rate(margin_rate: MarginRate) -> pl.Expr:
    if not isinstance(margin_rate, Mapping):
        return pl.lit(float(margin_rate))
    return pl.col("category").replace_strict(
        dict(margin_rate), default=margin_rate["default"], return_dtype=pl.Float64
    )
