"""What a delivered row is in the shop's own money, and whether it may be kept at all."""

import hashlib
from dataclasses import dataclass

import polars as pl

from features.contracts import Kind, Table
from features.money import converted, to_minor

MISSING_RATE = "missing_rate"
ERASED = "erased"
# Followed by the column: an amount that whole minor units of 64 bits cannot hold.
TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Shop:
    """What reading needs to know of the shop.

    Attributes:
        timezone: days are counted in it.
        currency: reporting currency, ISO 4217.
        erased: fingerprints of people who must not come back.
    """

    timezone: str
    currency: str
    erased: frozenset[str] = frozenset()


def fingerprint(customer_id: str) -> str:
    """What is kept of an erased person: enough to keep them out, not enough to read who it was."""
    return hashlib.sha256(customer_id.encode()).hexdigest()


def in_minor_units(
    mapped: pl.DataFrame, table: Table, shop: Shop, rates: pl.LazyFrame | None
) -> pl.DataFrame:
    """Money columns as whole minor units of the reporting currency, with the faults found on the way.

    Args:
        mapped: rows of `features.sources.map_chunk`, money in major units.
        table: the canonical table.
        shop: see `Shop`.
        rates: fx_rates, for tables with a currency column.

    Returns:
        The rows in their order; `fault` says where no rate was known, an erased person was delivered again,
        or an amount is too large to be one.
    """
    money = [c for c in mapped.columns if c in table.index and table.index[c].kind is Kind.MONEY]
    # An erased row that is faulty as well is an erased row first: its text must not be kept.
    rows, faults = mapped.lazy(), [*_erased(mapped, table, shop.erased), pl.col("fault")]
    if table.time is not None and "currency" in mapped.columns:
        local = pl.col(table.time).dt.convert_time_zone(shop.timezone).dt.date()
        rows = converted(shop.currency, rates, rows.with_columns(ordered_on=local), money).drop("ordered_on")
        faults.append(pl.when(pl.col("fx_missing")).then(pl.lit(MISSING_RATE)))
    in_minor = [to_minor(pl.col(column), shop.currency).alias(column) for column in money]
    faults += [
        pl.when(pl.col(column).is_not_null() & amount.is_null()).then(pl.lit(f"{TOO_LARGE}_{column}"))
        for column, amount in zip(money, in_minor, strict=True)
    ]
    return (
        rows.with_columns(pl.coalesce(faults).alias("fault"), *in_minor)
        .drop("fx_missing", strict=False)
        .collect()
    )


def _erased(mapped: pl.DataFrame, table: Table, erased: frozenset[str]) -> list[pl.Expr]:
    if table.owner is None or not erased:
        return []
    owners = mapped[table.owner].drop_nulls().unique()
    back = [owner for owner in owners if fingerprint(owner) in erased]
    return [pl.when(pl.col(table.owner).is_in(back)).then(pl.lit(ERASED))]
