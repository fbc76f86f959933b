"""How amounts become integers: minor units of the reporting currency, so that sums never differ by a bit.

Digits after ISO 4217 (2024); currencies that are not named have two.
"""

import polars as pl

_DIGITS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"), 0
    ),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


def exponent(currency: str) -> int:
    """Digits after the decimal mark of a currency (ISO 4217)."""
    return _DIGITS.get(currency, 2)


def units(currency: str) -> int:
    """Minor units in one major unit."""
    return int(10 ** exponent(currency))


def to_minor(amount: pl.Expr, currency: str) -> pl.Expr:
    """Major units as floats to whole minor units (Int64), halves away from zero.

    The product is first rounded to six digits: 1.005 * 100 is 100.49999999999999 in binary and means 100.5.
    """
    scaled = (amount * units(currency)).round(6)
    return (scaled + scaled.sign() * 0.5).cast(pl.Int64, strict=False)


def minor(amount: float, currency: str) -> int:
    """One amount of the config in minor units."""
    return round(amount * units(currency))


def converted(
    currency: str, rates: pl.LazyFrame | None, frame: pl.LazyFrame, columns: list[str]
) -> pl.LazyFrame:
    """Money columns of a frame in the reporting currency.

    Args:
        currency: the reporting currency.
        rates: fx_rates (date, currency, rate), or None when there are none.
        frame: rows with `currency` (null means the reporting one), `ordered_on`, and money in major units.
        columns: the money columns.

    Returns:
        The frame in its order with a column `fx_missing`, true where no rate was known on or before the day.
    """
    foreign = pl.col("currency").is_not_null() & (pl.col("currency") != currency)
    if rates is None:
        return frame.with_columns(fx_missing=foreign)
    ordered = frame.with_row_index("_row").sort("ordered_on", "_row")
    known = rates.select("date", "currency", fx_rate="rate").sort("date", "currency")
    joined = ordered.join_asof(
        known, left_on="ordered_on", right_on="date", by="currency", check_sortedness=False
    )
    rate = pl.when(foreign).then(pl.col("fx_rate")).otherwise(1.0)
    return (
        joined.with_columns(
            *[(pl.col(column) * rate).alias(column) for column in columns],
            fx_missing=foreign & pl.col("fx_rate").is_null(),
        )
        .sort("_row")
        .drop("_row", "fx_rate", "date", strict=False)
    )
