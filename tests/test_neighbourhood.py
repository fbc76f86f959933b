"""How often people like this one returned: counts over groups, and rates drawn towards the shop's own."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from shop_world import day

from features.asof import AsOf
from features.neighbourhood import KEYS, WEIGHT, count, outcomes, rates

# At day 60, the last complete window of 30 days is (30, 60].
AT = day(60)


def orders(
    *rows: tuple[int, int] | tuple[int, int, int | None] | tuple[int, int, int | None, int],
) -> pl.DataFrame:
    """Customer, day, and maybe the day of cancellation and the amount."""
    filled = [(*row, *(None, 100)[len(row) - 2 :]) for row in rows]
    return pl.DataFrame(
        {
            "customer": [row[0] for row in filled],
            "ordered_on": [day(row[1]).day for row in filled],
            "cancelled_on": [None if row[2] is None else day(row[2]).day for row in filled],
            "net_amount": [row[3] for row in filled],
        },
        schema={
            "customer": pl.UInt32,
            "ordered_on": pl.Date,
            "cancelled_on": pl.Date,
            "net_amount": pl.Int64,
        },
    )


def people(**columns: Any) -> pl.DataFrame:
    return pl.DataFrame(columns, schema_overrides={"customer": pl.UInt32})


def who(flags: Any) -> list[int]:
    return [int(place) for place in flags.nonzero()[0]]


def test_neighbours_returned_in_the_last_complete_window_only() -> None:
    bought = orders((0, 0), (0, 40), (1, 0), (1, 70), (2, 50))
    of = people(customer=[0, 1, 2], region=["n", "s", "s"])
    counts = count(bought, of, AT)
    assert counts.rows() == [("region", "n", 1, 1), ("region", "s", 1, 0), ("shop", "", 2, 1)]
    found = rates(of, counts)
    assert found.columns == ["shop_return_rate", "region_return_rate"]
    assert found.rows() == [
        (0.5, pytest.approx(26 / 51)),
        (0.5, pytest.approx(25 / 51)),
        (0.5, pytest.approx(25 / 51)),
    ]


def test_the_gap_lies_between_who_had_bought_and_the_window() -> None:
    gapped = AsOf(AT.day, 30, gap_days=10)
    # Known by day 20; the window is (30, 60].
    seen, back = outcomes(
        orders((0, 20), (0, 31), (1, 20), (1, 30), (2, 21), (2, 60), (3, 0), (3, 61)), gapped
    )
    assert (who(seen), who(back)) == ([0, 1, 3], [0])


def test_a_purchase_counts_as_long_as_it_is_not_known_to_be_cancelled() -> None:
    # Who had bought is judged as it was known at day 30, who returned as it is known at day 60.
    cancelled = orders((0, 0, 30), (1, 0, 31), (1, 40, 60), (2, 0, None), (2, 40, 61), (3, 0, None, 0))
    seen, back = outcomes(cancelled, AT)
    assert (who(seen), who(back)) == ([1, 2], [2])


def test_who_is_not_asked_for_still_counts_for_the_shop() -> None:
    of = people(customer=[0], region=["n"], acquisition_channel=["web"], favourite_category=["Tea"])
    counts = count(orders((0, 0), (1, 0), (1, 40)), of, AT)
    assert counts.rows() == [
        ("category", "Tea", 1, 0),
        ("channel", "web", 1, 0),
        ("region", "n", 1, 0),
        ("shop", "", 2, 1),
    ]
    shrunk = WEIGHT * 0.5 / (1 + WEIGHT)
    assert rates(of, counts).row(0) == (0.5, *[pytest.approx(shrunk)] * 3)


def test_who_has_no_group_has_no_rate_and_a_group_nobody_saw_has_the_shops() -> None:
    of = people(customer=[0, 1, 2], region=[None, "n", "s"])
    found = rates(of, count(orders((0, 0), (0, 40), (1, 0), (2, 50)), of, AT))
    assert found["region_return_rate"].to_list() == [None, pytest.approx(25 / 51), 0.5]


def test_before_the_first_complete_window_there_is_no_rate() -> None:
    of = people(customer=[0, 1], region=["n", None])
    found = rates(of, count(orders((0, 50), (1, 55)), of, AT))
    assert found.rows() == [(None, None), (None, None)]
    assert set(found.dtypes) == {pl.Float64}


def test_a_shop_without_people_has_counts_too() -> None:
    of = people(customer=[], region=pl.Series([], dtype=pl.String))
    counts = count(orders(), of, AT)
    assert counts.rows() == [("shop", "", 0, 0)]
    assert rates(of, counts).schema == {"shop_return_rate": pl.Float64, "region_return_rate": pl.Float64}


def test_how_customers_lie_in_parts_does_not_matter() -> None:
    bought = orders(*((who, (who * 7) % 50) for who in range(20)), *((who, 45) for who in range(0, 20, 3)))
    of = people(customer=list(range(20)), region=["nsew"[who % 4] for who in range(20)])
    whole = count(bought, of, AT)
    halves = [
        count(bought.filter(part), of.filter(part), AT)
        for part in (pl.col("customer") < 7, pl.col("customer") >= 7)
    ]
    merged = pl.concat(halves).group_by(KEYS).sum().sort(KEYS)
    assert_frame_equal(merged, whole)
    assert_frame_equal(rates(of, merged), rates(of, whole), check_exact=True)


def test_the_window_is_the_one_before_the_day() -> None:
    assert AT.day == date(2024, 3, 1)
