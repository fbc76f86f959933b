"""Who is held out, by draws that anyone can check."""

import hashlib
import hmac
from datetime import date

import polars as pl
import pytest
from decision_world import NIGHT, copies, decided, rules

from models.assignment import enrolment_ids, is_universal, list_id, period, stratum

SHARES = {"control_share": 0.2, "universal_share": 0.1, "explore_share": 0.0}


def test_a_list_is_called_after_everything_it_is_made_of():
    day = date(2024, 5, 31)
    name = list_id(day, "c", "1", "v")
    assert name == hashlib.sha256(b"2024-05-31\x1fc\x1f1\x1fv").hexdigest()[:12]
    others = (
        list_id(date(2024, 6, 1), "c", "1", "v"),
        list_id(day, "d", "1", "v"),
        list_id(day, "c", "2", "v"),
    )
    assert name not in {*others, list_id(day, "c", "1", "w")}


def test_an_enrolment_is_called_after_list_and_person():
    wanted = hmac.new(b"salt|enrolment|L", b"ann", hashlib.sha256).hexdigest()[:16]
    assert enrolment_ids(["ann"], "L", "salt") == [wanted]


@pytest.mark.parametrize(
    ("day", "length", "name"),
    [
        (date(2024, 1, 1), "year", "2024"),
        (date(2024, 3, 31), "quarter", "2024Q1"),
        (date(2024, 12, 31), "quarter", "2024Q4"),
    ],
)
def test_a_period_is_a_year_or_a_quarter(day, length, name):
    assert period(day, length) == name


def test_the_universal_holdout_stays_within_its_period_and_changes_with_it():
    crowd = pl.DataFrame({"person_id": [str(i) for i in range(5000)]})

    def held(day: date) -> set[str]:
        return set(crowd.filter(is_universal(0.1, "salt", day, "quarter"))["person_id"])

    assert held(date(2024, 4, 1)) == held(date(2024, 6, 30))
    assert 400 < len(held(date(2024, 4, 1))) < 600
    assert len(held(date(2024, 4, 1)) & held(date(2024, 7, 1))) < 100


def test_controls_are_drawn_anew_for_each_list_and_the_universal_holdout_is_not():
    rule = rules(**SHARES)
    first = decided(copies(300), rule)
    second = decided(copies(300), rule, night=type(NIGHT)(NIGHT.day, "another", "7"))

    def held(decision, arm: str) -> set[str]:
        return set(decision.holdout.filter(pl.col("arm") == arm)["customer_id"])

    assert held(first, "universal") == held(second, "universal") != set()
    assert held(first, "control") != held(second, "control")


def test_arms_come_in_their_shares_with_their_probabilities():
    decision = decided(copies(1000), rules(**SHARES))
    rows = pl.concat(
        [
            decision.winback.select("arm", "assignment_probability"),
            decision.holdout.select("arm", "assignment_probability"),
        ]
    )
    found = {arm: (p, n) for arm, p, n in rows.group_by("arm", "assignment_probability").len().iter_rows()}
    assert {arm: p for arm, (p, _) in found.items()} == {"treatment": 0.8, "control": 0.2, "universal": 0.1}
    assert 70 < found["universal"][1] < 130
    assert 140 < found["control"][1] < 220


def test_the_stratum_is_made_of_scores_alone():
    frame = pl.DataFrame(
        {
            "stage": ["lapsed", "at_risk", "active"],
            "value_tier": ["gold", "silver", "bronze"],
            "p0": [0.019, 0.05, 1.0],
        }
    )
    assert frame.select(stratum()).to_series().to_list() == [
        "lapsed.gold.00-02",
        "at_risk.silver.05-10",
        "active.bronze.50-100",
    ]
