"""The benchmark on the real trial reads it rightly and tells its figures as they are."""

import json

import numpy as np
import polars as pl
import pytest

from models.uplift import Judged
from tests.hillstrom import areas, policy, report
from tests.hillstrom.areas import OURS, Areas
from tests.hillstrom.data import FILE, Arm, arms, halves

real = pytest.mark.skipif(not FILE.is_file(), reason="the real files (../shared/data) are not here")


def tiny(people: int = 400) -> Arm:
    rng = np.random.default_rng(1)
    spend = rng.lognormal(size=people) * (rng.random(people) < 0.5)
    told = {
        "treated": np.arange(people) % 2 == 0,
        "visit": spend > 0,
        "conversion": spend > 1,
        "spend": spend,
    }
    return Arm("men's", pl.DataFrame({"customer_id": [f"c{n:03}" for n in range(people)], **told}))


@real
@pytest.mark.real_data
def test_the_arms_are_those_of_the_file():
    found = {arm.name: (int(arm.treated.sum()), int((~arm.treated).sum())) for arm in arms()}
    assert found == {"men's": (21307, 21306), "women's": (21387, 21306)}
    spend = {arm.name: round(float(arm.outcome("spend")[arm.treated].mean()), 2) for arm in arms()}
    assert spend == {"men's": 1.42, "women's": 1.08}


@real
@pytest.mark.real_data
def test_what_a_shop_would_learn_from_holds_one_outcome_and_no_other():
    (arm, _) = arms()
    assert set(arm.contacts("visit").columns) & {"visit", "conversion", "spend", "window_margin"} == set()
    assert arm.contacts("visit")["returned"].sum() == int(arm.outcome("visit").sum())
    money = arm.contacts("spend")
    assert money["window_margin"].sum() == round(100 * float(arm.outcome("spend").sum()))


def test_halves_hold_as_many_of_each_arm_and_differ_between_repeats():
    arm = tiny()
    split = halves(arm)
    assert (split == halves(arm)).all()
    assert [int(arm.treated[half == 0].sum()) for half in split] == [100] * 5
    assert (split[0] != split[1]).any()


def test_every_fold_is_judged_apart():
    arm, rng = tiny(), np.random.default_rng(2)
    said = {
        ("visit", OURS): rng.random((5, 400)),
        ("visit", "other"): rng.random((5, 400)),
        ("spend", "x"): None,
    }
    ours, other = areas.areas(arm, said, "visit", "qini")
    assert (ours.who, other.who, len(ours.folds)) == (OURS, "other", 10)
    assert ours.mean == pytest.approx(np.mean(ours.folds))


@pytest.mark.parametrize(("shift", "holds"), [(0.0, True), (-1.0, True), (-30.0, False)])
def test_ours_holds_when_it_is_not_below_the_best_by_more_than_the_spread(shift, holds):
    folds = np.arange(10.0)
    noisy = folds + np.tile([-3.0, 3.0], 5)
    cells = [
        Areas(OURS, folds + shift, float(folds.mean() + shift), 3.0),
        Areas("best", noisy, float(noisy.mean()), 4.0),
    ]
    cells.append(Areas("worse", folds - 50, -45.5, 3.0))
    found = areas._beside("men's, visit, qini", cells, "")
    assert found.holds is holds
    assert "at least best's 4.5" in found.goal


def test_reference_figures_stand_in_where_the_tools_are_not():
    cells = [Areas(OURS, np.arange(10.0), 4.5, 3.0), Areas("causalml S", None, 8.0, 7.0)]
    found = areas._beside("men's, visit, qini", cells, "not installed")
    assert found.holds
    assert found.note.endswith("not installed")


def test_a_rule_is_judged_against_the_better_of_all_and_none():
    arm = tiny()
    gain = np.where(arm.treated, 1.0, 0.0)
    gain[:50] = 1.0
    found = policy.figures(arm, policy.Expected(gain, ("B",)))
    assert [one.name for one in found] == [f"men's, policy at {cost:.2f}" for cost in policy.COSTS]
    assert all(one.low <= one.value <= one.high for one in found)
    line = policy.curve(arm, policy.Expected(gain, ()), 0.1, points=4)
    everyone = policy.policy_value(policy.trial_of(arm), np.ones(400, bool), 0.1)
    assert (line["value"][0], line["value"][-1]) == (0.0, pytest.approx(everyone.value))


def test_figures_are_written_as_the_proof_reads_them(tmp_path):
    figure = report.Figure("a", 1.0, 0.5, 1.5, "at least 0", holds=True, note="b")
    report.write_json(tmp_path / "x.json", [figure])
    (row,) = json.loads((tmp_path / "x.json").read_text())
    assert list(row) == ["name", "value", "low", "high", "goal", "holds", "note"]


def test_the_trial_of_an_arm_is_its_spend():
    assert isinstance(policy.trial_of(tiny()), Judged)
    assert policy.trial_of(tiny()).outcome.sum() == pytest.approx(tiny().outcome("spend").sum())
