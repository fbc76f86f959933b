"""Nobody is made an offer that is not for them or that they could not use, and people are told."""

import polars as pl
import pytest
from decision_world import appraised, copies, decided, listed, people, reasons, rules
from hypothesis import given, settings
from hypothesis import strategies as st

from models.appraisal import Common, figures
from models.eligibility import Known
from models.options import AssumedEffect, ConsentOptions, OfferOptions
from models.reach import Refused, is_for_all, refused, suited
from models.tiers import Tier

STRONG = AssumedEffect(mu=0.6, sd=0.1)
HELLO = OfferOptions(id="hello")


def shop(*orders: float | None, **changes: object) -> pl.DataFrame:
    rows = [
        {"customer_id": f"c{place}", "order_value_mean": order, **changes}
        for place, order in enumerate(orders)
    ]
    return people(*rows).with_columns(pl.col("order_value_mean").cast(pl.Float64))


def offers_of(decision) -> dict[str, str]:
    return dict(decision.winback.select("customer_id", "offer_id").iter_rows())


def test_an_offer_beyond_the_usual_order_is_not_made():
    gift = OfferOptions(id="gift", min_purchase=30, effect=STRONG)
    decision = decided(shop(2999.0, 3000.0, 9000.0), rules(offers=(HELLO, gift)))
    assert offers_of(decision) == {"c0": "hello", "c1": "gift", "c2": "gift"}
    assert decision.notes == ()


def test_an_offer_that_most_could_not_use_is_made_to_nobody_and_people_are_told():
    gift = OfferOptions(id="gift", min_purchase=30, effect=STRONG)
    decision = decided(shop(100.0, 200.0, 9000.0), rules(offers=(HELLO, gift)))
    assert offers_of(decision) == {"c0": "hello", "c1": "hello", "c2": "hello"}
    (note,) = decision.notes
    assert note == (
        "Offer gift is not made to anybody: of the 3 customers it is meant for, 2 (67%) usually order for "
        "less than its min_purchase of 30.00 EUR. Lower min_purchase, or narrow its stages or tiers."
    )


def test_half_of_them_is_not_most_of_them():
    gift = OfferOptions(id="gift", min_purchase=30, effect=STRONG)
    assert decided(shop(100.0, 9000.0), rules(offers=(HELLO, gift))).notes == ()


def test_only_those_count_for_whom_the_offer_is_meant():
    frame = pl.concat(
        [
            shop(100.0, 200.0),
            shop(9000.0, stage="at_risk").with_columns(customer_id=pl.lit("rich")),
        ]
    )
    gift = OfferOptions(id="gift", min_purchase=30, stages=("at_risk",), effect=STRONG)
    decision = decided(frame, rules(offers=(HELLO, gift)))
    assert decision.notes == ()
    assert offers_of(decision) == {"c0": "hello", "c1": "hello", "rich": "gift"}


def test_an_offer_goes_to_the_stages_and_tiers_it_names():
    frame = people(
        {"customer_id": "rich"},
        {"customer_id": "poor", "value_if_returned": 2000.0, "active_days": 1, "categories": 1},
        {"customer_id": "new", "stage": "new"},
    )
    gift = OfferOptions(id="gift", tiers=("silver",), stages=("lapsed",), effect=STRONG)
    both = appraised(frame, rules(offers=(HELLO, gift)))
    tiers = dict(both.people.select("customer_id", "value_tier").iter_rows())
    assert tiers == {"rich": "silver", "poor": "bronze", "new": "silver"}
    assert offers_of(decided(frame, rules(offers=(HELLO, gift)))) == {
        "rich": "gift",
        "poor": "hello",
        "new": "hello",
    }


def test_people_for_whom_there_is_no_offer_are_left_out_with_that_reason_and_have_scores():
    gift = OfferOptions(id="gift", stages=("at_risk",))
    frame = people({"customer_id": "a"}, {"customer_id": "b", "stage": "at_risk"})
    rule = rules(offers=(gift,))
    decision = decided(frame, rule)
    assert listed(decision) == ["b"]
    assert reasons(decision) == {"a": "no_offer"}
    assert decision.excluded["expected_incremental_profit"].item() > 0
    assert decision.counts["eligible"] == 1
    assert appraised(frame, rule).people["offer_id"].to_list() == ["gift", "gift"]


def test_an_offer_on_a_channel_that_is_not_permitted_is_no_offer():
    offers = (OfferOptions(id="mail", stages=("new",)), OfferOptions(id="text", channel="sms"))
    answers = {"customer_id": ["c0000"], "consent_email": [True], "consent_sms": [False]}
    rule = rules(offers=offers, consent=ConsentOptions(basis="column"))
    decision = decided(copies(1), rule, Known(customers=pl.DataFrame(answers)))
    assert reasons(decision) == {"c0000": "no_offer"}


def test_another_id_of_the_person_is_listed_when_no_offer_is_for_the_first():
    frame = people({"customer_id": "a", "value_if_returned": 9000.0, "stage": "new"}, {"customer_id": "b"})
    known = Known(identities=pl.DataFrame({"customer_id": ["a", "b"], "person_id": ["p", "p"]}))
    decision = decided(frame, rules(offers=(OfferOptions(id="gift", stages=("lapsed",)),)), known)
    assert listed(decision) == ["b"]


def test_an_unknown_order_counts_as_the_usual_one():
    gift = OfferOptions(id="gift", min_purchase=30)
    frame = pl.DataFrame(
        {"customer_id": ["a", "b"], "stage": "lapsed", "value_tier": "gold", "order_amount": [None, 1.0]},
        schema_overrides={"order_amount": pl.Float64},
    )
    assert suited(frame, [gift], "EUR", 3000.0)["customer_id"].to_list() == ["a"]
    assert suited(frame, [gift], "EUR", None).is_empty()
    assert refused(frame, [gift], "EUR", 10.0) == (Refused("gift", 30.0, 2, 2),)


@given(
    orders=st.lists(st.one_of(st.none(), st.floats(1, 9000)), min_size=1, max_size=20),
    parts=st.integers(1, 4),
)
@settings(max_examples=30, deadline=None)
def test_the_barrier_is_the_same_for_parts_as_for_all(orders: list[float | None], parts: int):
    from decision_world import halves

    frame, rule = shop(*orders), rules(offers=(HELLO, OfferOptions(id="gift", min_purchase=40)))
    split = [some for place in range(parts) if (some := frame.gather_every(parts, place)).height]
    own = pl.concat([figures(*halves(some), rule.offers) for some in split])
    whole = figures(*halves(frame), rule.offers)
    assert Common.of(own, rule) == Common.of(whole, rule)


@pytest.mark.parametrize(
    ("offer", "all_"),
    [
        (HELLO, True),
        (OfferOptions(id="a", stages=("new",)), False),
        (OfferOptions(id="a", tiers=("gold",)), False),
        (OfferOptions(id="a", min_purchase=1), False),
    ],
)
def test_an_offer_without_conditions_is_for_all(offer: OfferOptions, all_):
    assert is_for_all(offer) is all_


def test_the_tiers_of_the_config_are_those_of_the_model():
    assert OfferOptions(id="a", tiers=tuple(Tier)).tiers == tuple(str(tier) for tier in Tier)
