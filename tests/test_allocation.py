"""Which offer each person is made: the best choice within the limits, and its laws."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from offers_world import IDS, SALT, budget, fine, group, numbers, scarce, small, world

from models.allocation import Allocation, allocate
from models.choices import Choices, in_hash_order
from models.hull import NONE, steps
from models.limits import Group

EIPS = st.one_of(st.sampled_from([1.0, 5.0, 5.0, 40.0]), st.floats(0.01, 900))
COSTS = st.one_of(st.sampled_from([0.0, 1.0, 5.0, 5.0]), st.floats(0, 90))
ENTRY = st.tuples(st.integers(0, 11), st.sampled_from(IDS[:6]), EIPS, COSTS, st.booleans())
LIMIT = st.sampled_from(["offer hello", "offer mug", "channel email", "channel sms", "capacity"])


def made(entries: Sequence[tuple[int, str, float, float, bool]]) -> pl.DataFrame:
    frame = pl.DataFrame(
        entries,
        schema=[
            ("customer_id", pl.Int64),
            ("offer_id", pl.String),
            ("expected_incremental_profit", pl.Float64),
            ("expected_cost", pl.Float64),
            ("contacted", pl.Boolean),
        ],
        orient="row",
    ).unique(["customer_id", "offer_id"], keep="first", maintain_order=True)
    first = pl.col("contacted").first().over("customer_id")
    return frame.with_columns(customer_id=pl.format("c{}", "customer_id"), contacted=first)


def named(frame: pl.DataFrame, found: Allocation) -> dict[str, str]:
    """Who is made which offer."""
    rows = in_hash_order(frame, SALT)[found.entry[found.entry != NONE]]
    return dict(rows.select("customer_id", "offer_id").iter_rows())


def of(entries: Choices, found: Allocation) -> list[int]:
    """Entries of the contacted."""
    held = found.entry[entries.contacted]
    return held[held != NONE].tolist()


FRAMES = st.lists(ENTRY, min_size=1, max_size=40).map(made)
LIMITS = st.dictionaries(LIMIT, st.integers(0, 8), max_size=3).map(
    lambda chosen: [group(name, chosen[name]) for name in sorted(chosen, key=_width)]
)
BUDGETS = st.none() | st.floats(0, 300)


def _width(name: str) -> tuple[int, str]:
    return ["offer", "channel", "capacity"].index(name.partition(" ")[0]), name


@given(frame=FRAMES, limits=LIMITS, money=BUDGETS)
@settings(max_examples=150, deadline=None)
def test_budget_stock_and_capacity_are_never_exceeded(
    frame: pl.DataFrame, limits: list[Group], money: float | None
):
    entries = numbers(frame)
    found = allocate(entries, limits, None if money is None else fine(money))
    taken = of(entries, found)
    assert money is None or entries.cost[taken].sum() <= fine(money)
    for one in limits:
        assert one.offers[entries.offer[taken]].sum() <= one.limit
    theirs = [entries.person[entry] for entry in found.entry[found.entry != NONE]]
    assert theirs == np.flatnonzero(found.entry != NONE).tolist()
    assert found.profit <= found.bound * (1 + 1e-9)
    assert 0 <= found.gap <= 1


def best_by_trying(entries: Choices, limits: Sequence[Group], money: float) -> float:
    ends = [*entries.start[1:], len(entries.person)]
    own = [[None, *range(a, b)] for a, b in zip(entries.start, ends, strict=True)]
    best = 0.0
    for choice in product(*own):
        taken = [entry for entry in choice if entry is not None]
        within = all(one.offers[entries.offer[taken]].sum() <= one.limit for one in limits)
        if within and entries.cost[taken].sum() <= money:
            best = max(best, float(entries.eip[taken].sum()))
    return best


@given(frame=st.lists(ENTRY, min_size=1, max_size=9).map(made), limits=LIMITS, money=st.floats(0, 200))
@settings(max_examples=60, deadline=None)
def test_the_bound_is_above_the_best_of_all_choices(frame: pl.DataFrame, limits: list[Group], money: float):
    entries = numbers(frame.with_columns(contacted=pl.lit(value=True)))
    found = allocate(entries, limits, fine(money))
    best = best_by_trying(entries, limits, fine(money))
    assert found.profit <= best * (1 + 1e-9) <= found.bound * (1 + 1e-8)


@given(frame=FRAMES, less=st.floats(0, 200), more=st.floats(0, 200))
@settings(max_examples=100, deadline=None)
def test_while_the_rest_has_slack_a_bigger_budget_only_adds_people(
    frame: pl.DataFrame, less: float, more: float
):
    entries, plenty = numbers(frame), [group("offer hello", 99), group("capacity", 99)]
    one, other = (named(frame, allocate(entries, plenty, fine(money))) for money in (less, less + more))
    assert set(one) <= set(other)


@given(frame=FRAMES, price=st.floats(0, 20), dearer=st.floats(0, 50), offer=st.sampled_from(IDS[:6]))
@settings(max_examples=100, deadline=None)
def test_at_a_fixed_price_of_money_a_dearer_offer_is_never_taken_more(
    frame: pl.DataFrame, price: float, dearer: float, offer: str
):
    own = pl.when(pl.col("offer_id") == offer).then(dearer).otherwise(0.0)
    dear = frame.with_columns(pl.col("expected_cost") + own, pl.col("expected_incremental_profit") - own)
    assert takers(dear, price, offer) <= takers(frame, price, offer)


def takers(frame: pl.DataFrame, price: float, offer: str) -> set[int]:
    """Who takes the offer when the path is walked down to a price."""
    entries = numbers(frame)
    path = steps(entries, entries.eip)
    held = np.full(entries.people, NONE)
    taken = path.price >= price / 1000
    held[path.person[taken]] = path.entry[taken]
    return {place for place, entry in enumerate(held) if entry != NONE and IDS[entries.offer[entry]] == offer}


@given(frame=FRAMES, limits=LIMITS, money=st.floats(0, 300), power=st.integers(-6, 12))
@settings(max_examples=60, deadline=None)
def test_the_currency_does_not_matter(frame: pl.DataFrame, limits: list[Group], money: float, power: int):
    # Costs are whole fine units, so that they stay so in the other currency.
    whole = frame.with_columns((pl.col("expected_cost") * 1000).ceil() / 1000 * 64)
    scaled = whole.with_columns(pl.col("expected_cost", "expected_incremental_profit") * 2.0**power)
    assume(numbers(scaled).cost.sum() == numbers(whole).cost.sum() * 2.0**power)
    one = allocate(numbers(whole), limits, fine(money * 64))
    other = allocate(numbers(scaled), limits, fine(money * 64) * 2.0**power)
    assert named(whole, one) == named(scaled, other)
    assert other.profit == pytest.approx(one.profit * 2.0**power)


@given(frame=FRAMES, limits=LIMITS, money=BUDGETS, seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_rows_does_not_matter(
    frame: pl.DataFrame, limits: list[Group], money: float | None, seed: int
):
    other = frame.sample(fraction=1, shuffle=True, seed=seed)
    budget = None if money is None else fine(money)
    one, two = (allocate(numbers(rows), limits, budget) for rows in (frame, other))
    assert named(frame, one) == named(other, two)


@given(frame=FRAMES, money=BUDGETS, place=st.integers(0, 11))
@settings(max_examples=100, deadline=None)
def test_being_selected_does_not_hang_on_the_own_draw(frame: pl.DataFrame, money: float | None, place: int):
    one = pl.col("customer_id") == f"c{place}"
    budget = None if money is None else fine(money)
    both = [
        named(rows, allocate(numbers(rows), [], budget))
        for rows in (
            frame.with_columns(contacted=pl.when(one).then(draw).otherwise(pl.col("contacted")))
            for draw in (True, False)
        )
    ]
    assert (f"c{place}" in both[0]) == (f"c{place}" in both[1])


def test_money_goes_where_it_brings_most_and_then_to_dearer_offers():
    entries = [("a", "hello", 50.0, 5.0), ("a", "gift", 80.0, 25.0), ("b", "hello", 20.0, 5.0)]
    frame = small(*entries)
    bought = {
        money: sorted(
            (int(frame.person[e]), IDS[frame.offer[e]]) for e in of(frame, allocate(frame, [], fine(money)))
        )
        for money in (4, 5, 10, 30)
    }
    a = int(frame.person[frame.eip.argmax()])
    b = 1 - a
    assert bought[4] == []
    assert bought[5] == [(a, "hello")]
    assert bought[10] == sorted([(a, "hello"), (b, "hello")])
    assert bought[30] == sorted([(a, "gift"), (b, "hello")])


def test_what_is_scarce_goes_to_those_who_gain_most_over_their_next_best_offer():
    frame = made(
        [
            (0, "gift", 90.0, 5.0, True),
            (0, "hello", 80.0, 5.0, True),
            (1, "gift", 70.0, 5.0, True),
            (1, "hello", 10.0, 5.0, True),
        ]
    )
    found = allocate(numbers(frame), [group("offer gift", 1)], None)
    assert named(frame, found) == {"c0": "hello", "c1": "gift"}
    assert found.gap == pytest.approx(0, abs=1e-8)


def test_people_held_out_take_neither_budget_nor_places():
    held = small(*[(name, "hello", 10.0, 5.0) for name in "abcdefgh"], held_out="abcd")
    found = allocate(held, [group("capacity", 4)], fine(20))
    assert held.contacted.sum() == len(of(held, found)) == 4
    assert (found.entry[~held.contacted] != NONE).any()


def test_whether_a_dearer_offer_fits_is_asked_of_those_held_out_too():
    frame = small(("a", "hello", 50.0, 5.0), ("a", "gift", 80.0, 25.0), held_out="a")
    for money, offer in ((22, "hello"), (25, "gift")):
        assert IDS[frame.offer[allocate(frame, [], fine(money)).entry[0]]] == offer


@given(frame=FRAMES, limits=LIMITS)
@settings(max_examples=100, deadline=None)
def test_no_place_stays_empty_that_somebody_could_take(frame: pl.DataFrame, limits: list[Group]):
    entries = numbers(frame)
    found = allocate(entries, limits, None)
    used = entries.offer[of(entries, found)]
    full = [one.offers for one in limits if one.offers[used].sum() >= one.limit]
    left = (found.entry == NONE)[entries.person] & entries.contacted[entries.person]
    assert all(any(offers[entries.offer[place]] for offers in full) for place in np.flatnonzero(left))


def test_people_who_are_all_alike_are_chosen_from_as_well_as_others():
    """Fifty places and money for twenty gifts among them: at any price all would take the same."""
    alike = [(place, name, *own, True) for place in range(200) for name, *own in LIKE]
    entries = numbers(made(alike))
    found = allocate(entries, [group("capacity", 50)], fine(50 * 5 + 20 * 20))
    taken = [IDS[offer] for offer in entries.offer[of(entries, found)]]
    assert (taken.count("hello"), taken.count("gift")) == (30, 20)
    assert found.gap < 1e-6


LIKE = [("hello", 50.0, 5.0), ("gift", 80.0, 25.0)]


def test_where_there_is_no_place_at_all_nobody_is_chosen():
    entries = numbers(made([(0, "hello", 1.0, 128.0, True), (0, "tenth", 1.0, 0.0, True)]))
    found = allocate(entries, [group("channel email", 0)], fine(64.0))
    assert (found.entry.tolist(), found.profit) == ([NONE], 0.0)


def test_nobody_who_pays_gives_an_empty_choice():
    found = allocate(numbers(made([(0, "hello", 1.0, 1.0, True)]).clear()), [group("capacity", 3)], 10.0)
    assert (found.profit, found.bound, found.gap, len(found.entry)) == (0.0, 0.0, 0.0, 0)


def test_offers_that_cost_nothing_are_made_without_a_budget():
    frame = small(("a", "hello", 3.0, 0.0), ("a", "mug", 5.0, 0.0), ("b", "mug", 9.0, 1.0))
    found = allocate(frame, [], 0.0)
    assert [IDS[frame.offer[entry]] for entry in of(frame, found)] == ["mug"]


def test_equals_are_told_apart_by_the_salt_and_not_by_their_names():
    frame = made([(place, "hello", 5.0, 5.0, True) for place in range(200)])
    chosen = {salt: _with_salt(frame, salt) for salt in ("one", "other")}
    assert len(chosen["one"]) == len(chosen["other"]) == 100
    assert 25 < len(chosen["one"] & chosen["other"]) < 75


def _with_salt(frame: pl.DataFrame, salt: str) -> set[str]:
    from models.choices import choices

    rows = in_hash_order(frame, salt)
    found = allocate(choices(rows, IDS, salt), [], fine(500))
    return set(rows[found.entry[found.entry != NONE]]["customer_id"])


LITTLE = {"budget": lambda _: [], "everything scarce": scarce}


@pytest.mark.parametrize("limits", LITTLE)
def test_the_gap_to_the_bound_is_small_already_for_a_few_thousand(limits: str):
    entries = numbers(world(20_000))
    found = allocate(entries, LITTLE[limits](20_000), budget(entries))
    assert found.gap < 0.002


@pytest.mark.slow
@pytest.mark.parametrize("limits", LITTLE)
def test_the_gap_to_the_bound_is_at_most_a_thousandth_for_a_million(limits: str):
    entries = numbers(world(1_000_000))
    found = allocate(entries, LITTLE[limits](1_000_000), budget(entries))
    assert found.gap <= 0.001


@pytest.mark.parametrize("kinds", [10, 300])
def test_people_of_a_few_kinds_are_dealt_what_is_scarce_nearly_as_well_as_can_be(kinds: int):
    some = world(kinds * 3)
    names = some["customer_id"].unique().sort()
    draw = np.random.default_rng(7)
    kind = names.gather(draw.integers(len(names), size=20_000))
    crowd = pl.DataFrame(
        {"kind": kind, "customer_id": pl.select(pl.format("p{}", pl.int_range(20_000))).to_series()}
    ).with_columns(contacted=pl.Series(draw.random(20_000) > 0.1))
    entries = numbers(crowd.join(some.drop("contacted"), left_on="kind", right_on="customer_id").drop("kind"))
    for money in (None, budget(entries)):
        assert allocate(entries, scarce(20_000), money).gap < 0.003
