"""The harness of the closed loop: who is chosen, what is counted, and which figures come of it."""

import json
from datetime import date

import numpy as np
import polars as pl
import pytest

from tests.proof import __main__ as proof
from tests.proof import report
from tests.proof.figures import closed_loop, mean_interval, ratio_interval
from tests.proof.loop import Course, exploration_budget, run_seed
from tests.proof.parts import named
from tests.proof.pipeline import light, model_of, outcomes
from tests.proof.policies import MEASURING, NOBODY, ORACLE, RANDOM, RIVALS, WINBACK, Random, Rest, within
from tests.proof.tables import CONTACTS, as_of, history, list_day, names, numbers
from tests.proof.terms import FEATURES, REFITS, STAGES, rules
from tests.proof.worlds import FIRST_LIST, WEEKS, People, Shop, World

POLICIES = (WINBACK, *RIVALS, RANDOM, ORACLE, MEASURING, NOBODY)


@pytest.fixture(scope="module")
def shop() -> Shop:
    opened = Shop(People.drawn(600, seed=8), World.SAME_FOR_ALL)
    opened.run(FIRST_LIST)
    return opened


def courses(world: World, profit: dict[str, list[float]]) -> list[Course]:
    """Courses with given profits in major units per seed, 0 where none are given; a budget of 1000.00."""
    return [
        Course(seed, world, name, 100 * value, 0.0, 100_000.0, (0,) * WEEKS, (value,) * WEEKS)
        for name in POLICIES
        for seed, value in enumerate(profit.get(name, [0.0, 0.0, 0.0]))
    ]


def test_lists_are_made_at_the_end_of_sundays() -> None:
    assert [as_of(list_day(week)).day.weekday() for week in range(WEEKS)] == [6] * WEEKS
    assert as_of(0).day == date(2022, 1, 3)


def test_the_first_fit_after_the_start_sees_the_first_list_to_its_end() -> None:
    assert list_day(REFITS[1]) >= list_day(0) + as_of(0).horizon_days > list_day(REFITS[1] - 1)


def test_names_and_numbers_are_each_other_s_inverse() -> None:
    people = People.drawn(50, seed=1)
    assert names(people).is_sorted()
    assert (numbers(names(people)) == np.arange(50)).all()


def test_the_pipeline_sees_every_customer_and_what_the_proof_learns_from(shop: Shop) -> None:
    from features.table import feature_table

    facts = feature_table(history(shop), as_of(FIRST_LIST), STAGES)
    assert (np.sort(numbers(facts["customer_id"])) == shop.customers()).all()
    orders = np.bincount(shop.orders().person, minlength=600)
    assert (facts["orders"].to_numpy() == orders[numbers(facts["customer_id"])]).all()
    first = shop.people.traits.bargain[numbers(facts["customer_id"])]
    assert (facts["first_order_discount_share"] > 0.1).to_numpy().tolist() == first.tolist()
    assert set(FEATURES) <= set(light(facts).columns)


def test_own_contacts_mark_the_rows_that_they_touched(shop: Shop) -> None:
    from features.table import training_table

    who = names(shop.people)[int(shop.customers()[0])]
    told = as_of(FIRST_LIST - 40).day
    contacts = pl.DataFrame([(who, "treatment", 0.9, told)], schema=CONTACTS, orient="row")
    day, now = as_of(FIRST_LIST - 30), as_of(FIRST_LIST)
    table = training_table(history(shop, contacts), [day], now, 1, STAGES, 10_000)
    assert table.filter("contacted")["customer_id"].to_list() in ([who], [])
    assert table.filter(pl.col("customer_id") == who)["contacted"].to_list() in ([True], [])


def test_outcomes_are_those_of_complete_windows_of_people_drawn_against_each_other(shop: Shop) -> None:
    who = names(shop.people).gather(shop.customers()[:4])
    early, late = as_of(FIRST_LIST - 30).day, as_of(FIRST_LIST - 29).day
    drawn = pl.DataFrame(
        {
            "customer_id": who,
            "as_of": [early, early, early, late],
            "arm": ["treatment", "control", "explore", "treatment"],
        }
    )
    rows = outcomes(drawn, shop)
    orders = shop.orders(FIRST_LIST - 29)
    margins = [round(orders.margin[orders.person == person].sum()) for person in shop.customers()[:2]]
    assert rows.select("customer_id", "treated", "returned", "window_margin").rows() == [
        (who[0], True, margins[0] > 0, margins[0]),
        (who[1], False, margins[1] > 0, margins[1]),
    ]


def test_the_budget_pays_for_the_head_of_a_ranking() -> None:
    assert within(np.array([2, 0, 1]), np.array([3.0, 4.0, 2.0]), 5.0).tolist() == [2, 0]


def test_nobody_is_chosen_again_before_the_rest_is_over(shop: Shop) -> None:
    rest, who = Rest(), shop.customers()[:3]
    rest.contacted(who, shop)
    assert set(who) & set(rest.awake(shop)) == set()
    assert (np.array(list(rest.until.values())) == FIRST_LIST + 31).all()


def test_lots_spend_the_budget_on_different_people_each_week(shop: Shop) -> None:
    lots = Random(budget=1000, cost=20, seed=1)
    first, second = lots.choose(shop, 0), lots.choose(shop, 1)
    assert (len(first), len(second)) == (50, 50)
    assert set(first) & set(second) == set()


def test_a_week_uses_the_newest_model_of_its_past() -> None:
    bundles = {0: "first", 5: "second"}
    assert [model_of(bundles, week) for week in (0, 4, 5, 20)] == ["first", "first", "second", "second"]


def test_the_rules_hold_the_weekly_budget_in_major_units() -> None:
    assert rules(12_345.0, "salt").list.budget == 123.45


def test_exploration_is_all_before_the_first_outcomes_and_the_set_share_after() -> None:
    assert exploration_budget(2600.0) == pytest.approx(500 + (0.02 + 0.5) * 2100)
    assert exploration_budget(2600.0, trials=False) == pytest.approx(500 + 0.02 * 2100)


def test_the_interval_is_student_s() -> None:
    mean, low, high = mean_interval(np.array([1.0, 2.0, 3.0]))
    assert (mean, low, high) == pytest.approx((2.0, 2 - 2.919986 / 3**0.5, 2 + 2.919986 / 3**0.5))


def test_a_ratio_has_the_interval_of_its_mean_difference() -> None:
    below = np.array([10.0, 12.0, 14.0])
    assert ratio_interval(below / 2, below) == pytest.approx((0.5, 0.5, 0.5))
    ratio, low, high = ratio_interval(np.array([5.0, 7.0, 6.0]), below)
    assert ratio == pytest.approx(0.5)
    assert high - ratio == pytest.approx(ratio - low) == pytest.approx(2.919986 / 3**0.5 / 12)


def test_winback_must_beat_each_rival_in_c_and_d_beyond_doubt() -> None:
    sure = {WINBACK: [10.0, 12.0, 11.0], ORACLE: [12.0, 13.0, 14.0], "value": [1.0, 3.0, 2.0]}
    musts = [one for one in closed_loop(courses(World.FROM_TRAITS, sure)) if one.must]
    assert [(one.name, one.holds) for one in musts] == [
        (f"must: world c: profit of winback less that of {rival}", True) for rival in RIVALS
    ]
    unsure = {**sure, "value": [13.0, 1.0, 2.0]}
    failed = [one for one in closed_loop(courses(World.FROM_TRAITS, unsure)) if one.must and not one.holds]
    assert [one.name for one in failed] == ["must: world c: profit of winback less that of value"]
    assert failed[0].value > 0 > failed[0].low


def test_the_loss_in_a_may_not_exceed_the_exploration_budget() -> None:
    for loss, holds in (([-580.0, -590.0, -570.0], True), ([-640.0, -600.0, -630.0], False)):
        own = {WINBACK: loss}
        (must,) = [one for one in closed_loop(courses(World.NOTHING, own)) if one.must]
        assert must.goal == pytest.approx(1000 * (5 / 26 + 0.52 * 21 / 26), abs=0.01)
        assert must.holds is holds


def test_aims_are_told_and_do_not_fail_the_proof() -> None:
    own = {WINBACK: [10.0, 10.0, 10.0], ORACLE: [20.0, 20.0, 20.0], "value": [8.0, 8.0, 8.0]}
    figures = {one.name: one for one in closed_loop(courses(World.FALLING_WITH_RISK, own))}
    share = figures["aim: world d: profit of winback as a share of the oracle's"]
    assert (share.value, share.goal, share.holds, share.must) == (0.5, 0.85, False, False)
    far = figures["aim: world d: profit of winback less 1.3 times that of value"]
    assert (far.value, far.holds) == (pytest.approx(-0.4), False)


def test_regret_adds_up_week_by_week() -> None:
    some = courses(World.FROM_TRAITS, {ORACLE: [300.0, 300.0], WINBACK: [200.0, 100.0]})
    paths = report.regret(some, World.FROM_TRAITS, WINBACK)
    assert paths[:, [0, 1, -1]].tolist() == [[1.0, 2.0, 26.0], [2.0, 4.0, 52.0]]


def test_the_figures_become_json_and_the_courses_a_picture(tmp_path) -> None:
    some = courses(World.NOTHING, {WINBACK: [-1.0]})
    figures = closed_loop(some)
    report.write_json(tmp_path / "proof.json", figures)
    rows = json.loads((tmp_path / "proof.json").read_text())
    assert {tuple(row) for row in rows} == {("name", "value", "low", "high", "goal", "holds")}
    assert report.regret_png(some).startswith(b"\x89PNG")
    report.write_courses(tmp_path / "courses.parquet", some)
    assert pl.read_parquet(tmp_path / "courses.parquet").height == len(some)


def test_figures_of_other_studies_say_whose_they_are() -> None:
    assert named("measure", "must: x") == "must: measure: x"
    assert named("Hillstrom", "x") == "Hillstrom: x"


def test_unknown_parts_are_refused(capsys) -> None:
    with pytest.raises(SystemExit):
        proof.main(["nonsense"])
    assert "there are no parts ['nonsense']" in capsys.readouterr().err


@pytest.mark.slow
def test_a_small_loop_runs_every_policy_and_keeps_every_budget() -> None:
    found = run_seed(1, 1500, [World.FALLING_WITH_RISK])
    assert [one.policy for one in found] == list(POLICIES)
    by_name = {one.policy: one for one in found}
    assert (by_name[NOBODY].profit, by_name[NOBODY].cost, sum(by_name[NOBODY].contacted)) == (0, 0, 0)
    for one in found:
        # Budgets hold expected cost; vouchers are redeemed by chance, and by those a contact won.
        assert one.cost <= 1.15 * one.budget
        assert len(one.contacted) == len(one.gains) == WEEKS
    assert by_name[ORACLE].profit > by_name["churn"].profit
    assert sum(by_name[ORACLE].gains) > sum(by_name[MEASURING].gains) > 0
    assert sum(by_name[WINBACK].contacted) > 0
