"""Why is this person on the list, in plain words?

Facts only, each about the person's own numbers; what the model saw beyond them is explained elsewhere.
"""

import polars as pl

from features.money import exponent

REASONS = ("reason_1", "reason_2", "reason_3")


def with_reasons(people: pl.DataFrame, currency: str, months: int) -> pl.DataFrame:
    """Add `reason_1` to `reason_3`: sentences, the most telling first; null where there is nothing to say.

    Args:
        people: `days_since_last_purchase`, `usual_gap_days`, `favourite_category`, `favourite_product`,
            `value_if_returned` (minor units), and `orders` where known.
        currency: reporting currency.
        months: the value horizon.
    """
    once = pl.col("orders") == 1 if "orders" in people.columns else pl.lit(value=False)
    sentences = pl.concat_list(_rhythm(once), _favourites(), _worth(currency, months)).list.drop_nulls()
    return people.with_columns(
        sentences.list.get(place, null_on_oob=True).alias(name) for place, name in enumerate(REASONS)
    )


def _rhythm(once: pl.Expr) -> pl.Expr:
    silent, gap = pl.col("days_since_last_purchase"), pl.col("usual_gap_days")
    whole_gap = gap.round().cast(pl.Int64).clip(lower_bound=1)
    every = pl.when(whole_gap == 1).then(pl.lit("day")).otherwise(pl.format("{} days", whole_gap))
    return (
        pl.when(once.fill_null(value=False))
        .then(pl.format("Bought once, {} ago.", _days(silent)))
        .when(gap.is_null())
        .then(pl.format("Last bought {} ago.", _days(silent)))
        .when(silent > gap)
        .then(pl.format("Usually buys every {}; silent for {}.", every, _days(silent)))
        .otherwise(pl.format("Usually buys every {}; last bought {} ago.", every, _days(silent)))
    )


def _days(count: pl.Expr) -> pl.Expr:
    return pl.when(count == 1).then(pl.lit("1 day")).otherwise(pl.format("{} days", count))


def _favourites() -> pl.Expr:
    category, product = (_plain(name) for name in ("favourite_category", "favourite_product"))
    return (
        pl.when(category.is_not_null() & product.is_not_null())
        .then(pl.format("Buys mostly from {}, most often {}.", category, product))
        .when(category.is_not_null())
        .then(pl.format("Buys mostly from {}.", category))
        .when(product.is_not_null())
        .then(pl.format("Buys {} most often.", product))
    )


def _plain(column: str) -> pl.Expr:
    """A shop's own text on one line; null when it is empty."""
    text = pl.col(column).cast(pl.String).str.replace_all(r"\s+", " ").str.strip_chars()
    return pl.when(text.str.len_chars() > 0).then(text)


def _worth(currency: str, months: int) -> pl.Expr:
    digits = exponent(currency)
    amount = (pl.col("value_if_returned").round() / 10**digits).round(digits).cast(pl.Decimal(38, digits))
    span = "1 month" if months == 1 else f"{months} months"
    return pl.format(
        f"Winning them back is worth about {{}} {currency} of margin within {span}.", amount.cast(pl.String)
    )
