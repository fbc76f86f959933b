"""Few points in place of many customers: what they keep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.condensed import Points, condensed

people = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 900), st.integers(0, 900), st.integers(1, 50)),
    min_size=1,
    max_size=80,
    unique_by=lambda one: one[:3],
)


def points(rows: list[tuple[int, int, int, int]]) -> Points:
    level, first, second, customers = np.array(sorted(rows), dtype=np.int64).T
    return Points(level, *(column.astype(np.float64) for column in (first, second, customers)))


def moments(points: Points, level: int) -> list[float]:
    """Customers, and their sums of days, squares and products."""
    here = points.level == level
    first, second, weight = points.first[here], points.second[here], points.customers[here]
    powers = (first**0, first, second, first**2, second**2, first * second)
    return [float((weight * power).sum()) for power in powers]


@settings(max_examples=150, deadline=None)
@given(people, st.integers(4, 20))
def test_counts_means_and_spreads_of_each_level_stay(rows: list[tuple[int, int, int, int]], most: int):
    # Far enough from zero for no point to be held there.
    whole = points([(level, first + 2000, second + 2000, n) for level, first, second, n in rows])
    few = condensed(whole, most)
    for level in range(4):
        assert moments(few, level) == pytest.approx(moments(whole, level), rel=1e-9)


@settings(max_examples=150, deadline=None)
@given(people, st.integers(1, 20))
def test_there_are_at_most_four_points_per_cell_and_none_below_zero(
    rows: list[tuple[int, int, int, int]], most: int
):
    whole = points(rows)
    few = condensed(whole, most)
    levels = len(np.unique(whole.level))
    assert len(few.level) <= max(most, levels) * 4
    assert (few.first >= 0).all()
    assert (few.second >= 0).all()


def test_few_customers_are_left_as_they_are():
    whole = points([(0, 0, 5, 3), (1, 2, 9, 1)])
    assert condensed(whole, 2) is whole


def test_two_customers_of_a_cell_stay_two():
    few = condensed(points([(0, 400, 400, 1), (0, 401, 402, 1), (0, 0, 0, 1)]), 2)
    assert sorted(zip(few.first, few.second, few.customers, strict=True)) == [
        (0, 0, 1),
        (pytest.approx(400), pytest.approx(400), 1),
        (pytest.approx(401), pytest.approx(402), 1),
    ]
