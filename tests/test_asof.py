"""Windows: open on the left, closed on the right, never overlapping, never ahead of their day."""

from datetime import date, timedelta
from itertools import islice, pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.asof import AsOf

DAYS = st.dates(date(2000, 1, 1), date(2030, 12, 31))


def holds(expression: pl.Expr, on: date) -> bool:
    return bool(pl.select(expression).item()) if on else False


@given(DAYS, st.integers(1, 400), st.integers(0, 60), st.integers(-900, 900))
def test_every_day_is_history_gap_outcome_or_later(day: date, horizon: int, gap: int, offset: int) -> None:
    as_of, on = AsOf(day, horizon, gap), day + timedelta(days=offset)
    at = pl.lit(on)
    found = [holds(e, on) for e in (as_of.known(at), as_of.in_gap(at), as_of.outcome(at))]
    assert sum(found) == (on <= as_of.outcome_end)


@pytest.mark.parametrize(("on", "expected"), [(-1, True), (0, True), (-7, False), (1, False), (-6, True)])
def test_the_last_seven_days_hold_seven_days(on: int, expected: bool) -> None:  # noqa: FBT001 - a parameter
    as_of = AsOf(date(2024, 3, 31), 30)
    assert holds(as_of.last_days(pl.lit(as_of.day + timedelta(days=on)), 7), as_of.day) is expected


def test_a_window_before_the_window_touches_it_and_does_not_overlap() -> None:
    as_of = AsOf(date(2024, 3, 31), 30)
    days = [as_of.day - timedelta(days=back) for back in range(30)]
    now = [holds(as_of.last_days(pl.lit(on), 7), on) for on in days]
    before = [holds(as_of.last_days(pl.lit(on), 7, before=7), on) for on in days]
    assert (sum(now), sum(before), [a and b for a, b in zip(now, before, strict=True)]) == (
        7,
        7,
        [False] * 30,
    )


def test_the_lookback_bounds_history() -> None:
    as_of = AsOf(date(2024, 3, 31), 30, lookback_days=10)
    assert holds(as_of.history(pl.lit(date(2024, 3, 22))), as_of.day)
    assert not holds(as_of.history(pl.lit(date(2024, 3, 21))), as_of.day)


def test_months_back_keep_the_day_or_take_the_last_one() -> None:
    days = [one.day for one in islice(AsOf(date(2024, 3, 31), 30).months_back(), 5)]
    assert days == [
        date(2024, 3, 31),
        date(2024, 2, 29),
        date(2024, 1, 31),
        date(2023, 12, 31),
        date(2023, 11, 30),
    ]


def test_twelve_months_after_make_a_year_without_a_hole() -> None:
    as_of = AsOf(date(2024, 3, 31), 30)
    spans = [as_of.month(k) for k in range(1, 13)]
    assert spans[0][0] == as_of.day
    assert all(left[1] == right[0] for left, right in pairwise(spans))
    assert (spans[-1][1] - as_of.day).days == 365


def test_a_window_is_complete_on_its_last_day() -> None:
    as_of = AsOf(date(2024, 3, 31), 30, gap_days=2)
    assert as_of.outcome_end == date(2024, 5, 2)
    assert as_of.is_complete(date(2024, 5, 2))
    assert not as_of.is_complete(date(2024, 5, 1))
