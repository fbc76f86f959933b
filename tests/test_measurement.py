"""What a list earned, by hand on a tiny one and by simulation on large ones."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from shop_world import history, line

from features.asof import AsOf
from features.books import accounts
from models.measurement import MEASUREMENTS, measured
from models.observed import Trial, observed
from models.soundness import Contamination

DAY = date(2024, 1, 1)  # shop_world counts its days from here
WINDOW = AsOf(DAY, horizon_days=30, gap_days=2)


def trial(rows: list[dict[str, Any]], window: AsOf = WINDOW) -> Trial:
    usual = {"stratum": "s", "assignment_probability": 0.5, "offer_id": "gift", "selection": "profit"}
    costs = {"offer_cost": 2.5, "contact_cost": 0.05}
    whole = [{"enrolment_id": f"e-{row['customer_id']}", **usual, **costs, **row} for row in rows]
    return Trial("list", DAY - timedelta(days=1), window, pl.DataFrame(whole))


def themselves(one: Trial) -> pl.DataFrame:
    return one.enrolled.select("customer_id", person_id="customer_id")


def free(customer: str, day: int, cents: int, order: str, **more: Any) -> dict[str, Any]:
    return line(customer, day, cents, order, cost_amount=0, **more)


TOUCHED = Contamination(in_two_arms=1, in_two_enrolments=2, controls_contacted=3)
TINY = trial(
    [
        {"customer_id": "a", "arm": "treatment"},
        {"customer_id": "b", "arm": "treatment"},
        {"customer_id": "c", "arm": "treatment"},
        {"customer_id": "d", "arm": "treatment"},
        {"customer_id": "e", "arm": "control"},
        {"customer_id": "f", "arm": "control"},
        {"customer_id": "g", "arm": "explore"},
        {"customer_id": "h", "arm": "universal"},
    ]
)
ORDERS = [
    free("a", 3, 1000, "1"),  # the first day that counts
    free("c", 10, 2000, "2"),
    free("c", 12, -2000, "3", returned_order_id="2", is_return=True),
    free("d", 33, 9900, "4"),  # a day too late
    free("e", 32, 600, "5"),  # the last day that counts
    free("f", 2, 800, "6"),  # in the gap
    free("g", 5, 5000, "7"),
    free("h", 5, 5000, "8"),
]


def seen(one: Trial, orders: list[dict[str, Any]], who: pl.DataFrame | None = None) -> pl.DataFrame:
    made, margins = accounts(history(orders), {row["customer_id"] for row in orders})
    return observed(
        one,
        themselves(one) if who is None else who,
        made.lazy(),
        margins.lazy(),
        paid_beside={"gift": 0.4},
        currency="EUR",
    )


def test_a_tiny_list_is_measured_as_by_hand():
    people = seen(TINY, ORDERS)
    expected = pl.DataFrame(
        [
            # a bought for 10.00; the contact cost 0.05, the gift 40 % of 2.50
            ("e-a", 1.0, 1000, 1000 - 5 - 100.0, True),
            ("e-b", 0.0, 0, -5.0, True),
            ("e-c", 0.0, 0, -5.0, True),
            ("e-d", 0.0, 0, -5.0, True),
            ("e-e", 1.0, 600, 600.0, False),
            ("e-f", 0.0, 0, 0.0, False),
        ],
        schema=["enrolment_id", "return_rate", "net_margin", "net_profit", "treated"],
        orient="row",
    )
    assert_frame_equal(people.select(expected.columns), expected)
    assert people.columns[-2:] == ["offer_id", "margin_before"]
    table = measured(TINY, people, TOUCHED, "EUR", seed=7)
    assert table.schema == MEASUREMENTS
    # The standard error of two arms: s^2 / n of each, with n - 1; 2.48647 of them can be seen.
    error = (0.25 / 4 + 0.5 / 2) ** 0.5
    rate, margin, profit = table.filter(by="list").rows(named=True)
    assert rate == {
        "list_id": "list",
        "as_of": date(2023, 12, 31),
        "acknowledged_on": date(2024, 1, 1),
        "counted_from": date(2024, 1, 4),
        "counted_until": date(2024, 2, 2),
        "by": "list",
        "group": None,
        "outcome": "return_rate",
        "treated": 4,
        "controls": 2,
        "treated_mean": 0.25,
        "control_mean": 0.5,
        "difference": -0.25,
        "standard_error": pytest.approx(error, abs=1e-6),
        # One draw of the arms in fifteen is the one that was made: none is odd enough to refuse anything.
        "low": None,
        "high": None,
        "total": -1.0,
        "smallest_difference": pytest.approx(2.486475 * error, abs=1e-5),
        "verdict": "too small to tell",
        "smallest_lift_points": pytest.approx(100 * 2.48647 * (0.25 * 0.75) ** 0.5, abs=0.01),
        "control_share_drawn": 0.5,
        "split_p_value": pytest.approx(44 / 64),  # 2 of 6 or fewer, or 4 of 6 or more
        "in_two_arms": 1,
        "in_two_enrolments": 2,
        "controls_contacted": 3,
    }
    names = ("treated_mean", "control_mean", "difference", "total")
    assert [margin[name] for name in names] == [2.5, 3.0, -0.5, -2.0]
    assert [profit[name] for name in names] == [2.2, 3.0, -0.8, -3.2]
    gift = table.filter(by="offer_id", group="gift")
    assert gift["difference"].to_list() == [-0.25, -0.5, -0.8]
    assert gift["split_p_value"].to_list() == [None] * 3
    assert table.height == 6


def test_the_year_before_the_list_is_known_of_everybody_with_its_extremes_drawn_in():
    before = [free("a", -1, 700, "x1"), free("a", -365, 300, "x2"), free("a", -366, 9000, "x3")]
    later = [free("a", 0, 50, "x4"), free("e", -5, -400, "x5", is_return=True)]
    people = seen(TINY, [*ORDERS, *before, *later])
    assert people["margin_before"].to_list() == [1000.0, 0.0, 0.0, 0.0, -400.0, 0.0]
    many = trial([{"customer_id": f"m{place:03}", "arm": "treatment"} for place in range(300)])
    rich = [
        free("m007", -3, 100_000, "r1"),
        *(free(f"m00{place}", -3, 200, f"r{place}") for place in (1, 2, 3)),
    ]
    assert seen(many, rich)["margin_before"].unique().sort().to_list() == [0.0, 200.0]


def test_groups_are_told_apart_where_the_list_has_them_for_both_arms():
    rows = [
        {"customer_id": f"{arm[0]}{place}", "arm": arm, "stage": stage, "value_tier": None, "cause": cause}
        for arm in ("treatment", "control")
        for place, (stage, cause) in enumerate([("lapsed", "price"), ("lapsed", None), ("at_risk", None)])
    ]
    one = trial([{**row, "churn_probability": 0.75} for row in rows])
    people = seen(one, [free("t0", 5, 400, "1"), free("c2", 5, 100, "2")])
    assert people["p0"].to_list() == [0.25] * 6
    table = measured(one, people, TOUCHED, "EUR", seed=7).filter(outcome="net_margin")
    assert table.select("by", "group", "treated", "controls", "difference").rows() == [
        ("list", None, 3, 3, 1.0),
        ("offer_id", "gift", 3, 3, 1.0),
        ("stage", "at_risk", 1, 1, None),
        ("stage", "lapsed", 2, 2, 2.0),
        ("cause", "price", 1, 1, None),
    ]


def test_people_chosen_for_profit_and_people_tried_are_told_apart_where_there_are_both():
    def groups(selections: tuple[str, ...]) -> list[str | None]:
        rows = [
            {"customer_id": f"{arm[0]}{place}", "arm": arm, "selection": one}
            for arm in ("treatment", "control")
            for place, one in enumerate(selections)
        ]
        one = trial(rows)
        table = measured(one, seen(one, [free("t0", 5, 400, "1")]), TOUCHED, "EUR", seed=7)
        return table.filter(outcome="net_margin", by="selection")["group"].to_list()

    assert groups(("profit", "explore", "profit")) == ["explore", "profit"]
    assert groups(("profit", "profit", "profit")) == []


def test_lines_after_the_window_do_not_bring_back_an_order_that_was_cancelled_in_it():
    assert_frame_equal(seen(TINY, [*ORDERS, free("c", 60, 700, "2")]), seen(TINY, ORDERS))


def test_purchases_under_another_id_of_the_person_count():
    pairs = [("a", "a"), ("a2", "a"), ("b", "b"), ("c", "c"), ("d", "d"), ("e", "e"), ("f", "f")]
    who = pl.DataFrame(pairs, schema=["customer_id", "person_id"], orient="row")
    people = seen(TINY, [free("a", 5, 100, "1"), free("a2", 6, 200, "2"), free("stranger", 6, 9, "3")], who)
    assert people.select("return_rate", "net_margin").row(0) == (1.0, 300)
    assert people["net_margin"].sum() == 300


@pytest.mark.parametrize("arm", ["treatment", "control"])
def test_a_list_with_one_arm_only_is_not_measured(arm: str):
    one = trial([{"customer_id": "a", "arm": arm}, {"customer_id": "b", "arm": arm}])
    table = measured(one, seen(one, ORDERS), TOUCHED, "EUR", seed=7)
    assert table["difference"].to_list() == [None] * 6
    assert set(table["verdict"]) == {"too small to tell"}


def simulated(lift: float, seed: int, people: int = 1200, cost: float = 0.0) -> pl.DataFrame:
    """The measurement of a list whose contact lifts the share of buyers from 10 % by so much."""
    draw = np.random.default_rng(seed)
    treated = draw.random(people) < 0.8
    bought = draw.random(people) < 0.1 + lift * treated
    margin = np.where(bought, np.exp(draw.normal(7, 0.8, people)), 0).round().astype(np.int64)
    frame = pl.DataFrame(
        {
            "enrolment_id": [f"{place:05d}" for place in range(people)],
            "stratum": "s",
            "return_rate": bought.astype(float),
            "net_margin": margin,
            "net_profit": margin - cost * treated,
            "treated": treated,
            "control_probability": 0.2,
        }
    )
    return measured(TINY, frame, TOUCHED, "EUR", seed)


def test_a_large_effect_is_found_and_a_costly_nothing_did_not_work():
    assert set(simulated(0.2, seed=1)["verdict"]) == {"worked"}
    assert set(simulated(0.0, seed=1, cost=1500.0)["verdict"]) == {"did not"}


@pytest.mark.parametrize(("held", "buyers"), [(19, 60), (40, 9)])
def test_with_few_people_in_an_arm_or_few_buyers_nothing_is_judged(held: int, buyers: int):
    """Each buyer brings 100.00, all are among those contacted; one more in either count and it worked."""

    def verdict(held: int, buyers: int) -> str:
        size = 60 + held
        treated = np.arange(size) < 60
        bought = (np.arange(size) < buyers).astype(float)
        frame = pl.DataFrame(
            {
                "enrolment_id": [f"{place:03}" for place in range(size)],
                "stratum": "s",
                "return_rate": bought,
                "net_margin": 10_000 * bought,
                "net_profit": 10_000 * bought,
                "treated": treated,
                "control_probability": 0.5,
            }
        )
        return measured(TINY, frame, TOUCHED, "EUR", 7)["verdict"][2]

    assert verdict(held, buyers) == "too small to tell"
    assert verdict(max(held, 20), max(buyers, 10)) == "worked"


def test_no_effect_is_rarely_called_one_and_the_interval_holds_the_truth():
    worth = np.exp(7 + 0.8**2 / 2) / 100
    for lift in (0.0, 0.05):
        rows = [simulated(lift, seed, people=400).row(2, named=True) for seed in range(50)]
        held = sum(row["low"] <= lift * worth <= row["high"] for row in rows)
        assert 40 <= held <= 49
        if lift == 0:
            assert sum(row["verdict"] == "worked" for row in rows) <= 5


def test_the_same_list_gives_the_same_interval_and_another_seed_another_one():
    one, again, other = (simulated(0.05, 3), simulated(0.05, 3), simulated(0.05, 4))
    assert one.equals(again)
    assert not one.equals(other)
