"""What makes a comparison doubtful: an odd split, and people who were touched by something else."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from scipy.stats import chi2

from features.asof import AsOf
from models.eligibility import ENROLMENTS
from models.soundness import Contamination, contamination, split_p_value

DAY = date(2024, 1, 1)
WINDOW = AsOf(DAY, horizon_days=28, gap_days=2)


def split(*groups: tuple[float, int, int]) -> pl.DataFrame:
    """People of groups: probability of being a control, people contacted, people held out."""
    rows = [
        {"treated": arm, "control_probability": share}
        for share, contacted, held in groups
        for arm in [True] * contacted + [False] * held
    ]
    return pl.DataFrame(rows, schema={"treated": pl.Boolean, "control_probability": pl.Float64})


def test_an_odd_split_is_unlikely_and_a_fair_one_is_not():
    assert split_p_value(split((0.1, 940, 60))) < 0.001
    assert split_p_value(split((0.1, 896, 104))) > 0.5
    assert split_p_value(split()) is None


def test_a_split_that_is_odd_in_both_directions_is_found_although_it_evens_out():
    even = split((0.5, 250, 250), (0.2, 400, 100))
    assert split_p_value(even) == 1.0
    odd = split((0.5, 300, 200), (0.2, 350, 150))
    by_hand = (200 - 250) ** 2 / 125 + (150 - 100) ** 2 / 80
    assert split_p_value(odd) == pytest.approx(chi2.sf(by_hand, 2), rel=1e-5)


def test_groups_too_small_for_the_test_are_looked_at_together():
    """Expected controls 1.2, 1.2 and 100: one part of the small ones, one of the large one."""
    found = split_p_value(split((0.1, 6, 6), (0.2, 4, 2), (0.5, 100, 100)))
    off, variance = 8 - (1.2 + 1.2), 12 * 0.09 + 6 * 0.16
    assert found == pytest.approx(chi2.sf(off**2 / variance, 2), rel=1e-5)


def enrolment(who: str, list_id: str | None, arm: str, start: int | None, days: int = 30) -> dict[str, Any]:
    return {
        "enrolment_id": None if list_id is None else f"{list_id}-{who}",
        "list_id": list_id,
        "as_of": DAY,
        "customer_id": who,
        "arm": arm,
        "assignment_probability": 0.5,
        "acknowledged_on": None if start is None else DAY + timedelta(days=start),
        "open_until": DAY + timedelta(days=(start or 0) + days),
    }


def found(*rows: dict[str, Any], list_id: str = "mine", window: AsOf = WINDOW) -> Contamination:
    frame = pl.DataFrame(rows, schema=ENROLMENTS)
    who = frame.select("customer_id", person_id=pl.col("customer_id").str.slice(0, 1)).unique()
    return contamination(frame, who, list_id, window)


MINE = [
    *(enrolment(who, "mine", "treatment", 0) for who in "abcd"),
    enrolment("e", "mine", "universal", 0),
    *(enrolment(who, "mine", "control", 0) for who in "pqr"),
]


def test_a_list_that_nobody_else_touched_is_clean():
    assert found(*MINE) == Contamination(0, 0, 0)


def test_people_in_two_open_enrolments_are_counted_once_each():
    rows = [
        *MINE,
        enrolment("a", "other", "control", 10),
        enrolment("a", "third", "treatment", 20),
        enrolment("b2", "other", "treatment", 29),  # the same person as b
        enrolment("c", "other", "control", 30),  # begins when the other is over
        enrolment("d", "void", "control", None),
        enrolment("e", "other", "control", 10),
        enrolment("p", "other", "control", 10),
    ]
    assert found(*rows) == Contamination(in_two_arms=1, in_two_enrolments=3, controls_contacted=0)
    assert found(*rows, list_id="third", window=WINDOW.at(DAY + timedelta(days=20))).in_two_enrolments == 1


def test_one_person_in_both_arms_of_a_list_is_named_as_such():
    rows = [*MINE, enrolment("a2", "mine", "control", 0)]
    assert found(*rows) == Contamination(in_two_arms=1, in_two_enrolments=1, controls_contacted=1)


def test_people_held_out_whom_another_tool_contacts_are_counted_while_the_outcome_is():
    contacted = [enrolment(who, None, "treatment", start) for who, start in (("p", 0), ("p", 9), ("q", 30))]
    assert found(*MINE, *contacted).controls_contacted == 2
    others = [
        enrolment("p", None, "control", 5),  # held out there too
        enrolment("q", None, "treatment", 31),  # when all is counted
        enrolment("r", None, "treatment", -1),  # before it began
        enrolment("a", None, "treatment", 5),  # to be contacted anyway
    ]
    assert found(*MINE, *others).controls_contacted == 0


def test_what_a_tool_writes_back_as_it_was_drawn_is_no_second_enrolment():
    back = [enrolment("a", "mine", "treatment", 1), enrolment("p", "mine", "control", 1)]
    assert found(*MINE, *back, {**back[0], "enrolment_id": None}) == Contamination(0, 0, 0)


def test_what_is_written_of_another_list_is_another_enrolment():
    back = {**enrolment("a", "theirs", "treatment", 1), "enrolment_id": None}
    assert found(*MINE, back) == Contamination(0, in_two_enrolments=1, controls_contacted=0)


def test_a_tool_that_writes_back_a_contact_of_somebody_held_out_is_found():
    back = {**enrolment("p", "mine", "treatment", 1), "enrolment_id": "mine-p"}
    assert found(*MINE, back) == Contamination(in_two_arms=1, in_two_enrolments=1, controls_contacted=1)
