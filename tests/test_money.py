"""Amounts as whole minor units."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.money import converted, exponent, minor, to_minor, units


@pytest.mark.parametrize(("currency", "digits"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("IDR", 2)])
def test_a_currency_has_its_digits(currency: str, digits: int) -> None:
    assert exponent(currency) == digits


@pytest.mark.parametrize(
    ("amount", "expected"),
    [(1.005, 101), (-1.005, -101), (2.675, 268), (0.0, 0), (957.5775, 95758), (-0.004, 0)],
)
def test_halves_go_away_from_zero_as_they_are_written(amount: float, expected: int) -> None:
    assert pl.select(to_minor(pl.lit(amount), "EUR")).item() == expected


@given(st.integers(-(10**11), 10**11), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_there_and_back_changes_nothing(amount: int, currency: str) -> None:
    back = pl.select(to_minor(pl.lit(amount) / units(currency), currency)).item()
    assert back == amount


def test_amounts_of_the_config_are_rounded() -> None:
    assert (minor(0.05, "EUR"), minor(2.5, "JPY")) == (5, 2)


def test_the_newest_rate_on_or_before_the_day_counts() -> None:
    rates = pl.LazyFrame(
        {"date": [date(2024, 1, 1), date(2024, 1, 5)], "currency": ["USD"] * 2, "rate": [0.5, 0.9]}
    )
    rows = pl.LazyFrame(
        {
            "currency": ["USD", "USD", "USD", "EUR", None],
            "ordered_on": [
                date(2024, 1, 4),
                date(2024, 1, 5),
                date(2023, 12, 31),
                date(2024, 1, 9),
                date(2024, 1, 9),
            ],
            "net_amount": [10.0, 10.0, 10.0, 10.0, 10.0],
        }
    )
    found = converted("EUR", rates, rows, ["net_amount"]).collect()
    assert found["net_amount"].to_list() == [5.0, 9.0, None, 10.0, 10.0]
    assert found["fx_missing"].to_list() == [False, False, True, False, False]
