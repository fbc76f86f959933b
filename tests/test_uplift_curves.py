"""How well a score ranks by uplift, and what a rule would have earned: by hand, and as laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.uplift import Judged, auuc, curves, qini, qini_over_folds
from tests.hillstrom.worth_of_rules import difference, policy_value

ALL = np.ones


def trial(outcome, treated, chance=0.5, weight=None) -> Judged:
    y = np.array(outcome, float)
    e = np.broadcast_to(np.array(chance, float), y.shape).copy()
    return Judged(
        y, np.array(treated, bool), e, np.ones(len(y)) if weight is None else np.array(weight, float)
    )


# Best first: two whom the contact won, two whom it lost.
FOUR = trial([1, 0, 0, 1], [1, 0, 1, 0])
BEST = np.array([4.0, 4.0, 1.0, 1.0])


def test_both_curves_by_hand():
    share, q, uplift = curves(FOUR, BEST)
    assert share.tolist() == [0, 0.5, 1]
    # After two: 1 buyer among 1 contacted, 0 among 1 not; in the end 1 of 2 on both sides.
    assert q.tolist() == [0, 1 / 4, 0]
    assert uplift.tolist() == [0, 0.5, 0]


def test_areas_by_hand_and_a_reversed_ranking_loses_as_much():
    assert qini(FOUR, BEST) == pytest.approx(1 / 8)
    assert auuc(FOUR, BEST) == pytest.approx(1 / 4)
    assert qini(FOUR, -BEST) == pytest.approx(-1 / 8)


def test_one_score_for_all_is_a_random_order():
    assert qini(FOUR, np.zeros(4)) == auuc(FOUR, np.zeros(4)) == 0


def test_it_is_the_textbook_s_qini_where_all_have_one_probability():
    rng = np.random.default_rng(1)
    y, t, score = rng.random(500) < 0.3, rng.random(500) < 0.5, rng.normal(size=500)
    order = np.argsort(-score)
    y1, y0 = np.cumsum(y[order] & t[order]), np.cumsum(y[order] & ~t[order])
    n1, n0 = np.cumsum(t[order]), np.cumsum(~t[order])
    textbook = np.where(n0 > 0, (y1 - y0 * n1 / np.maximum(n0, 1)) / 500, 0)
    _, q, _ = curves(trial(y, t), score)
    some = n0 > 0
    assert q[1:][some & (n1 > 0)] == pytest.approx(textbook[some & (n1 > 0)])


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
@settings(max_examples=30, deadline=None)
def test_areas_hang_on_the_order_alone_whatever_the_order_of_the_rows(seed, scale, shift):
    rng = np.random.default_rng(seed)
    judged = trial(rng.random(60) < 0.4, np.arange(60) % 2, rng.choice([0.3, 0.5], 60))
    score = rng.integers(0, 9, 60).astype(float)
    mixed = rng.permutation(60)
    again = Judged(
        *(one[mixed] for one in (judged.outcome, judged.treated, judged.propensity, judged.weight))
    )
    assert qini(again, scale * score[mixed] + shift) == pytest.approx(qini(judged, score))
    assert auuc(again, scale * score[mixed] + shift) == pytest.approx(auuc(judged, score))


def test_unequal_probabilities_are_made_up_for():
    """People of a group that is contacted far more often do not look better for it."""
    rng = np.random.default_rng(2)
    group = rng.random(40_000) < 0.5
    chance = np.where(group, 0.9, 0.3)
    treated = rng.random(40_000) < chance
    judged = trial(rng.random(40_000) < np.where(group, 0.3, 0.1), treated, chance)
    assert qini(judged, group.astype(float)) == pytest.approx(0, abs=0.003)


def test_the_interval_over_folds_holds_its_value_and_is_the_same_every_time():
    rng = np.random.default_rng(3)
    score, treated = rng.normal(size=3000), rng.random(3000) < 0.5
    judged = trial(rng.random(3000) < 0.3 + 0.1 * treated * np.sign(score), treated)
    fold = (np.arange(3000) % 3).astype(np.int32)
    found = qini_over_folds(judged, score, fold, np.arange(3000), seed=1)
    assert 0 < found.low < found.value < found.high
    assert found == qini_over_folds(judged, score, fold, np.arange(3000), seed=1)


def test_scores_of_different_folds_are_never_compared():
    rng = np.random.default_rng(4)
    score, treated = rng.normal(size=900), rng.random(900) < 0.5
    judged, fold = trial(rng.random(900) < 0.3, treated), (np.arange(900) % 3).astype(np.int32)
    same = [qini_over_folds(judged, score + add * fold, fold, np.arange(900), seed=1) for add in (0, 100)]
    assert same[0] == same[1]


def test_a_rule_is_worth_what_its_people_gain_less_the_cost():
    judged = trial([9, 1, 5, 1, 3, 7, 2, 2], [1, 1, 1, 0, 0, 0, 1, 0])
    picked = np.array([1, 1, 1, 1, 1, 1, 0, 0], bool)
    # Contacted 5 on the mean, others 11 / 3; six of eight people.
    assert policy_value(judged, picked, 0.5).value == pytest.approx(6 / 8 * (5 - 11 / 3 - 0.5))


def test_the_difference_of_two_rules_is_that_of_the_people_on_whom_they_disagree():
    rng = np.random.default_rng(5)
    judged = trial(rng.lognormal(size=4000), rng.random(4000) < 0.5)
    picked = rng.random(4000) < 0.6
    everyone, nobody = ALL(4000, bool), np.zeros(4000, bool)
    missed = difference(judged, picked, everyone, 0.2)
    assert missed.value == pytest.approx(-policy_value(judged, ~picked, 0.2).value)
    assert difference(judged, picked, nobody, 0.2) == policy_value(judged, picked, 0.2)
    same = difference(judged, picked, picked, 0.2)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_the_interval_of_a_rule_covers_its_value_nine_times_in_ten():
    rng, inside = np.random.default_rng(6), 0
    for _ in range(400):
        treated, good = rng.random(600) < 0.7, rng.random(600) < 0.5
        judged = trial(rng.normal(size=600) + 0.4 * treated * good, treated, 0.7)
        found = policy_value(judged, good, 0.1)
        inside += found.low <= 0.5 * 0.3 <= found.high
    assert 0.86 < inside / 400 < 0.94
