"""What other budgets would have bought can be read off the path of a list."""

import polars as pl
import pytest
from decision_world import copies, decided, rules
from hypothesis import given, settings
from hypothesis import strategies as st
from offers_world import budget, fine, group, numbers, small, world

from models.allocation import allocate
from models.hull import NONE
from models.options import AssumedEffect, OfferOptions
from models.path import PATH, at_budget, path


def test_a_path_goes_from_nobody_to_all_who_pay_and_marks_what_was_chosen():
    entries = small(
        ("a", "hello", 5000.0, 500.0), ("a", "gift", 8000.0, 2500.0), ("b", "hello", 2000.0, 500.0)
    )
    rows = path(entries, allocate(entries, [], fine(1000)), "EUR")
    assert rows.schema == PATH
    assert rows.rows() == [
        (0.0, 0, 0.0, None, None, True, False),
        (5.0, 1, 50.0, 10.0, 10.0, True, False),
        (10.0, 2, 70.0, 4.0, 4.0, True, True),
        (30.0, 2, 100.0, 1.5, 1.5, True, False),
    ]
    assert at_budget(rows, 12.0)["people"] == 2
    assert at_budget(rows, 30.0)["expected_profit"] == 100.0


@given(seed=st.integers(0, 99), share=st.floats(0, 2))
@settings(max_examples=15, deadline=None)
def test_a_path_rises_and_its_return_falls(seed: int, share: float):
    entries = numbers(world(300, seed))
    rows = path(entries, allocate(entries, [], budget(entries) * share), "EUR")
    for name in ("expected_cost", "people", "expected_profit"):
        assert rows[name].is_sorted()
    assert rows["price_of_money"].drop_nulls().is_sorted(descending=True)
    assert rows["chosen"].sum() == 1


@pytest.mark.parametrize("limits", [[], [("capacity", 40)], [("offer gift", 5), ("channel email", 20)]])
def test_the_chosen_point_is_what_was_chosen(limits: list[tuple[str, int]]):
    entries = numbers(world(400))
    found = allocate(entries, [group(*one) for one in limits], None if limits else budget(entries))
    held = found.entry[entries.contacted]
    held = held[held != NONE]
    row = path(entries, found, "EUR").row(by_predicate=pl.col("chosen"), named=True)
    assert row["people"] == len(held)
    assert row["expected_cost"] == pytest.approx(entries.cost[held].sum() / 100_000, abs=0.006)
    assert row["expected_profit"] == pytest.approx(found.profit / 100, abs=0.006)
    assert row["within_limits"]


def test_a_list_tells_what_another_budget_would_have_bought():
    offers = (
        OfferOptions(id="note"),
        OfferOptions(id="gift", cost=1.5, effect=AssumedEffect(mu=0.5, sd=0.1)),
    )
    decisions = {money: decided(copies(60), rules(budget=money, offers=offers)) for money in (4.0, 9.0)}
    read = at_budget(decisions[4.0].path, 9.0)
    listed = decisions[9.0].totals
    assert read["people"] == decisions[9.0].counts["listed"]
    assert read["expected_cost"] == pytest.approx(listed["expected_cost"], abs=0.01)
    assert read["expected_profit"] == pytest.approx(listed["expected_profit"], rel=0.001)


def test_a_place_beyond_its_limit_is_marked_on_the_path():
    entries = small(*[(name, "hello", 10.0, 5.0) for name in "abcd"])
    found = allocate(entries, [group("capacity", 2)], fine(10))
    rows = path(entries, found, "EUR")
    assert rows["within_limits"].to_list() == [True, True, True, False, False]
    assert rows["people"].to_list() == [0, 1, 2, 3, 4]
