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
from models.arms import cells, differences, smallest_lift
from models.eligibility import ENROLMENTS
from models.measurement import MEASUREMENTS, Trial, in_two_enrolments, measured, observed, split_p_value

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
        redeem_share={"gift": 0.4},
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
    assert_frame_equal(people.drop("stratum", "control_probability"), expected)
    table = measured(TINY, people, 0, "EUR", seed=7)
    assert table.schema == MEASUREMENTS
    found = table.select("outcome", "treated_mean", "control_mean", "difference", "total").rows()
    assert found == [
        ("return_rate", 0.25, 0.5, -0.25, -1.0),
        ("net_margin", 2.5, 3.0, -0.5, -2.0),
        ("net_profit", 2.2, 3.0, -0.8, -3.2),
    ]
    told = table.row(2, named=True)
    assert told["counted_from"] == date(2024, 1, 4)
    assert told["counted_until"] == date(2024, 2, 2)
    assert told["low"] < told["difference"] < told["high"]
    assert told["verdict"] == "too small to tell"
    assert told["control_share_drawn"] == 0.5
    assert told["split_p_value"] == pytest.approx(44 / 64)  # 2 of 6 or fewer, or 4 of 6 or more
    assert told["smallest_lift_points"] == pytest.approx(100 * 2.48647 * (0.25 * 0.75) ** 0.5, abs=0.01)


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
    table = measured(one, seen(one, ORDERS), 0, "EUR", seed=7)
    assert table["difference"].to_list() == [None, None, None]
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
    return measured(TINY, frame, 0, "EUR", seed)


def test_a_large_effect_is_found_and_a_costly_nothing_did_not_work():
    assert set(simulated(0.2, seed=1)["verdict"]) == {"worked"}
    assert set(simulated(0.0, seed=1, cost=1500.0)["verdict"]) == {"did not"}


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


def test_strata_with_other_probabilities_do_not_mix_up_the_comparison():
    """Good customers are mostly contacted, poor ones mostly held out; contact does nothing."""
    draw = np.random.default_rng(5)
    good = np.arange(4000) < 2000
    treated = draw.random(4000) < np.where(good, 0.9, 0.5)
    bought = (draw.random(4000) < np.where(good, 0.5, 0.1)).astype(float)
    groups = [(0.1, "good") if one else (0.5, "poor") for one in good]
    found = differences({"bought": bought}, treated, cells(groups, treated), seed=1)["bought"]
    naive = bought[treated].mean() - bought[~treated].mean()
    assert naive > 0.08
    assert abs(found.value) < 0.04
    assert found.low < 0 < found.high


def test_small_strata_are_compared_with_their_neighbours():
    sizes = {("a", 20): 20, ("b", 5): 5, ("c", 30): 40, ("d", 3): 3}
    groups, treated = [], []
    for (name, contacted), held in sizes.items():
        groups += [(0.5, name)] * (contacted + held)
        treated += [True] * contacted + [False] * held
    numbers = cells(groups, np.array(treated))
    found = {name: int(number) for (_, name), number in zip(groups, numbers, strict=True)}
    assert found == {"a": 0, "b": 1, "c": 1, "d": 1}


def test_strata_of_different_probabilities_are_never_compared_together():
    groups = [(0.1, "a")] * 4 + [(0.5, "a")] * 4 + [(0.9, "a")] * 3
    treated = np.array([True, True, False, False] * 2 + [True, True, True])
    assert cells(groups, treated).tolist() == [0] * 4 + [1] * 4 + [-1] * 3


def test_the_smallest_lift_is_that_of_the_textbook():
    # z(0.95) + z(0.80) = 2.4865; sqrt(0.1 * 0.9 * 2 / 5000) = 0.006
    assert smallest_lift(0.1, 5000, 5000) == pytest.approx(0.014919, abs=1e-6)
    assert smallest_lift(0.1, 900, 100) > smallest_lift(0.1, 500, 500) > smallest_lift(0.1, 1000, 1000)


def test_an_odd_split_is_unlikely_and_a_fair_one_is_not():
    assert split_p_value(60, 1000, 0.1) < 0.001
    assert split_p_value(104, 1000, 0.1) > 0.5
    assert split_p_value(0, 0, 0.1) is None


def enrolment(who: str, list_id: str, arm: str, start: int | None, days: int = 30) -> dict[str, Any]:
    return {
        "enrolment_id": f"{list_id}-{who}",
        "list_id": list_id,
        "as_of": DAY,
        "customer_id": who,
        "arm": arm,
        "assignment_probability": 0.5,
        "acknowledged_on": None if start is None else DAY + timedelta(days=start),
        "open_until": DAY + timedelta(days=(start or 0) + days),
    }


def test_people_in_two_open_enrolments_are_counted_once_each():
    rows = [
        *(enrolment(who, "mine", "treatment", 0) for who in "abcd"),
        enrolment("e", "mine", "universal", 0),
        enrolment("a", "other", "control", 10),
        enrolment("a", "third", "treatment", 20),
        enrolment("b2", "other", "control", 29),  # the same person as b
        enrolment("c", "other", "control", 30),  # begins when the other is over
        enrolment("d", "void", "control", None),
        enrolment("e", "other", "control", 10),
    ]
    frame = pl.DataFrame(rows, schema=ENROLMENTS)
    who = frame.select("customer_id", person_id=pl.col("customer_id").str.slice(0, 1)).unique()
    assert in_two_enrolments(frame, who, "mine") == 2
    assert in_two_enrolments(frame, who, "third") == 1
