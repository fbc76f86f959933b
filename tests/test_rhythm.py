"""Rhythm: hand-made customers, the formulas written out, and laws."""

import math
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from features.asof import AsOf
from features.rhythm import (
    MAX_REGULARITY,
    clumpiness,
    gap_regularity,
    last_gap_days,
    quantile_name,
    rhythm,
    with_gaps,
)

START = date(2024, 1, 1)
AS_OF = AsOf(date(2024, 4, 9), horizon_days=90)  # day 99


def days(**customers: list[int]) -> pl.LazyFrame:
    """Order days, counted from `START`."""
    rows = [(who, START + timedelta(days=day)) for who, places in customers.items() for day in places]
    schema = {"customer_id": pl.String, "ordered_on": pl.Date}
    return pl.LazyFrame(rows, schema=schema, orient="row")


def features(orders: pl.LazyFrame, as_of: AsOf = AS_OF, window_days: int = 100) -> pl.DataFrame:
    known = with_gaps(orders).filter(as_of.known(pl.col("ordered_on")))
    grouped = known.group_by("customer_id").agg(rhythm(as_of, window_days=window_days))
    return grouped.sort("customer_id").collect()


def test_gaps_are_days_between_order_days_of_one_customer():
    orders = days(b=[7, 3, 3, 17], a=[40, 40])
    expected = [("a", 40, None, None), ("b", 3, None, None), ("b", 7, 4, None), ("b", 17, 10, 4)]
    assert with_gaps(orders).collect().rows() == [
        (who, START + timedelta(days=day), gap, earlier) for who, day, gap, earlier in expected
    ]


def test_every_feature_of_a_small_customer_and_of_a_one_time_buyer():
    frame = features(days(a=[0, 10, 20, 50], once=[99]))
    assert frame.row(0, named=True) == {
        "customer_id": "a",
        "gaps": 3,
        "gap_days_mean": pytest.approx(50 / 3),
        "gap_days_std": pytest.approx(np.std([10, 10, 30], ddof=1)),
        "gap_variation": pytest.approx(np.std([10, 10, 30], ddof=1) / (50 / 3)),
        "gap_days_median": 10.0,
        "gap_days_q75": 20.0,
        "gap_days_q90": pytest.approx(26),
        "last_gap_days": 30,
        "last_gap_ratio": 3.0,
        "last_gap_rank": 1.0,
        "silence_rank": 1.0,
        # Leans of the two pairs: 0 and 1/2; mean square 1/8.
        "gap_regularity": pytest.approx((1 - 1 / 8) / (2 / 8), rel=1e-5),
        "clumpiness_100d": pytest.approx(naive_clumpiness([1, 11, 21, 51], 100), abs=1e-6),
    }
    once = frame.row(1, named=True)
    assert once.pop("gaps") == 0
    assert once.pop("clumpiness_100d") == pytest.approx(naive_clumpiness([100], 100), abs=1e-6)
    assert set(once.values()) == {"once", None}


def test_a_customer_like_clockwork_is_as_regular_as_it_gets():
    row = features(days(a=[0, 20, 40, 60, 80])).row(0, named=True)
    assert (row["gap_days_std"], row["gap_variation"]) == (0, 0)
    assert row["gap_regularity"] == pytest.approx(MAX_REGULARITY)


def test_evenly_spread_days_are_not_clumpy_and_days_at_one_end_are():
    even = with_gaps(days(a=[9, 19, 29, 39])).select(clumpiness(AsOf(START + timedelta(days=48), 1), 49))
    assert even.collect().item() == pytest.approx(0, abs=1e-6)
    clumped = with_gaps(days(a=list(range(10)))).select(
        clumpiness(AsOf(START + timedelta(days=999), 1), 1000)
    )
    assert clumped.collect().item() > 0.9


def test_the_last_gap_is_that_of_the_latest_day_in_any_row_order():
    rows = with_gaps(days(a=[0, 10, 12])).reverse()
    assert rows.select(last_gap_days()).collect().item() == 2


def test_clumpiness_without_a_day_in_the_window_is_null():
    assert features(days(a=[0, 5]), window_days=30)["clumpiness_30d"].to_list() == [None]


@pytest.mark.parametrize("k", [0.4, 1.0, 4.0])
def test_the_regularity_of_simulated_gaps_is_their_shape_whatever_the_rates(k: float):
    rng = np.random.default_rng(2)
    rates = rng.gamma(2, 0.0001, 4000)[:, None]
    # Days are whole: rare purchases keep rounding out of the shape.
    places = np.ceil(np.cumsum(rng.gamma(k, 1 / rates, (4000, 6)) + 1, axis=1)).astype(int)
    pairs = np.diff(places, axis=1)
    gaps = pl.DataFrame({"gap_days": pairs[:, 1:].ravel(), "previous_gap_days": pairs[:, :-1].ravel()})
    assert gaps.select(gap_regularity()).item() == pytest.approx(k, rel=0.06)


def test_quantiles_are_named_by_their_per_cent():
    assert [quantile_name(q) for q in (0.5, 0.9, 0.975)] == [
        "gap_days_median",
        "gap_days_q90",
        "gap_days_q97_5",
    ]


def naive_clumpiness(places: list[int], window: int) -> float:
    """Zhang, Bradlow and Small (2015): days 1 to `window`, ends at 0 and `window` + 1."""
    ends = [0, *places, window + 1]
    shares = np.diff(ends) / (window + 1)
    return float(1 + (shares * np.log(shares)).sum() / math.log(len(places) + 1))


histories = st.lists(st.integers(0, 120), min_size=1, max_size=25)


@settings(max_examples=100, deadline=None)
@given(histories)
def test_clumpiness_is_the_published_formula(history: list[int]):
    row = features(days(a=[0, *history])).row(0, named=True)
    places = sorted({day + 1 for day in [0, *history] if day <= 99})
    naive = naive_clumpiness(places, 100)
    assert row["clumpiness_100d"] == pytest.approx(min(max(naive, 0), 1), abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from("abcde"), histories, min_size=1), st.randoms(use_true_random=False))
def test_features_are_finite_or_null_and_ignore_row_order_and_the_future(customers, random):
    orders = days(**customers)
    found = features(orders)
    rows = orders.collect().rows()
    random.shuffle(rows)
    shuffled = pl.LazyFrame(rows, schema=orders.collect_schema(), orient="row")
    past = orders.filter(AS_OF.known(pl.col("ordered_on")))
    assert_frame_equal(features(shuffled), found, check_exact=True)
    assert_frame_equal(features(past), found, check_exact=True)
    numbers = found.drop("customer_id")
    assert all(numbers.select((pl.all().is_null() | pl.all().is_finite()).all()).row(0))
    assert all(numbers.select((pl.all().is_null() | (pl.all() >= 0)).all()).row(0))


@settings(max_examples=60, deadline=None)
@given(histories, st.integers(2, 9))
def test_time_scaled_scales_the_gaps_and_leaves_the_shape(history: list[int], scale: int):
    far = AsOf(START + timedelta(days=5000), 90)
    once = features(days(a=history), far).row(0, named=True)
    scaled = features(days(a=[day * scale for day in history]), far).row(0, named=True)
    for name, value in once.items():
        if "days" in name:
            assert scaled[name] == (None if value is None else pytest.approx(scale * value))
        elif not name.startswith("clumpiness"):
            assert scaled[name] == (value if value is None or name == "customer_id" else pytest.approx(value))
