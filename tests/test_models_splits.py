"""Days to learn from are complete, purged of the test, and customers stay in one fold."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.asof import AsOf
from features.errors import DataRefused
from models.splits import complete_snapshots, customer_fold, days_to_build, purge

AS_OF = AsOf(date(1998, 3, 31), horizon_days=90)


def test_days_go_back_by_months_from_the_newest_complete_one():
    found = [one.day for one in complete_snapshots(AS_OF, date(1997, 7, 1), 24)]
    assert found == [date(1997, 12, 31), date(1997, 11, 30), date(1997, 10, 31), date(1997, 9, 30)]


def test_the_number_of_days_is_limited():
    assert len(complete_snapshots(AS_OF, date(1990, 1, 1), 24)) == 24


def test_a_short_history_is_refused_with_what_is_needed():
    with pytest.raises(DataRefused, match=r"has 90 days, but learning needs 180"):
        complete_snapshots(AS_OF, date(1998, 1, 1), 24)


def test_a_history_that_is_too_short_for_the_gap_names_the_gap():
    with pytest.raises(DataRefused) as error:
        complete_snapshots(AsOf(date(1998, 3, 31), 90, gap_days=400), date(1997, 1, 1), 24)
    assert str(error.value).endswith(
        "455 days, but learning needs 580: one outcome window of 90 days and as much before it, "
        "with a gap of 400 days between. Deliver more history, or shorten churn.horizon_days or "
        "churn.gap_days."
    )


def test_purging_keeps_days_whose_outcome_the_test_day_knows():
    snapshots = complete_snapshots(AS_OF, date(1997, 1, 1), 24)
    kept = [one.day for one in purge(snapshots, snapshots[0])]
    assert kept[0] == date(1997, 9, 30)


@given(
    st.dates(date(2000, 1, 1), date(2030, 1, 1)), st.integers(1, 400), st.integers(0, 30), st.integers(1, 40)
)
def test_no_day_is_taken_whose_outcome_is_not_over(day: date, horizon: int, gap: int, limit: int):
    as_of = AsOf(day, horizon, gap)
    snapshots = complete_snapshots(as_of, date(1990, 1, 1), limit)
    assert all(one.outcome_end <= day for one in snapshots)
    assert all(one.outcome_end <= snapshots[0].day for one in purge(snapshots, snapshots[0]))


@given(
    st.dates(date(2000, 1, 1), date(2030, 1, 1)),
    st.integers(1, 400),
    st.integers(0, 30),
    st.integers(1, 24),
    st.integers(1, 6),
)
def test_every_test_day_has_as_many_days_to_learn_from_as_the_model_that_is_kept(
    day: date, horizon: int, gap: int, learned: int, tests: int
):
    as_of = AsOf(day, horizon, gap)
    built = complete_snapshots(as_of, date(1900, 1, 1), days_to_build(as_of, learned, tests))
    assert all(len(purge(built, test)) >= learned for test in built[:tests])


def test_two_more_days_for_three_tests_and_four_for_the_outcomes_that_are_not_known_yet():
    assert days_to_build(AS_OF, 24, 3) == 24 + 2 + 4


def test_a_customer_keeps_their_fold_and_folds_are_even():
    people = pl.DataFrame({"customer_id": [str(number) for number in range(4000)]})
    folds = people.select(customer_fold("customer_id", 4, 7)).to_series()
    assert folds.equals(people.reverse().select(customer_fold("customer_id", 4, 7)).to_series().reverse())
    assert folds.value_counts()["count"].min() > 900
    assert folds.unique().sort().to_list() == [0, 1, 2, 3]
