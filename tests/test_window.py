"""The margin of the outcome window: its mean, its blend of experts, its bounds; and the expected date."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from value_world import CONTRACT, LAST, Truth, value_rows

from models.blend import Blend, fit_blend
from models.margin import mean_map, through
from models.margin_interval import LEVEL, MarginInterval, coverage, fit_interval
from models.matrix import to_matrix
from models.metrics import Array, value_at
from models.options import XgbOptions
from models.timing import Timing, fit_timing
from models.window import WindowMargin, fit_window

XGB = XgbOptions(rounds=30, early_stopping=5, learning_rate=0.2, colsample_bytree=1.0, threads=1)
FLOORS = (0.01, 0.01)


def experts(useless: str, seed: int = 1, people: int = 40_000) -> tuple[Blend, Array]:
    """A blend of the truth and of noise, and its exponents."""
    rng = np.random.default_rng(seed)
    truth, noise = rng.lognormal(0, 1, (2, people))
    brought = truth * rng.exponential(1.0, people) * (rng.random(people) < 0.5)
    columns = (noise, truth) if useless == "model" else (truth, noise)
    stage = pl.Series(["active"] * people)
    found = fit_blend(np.column_stack(columns), FLOORS, brought, np.ones(people), np.arange(people), stage)
    return found, np.array(found.weights["all"][1:])


def test_the_blend_follows_spend_where_the_model_is_useless() -> None:
    model, spend = experts("model")[1]
    assert model < 0.1
    assert spend == pytest.approx(1.0, abs=0.1)


def test_the_blend_follows_the_model_where_spend_is_noise() -> None:
    model, spend = experts("spend")[1]
    assert model == pytest.approx(1.0, abs=0.1)
    assert spend < 0.1


def test_an_expert_that_is_wrong_the_other_way_round_is_not_heard() -> None:
    rng = np.random.default_rng(4)
    truth = rng.lognormal(0, 1, 6000)
    columns = np.column_stack([1 / truth, rng.lognormal(0, 1, 6000)])
    stage = pl.Series(["active"] * 6000)
    found = fit_blend(columns, FLOORS, truth, np.ones(6000), np.arange(6000), stage)
    assert found.weights["all"][1] == 0.0


def test_the_map_to_the_mean_is_right_in_sum_between_its_knots() -> None:
    raw = np.random.default_rng(4).exponential(100.0, 20_000)
    margin = np.where(raw < 150, -300.0, raw**2 / 100)
    knots, means, _ = mean_map(raw, margin, np.ones(20_000), 1.0)
    assert through(raw, knots, means).sum() == pytest.approx(margin.sum(), rel=0.05)
    assert sorted(means) == list(means)


@given(st.integers(0, 50))
def test_no_expert_counts_against_what_it_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns, brought = rng.lognormal(0, 1, (80, 3)), rng.lognormal(0, 1, 80)
    stage = pl.Series(["active", "lapsed"] * 40)
    found = fit_blend(columns, (1.0, 1.0, 1.0), brought, np.ones(80), np.arange(80), stage)
    assert min(found.weights["all"][1:]) >= 0
    total = found.apply(columns, stage).sum()
    assert total == pytest.approx(brought.sum(), rel=1e-3)


def test_the_gone_have_weights_of_their_own() -> None:
    rng = np.random.default_rng(3)
    count = 40_000
    model, spend = rng.lognormal(0, 1, (2, count))
    gone = np.arange(count) % 2 == 1
    brought = np.where(gone, spend, model) * rng.exponential(1.0, count)
    stage = pl.Series(np.where(gone, "lapsed", "active"))
    found = fit_blend(
        np.column_stack([model, spend]), FLOORS, brought, np.ones(count), np.arange(count), stage
    )
    assert found.weights["here"][1:] == pytest.approx([1.0, 0.0], abs=0.1)
    assert found.weights["gone"][1:] == pytest.approx([0.0, 1.0], abs=0.1)
    assert Blend.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return value_rows(Truth(tail=1.2), days=6)


@pytest.fixture(scope="module")
def window(rows: pl.DataFrame) -> WindowMargin:
    return fit_window(rows, CONTRACT, XGB, 7, chances(rows))[0]


def chances(rows: pl.DataFrame) -> Array:
    rate = rows.select(pl.col("returned").mean().over("stage")).to_series()
    return rate.to_numpy()


def test_the_expected_margin_is_right_in_sum_though_tails_are_heavy(
    rows: pl.DataFrame, window: WindowMargin
) -> None:
    fresh = value_rows(Truth(tail=1.2), days=6, seed=9)
    found = window.expected(to_matrix(fresh, CONTRACT), fresh["stage"], chances(fresh))
    margin = fresh["window_margin"].to_numpy()
    assert found.sum() == pytest.approx(rows["window_margin"].sum(), rel=0.03)
    assert value_at(margin, found, 0.1) > value_at(margin, chances(fresh), 0.1) + 0.1


def test_a_window_of_nothing_but_returned_goods_is_expected_to_cost() -> None:
    some = value_rows(Truth(rate=0.1, returned=-300), days=6)
    fitted, _ = fit_window(some, CONTRACT, XGB, 7, chances(some))
    found = fitted.expected(to_matrix(some, CONTRACT), some["stage"], chances(some))
    assert found.sum() == pytest.approx(some["window_margin"].sum(), rel=0.05)
    assert found.min() < 0


def test_a_shop_that_loses_on_every_return_is_told_so(rows: pl.DataFrame) -> None:
    some = rows.with_columns(-pl.col("window_margin").abs())
    fitted, notes = fit_window(some, CONTRACT, XGB, 7, chances(some))
    assert notes[0].startswith("Hardly any return brought a margin above 0")
    found = fitted.expected(to_matrix(some, CONTRACT), some["stage"], chances(some))
    assert found.sum() == pytest.approx(some["window_margin"].sum(), rel=0.1)


def test_bounds_hold_as_many_as_they_promise(window: WindowMargin) -> None:
    fresh = value_rows(Truth(tail=1.2), days=3, seed=9)
    expected = window.expected(to_matrix(fresh, CONTRACT), fresh["stage"], chances(fresh))
    low, high = window.interval.bounds(expected)
    judged = fresh.with_columns(margin_low=low, margin_high=high)
    active = judged.filter(pl.col("stage") == "active")
    assert coverage(judged, "test")["test.margin_interval_coverage"] == pytest.approx(LEVEL, abs=0.04)
    assert coverage(active, "test")["test.margin_interval_coverage"] == pytest.approx(LEVEL, abs=0.06)
    assert coverage(fresh, "cv") == {}


def test_bounds_of_people_of_whom_most_bring_something_leave_out_as_many_on_either_side() -> None:
    rng = np.random.default_rng(2)
    expected = rng.lognormal(5, 1, 20_000)
    margin = expected * rng.uniform(0.0, 2.0, 20_000)
    found = fit_interval(expected, margin, np.ones(20_000), np.arange(20_000))
    low, high = found.bounds(np.array([100.0, 400.0]))
    assert low == pytest.approx([20.0, 80.0], rel=0.2)
    assert high == pytest.approx([180.0, 720.0], rel=0.05)
    assert MarginInterval.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_few_customers_make_bounds_wider_not_the_rows_of_one() -> None:
    rng = np.random.default_rng(2)
    margin = rng.uniform(0.0, 200.0, 400)
    wide, narrow = (
        fit_interval(np.full(400, 100.0), margin, np.ones(400), people)
        for people in (np.arange(400) // 20, np.arange(400))
    )
    assert wide.high[0] - wide.low[0] > narrow.high[0] - narrow.low[0]


def test_few_returns_leave_the_means_of_the_stages() -> None:
    few = value_rows(Truth(people=60), days=2)
    fitted, notes = fit_window(few, CONTRACT, XGB, 7, chances(few))
    assert fitted.direct is None
    assert notes[0].startswith("Too few returns (")
    p0 = np.full(len(few), 0.5)
    matrix = to_matrix(few, CONTRACT)
    found = fitted.expected(matrix, few["stage"], p0)
    assert found.tolist() == (p0 * fitted.predict(matrix, few["stage"])[0]).tolist()


def test_those_who_come_early_are_expected_early() -> None:
    rows = value_rows(Truth()).with_columns(
        days_to_return=pl.when("returned").then(pl.when(pl.col("stage") == "active").then(10).otherwise(50))
    )
    fitted = fit_timing(rows, CONTRACT, LAST, XGB, 7)
    found = fitted.predict(to_matrix(rows, CONTRACT), rows["stage"])
    active = (rows["stage"] == "active").to_numpy()
    assert found[active] == pytest.approx(10.0, abs=2)
    assert found[~active] == pytest.approx(50.0, abs=2)
    stored = json.loads(json.dumps(fitted.to_json()))
    assert Timing.from_json(stored, fitted.raw) == fitted


def test_few_returns_are_expected_as_their_stage() -> None:
    rows = value_rows(Truth(people=30), days=1).with_columns(
        days_to_return=pl.when("returned").then(20).cast(pl.Int32)
    )
    fitted = fit_timing(rows, CONTRACT, LAST, XGB, 7)
    assert fitted.raw is None
    assert fitted.predict(rows, rows["stage"]) == pytest.approx(20.0)
