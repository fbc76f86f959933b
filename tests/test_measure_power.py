"""How small an effect a list can show."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.power import people_needed, power_of, smallest_difference, smallest_lift


def test_the_smallest_lift_is_that_of_the_textbook():
    # z(0.95) + z(0.80) = 2.4865; sqrt(0.1 * 0.9 * 2 / 5000) = 0.006
    half, tenth = (0.5, 5000, 5000), (0.9, 900, 100)
    assert smallest_lift(0.1, [half]) == pytest.approx(0.014919, abs=1e-6)
    assert smallest_lift(0.1, [tenth]) > smallest_lift(0.1, [(0.5, 500, 500)])  # type: ignore[operator]
    assert smallest_difference(2.0) == pytest.approx(4.97295, abs=1e-5)


def test_people_drawn_otherwise_do_not_stand_in_for_each_other():
    """Of 1,000 people a tenth is held out, and half of 100 tried: the tried tell little about the others."""
    usual, tried = (0.9, 900, 100), (0.5, 50, 50)
    alone, both = smallest_lift(0.1, [usual]), smallest_lift(0.1, [usual, tried])
    weights, spreads = (900 / 950, 50 / 950), (1 / 900 + 1 / 100, 2 / 50)
    variance = sum(w**2 * spread for w, spread in zip(weights, spreads, strict=True))
    assert both == pytest.approx(smallest_difference((0.09 * variance) ** 0.5))
    assert both == pytest.approx(alone, rel=0.05)
    assert smallest_lift(0.1, [usual, (0.5, 50, 0)]) == alone
    assert smallest_lift(0.1, [(0.5, 50, 0)]) is None


@given(base=st.floats(0.01, 0.9), lift=st.floats(0.005, 0.2), share=st.floats(0.05, 0.95))
def test_as_many_people_as_are_needed_show_the_lift_and_one_fewer_do_not(
    base: float, lift: float, share: float
):
    def shown(size: int) -> float:
        return smallest_lift(base, [(1 - share, size * (1 - share), size * share)])  # type: ignore[list-item,return-value]

    people = people_needed(1000, shown(1000), lift)
    assert shown(people) <= lift * (1 + 1e-6)
    assert shown(people - 1) > lift * (1 - 1e-6)


def arm(name: str, people: int, churn: float = 0.9, chance: float = 0.5) -> pl.DataFrame:
    row = {"arm": name, "churn_probability": churn, "assignment_probability": chance}
    return pl.DataFrame([row] * people)


def test_a_night_says_what_its_list_will_be_able_to_show():
    winback, holdout = arm("treatment", 360, chance=0.9), arm("control", 40, chance=0.1)
    assert power_of(
        pl.concat([winback, arm("explore", 20, 0.0)]), pl.concat([holdout, arm("universal", 9)])
    ) == (
        "With 400 people, 40 of them controls, you will be able to see a lift of 12.4 points on the 10.0% "
        "who should buy anyway; to see 1 point it takes 61,826 people, in one list or over several."
    )
    assert power_of(arm("treatment", 500_000), arm("control", 500_000)).endswith("who should buy anyway.")


def test_a_list_without_controls_says_that_it_will_show_nothing():
    assert power_of(arm("treatment", 3), arm("universal", 2)) == (
        "Nobody was drawn as a control, so nothing of what this list earns can be measured."
    )
    assert power_of(arm("explore", 3), arm("control", 2)) is None
