"""How valuable is a customer: gold, silver or bronze, from what they will bring *and* how they buy?

Never from money alone: the biggest spenders are often not loyal.
"""

from collections.abc import Sequence
from enum import StrEnum

import polars as pl


class Tier(StrEnum):
    """Value tier."""

    GOLD = "gold"
    SILVER = "silver"
    BRONZE = "bronze"


# Shares of customers from the top that earn two points and one point for value.
_TOP, _UPPER = 0.2, 0.5
# Features that speak of rhythm and of breadth.
HABITS = ("active_days", "categories", "products_bought")
_REGULAR_DAYS = 3
_BROAD_CATEGORIES = 2
_BROAD_PRODUCTS = 3


def worth() -> pl.Expr:
    """Expected margin over the value horizon, minor units."""
    return pl.col("expected_worth")


def limits(worths: pl.Series) -> tuple[float, ...]:
    """The worths above which a customer is in the top fifth, and in the top half; of nobody, infinite."""
    found = (worths.quantile(1 - share, "lower") for share in (_TOP, _UPPER))
    return tuple(float("inf") if limit is None else limit for limit in found)


def with_tier(people: pl.DataFrame, above: Sequence[float] | None = None) -> pl.DataFrame:
    """Add `value_tier`.

    Value gives 0 to 2 points: `worth`, two for the top fifth, one for the top half, none when it is not
    positive. Habit gives 0 to 2 points: one for a rhythm (bought on at least 3 days), one for breadth (at
    least 2 categories, or 3 products). Three points make gold, two silver, fewer bronze: neither side reaches
    gold without the other.

    Args:
        people: `expected_worth`; `active_days`, `categories` and `products_bought` where known.
        above: the `limits` of all customers; default of these.
    """
    edges = limits(people.select(worth()).to_series()) if above is None else above
    return people.with_columns(value_tier=tier(worth(), habit(people), edges))


def tier(worth: pl.Expr, habit: pl.Expr, above: Sequence[float]) -> pl.Expr:
    """The tier that worth, minor units, and points for `habit` make; `above` are the `limits` of everyone."""
    value = pl.sum_horizontal((worth > 0) & (worth > edge) for edge in above)
    points = value.cast(pl.Int8) + habit
    return (
        pl.when(points >= 3)
        .then(pl.lit(str(Tier.GOLD)))
        .when(points == 2)
        .then(pl.lit(str(Tier.SILVER)))
        .otherwise(pl.lit(str(Tier.BRONZE)))
    )


def habit(people: pl.DataFrame) -> pl.Expr:
    """Points for how a customer buys, 0 to 2."""
    enough = (_REGULAR_DAYS, _BROAD_CATEGORIES, _BROAD_PRODUCTS)
    regular, categories, products = (_at_least(people, *one) for one in zip(HABITS, enough, strict=True))
    return regular.cast(pl.Int8) + (categories | products).cast(pl.Int8)


def _at_least(people: pl.DataFrame, column: str, count: int) -> pl.Expr:
    if column not in people.columns:
        return pl.lit(value=False)
    return (pl.col(column) >= count).fill_null(value=False)
