"""Measures agree with scikit-learn and treat ties as they should."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
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


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_rows_does_not_matter(seed: int):
    event, score, weight = shop(seed, 60, levels=8)
    order = np.random.default_rng(seed).permutation(60)
    for measure in (metrics.auroc, metrics.average_precision, metrics.ece):
        plain, mixed = measure(event, score, weight), measure(event[order], score[order], weight[order])
        assert (math.isnan(plain) and math.isnan(mixed)) or math.isclose(plain, mixed, abs_tol=1e-9)


@settings(deadline=None)
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


@pytest.mark.parametrize("seed", range(5))
def test_auroc_is_the_share_of_pairs_in_the_right_order(seed: int):
    event, score, weight = shop(seed, 60, levels=8)
    pairs = [
        (weight[i] * weight[j], (score[i] > score[j]) + (score[i] == score[j]) / 2)
        for i in np.flatnonzero(event)
        for j in np.flatnonzero(~event)
    ]
    mass, right = np.array(pairs).T
    assert metrics.auroc(event, score, weight) == pytest.approx(np.average(right, weights=mass))


def test_an_unknown_score_is_the_worst():
    assert metrics.auroc(np.array([1, 0, 0]), np.array([0.5, 0.1, np.nan])) == 1.0
    assert metrics.auroc(np.array([0, 1]), np.array([-np.inf, 0.0])) == 1.0


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_ranking_measures_depend_on_the_order_alone(seed: int):
    event, score, weight = shop(seed, 60, levels=8)
    amount = np.random.default_rng(seed).lognormal(size=60) * event
    other = np.exp(3 * score) - 7
    for plain, bent in (
        (metrics.auroc(event, score, weight), metrics.auroc(event, other, weight)),
        (metrics.empc(~event, -score, weight=weight), metrics.empc(~event, -other, weight=weight)),
        (metrics.gini(amount, score, weight), metrics.gini(amount, other, weight)),
        (metrics.spearman(amount, score, weight), metrics.spearman(amount, other, weight)),
        (metrics.lift_at(event, score, 0.1, weight), metrics.lift_at(event, other, 0.1, weight)),
    ):
        assert plain == pytest.approx(bent, nan_ok=True)


def test_the_gini_of_four_people_by_hand():
    amount = np.array([6.0, 3.0, 1.0, 0.0])
    # Held by the best 1, 2, 3, 4 of 4: 0.6, 0.9, 1, 1; mirrored for the worst order, 0 when all are tied.
    assert metrics.Held.of(amount, amount).gini() == pytest.approx(2 * (0.3 + 0.75 + 0.95 + 1) / 4 - 1)
    assert metrics.gini(amount, amount) == pytest.approx(1)
    assert metrics.gini(amount, -amount) == pytest.approx(-1)
    assert metrics.gini(amount, np.zeros(4)) == pytest.approx(0)
    assert math.isnan(metrics.gini(np.zeros(4), amount))


def test_spearman_is_that_of_scipy():
    from scipy.stats import spearmanr

    _, score, _ = shop(2, levels=9)
    amount = np.random.default_rng(2).poisson(score)
    assert metrics.spearman(amount, score) == pytest.approx(spearmanr(amount, score).statistic)


def noise(seed: int, rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and outcomes that keep to them."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 4, rows)
    return rng.random(rows) < p, p


def test_perfect_probabilities_have_the_calibration_error_of_noise():
    above = [metrics.ece(*noise(seed)) - metrics.ece_noise(noise(seed)[1], seed=seed) for seed in range(40)]
    assert abs(np.mean(above)) < 0.001
    event, p = noise(0)
    assert metrics.ece_noise(p) > 0.01
    assert metrics.ece(event, p + 0.05) - metrics.ece_noise(p + 0.05) == pytest.approx(0.04, abs=0.008)


def test_noise_does_not_depend_on_the_order_of_rows():
    _, p = noise(3)
    assert metrics.ece_noise(p[::-1], seed=1) == metrics.ece_noise(p, seed=1)


def brute_empc(churned: np.ndarray, score: np.ndarray, campaign: metrics.Campaign) -> float:
    """Best profit over all cuts for each of many gammas, integrated numerically."""
    from scipy.stats import beta

    cuts = [score >= cut for cut in [*np.unique(score), np.inf]]
    found, others = (np.array([(cut & of).sum() for cut in cuts]) for of in (churned, ~churned))
    gamma = (np.arange(20_000) + 0.5) / 20_000
    worth = gamma * (campaign.value - campaign.offer_cost) - campaign.contact_cost
    spent = campaign.offer_cost + campaign.contact_cost
    best = np.max([worth * a - spent * b for a, b in zip(found, others, strict=True)], axis=0)
    return float((best * beta.pdf(gamma, campaign.alpha, campaign.beta)).mean() / len(score))


@pytest.mark.parametrize(
    "campaign",
    [
        metrics.Campaign(),
        metrics.Campaign(value=40),
        metrics.Campaign(value=15, offer_cost=5, contact_cost=2, alpha=2, beta=18),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_empc_is_the_integral_of_the_best_profit(campaign: metrics.Campaign, seed: int):
    churned, score, _ = shop(seed, 200, levels=30)
    expected = brute_empc(churned, score, campaign)
    assert metrics.empc(churned, score, campaign) == pytest.approx(expected, abs=1e-5)


def test_empc_of_nobody_worth_keeping_is_nothing():
    churned, score, _ = shop(1)
    assert metrics.empc(churned, score, metrics.Campaign(value=5, offer_cost=10)) == 0
    assert math.isnan(metrics.empc(churned[:0], score[:0]))


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_another_currency_scales_empc_with_its_costs(seed: int, rate: float):
    churned, score, _ = shop(seed, 80, levels=9)
    abroad = metrics.Campaign(200 * rate, 10 * rate, rate)
    assert metrics.empc(churned, score, abroad) == pytest.approx(rate * metrics.empc(churned, score))


def test_the_assumed_campaign_believes_in_the_share_that_accepts():
    response = metrics.Response(accept_share=0.25, offer_cost=300, contact_cost=5)
    assert metrics.Campaign.assumed(response, 9000) == metrics.Campaign(9000, 300, 5, 5.0, 15.0)


def test_the_gain_of_a_contact_is_the_formula_of_the_design():
    response = metrics.Response(accept_share=0.1, offer_cost=10, contact_cost=2)
    assert metrics.expected_gain(np.array([1, 0]), np.array([110, 110]), response).tolist() == [8.0, -12.0]
