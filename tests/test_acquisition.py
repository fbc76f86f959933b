"""The first order, milestones, cohorts and where customers came from, on frames to reckon by hand."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from features.acquisition import KEYS, cohort_counts, cohorts, first_order, milestones, source
from features.asof import AsOf
from features.runs import Runs

FIRST = date(2024, 1, 10)
ORDER = {"margin": 30, "lines": 2, "quantity": 3, "discount_amount": 20, "net_amount": 80}
SCHEMA = {"customer": pl.UInt32, "ordered_on": pl.Date} | dict.fromkeys(ORDER, pl.Int64)


def as_of(after: int) -> AsOf:
    return AsOf(FIRST + timedelta(days=after), horizon_days=90)


def orders(*rows: tuple[int, int], **values: list[int]) -> Runs:
    """Rows of customer and days after the first day."""
    frame: dict[str, Any] = {
        "customer": [customer for customer, _ in rows],
        "ordered_on": [FIRST + timedelta(days=days) for _, days in rows],
    }
    return Runs.of(
        pl.DataFrame(frame | {name: values.get(name, [ORDER[name]] * len(rows)) for name in ORDER}, SCHEMA)
    )


def test_the_first_order_is_the_first_row_of_each_customer():
    purchases = orders((0, 0), (0, 3), (1, 1), net_amount=[80, 5, 0], discount_amount=[20, 0, 0])
    assert first_order(purchases, frozenset({"quantity", "discount_amount"})).to_dicts() == [
        {
            "first_order_margin": 30,
            "first_order_lines": 2,
            "first_order_units": 3,
            "first_order_discount_share": share,
        }
        for share in (0.2, None)
    ]
    assert first_order(purchases, frozenset()).columns == ["first_order_margin", "first_order_lines"]


def test_orders_up_to_a_milestone_are_told_once_it_has_passed():
    purchases = orders((0, 0), (0, 30), (0, 31), (0, 95), (1, 70))
    assert milestones(purchases, as_of(95)).rows() == [(2, 2, 3, None, None), (0, None, None, None, None)]
    assert milestones(purchases, as_of(100)).rows() == [(2, 2, 3, None, None), (1, 1, None, None, None)]
    assert milestones(purchases, as_of(365)).row(0) == (4, 2, 3, 4, 4)
    assert set(milestones(purchases, as_of(95)).dtypes) == {pl.Int32()}


def test_a_cohort_came_in_the_same_month():
    # 10 January twice, 8 February; the as_of is 19 April, so 90 days reach back to 21 January.
    days = orders((0, 0), (0, 11), (1, 0), (2, 29))
    counts = cohort_counts(days, as_of(100))
    assert counts.select("customers", "repeated", "lately").rows() == [(2, 1, 1), (1, 0, 1)]
    assert cohorts(counts, days).rows() == [(2, 0.5, 0.5), (2, 0.5, 0.5), (1, 0.0, 1.0)]


def test_without_customers_there_is_nothing():
    none, day = orders(), as_of(5)
    assert first_order(none, frozenset({"quantity"})).height == 0
    assert milestones(none, day).height == 0
    assert cohort_counts(none, day).height == 0
    assert (
        cohorts(cohort_counts(none, day), none).columns
        == cohorts(cohort_counts(orders((0, 0)), day), orders((0, 0))).columns
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 400)), unique=True, max_size=40), st.integers(0, 8)
)
def test_cohorts_of_parts_add_up_to_those_of_the_shop(rows: list[tuple[int, int]], cut: int):
    day, rows = as_of(400), sorted(rows)
    whole = cohort_counts(orders(*rows), day)
    parts = [[row for row in rows if (row[0] < cut) is below] for below in (True, False)]
    counted = pl.concat(cohort_counts(orders(*part), day) for part in parts)
    assert_frame_equal(counted.group_by(*KEYS).sum().sort(*KEYS), whole)
    told = pl.concat(cohorts(whole, orders(*part)) for part in parts)
    assert_frame_equal(told, cohorts(whole, orders(*rows)), check_exact=True)


def test_the_source_is_told_of_those_who_are_listed():
    days, known = orders((3, 0), (5, 2), (7, 4)), pl.Series([3, 5, 7], dtype=pl.UInt32)
    customers = pl.DataFrame(
        {
            "customer": pl.Series([9, 7, 3], dtype=pl.UInt32),
            "acquisition_channel": ["web", "shop", None],
            # What lies after the as_of is not known.
            "acquired_on": [date(2024, 1, on) for on in (2, 31, 5)],
        }
    )
    told = source(customers, known, days, as_of(10))
    assert told is not None
    assert told.rows() == [(None, 5), (None, None), ("shop", None)]
    assert told.schema == {"acquisition_channel": pl.String, "days_to_first_order": pl.Int32}


@pytest.mark.parametrize("columns", [["customer"], ["customer", "region"]])
def test_a_shop_that_knows_no_source_has_none(columns: list[str]):
    customers = pl.DataFrame(schema=dict.fromkeys(columns, pl.UInt32))
    assert source(customers, pl.Series([0], dtype=pl.UInt32), orders((0, 0)), as_of(1)) is None
