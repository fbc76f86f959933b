"""Who is chosen, within budget and capacity; laws of the list."""

import numpy as np
import polars as pl
import pytest
from decision_world import DAY, appraised, copies, decided, listed, people, reasons, rules
from hypothesis import given, settings
from hypothesis import strategies as st

from models.assignment import is_control, is_universal
from models.effects import Evidence, Shift
from models.eligibility import Known
from models.options import AssumedEffect, ConsentOptions, ContactOptions, EffectOptions, OfferOptions

ARMS = {"control_share": 0.2, "universal_share": 0.1, "explore_share": 0.2}

customer = st.fixed_dictionaries(
    {
        "p0": st.sampled_from([0.0, 0.02, 0.2, 0.5, 1.0]),
        "value_if_returned": st.sampled_from([-100.0, 0.0, 90.0, 2000.0, 4000.0, 9000.0]),
        "value_se": st.sampled_from([0.0, 900.0]),
        "stage": st.sampled_from(["lost", "lapsed", "at_risk", "new", "active"]),
    }
)
crowds = st.lists(customer, min_size=1, max_size=60).map(
    lambda rows: people(*[{"customer_id": f"c{i:02d}", **row} for i, row in enumerate(rows)])
)
marks = st.lists(st.sampled_from([True, False, None]), min_size=60, max_size=60)
shares = st.sampled_from([0.0, 0.1, 0.5])
limited = st.fixed_dictionaries(
    {
        "budget": st.none() | st.floats(0, 3),
        "capacity": st.none() | st.integers(0, 30),
        "control_share": shares,
        "universal_share": shares.map(lambda share: share / 2),
        "explore_share": shares,
    }
)


@given(crowd=crowds, options=limited, consent=marks, staff=marks, persons=st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_the_laws_of_a_list(crowd, options, consent, staff, persons):
    """Everyone is accounted for once; limits hold; nobody is contacted who must not be."""
    ids = crowd["customer_id"]
    person = [f"p{place % persons}" for place in range(len(ids))]
    known = Known(
        customers=pl.DataFrame(
            {"customer_id": ids, "consent_email": consent[: len(ids)], "is_staff": staff[: len(ids)]},
            schema_overrides={"consent_email": pl.Boolean, "is_staff": pl.Boolean},
        ),
        identities=pl.DataFrame({"customer_id": ids, "person_id": person}),
        suppressions=pl.DataFrame({"customer_id": ids[::7], "reason": "asked"}),
    )
    rule = rules(consent=ConsentOptions(basis="column"), **options)
    decision = decided(crowd, rule, known)
    parts = [decision.winback, decision.holdout, decision.excluded]
    everyone = pl.concat(part.select("customer_id") for part in parts)["customer_id"]
    assert sorted(everyone) == sorted(ids)
    assert decision.excluded["reason"].null_count() == 0
    counts = decision.counts
    assert counts["scored"] == counts["listed"] + counts["held_out"] + counts["excluded"] == len(ids)
    assert [decision.winback.height, decision.holdout.height, decision.excluded.height] == [
        counts["listed"],
        counts["held_out"],
        counts["excluded"],
    ]
    contacted = set(listed(decision))
    assert contacted <= set(known.customers.filter(pl.col("consent_email"))["customer_id"])
    assert not contacted & set(ids[::7])
    assert not contacted & set(known.customers.filter(pl.col("is_staff"))["customer_id"])
    enrolled = [person[ids.to_list().index(one)] for part in parts[:2] for one in part["customer_id"]]
    assert len(enrolled) == len(set(enrolled))
    assert set(decision.winback["arm"]) <= {"treatment", "explore"}
    assert set(decision.holdout["arm"]) <= {"control", "universal"}
    assert decision.winback.filter(pl.col("value_if_returned") <= 0).is_empty()
    if options["capacity"] is not None:
        assert counts["listed"] <= options["capacity"]
    if options["budget"] is not None:
        assert counts["listed"] * 0.05 <= options["budget"] + 1e-9
        assert decision.totals["expected_cost"] <= options["budget"] + 0.005


@given(crowd=crowds, less=st.floats(0, 3), more=st.floats(0, 3), share=shares)
@settings(max_examples=40, deadline=None)
def test_a_bigger_budget_only_adds_people(crowd, less, more, share):
    arms = {"control_share": share, "universal_share": 0.1, "explore_share": share}
    offers = (OfferOptions(id="gift", cost=0.4), OfferOptions(id="tenth", cost_rate=0.05))
    small, big = (decided(crowd, rules(budget=b, offers=offers, **arms)) for b in (less, less + more))
    assert set(listed(small)) <= set(listed(big))
    assert set(small.holdout["customer_id"]) <= set(big.holdout["customer_id"])


@given(crowd=crowds, less=st.integers(0, 40), more=st.integers(0, 40), share=shares)
@settings(max_examples=40, deadline=None)
def test_a_bigger_capacity_only_adds_people(crowd, less, more, share):
    arms = {"control_share": share, "universal_share": 0.1, "explore_share": share}
    small, big = (decided(crowd, rules(capacity=size, **arms)) for size in (less, less + more))
    assert set(listed(small)) <= set(listed(big))


@given(crowd=crowds, seed=st.integers(0, 9))
@settings(max_examples=15, deadline=None)
def test_the_order_of_the_rows_does_not_matter(crowd, seed):
    rule = rules(capacity=20, **ARMS)
    one, other = (
        decided(frame, rule) for frame in (crowd, crowd.sample(fraction=1, shuffle=True, seed=seed))
    )
    assert one.winback.equals(other.winback)
    assert one.holdout.equals(other.holdout)
    assert one.excluded.equals(other.excluded)


def test_capacity_counts_contacted_people_only():
    decision = decided(copies(100), rules(capacity=40, control_share=0.3, universal_share=0.1))
    assert decision.counts["listed"] == 40
    assert decision.counts["held_out"] > 10
    assert set(reasons(decision).values()) == {"beyond_budget"}


def test_nobody_of_a_holdout_is_ever_contacted():
    rule = rules(capacity=100, **ARMS)
    decision = decided(copies(400), rule)
    assert decision.winback.filter(pl.col("arm") == "explore").height == 20
    people_ids = decision.winback.select(person_id="customer_id")
    assert people_ids.filter(is_universal(0.1, rule.list.salt, DAY, "year")).is_empty()
    assert people_ids.filter(is_control(0.2, rule.list.salt, decision.list_id)).is_empty()


def test_the_list_is_ranked_by_profit():
    decision = decided(copies(50), rules(**ARMS))
    profits = decision.winback["expected_incremental_profit"].to_list()
    assert profits == sorted(profits, reverse=True)
    assert decision.winback["rank"].to_list() == list(range(1, decision.winback.height + 1))


def test_exploration_draws_from_below_the_cut_with_a_known_probability():
    decision = decided(copies(300), rules(capacity=100, explore_share=0.1, control_share=0.2))
    explored = decision.winback.filter(pl.col("selection") == "explore")
    chosen = decision.winback.filter(pl.col("selection") == "profit")
    assert (chosen.height, explored.height) == (90, 10)
    assert explored["arm"].unique().to_list() == ["explore"]
    below = decision.excluded.select(person_id="customer_id")
    pool = below.filter(~is_control(0.2, "winback", decision.list_id)).height + 10
    assert explored["assignment_probability"].unique().to_list() == [pytest.approx(0.8 * 10 / pool, abs=1e-6)]


def test_without_a_share_for_it_nobody_is_explored():
    decision = decided(copies(300), rules(capacity=100))
    assert decision.winback["selection"].unique().to_list() == ["profit"]


def test_with_no_budget_at_all_nobody_is_contacted():
    decision = decided(copies(10), rules(budget=0.0, explore_share=0.5))
    assert decision.counts["listed"] == 0
    assert decision.totals == {"expected_cost": 0.0, "expected_profit": 0.0}


def test_nobody_scored_gives_an_empty_list():
    decision = decided(copies(1).clear(), rules(**ARMS))
    assert decision.counts["scored"] == 0
    assert decision.winback.is_empty()


def test_a_budget_holds_to_fractions_of_a_cent():
    contact = ContactOptions(cost={"email": 0.00333})
    assert decided(copies(5), rules(contact=contact, budget=0.00999)).counts["listed"] == 3
    assert decided(copies(5), rules(contact=contact, budget=0.00998)).counts["listed"] == 2
    tiny = ContactOptions(cost={"email": 0.0000334})
    assert decided(copies(5), rules(contact=tiny, budget=0.0001)).counts["listed"] == 2


def test_the_path_is_cut_at_the_first_who_does_not_fit():
    """Filling up with cheaper people further down would drop them again at a bigger budget."""
    frame = people(
        {"customer_id": "first", "order_value_mean": 0.0},
        {"customer_id": "dear", "value_if_returned": 3990.0, "order_value_mean": 900.0},
        {"customer_id": "cheap", "value_if_returned": 800.0, "order_value_mean": 0.0},
    )
    offers = (OfferOptions(id="tenth", cost_rate=0.05, effect=AssumedEffect(mu=0.5, sd=0.05)),)
    assert listed(decided(frame, rules(offers=offers))) == ["first", "dear", "cheap"]
    assert listed(decided(frame, rules(offers=offers, budget=0.16))) == ["first"]
    assert listed(decided(frame, rules(offers=offers, budget=0.24))) == ["first", "dear"]


def test_exploration_keeps_to_its_part_of_the_budget_whoever_is_drawn():
    offers = (OfferOptions(id="tenth", cost_rate=0.5),)
    frame = copies(200).with_columns(
        order_value_mean=pl.when(pl.int_range(pl.len()) < 20).then(0.0).otherwise(5000.0)
    )
    decision = decided(frame, rules(offers=offers, explore_share=0.5, budget=20.0))
    assert decision.winback.filter(pl.col("selection") == "explore").height == 1
    assert decision.totals["expected_cost"] <= 20.0


def test_exploration_does_not_reach_people_who_cost_money_when_they_return():
    frame = pl.concat(
        [
            copies(20),
            copies(20, value_if_returned=-900.0).with_columns(customer_id="x" + pl.col("customer_id")),
        ]
    )
    decision = decided(frame, rules(explore_share=0.4))
    assert decision.counts["by_arm"]["explore"] == 0


def test_everybody_has_scores_with_an_offer():
    both = appraised(copies(5, value_if_returned=-100.0), rules())
    assert both.people.select(pl.col("offer_id", "value_tier", "stratum").null_count()).row(0) == (0, 0, 0)


STOCKED = (
    OfferOptions(id="gift", cost=1.0, stock=6, effect=AssumedEffect(mu=0.6, sd=0.1)),
    OfferOptions(id="note"),
    OfferOptions(id="text", channel="sms", effect=AssumedEffect(mu=0.4, sd=0.1)),
)


@given(
    crowd=crowds,
    stock=st.integers(0, 20),
    room=st.dictionaries(st.sampled_from(["email", "sms"]), st.integers(0, 20)),
    budget=st.none() | st.floats(0, 20),
    share=shares,
)
@settings(max_examples=30, deadline=None)
def test_neither_stock_nor_the_capacity_of_a_channel_is_ever_exceeded(crowd, stock, room, budget, share):
    gift = STOCKED[0].model_copy(update={"stock": stock})
    rule = rules(
        offers=(gift, *STOCKED[1:]),
        channel_capacity=room,
        budget=budget,
        control_share=share,
        universal_share=share / 2,
        explore_share=share,
    )
    decision = decided(crowd, rule)
    used = decision.winback
    assert used.filter(pl.col("offer_id") == "gift").height <= stock
    for channel, most in room.items():
        assert used.filter(pl.col("channel") == channel).height <= most
    assert budget is None or decision.totals["expected_cost"] <= budget + 0.005
    assert 0 <= decision.allocation["gap"] <= 1


def test_what_is_scarce_is_not_spent_on_learning():
    decision = decided(copies(200), rules(offers=STOCKED, capacity=50, explore_share=0.4))
    offers = decision.winback.group_by("selection", "offer_id").len().sort("selection", "offer_id")
    assert offers.rows() == [("explore", "text", 20), ("profit", "gift", 6), ("profit", "text", 24)]


def test_everyone_has_the_costs_of_the_offer_they_are_made():
    offers = (
        OfferOptions(id="box", cost=12.0, effect=AssumedEffect(mu=1.2, sd=0.1)),
        OfferOptions(id="note", effect=AssumedEffect(mu=0.3, sd=0.1)),
    )
    decision = decided(copies(40), rules(offers=offers, budget=10.0, control_share=0.3))
    costs = pl.concat(
        [frame.select("offer_id", "offer_cost") for frame in (decision.winback, decision.holdout)]
    )
    assert set(costs.rows()) == {("box", 12.0), ("note", 0.0)}


def test_of_a_channel_without_room_fewer_are_explored_and_their_chance_says_so():
    from models.selection import _expected_kept

    strong = AssumedEffect(mu=0.5, sd=0.1)
    text = OfferOptions(id="text", channel="sms", stages=("at_risk",), effect=strong)
    offers = (OfferOptions(id="note"), text)
    frame = pl.concat(
        [
            copies(60),
            copies(30, stage="at_risk").with_columns(customer_id="x" + pl.col("customer_id")),
        ]
    )
    rule = rules(offers=offers[:1], capacity=40, explore_share=0.5)
    assert decided(frame, rule).counts["by_arm"]["explore"] == 20
    both = rules(offers=offers, capacity=40, channel_capacity={"sms": 8}, explore_share=0.5)
    explored = decided(frame, both).winback.filter(pl.col("arm") == "explore")
    by_text = explored.filter(pl.col("channel") == "sms")
    assert by_text.height == 4
    by_note = explored.filter(pl.col("channel") == "email")["assignment_probability"]
    assert by_note[0] == pytest.approx(20 / 70, abs=1e-6)
    assert by_text["assignment_probability"][0] < by_note[0]
    drawn = np.random.default_rng(7).hypergeometric(30, 60, 20, size=100_000)
    assert _expected_kept(90, 30, 20, 4) == pytest.approx(drawn.clip(max=4).mean(), abs=0.01)


def test_a_list_says_how_far_it_can_be_from_the_best_and_what_more_is_worth():
    decision = decided(copies(100), rules(budget=2.0, capacity=90))
    figures = decision.allocation
    assert figures["expected_profit"] == pytest.approx(decision.totals["expected_profit"], abs=0.3)
    assert figures["gap"] == pytest.approx(0, abs=1e-3)
    assert figures["prices"]["money"] > 1
    assert figures["prices"]["capacity"] == 0


# Of an effect that may be nothing at all: worth a contact on the mean, but not surely so.
UNSURE = EffectOptions(assumed=AssumedEffect(mu=0.2, sd=0.4))


def test_what_the_budget_has_left_is_tried_on_people_who_probably_pay_two_in_three_of_them_held_out():
    rule = rules(budget=10.0, effect=UNSURE)
    decision = decided(copies(800), rule)
    assert 190 < decision.counts["by_arm"]["treatment"] <= 200
    both = pl.concat([decision.winback, decision.holdout], how="diagonal")
    assert both["selection"].unique().to_list() == ["explore"]
    assert both["assignment_probability"].unique().sort().to_list() == [0.33, 0.67]
    assert 340 < decision.counts["by_arm"]["control"] < 470
    persons = both.with_columns(person_id="customer_id")
    drawn = persons.filter(is_control(0.67, rule.list.salt, decision.list_id))
    assert set(drawn["customer_id"]) == set(decision.holdout["customer_id"])


def test_nobody_is_tried_without_a_limit_or_when_trials_are_off_or_before_all_who_surely_pay():
    assert decided(copies(40), rules(effect=UNSURE)).counts["listed"] == 0
    off = rules(budget=10.0, effect=UNSURE, trial_control_share=None)
    assert decided(copies(40), off).counts["listed"] == 0
    sure = OfferOptions(id="sure", effect=AssumedEffect(mu=0.2, sd=0.01), stages=("lapsed",))
    vague = OfferOptions(id="vague", effect=AssumedEffect(mu=0.2, sd=0.4), stages=("active",))
    others = copies(60, stage="active").with_columns(customer_id="x" + pl.col("customer_id"))
    frame = pl.concat([copies(30), others])
    tight, ample = (decided(frame, rules(budget=b, offers=(sure, vague))) for b in (1.0, 2.0))
    assert tight.winback["selection"].unique().to_list() == ["profit"]
    assert dict(ample.winback["selection"].value_counts().iter_rows()) == {"profit": 30, "explore": 10}


def test_once_own_contacts_speak_trials_keep_to_their_share_and_no_more_are_held_out_than_elsewhere():
    class Pooled:
        def shift(self, people, _):
            return Shift(np.full(people.height, 0.2), np.full(people.height, 0.4)), Evidence.POOLED

    decision = decided(copies(400), rules(budget=10.0, trial_share=0.25, control_share=0.2, effects=Pooled()))
    assert decision.counts["by_arm"]["treatment"] == 50
    both = pl.concat([decision.winback, decision.holdout], how="diagonal")
    assert both["assignment_probability"].unique().sort().to_list() == [0.2, 0.8]
