"""What is beyond its limit, and what the config wants done about it."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from models.alarms import Action, Signal, Turned, Watched, alarms
from models.drift import MOVED
from models.matured import Rate
from models.options import WatchOptions

DAY = date(2024, 5, 1)
COLUMN = {
    "psi": 0.0,
    "usual_psi": 0.05,
    "null_share": 0.1,
    "null_share_learned": 0.1,
    "usual_null_change": 0.02,
}


def table(**columns: dict[str, float | None]) -> pl.DataFrame:
    return pl.DataFrame([{"column": name, **COLUMN, **row} for name, row in columns.items()], schema=MOVED)


def watched(**changes: Any) -> Watched:
    quiet: dict[str, Any] = {
        "features": table(orders={}),
        "scores": table(p0={}),
        "predicted_rate": 0.3,
        "rate": Rate(0.3, 0.01, 1000),
        "rate_of": date(2024, 2, 1),
        "turned": Turned(date(2024, 1, 31), 0.8, 0.82, 0.01, 0.8),
        "model_age_days": 30,
    }
    return Watched(**{**quiet, **changes})


def raised(options: WatchOptions | None = None, **changes: Any) -> dict[Signal, tuple[Action, float]]:
    found = alarms(watched(**changes), options or WatchOptions())
    return {alarm.signal: (alarm.action, alarm.found) for alarm in found}


def test_a_quiet_night_raises_nothing():
    assert raised() == {}


def test_a_night_with_nothing_to_compare_with_raises_nothing():
    assert raised(features=None, scores=None, rate=None, turned=None) == {}


BEYOND: dict[Signal, tuple[dict[str, Any], float]] = {
    Signal.FEATURE_PSI: ({"features": table(orders={"psi": 0.3})}, 0.3),
    Signal.SCORE_PSI: ({"scores": table(p0={"psi": 0.26}, value_if_returned={})}, 0.26),
    Signal.NULL_CHANGE: ({"features": table(gap={"null_share": 0.6})}, 0.5),
    Signal.RATE_GAP: ({"predicted_rate": 0.5}, 0.666667),
    Signal.AUROC_DROP: ({"turned": Turned(DAY, 0.7, 0.72, 0.0, 0.8)}, 0.1),
    Signal.ECE: ({"turned": Turned(DAY, 0.8, 0.82, 0.06, 0.8)}, 0.06),
    Signal.MODEL_AGE: ({"model_age_days": 181}, 181),
}


@pytest.mark.parametrize("action", [Action.WARN, Action.RETRAIN, Action.STOP])
@pytest.mark.parametrize("signal", Signal)
def test_what_is_beyond_its_limit_asks_for_the_action_of_its_signal(signal: Signal, action: Action):
    changes, found = BEYOND[signal]
    options = WatchOptions.model_validate({signal.value: {"action": action.value}})
    assert raised(options, **changes) == {signal: (action, pytest.approx(found))}


@pytest.mark.parametrize("signal", Signal)
def test_a_signal_without_an_action_and_one_with_a_wider_limit_are_silent(signal: Signal):
    changes, _ = BEYOND[signal]
    assert raised(WatchOptions.model_validate({signal.value: {"action": "none"}}), **changes) == {}
    assert raised(WatchOptions.model_validate({signal.value: {"limit": 1000}}), **changes) == {}


def test_a_part_of_a_limit_leaves_the_rest_as_it_was():
    options = WatchOptions.model_validate({"feature_psi": {"action": "stop"}, "ece": {"limit": 0.2}})
    assert (options.feature_psi.limit, options.feature_psi.action) == (0.25, "stop")
    assert (options.ece.limit, options.ece.action) == (0.2, "warn")


def test_what_is_usual_is_no_alarm_however_large():
    usual = {"psi": 4.0, "usual_psi": 5.0, "null_share": 0.5, "usual_null_change": 0.45}
    unknown = {"psi": 4.0, "usual_psi": None, "null_share": 0.9, "usual_null_change": None}
    of_the_day = {"psi": None}
    assert raised(features=table(orders=usual, spent=unknown, season_sin=of_the_day)) == {}


def test_counts_of_our_own_contacts_raise_no_alarm():
    ours = {"psi": 4.0, "null_share": 0.9}
    assert raised(features=table(contacts_received_90d=ours, days_since_last_contact=ours)) == {}
    assert raised(features=table(complaints_90d=ours)).keys() == {Signal.FEATURE_PSI, Signal.NULL_CHANGE}


def test_a_difference_of_rates_within_chance_is_no_alarm():
    assert raised(predicted_rate=0.5, rate=Rate(0.3, 0.07, 40)) == {}
    assert raised(predicted_rate=0.05, rate=Rate(0.0, 0.0, 40)) == {}
    assert raised(predicted_rate=0.0, rate=Rate(0.0, 0.0, 40)) == {}


def test_that_nobody_came_back_is_an_alarm_where_many_were_expected():
    assert raised(predicted_rate=0.5, rate=Rate(0.0, 0.0, 40)) == {
        Signal.RATE_GAP: (Action.WARN, pytest.approx(0.5 * 40 / 3 - 1))
    }


def test_a_drop_that_the_interval_does_not_show_is_no_alarm():
    assert raised(turned=Turned(DAY, 0.7, 0.81, 0.0, 0.8)) == {}
    assert raised(turned=Turned(DAY, None, None, None, 0.8)) == {}
    assert raised(turned=Turned(DAY, 0.5, 0.52, 0.0, None)) == {}


def test_the_sentence_names_the_columns_that_moved_furthest_and_counts_the_rest():
    many = table(**{f"f{n}": {"psi": 1.0 - n / 10} for n in range(7)})
    (alarm,) = alarms(watched(features=many), WatchOptions())
    assert alarm.sentence == (
        "7 of 7 features lie far from what the model learned from (PSI above 0.25): "
        "f0 (1.00, usual up to 0.05), f1 (0.90, usual up to 0.05), f2 (0.80, usual up to 0.05), "
        "f3 (0.70, usual up to 0.05), f4 (0.60, usual up to 0.05) and 2 more."
    )
