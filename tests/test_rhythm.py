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
from features.rhythm import MAX_REGULARITY, order_days, quantile_name, rhythm
from features.runs import Runs

START = date(2024, 1, 1)
AS_OF = AsOf(date(2024, 4, 9), horizon_days=90)  # day 99


def purchases(*customers: list[int]) -> Runs:
    """Runs of customers who order so many days after `START`."""
    rows = [(who, START + timedelta(days=day)) for who, days in enumerate(customers) for day in sorted(days)]
    schema = {"customer": pl.UInt32, "ordered_on": pl.Date}
    return Runs.of(pl.DataFrame(rows, schema=schema, orient="row"))


def gaps(orders: Runs) -> Runs:
    return Runs.of(order_days(orders))


def features(orders: Runs, as_of: AsOf = AS_OF, window_days: int = 100) -> pl.DataFrame:
    known = gaps(orders.where(as_of.known(pl.col("ordered_on"))))
    return rhythm(known.with_windows(as_of, "ordered_on", [window_days]), as_of, window_days=window_days)


def test_gaps_are_days_between_order_days_of_one_customer():
    found = order_days(purchases([40, 40], [3, 3, 7, 17]))
    expected = [(0, 40, None, None), (1, 3, None, None), (1, 7, 4, None), (1, 17, 10, 4)]
    assert found.rows() == [
        (who, START + timedelta(days=day), gap, earlier) for who, day, gap, earlier in expected
    ]


def test_every_feature_of_a_small_customer_and_of_a_one_time_buyer():
    frame = features(purchases([0, 10, 20, 50], [99]))
    assert frame.row(0, named=True) == {
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
        "gap_regularity": pytest.approx((1 - 1 / 8) / (2 / 8)),
        "clumpiness_100d": pytest.approx(naive_clumpiness([1, 11, 21, 51], 100)),
    }
    once = frame.row(1, named=True)
    assert once.pop("gaps") == 0
    assert once.pop("clumpiness_100d") == pytest.approx(naive_clumpiness([100], 100))
    assert set(once.values()) == {None}


def test_of_nobody_there_are_the_same_columns():
    assert_frame_equal(features(purchases()), features(purchases([0])).clear())


def test_a_customer_like_clockwork_is_as_regular_as_it_gets():
    row = features(purchases([0, 20, 40, 60, 80])).row(0, named=True)
    assert (row["gap_days_std"], row["gap_variation"]) == (0, 0)
    assert row["gap_regularity"] == pytest.approx(MAX_REGULARITY)


def test_evenly_spread_days_are_not_clumpy_and_days_at_one_end_are():
    even = features(purchases([9, 19, 29, 39]), AsOf(START + timedelta(days=48), 1), 49)
    assert even["clumpiness_49d"].item() == pytest.approx(0)
    clumped = features(purchases(list(range(10))), AsOf(START + timedelta(days=999), 1), 1000)
    assert clumped["clumpiness_1000d"].item() > 0.9


def test_ranks_count_gaps_no_longer_than_the_last_and_shorter_than_the_silence():
    frame = features(purchases([30, 40, 60, 89], [50, 79, 89, 99]))
    assert frame.select("last_gap_days", "last_gap_rank", "silence_rank").rows() == [
        (29, 1, 0),
        (10, pytest.approx(2 / 3), 0),
    ]


def test_clumpiness_without_a_day_in_the_window_is_null():
    assert features(purchases([0, 5]), window_days=30)["clumpiness_30d"].to_list() == [None]


@pytest.mark.parametrize("k", [0.4, 1.0, 4.0])
def test_the_regularity_of_simulated_gaps_is_their_shape_whatever_the_rates(k: float):
    rng = np.random.default_rng(2)
    rates = rng.gamma(2, 0.0001, 4000)[:, None]
    # Days are whole: rare purchases keep rounding out of the shape.
    places = np.ceil(np.cumsum(rng.gamma(k, 1 / rates, (4000, 6)) + 1, axis=1)).astype(int)
    within = places[(places < 2_000_000).all(axis=1)]
    found = features(purchases(*within.tolist()), AsOf(date(9000, 1, 1), 1))
    # A handful of gaps says little: what is averaged is their spread.
    spread = (1 / (2 * found["gap_regularity"] + 1)).mean()
    assert (1 - spread) / (2 * spread) == pytest.approx(k, rel=0.06)


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
@given(histories, st.integers(5, 150))
def test_clumpiness_is_the_published_formula(history: list[int], window: int):
    row = features(purchases([0, *history]), window_days=window).row(0, named=True)
    places = sorted({day + window - 99 for day in [0, *history] if 99 - window < day <= 99})
    naive = min(max(naive_clumpiness(places, window), 0), 1) if places else None
    assert row[f"clumpiness_{window}d"] == pytest.approx(naive, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.lists(histories, min_size=1), st.floats(0, 1))
def test_quantiles_and_ranks_are_those_of_the_customers_own_gaps(customers, quantile):
    far = AsOf(START + timedelta(days=150), 90)
    known = gaps(purchases(*customers)).with_windows(far, "ordered_on", [365])
    found = rhythm(known, far, (quantile,)).rows(named=True)
    for history, row in zip(customers, found, strict=True):
        own = pl.Series(np.diff(sorted(set(history))), dtype=pl.Int64)
        assert row[quantile_name(quantile)] == own.quantile(quantile, interpolation="linear")
        if len(own):
            assert row["silence_rank"] == (own < 150 - max(history)).sum() / len(own)
        if len(own) > 1:
            assert row["last_gap_rank"] == (own <= own[-1]).sum() / len(own)


@settings(max_examples=60, deadline=None)
@given(st.lists(histories, min_size=1))
def test_features_are_finite_or_null_and_ignore_other_customers_and_the_future(customers):
    at_start = [[0, *history] for history in customers]
    found = features(purchases(*at_start))
    alone = pl.concat(features(purchases(history)) for history in at_start)
    assert_frame_equal(alone, found, check_exact=True)
    everything = gaps(purchases(*at_start)).where(AS_OF.known(pl.col("ordered_on")))
    looked_back = rhythm(everything.with_windows(AS_OF, "ordered_on", [100]), AS_OF, window_days=100)
    assert_frame_equal(looked_back, found, check_exact=True)
    assert all(found.select((pl.all().is_null() | pl.all().is_finite()).all()).row(0))
    assert all(found.select((pl.all().is_null() | (pl.all() >= 0)).all()).row(0))


@settings(max_examples=60, deadline=None)
@given(histories, st.integers(2, 9))
def test_time_scaled_scales_the_gaps_and_leaves_the_shape(history: list[int], scale: int):
    far = AsOf(START + timedelta(days=5000), 90)
    once = features(purchases(history), far).row(0, named=True)
    scaled = features(purchases([day * scale for day in history]), far).row(0, named=True)
    for name, value in once.items():
        if "days" in name:
            assert scaled[name] == (None if value is None else pytest.approx(scale * value))
        elif not name.startswith("clumpiness"):
            assert scaled[name] == (value if value is None else pytest.approx(value))
