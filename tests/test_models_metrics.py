"""Measures agree with scikit-learn and treat ties as they should."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import metrics


def shop(seed: int, rows: int = 400, *, levels: int = 50) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events, scores with ties, weights."""
    rng = np.random.default_rng(seed)
    score = rng.integers(0, levels, rows) / levels
    return rng.random(rows) < score, score, rng.uniform(0.5, 3, rows)


@pytest.mark.parametrize("seed", range(5))
def test_auroc_precision_and_losses_are_those_of_scikit_learn(seed: int):
    from sklearn import metrics as known

    event, p, weight = shop(seed)
    p = np.clip(p, 0.01, 0.99)
    assert math.isclose(
        metrics.auroc(event, p, weight), known.roc_auc_score(event, p, sample_weight=weight), abs_tol=1e-12
    )
    assert math.isclose(
        metrics.average_precision(event, p, weight),
        known.average_precision_score(event, p, sample_weight=weight),
        abs_tol=1e-12,
    )
    assert math.isclose(
        metrics.brier(event, p, weight), known.brier_score_loss(event, p, sample_weight=weight), abs_tol=1e-12
    )
    assert math.isclose(
        metrics.log_loss(event, p, weight), known.log_loss(event, p, sample_weight=weight), abs_tol=1e-12
    )


def test_one_kind_of_outcome_has_no_auroc():
    assert math.isnan(metrics.auroc(np.ones(3), np.arange(3)))
    assert math.isnan(metrics.average_precision(np.zeros(3), np.arange(3)))


def test_a_tie_at_the_cut_counts_with_its_mean():
    amount, score = np.array([8.0, 4.0, 0.0, 0.0]), np.array([2.0, 1.0, 1.0, 0.0])
    assert metrics.mean_at(amount, score, 0.5) == 5.0
    assert metrics.value_at(amount, score, 0.5) == pytest.approx(10 / 12)
    assert metrics.lift_at(amount > 0, score, 0.25) == 2.0


def test_nothing_to_hold_has_no_share():
    assert math.isnan(metrics.value_at(np.zeros(4), np.arange(4), 0.5))


def test_calibration_error_is_the_gap_between_said_and_seen():
    said = np.repeat([0.2, 0.8], 50)
    seen = np.concatenate([np.arange(50) < 20, np.arange(50) < 40])
    assert metrics.ece(seen, said) == pytest.approx(0.1)


def test_bins_keep_equal_predictions_together():
    table = metrics.binned(np.array([0.1] * 9 + [0.9]), np.array([1.0] * 9 + [0.0]), bins=2)
    assert table["predicted"].tolist() == [pytest.approx(0.1), 0.9]
    assert table["rows"].tolist() == [9, 1]


@given(st.integers(0, 10_000))
def test_the_order_of_rows_does_not_matter(seed: int):
    event, score, weight = shop(seed, 60, levels=8)
    order = np.random.default_rng(seed).permutation(60)
    for measure in (metrics.auroc, metrics.average_precision, metrics.ece):
        plain, mixed = measure(event, score, weight), measure(event[order], score[order], weight[order])
        assert (math.isnan(plain) and math.isnan(mixed)) or math.isclose(plain, mixed, abs_tol=1e-9)


@given(st.integers(0, 10_000))
def test_a_row_of_weight_two_is_two_rows(seed: int):
    event, score, _ = shop(seed, 40, levels=6)
    times = np.random.default_rng(seed).integers(1, 4, 40)
    twice = np.repeat(np.arange(40), times)
    for measure in (metrics.auroc, metrics.brier):
        plain, repeated = measure(event, score, times), measure(event[twice], score[twice])
        assert (math.isnan(plain) and math.isnan(repeated)) or math.isclose(plain, repeated, abs_tol=1e-9)


def test_the_bootstrap_covers_the_estimate_and_repeats_itself():
    event, score, _ = shop(1)
    people = np.arange(400) // 2

    def measure(weight: np.ndarray) -> float:
        return metrics.auroc(event, score, weight)

    first = metrics.bootstrap({"auroc": measure}, people, draws=50, seed=4)
    low, high = first["auroc"]
    assert low < metrics.auroc(event, score) < high
    assert first == metrics.bootstrap({"auroc": measure}, people, draws=50, seed=4)


def test_the_decile_table_has_whole_rows():
    p = np.array([0.9, 0.1] * 5)
    table = metrics.deciles(p, p > 0.5, np.array([3.0, 1.0] * 5), p)
    assert table.select("rows").sum().item() == 10
    assert table.row(0) == (1, 1, 0.9, 1.0, 3.0, 0.15)
    assert table.row(9) == (10, 1, 0.1, 0.0, 1.0, 1.0)
    assert isinstance(table, pl.DataFrame)
