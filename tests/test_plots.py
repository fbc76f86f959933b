"""The pictures: what they count, that they do not change, that nothing global is touched."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import plots


@pytest.fixture
def drawn():
    rng = np.random.default_rng(4)
    predicted = rng.beta(2, 1.2, 3000)
    return rng.random(3000) < predicted, predicted


def test_gain_counts_events_from_the_highest_score_and_ties_go_together():
    taken, found = plots.cumulative_gain(np.array([True, False, True, False]), np.array([0.9, 0.5, 0.5, 0.1]))
    assert taken.tolist() == [0.0, 0.25, 0.75, 1.0]
    assert found.tolist() == [0.0, 0.5, 1.0, 1.0]


def test_gain_without_any_event_stays_at_zero():
    _, found = plots.cumulative_gain(np.array([False, False]), np.array([0.2, 0.1]))
    assert found.tolist() == [0.0, 0.0, 0.0]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=40), st.randoms())
def test_gain_does_not_depend_on_the_order_of_rows(rows, random):
    shuffled = random.sample(rows, len(rows))
    curves = [
        plots.cumulative_gain(np.array([y for y, _ in some]), np.array([float(s) for _, s in some]))
        for some in (rows, shuffled)
    ]
    assert [c.tolist() for c in curves[0]] == [c.tolist() for c in curves[1]]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(1, 12))
def test_calibration_groups_hold_every_row_once(values, bins):
    groups = plots._groups(np.array(values), bins)
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(values)))
    assert len(groups) <= bins


def test_the_same_data_gives_the_same_bytes(drawn):
    outcome, predicted = drawn
    scores = {"model": predicted, "recency": np.round(predicted, 1)}
    assert plots.calibration_png(outcome, predicted) == plots.calibration_png(outcome, predicted)
    assert plots.gain_png(outcome, scores) == plots.gain_png(outcome, scores)


@pytest.mark.parametrize("value", [True, False])
def test_one_outcome_only_and_equal_predictions_can_be_drawn(value):
    outcome, predicted = np.full(5, value), np.full(5, 0.5)
    assert plots.calibration_png(outcome, predicted).startswith(b"\x89PNG")
    assert plots.gain_png(outcome, {"model": predicted}).startswith(b"\x89PNG")


def test_the_global_plotting_state_is_left_alone(drawn):
    before = "matplotlib.pyplot" in sys.modules
    plots.calibration_png(*drawn)
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_amounts_add_up_from_the_highest_score_and_ties_go_together():
    taken, total = plots.cumulated(np.array([5.0, -1.0, 3.0, -4.0]), np.array([0.9, 0.5, 0.5, 0.1]))
    assert taken.tolist() == [0.0, 0.25, 0.75, 1.0]
    assert total.tolist() == [0.0, 5.0, 7.0, 3.0]


def test_profit_strata_and_stability_can_be_drawn_and_stay_the_same(drawn):
    outcome, predicted = drawn
    profit = np.where(outcome, 2.0, -1.0)
    draw = [
        lambda: plots.profit_png(profit, {"model": predicted, "rfm": -predicted}, 0.4, unit="GBP"),
        lambda: plots.strata_png({"active": (outcome, predicted), "lost": (outcome[:0], predicted[:0])}),
        lambda: plots.stability_png(
            ["a", "b"], np.array([0.7, 0.3]), np.array([0.6, 0.1]), np.array([0.8, 0.4]), "t"
        ),
    ]
    for one in draw:
        assert one().startswith(b"\x89PNG")
        assert one() == one()
