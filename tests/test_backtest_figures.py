"""How well a replayed night did: what is computed of it, and what is told."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from decision_world import DAY, appraised, copies, decided, rules

from features.labels import margin_month
from flows.told_of_replays import rows, sentences
from models.afterwards import TRIAL, organic, policy, randomised, worth
from models.backtest import PEOPLE, agreement, overall, people, table
from models.eligibility import ENROLMENTS, Known
from models.options import AssumedEffect, EffectOptions, ValueOptions
from models.outputs import scores


def said(**columns: list[Any]) -> pl.DataFrame:
    count = len(columns["customer_id"])
    base: dict[str, list[Any]] = {
        "stage": ["lapsed"] * count,
        "days_since_last_purchase": [50] * count,
        "churn_probability": [0.8] * count,
        "expected_margin": [5.0] * count,
        "value_if_returned": [30.0] * count,
        "value_if_not_returned": [10.0] * count,
        "value_with_purchase": [40.0] * count,
        "expected_incremental_profit": [1.0] * count,
        "eligible": [True] * count,
        "chosen": [True] * count,
        "listed": [True] * count,
    }
    whole = base | columns
    return pl.DataFrame({name: whole[name] for name in PEOPLE}, schema=PEOPLE)


def outcome(**columns: list[Any]) -> pl.DataFrame:
    count = len(columns["customer_id"])
    base = {
        "as_of": [date(2024, 5, 31)] * count,
        "returned": [False] * count,
        "in_gap": [False] * count,
        "contacted": [False] * count,
        "weight": [1.0] * count,
        "window_margin": [0] * count,
    }
    return pl.DataFrame(base | columns)


def test_who_rests_from_a_replayed_list_is_still_compared_with_the_night_before() -> None:
    everyone = copies(3)
    resting = pl.DataFrame(
        [{"customer_id": "c0000", "as_of": DAY - timedelta(days=1), "open_until": DAY + timedelta(days=29)}],
        schema_overrides=ENROLMENTS,
    )
    decision = decided(everyone, rules(), Known(enrolments=resting))
    scored = scores(appraised(everyone, rules()).people, "EUR", "7").with_columns(value_with_purchase=40.0)
    found = people(scored, decision, decided(everyone, rules()))
    assert found["listed"].to_list() == [False, True, True]
    assert found.select(pl.col("eligible", "chosen").all()).row(0) == (True, True)


def test_whoever_is_tried_is_chosen_too_and_whoever_is_explored_is_not() -> None:
    cheap = copies(60, value_if_returned=1.0).with_columns(customer_id="x" + pl.col("customer_id"))
    everyone = pl.concat([copies(60), cheap])
    unsure = EffectOptions(assumed=AssumedEffect(mu=0.2, sd=0.4))
    rule = rules(budget=2.0, effect=unsure, explore_share=0.2, control_share=0.2)
    decision = decided(everyone, rule)
    arms = pl.concat(frame.select("customer_id", "arm") for frame in (decision.winback, decision.holdout))
    assert arms["arm"].unique().sort().to_list() == ["control", "explore", "treatment"]
    scored = scores(appraised(everyone, rule).people, "EUR", "7").with_columns(value_with_purchase=40.0)
    found = people(scored, decision, decision).filter("chosen")
    drawn = arms.filter(pl.col("arm") != "explore")["customer_id"]
    assert found["customer_id"].to_list() == drawn.sort().to_list()


def test_two_nights_agree_as_far_as_both_could_choose() -> None:
    ids, eip = list("abcdef"), [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    before = said(customer_id=ids, chosen=[True] * 3 + [False] * 3, expected_incremental_profit=eip)
    now = said(
        customer_id=ids,
        chosen=[True, False, True, True, False, False],
        eligible=[True, True, False, True, True, True],
        expected_incremental_profit=eip[::-1],
    )
    found = agreement(before, now)
    assert found == {
        "kept_share": 1 / 2,
        "overlap": 1 / 3,
        "eip_rank_correlation": pytest.approx(-1),
        "common_people": 5,
    }


def test_without_anybody_chosen_there_is_nothing_to_agree_on() -> None:
    nobody = said(customer_id=["a", "b"], chosen=[False, False])
    assert agreement(nobody, nobody) == {
        "kept_share": None,
        "overlap": None,
        "eip_rank_correlation": None,
        "common_people": 2,
    }


def test_value_is_compared_with_what_followed_as_far_as_it_is_known() -> None:
    night = said(
        customer_id=["a", "b", "c", "d"],
        value_if_returned=[30.0, 50.0, 30.0, 30.0],
        value_if_not_returned=[10.0, 10.0, 10.0, 2.0],
        value_with_purchase=[45.0, 65.0, 45.0, 45.0],
    )
    after = outcome(
        customer_id=["a", "b", "c", "d"],
        returned=[True, True, False, False],
        contacted=[False, False, False, True],
        **{margin_month(1): [2000, 4000, 500, 0], margin_month(2): [100, 100, 100, 0]},
        **{margin_month(3): [None] * 4},
    ).cast({margin_month(3): pl.Int64})
    found = worth(night, after, ValueOptions(horizon_months=12, discount_rate=0.0), "EUR")
    assert (found["followup_months"], found["value_months"]) == (2, 12)
    assert (found["v1_predicted"], found["v1_observed"]) == pytest.approx((55.0, 31.0))
    assert (found["v0_predicted"], found["v0_observed"]) == pytest.approx((10.0, 6.0))
    assert (found["s_predicted"], found["s_observed"]) == pytest.approx((45.0, 25.0))
    assert found["mean_s"] == pytest.approx(110 / 3)


def test_before_a_month_is_over_nothing_is_said_of_value() -> None:
    after = outcome(customer_id=["a"], **{margin_month(1): [None]}).cast({margin_month(1): pl.Int64})
    found = worth(said(customer_id=["a"]), after, ValueOptions(), "EUR")
    assert found == {"followup_months": 0, "value_months": 12}


def test_organic_returns_are_those_of_listed_people_whom_nobody_contacted() -> None:
    night = said(customer_id=["a", "b", "c", "d"], listed=[True, True, True, False])
    after = outcome(
        customer_id=["a", "b", "c", "d"],
        returned=[True, False, True, True],
        contacted=[False, False, True, False],
        window_margin=[1000, 0, 9000, 500],
    )
    assert organic(night, after, after, "EUR") == {
        "organic_people": 2,
        "organic_predicted": pytest.approx(0.2),
        "organic_return_rate": pytest.approx(1 / 2),
        "organic_margin": pytest.approx(5.0),
        "organic_return_rate_of_all": pytest.approx(2 / 3),
        "organic_margin_of_all": pytest.approx(5.0),
    }


def test_only_contacts_that_a_draw_decided_are_a_trial() -> None:
    rows = [
        ("a", "treatment", 0.8),
        ("b", "control", 0.2),
        ("c", "treatment", 1.0),
        ("d", "treatment", None),
        ("e", "universal", 0.02),
        ("f", "explore", 0.1),
    ]
    names = ["customer_id", "arm", "assignment_probability"]
    contacts = pl.DataFrame(rows, schema=names, orient="row").with_columns(
        contacted_on=date(2024, 6, 1), list_id=pl.lit(None, pl.String)
    )
    found = randomised(contacts).select("customer_id", "treated", "propensity")
    assert found.rows() == [("a", True, 0.8), ("b", False, 0.8)]


def test_a_campaign_that_is_known_by_one_arm_alone_is_no_trial() -> None:
    """The people of a log of what was sent were not drawn against those whom another campaign held out."""
    both = {"customer_id": ["a", "b"], "arm": ["treatment", "control"], "assignment_probability": [0.5, 0.5]}
    sent = {"customer_id": ["c", "d"], "arm": ["treatment"] * 2, "assignment_probability": [0.5, 0.8]}
    parts = [
        pl.DataFrame(some).with_columns(list_id=pl.lit(name, pl.String))
        for name, some in (("one", both), ("two", sent), (None, sent))
    ]
    contacts = pl.concat(parts).with_columns(contacted_on=date(2024, 6, 1))
    assert randomised(contacts)["customer_id"].to_list() == ["a", "b"]


def trial(margins: dict[tuple[bool, bool], list[float]]) -> pl.DataFrame:
    """By (picked, treated): what each brought, minor units."""
    listed = [(picked, treated, margin) for (picked, treated), some in margins.items() for margin in some]
    return pl.DataFrame(
        {
            "customer_id": [f"c{number}" for number in range(len(listed))],
            "contacted_on": [date(2024, 6, 1)] * len(listed),
            "treated": [treated for _, treated, _ in listed],
            "propensity": [0.5] * len(listed),
            "margin": [margin for _, _, margin in listed],
            "picked": [picked for picked, _, _ in listed],
        }
    )


def test_a_choice_is_worth_what_contacting_the_picked_adds_less_what_it_costs() -> None:
    drawn = trial(
        {
            (True, True): [900.0, 1100.0] * 5,
            (True, False): [400.0, 600.0] * 5,
            (False, True): [0.0, 0.0] * 5,
            (False, False): [5000.0, 5000.0] * 5,
        }
    )
    found = policy(drawn, 100.0, "EUR", seed=1)
    assert (found["policy_people"], found["policy_picked"]) == (40, 20)
    assert found["policy_value"] == pytest.approx(0.5 * (1000 - 500 - 100) / 100)
    assert found["policy_low"] < found["policy_value"] < found["policy_high"]


def test_without_enough_people_of_both_kinds_a_choice_cannot_be_measured() -> None:
    nobody, lonely = TRIAL.to_frame(), trial({(True, True): [1.0] * 9, (True, False): [1.0]})
    for drawn, count in ((nobody, 0), (lonely, 10)):
        found = policy(drawn, 0.0, "EUR", seed=1)
        assert (found["policy_people"], found["policy_value"]) == (count, None)


def test_the_interval_of_a_choice_holds_the_truth_as_often_as_it_says() -> None:
    """Nothing is gained, margins are skewed and few are held out: the usual interval held it in 2 of 3."""
    draw, held = np.random.default_rng(3), 0
    for _ in range(100):
        bought = draw.random(300) < 0.1
        rows = pl.DataFrame(
            {
                "customer_id": [f"c{number}" for number in range(300)],
                "contacted_on": [date(2024, 6, 1)] * 300,
                "treated": draw.random(300) < 0.9,
                "propensity": [0.9] * 300,
                "margin": np.where(bought, np.exp(7 + draw.normal(size=300)), 0.0),
                "picked": draw.random(300) < 0.5,
            }
        )
        found = policy(rows, 0.0, "EUR", seed=1)
        held += found["policy_low"] <= 0 <= found["policy_high"]
    assert held >= 83


def night(day: str, **figures: Any) -> dict[str, Any]:
    base = {"scored": 10, "eligible": 9, "listed": 3, "held_out": 1, "window_complete": False}
    return {"as_of": day, "trained_as_of": "2024-01-31", "model_version": "m", **base, **figures}


def told_of(*nights: dict[str, Any], **more: Any) -> list[str]:
    found = {**overall(table(nights)), "policy_people": 0, "policy_picked": 0, "policy_value": None, **more}
    head = {"from": nights[0]["as_of"], "to": nights[-1]["as_of"], "known_until": "2024-06-30"}
    return list(sentences({**head, "horizon_days": 60, "currency": "EUR", "overall": found}))


def test_what_cannot_be_said_yet_is_said_to_be_so() -> None:
    words = told_of(night("2024-06-01"), night("2024-06-08"))
    assert "Of 2 nights nothing can be said yet: the outcome window of 60 days is not over" in words[1]
    assert "not measurable: no campaign of that time" in words[-1]
    assert len(words) == 3


def test_what_a_choice_would_have_earned_says_which_costs_are_in_it() -> None:
    figures = {"policy_people": 40, "policy_picked": 20, "policy_value": 2.0}
    words = told_of(night("2024-06-01"), **figures, policy_low=1.0, policy_high=3.0)
    assert words[-1] == (
        "Among 40 people whom campaigns contacted or held out at random, contacting only the 20 that the "
        "nights picked would have earned 80.00 EUR more than contacting nobody (90 % interval 40.00 to "
        "120.00), after the cost of the contacts, each as on the first offer's channel, and before that of "
        "redeemed offers (what a discount costs is in the margin already)."
    )


def test_returns_of_listed_people_are_never_called_profit() -> None:
    organic_ones = {
        "window_complete": True,
        "mean_predicted": 0.2,
        "mean_observed": 0.25,
        "ece_above_noise": 0.01,
        "auroc": 0.8,
        "organic_predicted": 0.3,
        "organic_return_rate": 0.31,
        "organic_margin": 12.0,
        "organic_return_rate_of_all": 0.25,
        "organic_margin_of_all": 8.0,
    }
    words = told_of(night("2024-03-01", **organic_ones))
    said_of_lists = next(one for one in words if one.startswith("Listed people"))
    assert "organic, not profit" in said_of_lists
    shown = rows(table([night("2024-03-01", **organic_ones)]), "EUR")
    [row] = next(iter(shown.values()))
    assert row["policy value"] == "not measurable"
    assert row["came back (organic)"] == "31.0%"
