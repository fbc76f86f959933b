"""The simulated worlds of the proof: their truth is where it is said to be, and nothing else differs."""

import ast
from pathlib import Path

import numpy as np
import pytest

from tests.proof import chances, draws, oracle, worlds
from tests.proof.chances import WINDOW
from tests.proof.draws import Draws
from tests.proof.oracle import Oracle
from tests.proof.worlds import CONTACT_COST, FIRST_LIST, LAST_DAY, OFFER_COST, People, Shop, World, earned

COUNT = 6000


@pytest.fixture(scope="module")
def opened() -> Shop:
    """A shop at the end of the day of its first list."""
    shop = Shop(People.drawn(COUNT, seed=5), World.NOTHING)
    shop.run(FIRST_LIST)
    return shop


def points(shop: Shop, world: World) -> np.ndarray:
    """True effects on all customers of the first list, in points of return probability."""
    p0, p1 = shop.fork(world).chances(shop.customers())
    return 100 * (p1 - p0)


def buyers(shop: Shop, day: int) -> np.ndarray:
    """Whether each person bought in the window after a day."""
    orders = shop.orders(day + 1)
    return np.isin(np.arange(shop.people.count), orders.person[orders.day <= day + WINDOW])


@pytest.mark.parametrize("module", [chances, draws, oracle, worlds])
def test_the_worlds_know_nothing_of_the_models(module) -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert {str(name).split(".")[0] for name in names} & {"models", "flows", "features"} == set()


def test_in_a_contacts_change_nothing(opened: Shop) -> None:
    assert (points(opened, World.NOTHING) == 0).all()
    shop, alone = opened.fork(World.NOTHING), opened.fork(World.NOTHING)
    shop.contact(shop.customers())
    for one in (shop, alone):
        one.run(LAST_DAY)
    assert earned(shop, FIRST_LIST)[0] == earned(alone, FIRST_LIST)[0]


@pytest.mark.parametrize("world", [World.SAME_FOR_ALL, World.FROM_TRAITS, World.FALLING_WITH_RISK])
def test_effects_are_one_to_three_points_on_average(opened: Shop, world: World) -> None:
    assert points(opened, world).mean() == pytest.approx(2, abs=0.3)


def test_in_b_the_log_odds_of_all_move_alike(opened: Shop) -> None:
    p0, p1 = opened.fork(World.SAME_FOR_ALL).chances(opened.customers())
    shift = np.log(p1 / (1 - p1)) - np.log(p0 / (1 - p0))
    assert shift == pytest.approx(worlds.SAME, abs=1e-9)


def test_in_c_a_tenth_is_harmed_and_half_of_what_differs_is_seen(opened: Shop) -> None:
    who = opened.customers()
    p0, p1 = opened.fork(World.FROM_TRAITS).chances(who)
    shift = np.log(p1 / (1 - p1)) - np.log(p0 / (1 - p0))
    score = opened.people.traits.score()
    assert (shift < 0).mean() == pytest.approx(0.1, abs=0.02)
    assert np.corrcoef(shift, score[who])[0, 1] ** 2 == pytest.approx(0.5, abs=0.05)
    assert (score.mean(), score.std()) == pytest.approx((0, 1), abs=0.05)


def test_in_d_the_effect_falls_as_the_churn_risk_rises(opened: Shop) -> None:
    p0, p1 = opened.fork(World.FALLING_WITH_RISK).chances(opened.customers())
    shift = np.log(p1 / (1 - p1)) - np.log(p0 / (1 - p0))
    assert (np.diff(shift[np.argsort(1 - p0)]) <= 1e-9).all()


def test_a_draw_depends_on_its_person_and_day_alone() -> None:
    many, few = Draws.of(3, "buy", 1000), Draws.of(3, "buy", 10)
    assert (many.uniform(7)[:10] == few.uniform(7)).all()
    assert (many.uniform(7, np.array([4, 2])) == many.uniform(7)[[4, 2]]).all()
    other = Draws.of(3, "leave", 1000)
    for one in (many.uniform(8), other.uniform(7), Draws.of(4, "buy", 1000).uniform(7)):
        assert abs(np.corrcoef(many.uniform(7), one)[0, 1]) < 0.1


def test_draws_are_uniform() -> None:
    numbers = np.concatenate([Draws.of(3, "buy", 2000).uniform(day) for day in range(20)])
    assert np.histogram(numbers, bins=10, range=(0, 1))[0] == pytest.approx(4000, abs=300)


def test_whom_a_policy_leaves_alone_buys_the_same_under_every_policy(opened: Shop) -> None:
    shop, alone = opened.fork(World.FROM_TRAITS), opened.fork(World.FROM_TRAITS)
    contacted = shop.customers()[::3]
    shop.contact(contacted)
    found = []
    for one in (shop, alone):
        one.run(FIRST_LIST + 120)
        orders = one.orders()
        kept = ~np.isin(orders.person, contacted)
        found.append([column[kept] for column in (orders.person, orders.day, orders.amount, orders.redeems)])
    for mine, theirs in zip(*found, strict=True):
        assert (mine == theirs).all()


def test_what_a_policy_adds_comes_from_those_it_contacts(opened: Shop) -> None:
    shop, alone = opened.fork(World.SAME_FOR_ALL), opened.fork(World.SAME_FOR_ALL)
    contacted = shop.customers()[::4]
    shop.contact(contacted)
    for one in (shop, alone):
        one.run(LAST_DAY)
    (margin, cost), (untouched, nothing) = earned(shop, FIRST_LIST), earned(alone, FIRST_LIST)
    mine, theirs = shop.orders(FIRST_LIST + 1), alone.orders(FIRST_LIST + 1)
    own = mine.margin[np.isin(mine.person, contacted)].sum()
    own -= theirs.margin[np.isin(theirs.person, contacted)].sum()
    assert margin - untouched == pytest.approx(own)
    redeemed = buyers(shop, FIRST_LIST)[contacted].sum()
    assert (cost, nothing) == (CONTACT_COST * len(contacted) + OFFER_COST * redeemed, 0)


def test_as_many_return_as_the_chances_say(opened: Shop) -> None:
    shop, alone, who = opened.fork(World.SAME_FOR_ALL), opened.fork(World.SAME_FOR_ALL), opened.customers()
    p0, p1 = shop.chances(who)
    shop.contact(who)
    for one in (shop, alone):
        one.run(FIRST_LIST + WINDOW)
    error = np.sqrt((p0 * (1 - p0)).sum())
    assert buyers(alone, FIRST_LIST)[who].sum() == pytest.approx(p0.sum(), abs=3 * error)
    # The same draws: what differs is the effect alone, and has only its own noise.
    more = buyers(shop, FIRST_LIST)[who].sum() - buyers(alone, FIRST_LIST)[who].sum()
    assert more == pytest.approx((p1 - p0).sum(), abs=3 * np.sqrt((p1 - p0).sum()))


def test_nobody_is_contacted_twice_in_a_window_or_before_the_first_order(opened: Shop) -> None:
    shop = opened.fork(World.SAME_FOR_ALL)
    shop.contact(shop.customers()[:5])
    shop.run(FIRST_LIST + 7)
    quiet = ~buyers(shop, FIRST_LIST)[shop.customers()[:5]]
    with pytest.raises(ValueError, match="window is open"):
        shop.contact(shop.customers()[:5][quiet])
    with pytest.raises(ValueError, match="only customers"):
        shop.contact(np.flatnonzero(shop.people.joined > shop.day)[:1])
    with pytest.raises(ValueError, match="one world"):
        shop.fork(World.NOTHING)


def test_expected_orders_are_those_that_come(opened: Shop) -> None:
    shop, who, days = opened.fork(World.NOTHING), opened.customers(), 182
    expected = chances.orders(opened.people.rate[who], days)[days].of(opened._active[who]).sum()
    shop.run(FIRST_LIST + days)
    came = np.isin(shop.orders(FIRST_LIST + 1).person, who).sum()
    assert came == pytest.approx(expected, rel=0.05)


def test_the_oracle_is_as_sure_as_it_is_right(opened: Shop) -> None:
    sees = Oracle(opened.people)
    sees.watch(opened)
    who = opened.customers()
    sure, active = sees.p_active(who), opened._active[who]
    for low in np.arange(0, 1, 0.2):
        some = (sure >= low) & (sure <= low + 0.2)
        assert active[some].mean() == pytest.approx(sure[some].mean(), abs=0.07)


@pytest.mark.parametrize("world", list(World))
def test_what_the_oracle_expects_comes_true(world: World) -> None:
    expected, came, people = 0.0, 0.0, 0
    for seed in range(4):
        shop = Shop(People.drawn(COUNT, seed), world)
        shop.run(FIRST_LIST)
        sees, who, alone = Oracle(shop.people), shop.customers(), shop.fork(world)
        sees.watch(shop)
        shop.contact(who)
        for one in (shop, alone):
            one.run(LAST_DAY)
        expected += sees.gains(world, who).profit.sum()
        margin, cost = earned(shop, FIRST_LIST)
        came, people = came + margin - cost - earned(alone, FIRST_LIST)[0], people + len(who)
    # Minor units per person; the noise of the mean over 20,000 people is about 3.
    assert came / people == pytest.approx(expected / people, abs=9)
    if world is World.NOTHING:
        assert came / people == pytest.approx(expected / people, abs=0.3)
