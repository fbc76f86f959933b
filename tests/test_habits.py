"""Habits: hand-made customers, the counts written out, and laws."""

import math
from collections import Counter
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from features.habits import KINDS, habits
from features.runs import Runs

MONDAY = date(2024, 1, 1)
History = list[tuple[int, int]]


def orders(*customers: History) -> Runs:
    """Runs of customers who order so many days after `MONDAY`, at an hour."""
    rows = [
        (who, MONDAY + timedelta(days=on), hour)
        for who, history in enumerate(customers)
        for on, hour in history
    ]
    schema = {"customer": pl.UInt32, "ordered_on": pl.Date, "hour": pl.Int8}
    return Runs.of(pl.DataFrame(rows, schema=schema, orient="row"))


def test_a_habit_is_the_value_on_most_orders_and_its_share() -> None:
    found = habits(orders([(0, 9), (7, 9), (14, 20), (15, 9)])).row(0, named=True)
    assert {name: value for name, value in found.items() if name.startswith("weekday")} == {
        "weekday_usual": 1,
        "weekday_usual_share": 0.75,
        "weekday_concentration": pytest.approx(1 - entropy(3, 1) / math.log(4), abs=1e-6),
    }
    assert (found["hour_usual"], found["hour_usual_share"]) == (9, 0.75)
    assert (found["month_usual"], found["month_concentration"]) == (1, 1)
    # The 1st, 8th, 15th and 16th: of equals the smallest.
    assert (found["month_day_usual"], found["month_day_usual_share"]) == (1, 0.25)
    assert found["month_day_concentration"] == pytest.approx(0, abs=1e-6)


def test_one_order_is_no_habit_to_be_concentrated_on() -> None:
    assert habits(orders([(60, 0)])).row(0) == (5, 1, None, 0, 1, None, 1, 1, None, 3, 1, None)


def test_as_evenly_as_so_many_values_allow_is_not_concentrated() -> None:
    found = habits(orders([(on, 12) for on in range(70)])).row(0, named=True)
    assert (found["weekday_usual"], found["weekday_usual_share"]) == (1, 1 / 7)
    assert found["weekday_concentration"] == pytest.approx(0, abs=1e-6)


def test_nobody_has_no_habit() -> None:
    assert_frame_equal(habits(orders()), habits(orders([(0, 0)])).clear())


histories = st.lists(
    st.lists(st.tuples(st.integers(-40_000, 20_000), st.integers(0, 23)), min_size=1, max_size=40),
    min_size=1,
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(histories)
def test_habits_are_what_counting_by_hand_finds(customers: list[History]) -> None:
    found = habits(orders(*map(sorted, customers))).rows(named=True)
    for history, row in zip(customers, found, strict=True):
        days = [(MONDAY + timedelta(days=on), hour) for on, hour in history]
        values = {
            "weekday": [on.isoweekday() for on, _ in days],
            "hour": [hour for _, hour in days],
            "month_day": [on.day for on, _ in days],
            "month": [on.month for on, _ in days],
        }
        for kind, size in KINDS.items():
            counts = Counter(values[kind])
            most = max(counts.values())
            assert row[f"{kind}_usual"] == min(value for value, n in counts.items() if n == most)
            assert row[f"{kind}_usual_share"] == most / len(days)
            even = math.log(min(len(days), size))
            concentration = None if len(days) == 1 else 1 - entropy(*counts.values()) / even
            assert row[f"{kind}_concentration"] == pytest.approx(concentration, abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(histories)
def test_a_customers_habits_do_not_hang_on_who_else_is_there(customers: list[History]) -> None:
    alone = pl.concat(habits(orders(history)) for history in customers)
    assert_frame_equal(habits(orders(*customers)), alone, check_exact=True)


def entropy(*counts: int) -> float:
    whole = sum(counts)
    return -sum(n / whole * math.log(n / whole) for n in counts)
