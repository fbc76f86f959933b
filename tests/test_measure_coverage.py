"""The coverage study itself: its truth is the truth, and it runs as part of the proof."""

from dataclasses import replace

import numpy as np
import pytest

from tests.proof.campaigns import Plan, campaign, members
from tests.proof.coverage import claims

PLAN = Plan(20_000, (0.1, 0.67) * 3, "lognormal 1.0", 0.8, 0.5, 5.0, 200.0)


def difference(one, outcome: str) -> float:
    """Means within strata, weighed by how many people the draw was to contact there."""
    values, contacts, found = getattr(one, outcome), 1 - one.control_probability, 0.0
    for stratum in range(6):
        inside = one.stratum == stratum
        arms = [values[inside & arm].mean() for arm in (one.treated, ~one.treated)]
        found += contacts[inside].sum() / contacts.sum() * (arms[0] - arms[1])
    return float(found)


@pytest.mark.parametrize("tail", ["lognormal 1.0", "pareto 3.0"])
def test_the_truth_is_what_very_many_people_show(tail: str):
    """Forty campaigns of 20,000: their mean differences from the truth are what chance leaves."""
    runs = [campaign(replace(PLAN, tail=tail), seed) for seed in range(40)]
    for place, outcome in enumerate(("bought", "margin", "profit")):
        off = np.array([difference(one, outcome) - one.truth[place] for one in runs])
        assert abs(off.mean()) < 3 * off.std() / np.sqrt(40)
        assert off.std() < 0.2 * abs(runs[0].truth[0 if place == 0 else 1])


def test_without_effect_and_cost_the_truth_is_nothing():
    assert campaign(Plan(500, (0.1,) * 6, "pareto 3.0"), 3).truth == (0.0, 0.0, 0.0)


def test_the_same_seed_runs_the_same_campaign_and_people_come_from_those_named():
    some = members(1, 700)
    one, again = (campaign(replace(PLAN, people=500), 5, some) for _ in range(2))
    assert np.array_equal(one.profit, again.profit)
    assert set(one.who) <= set(some)
    assert len(set(one.who)) == 500


def test_a_small_study_has_its_claims(capsys: pytest.CaptureFixture[str]):
    found = claims(20)
    assert [(one.name, one.goal) for one in found] == [
        ("must: 90 % intervals hold the truth, at least", 0.88),
        ("must: 90 % intervals hold the truth, at most", 0.92),
        ("must: 90 % intervals of lists together hold the truth, at least", 0.88),
        ("must: 90 % intervals of lists together hold the truth, at most", 0.92),
        ("must: campaigns without effect called worked, at most", 0.065),
    ]
    assert all(0 <= one.low <= one.value <= one.high <= 1 for one in found)
    assert found[0].holds == (found[0].value >= 0.88)
    assert "people 300" in capsys.readouterr().out
