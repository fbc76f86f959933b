"""Two arms and how they differ: cells, adjustment, intervals, as laws and against what can be worked out."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.arms import Difference, differences
from models.cells import cells
from models.cuped import unexpected


def one_cell(treated: np.ndarray) -> np.ndarray:
    return np.zeros(treated.size, dtype=np.int64)


def compared(values, treated, *covariates, seed: int = 1, **more) -> Difference:
    arms = np.asarray(treated, dtype=bool)
    known = [np.asarray(one, dtype=float) for one in covariates]
    outcome = {"y": np.asarray(values, dtype=float)}
    return differences(outcome, arms, one_cell(arms), seed, known, **more)["y"]


def shop(seed: int, people: int = 400, lift: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Margins, arms (a quarter held out) and what was known before, of people who differ a lot."""
    draw = np.random.default_rng(seed)
    known = draw.normal(size=people)
    treated = draw.random(people) < 0.75
    bought = draw.random(people) < 0.15 + lift * treated
    return np.where(bought, np.exp(7 + draw.normal(size=people)), 0) + 600 * known, treated, known


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
    assert found.value == pytest.approx(found.treated - found.control, abs=1e-12)


def test_what_is_found_is_the_effect_on_those_contacted():
    """Of 900 people a tenth is held out and a contact brings 2; of 900 half, and it brings nothing."""
    sure = np.arange(1800) < 900
    treated = np.arange(1800) % 10 > np.where(sure, 0, 4)
    groups = [(0.1, "sure") if one else (0.5, "tried") for one in sure]
    brought = 2.0 * (sure & treated)
    found = differences(
        {"y": brought}, treated, cells(groups, treated), seed=1, chance=np.where(sure, 0.9, 0.5)
    )["y"]
    assert found.value * treated.sum() == pytest.approx(brought.sum())
    assert found.value == pytest.approx(found.treated - found.control)


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


def test_a_covariate_takes_away_what_it_explains_inside_cells():
    """By hand: within each cell y = 2 x + a constant, and what is left is the odd one out."""
    x = np.array([[1.0, 2.0, 3.0, 10.0, 20.0, 30.0]])
    y = np.array([[2.0, 4.0, 6.0, 120.0, 140.0, 160.0]])
    cell = np.array([0, 0, 0, 1, 1, 1])
    assert unexpected(y, x, cell) == pytest.approx(np.zeros((1, 6)), abs=1e-9)
    assert unexpected(y, x[:0], cell).tolist() == [[-2.0, 0.0, 2.0, -20.0, 0.0, 20.0]]
    assert unexpected(y, cell[None].astype(float), cell).tolist() == unexpected(y, x[:0], cell).tolist()
    # theta = cov / var = (1 * 1 + 1 * 1) / 2 = 1
    assert unexpected(np.array([[0.0, 5.0, 2.0]]), np.array([[0.0, 1.0, 2.0]]), np.zeros(3, np.int64)) == (
        pytest.approx(np.array([[-4 / 3, 8 / 3, -4 / 3]]))
    )


def test_adjusting_moves_the_mean_of_many_draws_nowhere_and_shrinks_their_spread():
    """The same 300 people and outcomes, their arms drawn 400 times; the effect is 200 for everybody."""
    values, _, known = shop(3, people=300)
    draw, plain, adjusted = np.random.default_rng(0), [], []
    for _ in range(400):
        treated = draw.random(300) < 0.7
        arms, seen = treated, values + 200 * treated
        plain.append(seen[arms].mean() - seen[~arms].mean())
        known_before = unexpected(np.vstack([seen, treated]), known[None], one_cell(arms))
        ratio = [one[arms].mean() - one[~arms].mean() for one in known_before]
        adjusted.append(ratio[0] / ratio[1])
    chance = np.std(plain) / np.sqrt(400)
    assert abs(np.mean(plain) - 200) < 3 * chance
    assert abs(np.mean(adjusted) - 200) < 3 * chance
    assert np.std(adjusted) < 0.9 * np.std(plain)
    assert compared(values + 200 * treated, treated, known).value == pytest.approx(adjusted[-1])


def test_the_interval_of_an_adjusted_difference_is_narrower():
    values, treated, known = shop(4)
    plain, adjusted = compared(values, treated), compared(values, treated, known)
    assert adjusted.error < 0.95 * plain.error
    assert adjusted.high - adjusted.low < 0.95 * (plain.high - plain.low)
    assert (plain.treated, plain.control) == (adjusted.treated, adjusted.control)


def test_the_interval_ends_where_all_ways_to_draw_the_arms_refuse_the_effect():
    """Eight people, four held out: all 70 ways are counted here, and many more are drawn there."""
    values = np.array([9.0, 7.5, 11.0, 8.2, 5.1, 6.0, 4.4, 6.9])
    treated = np.array([True] * 4 + [False] * 4)
    ways = [np.isin(np.arange(8), some) for some in combinations(range(8), 4)]

    def ratio(left: np.ndarray, arms: np.ndarray) -> float:
        one, other = left[arms], left[~arms]
        return (one.mean() - other.mean()) / np.sqrt(one.var(ddof=1) / 4 + other.var(ddof=1) / 4)

    def chance(effect: float) -> float:
        left = values - effect * treated
        seen = ratio(left, treated)
        return float(np.mean([ratio(left, arms) >= seen - 1e-9 for arms in ways]))

    found = compared(values, treated)
    assert found.value == pytest.approx(values[:4].mean() - values[4:].mean())
    # 5 % of 70 ways are 3.5: three are refused, four are not; 999 draws know shares to within 0.02.
    assert chance(found.low - 0.3) < 0.05 < chance(found.low + 0.3)
    assert 0.03 < chance(found.low) < 0.08


def test_arms_too_small_to_refuse_anything_have_a_difference_and_no_interval():
    found = compared([3.0, 4.0, 1.0, 0.5], [True, True, False, False])
    assert found.value == pytest.approx(2.75)
    assert np.isnan([found.low, found.high]).all()


def test_covariates_that_fit_a_handful_of_people_exactly_are_not_used():
    """Whoever was contacted had bought before, the others had not: nothing would be left to compare."""
    values, treated = [3.0, 4.0, 1.0, 0.5], [True, True, False, False]
    before, p0 = [5.0, 5.0, 0.0, 0.0], [0.1, 0.3, 0.2, 0.4]
    plain, adjusted = compared(values, treated), compared(values, treated, before, p0)
    assert (adjusted.value, adjusted.error) == (plain.value, plain.error)
    assert plain.error > 0.5


def test_where_nobody_buys_the_difference_is_nothing_for_certain():
    found = compared([0.0] * 40, [True, False] * 20)
    assert (found.value, found.error, found.low, found.high) == (0.0, 0.0, 0.0, 0.0)


def test_arms_that_have_nothing_in_common_differ_for_certain():
    found = compared([10.0] * 30 + [0.0] * 30, [True] * 30 + [False] * 30)
    assert (found.low, found.value, found.high) == pytest.approx((10, 10, 10))


def test_without_a_cell_of_both_arms_there_is_no_difference():
    assert differences({"y": np.zeros(2)}, np.array([True, False]), np.array([-1, -1]), seed=1) == {}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), shift=st.floats(-500, 500), scale=st.sampled_from([0.01, 1.0, 50.0]))
def test_intervals_move_with_an_effect_that_is_the_same_for_all_and_scale_with_the_currency(
    seed: int, shift: float, scale: float
):
    values, treated, known = shop(seed, people=120)
    one = compared(values, treated, known)
    other = compared(scale * (values + shift * treated), treated, known)
    near = {"rel": 1e-6, "abs": 1e-4 * scale}
    assert other.value == pytest.approx(scale * (one.value + shift), **near)
    assert other.error == pytest.approx(scale * one.error, **near)
    assert other.low == pytest.approx(scale * (one.low + shift), **near)
    assert other.high == pytest.approx(scale * (one.high + shift), **near)
    assert one.low <= one.value <= one.high


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_two_people_in_turn_are_no_more_than_one_person_is(seed: int):
    """Everybody their own person: the clustered error is the usual one."""
    values, treated, known = shop(seed, people=120)
    one = compared(values, treated, known)
    own = compared(values, treated, known, persons=np.arange(120))
    assert (own.value, own.low, own.high) == pytest.approx((one.value, one.low, one.high))
    assert own.error == pytest.approx(one.error)


def test_the_same_row_twice_by_the_same_person_says_nothing_new():
    values, treated, _ = shop(6, people=300)
    once = compared(values, treated, persons=np.arange(300))
    twice = compared(np.tile(values, 2), np.tile(treated, 2), persons=np.tile(np.arange(300), 2))
    assert twice.value == pytest.approx(once.value)
    assert twice.error == pytest.approx(once.error, rel=0.02)
    apart = compared(np.tile(values, 2), np.tile(treated, 2), persons=np.arange(600))
    assert apart.error == pytest.approx(once.error / np.sqrt(2), rel=0.02)
    assert twice.high - twice.low > 1.3 * (apart.high - apart.low)


def test_the_error_of_two_cells_is_that_of_their_weighed_means():
    draw = np.random.default_rng(2)
    cell = np.array([0] * 60 + [1] * 140)
    treated = np.arange(200) % 2 == 0
    values = draw.normal(size=200) * np.where(cell == 0, 5.0, 1.0)
    variance = 0.0
    for number, share in ((0, 0.3), (1, 0.7)):
        for arm in (treated, ~treated):
            some = values[arm & (cell == number)]
            variance += share**2 * some.var(ddof=1) / some.size
    assert differences({"y": values}, treated, cell, seed=1)["y"].error == pytest.approx(
        variance**0.5, rel=0.02
    )


def test_somebody_who_does_the_same_in_both_arms_says_nothing_of_their_difference():
    """Everybody is contacted once and held out once, and does the same both times."""
    habit = np.tile(np.random.default_rng(3).normal(size=50), 2)
    treated = np.repeat([True, False], 50)
    found = compared(habit, treated, persons=np.tile(np.arange(50), 2))
    assert found.error == pytest.approx(0, abs=1e-12)
    assert compared(habit, treated).error > 0.1
