"""Offers match the cause: who left over service gets recovery, not a discount first."""

from typing import Any

import polars as pl
import pytest
from causes_world import decision, known, row, said
from decision_world import appraised, copies, decided, reasons, rules
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cause_table import UNKNOWN
from models.causes import matched
from models.eligibility import Known
from models.options import AssumedEffect, ConsentOptions, OfferOptions
from models.profit import APPRAISALS

STRONG, WEAK = AssumedEffect(mu=0.9, sd=0.05), AssumedEffect(mu=0.15, sd=0.05)
RECOVERY = OfferOptions(id="recovery", kind="recovery_call", causes=("service",), cost=1, effect=WEAK)
DISCOUNT = OfferOptions(id="discount", kind="discount", effect=STRONG)
UNHAPPY = (row("c0000", 9, "bad_experience"),)


def made(found) -> dict[str, str]:
    return dict(found.winback.select("customer_id", "offer_id").iter_rows())


def test_who_left_over_service_gets_recovery_even_if_a_discount_promises_more():
    found = decided(copies(2), rules(offers=(DISCOUNT, RECOVERY)), known(*UNHAPPY))
    assert made(found) == {"c0000": "recovery", "c0001": "discount"}


def test_the_models_reasons_match_offers_too():
    found = decision(copies(2), rules(offers=(DISCOUNT, RECOVERY)), None, {"c0001": "service"})
    assert made(found) == {"c0000": "discount", "c0001": "recovery"}


@pytest.mark.parametrize(
    "out",
    [
        {"cost": 900},
        {"stock": 0},
        {"stages": ("new",)},
        {"effect": AssumedEffect(mu=-0.5, sd=0.1)},
        {"min_purchase": 20, "tiers": ("gold",)},
    ],
    ids=str,
)
def test_where_recovery_does_not_pay_or_cannot_be_made_other_offers_are(out: dict[str, Any]):
    recovery = OfferOptions(**{**RECOVERY.model_dump(), **out})
    assert made(decided(copies(1), rules(offers=(DISCOUNT, recovery)), known(*UNHAPPY))) == {
        "c0000": "discount"
    }


def test_where_the_channel_of_recovery_is_not_permitted_or_full_other_offers_are_made():
    text = OfferOptions(**{**RECOVERY.model_dump(), "channel": "sms"})
    offers = (DISCOUNT, text)
    no = Known(
        answers=said(*UNHAPPY),
        customers=pl.DataFrame({"customer_id": ["c0000"], "consent_email": [True], "consent_sms": [False]}),
    )
    assert made(decided(copies(1), rules(offers=offers, consent=ConsentOptions(basis="column")), no)) == {
        "c0000": "discount"
    }
    full = rules(offers=offers, channel_capacity={"sms": 0})
    assert made(decided(copies(1), full, known(*UNHAPPY))) == {"c0000": "discount"}
    assert made(decided(copies(1), rules(offers=offers), known(*UNHAPPY))) == {"c0000": "recovery"}


def test_when_recovery_runs_out_the_others_wait_rather_than_get_a_discount_first():
    few = OfferOptions(**{**RECOVERY.model_dump(), "stock": 1})
    rows = [row(f"c000{place}", 9, "bad_experience") for place in range(2)]
    found = decided(copies(3), rules(offers=(DISCOUNT, few)), known(*rows))
    assert made(found) == {"c0000": "recovery", "c0002": "discount"}
    assert reasons(found) == {"c0001": "beyond_budget"}


def test_nobody_is_made_an_offer_for_another_cause_and_with_no_other_offer_they_are_left_out():
    found = decided(copies(2), rules(offers=(RECOVERY,)), known(*UNHAPPY))
    assert (made(found), reasons(found)) == ({"c0000": "recovery"}, {"c0001": "no_offer"})


def test_an_offer_can_be_for_those_of_whom_nobody_knows_why_they_left():
    ask = OfferOptions(id="ask", causes=(UNKNOWN,), effect=WEAK)
    found = decided(copies(2), rules(offers=(DISCOUNT, ask)), known(*UNHAPPY))
    assert made(found) == {"c0000": "discount", "c0001": "ask"}


def test_scores_name_an_offer_that_anybody_may_be_made():

    bold = OfferOptions(**{**RECOVERY.model_dump(), "effect": STRONG})
    best = appraised(copies(2), rules(offers=(bold, OfferOptions(id="hello", effect=WEAK)))).people
    assert best["offer_id"].to_list() == ["hello", "hello"]


CAUSE_NAMES = ("service", "price", None)
OFFER_IDS = ("a", "b", "c")


@given(
    cause=st.sampled_from(CAUSE_NAMES),
    offers=st.lists(
        st.tuples(
            st.floats(-5, 9),
            st.lists(st.sampled_from(["service", "price", UNKNOWN]), unique=True, max_size=2),
        ),
        min_size=3,
        max_size=3,
    ),
)
@settings(deadline=None)
def test_what_is_made_is_for_the_cause_or_for_all_and_only_for_the_cause_where_that_pays(cause, offers):
    config = [
        OfferOptions(id=name, causes=tuple(of)) for name, (_, of) in zip(OFFER_IDS, offers, strict=True)
    ]
    frame = pl.DataFrame(
        [
            {
                **dict.fromkeys(APPRAISALS, 0.0),
                "customer_id": "x",
                "offer_id": name,
                "channel": "email",
                "evidence": "C",
                "harmful": False,
                "expected_incremental_profit": eip,
                "expected_incremental_profit_low": eip,
            }
            for name, (eip, _) in zip(OFFER_IDS, offers, strict=True)
        ],
        schema=APPRAISALS,
    )
    person = pl.DataFrame({"customer_id": ["x"], "cause": [cause]}, schema_overrides={"cause": pl.String})
    left = matched(frame, person, config)["offer_id"].to_list()
    own = cause or UNKNOWN
    naming = [name for name, (_, of) in zip(OFFER_IDS, offers, strict=True) if own in of]
    free = [name for name, (_, of) in zip(OFFER_IDS, offers, strict=True) if not of]
    pays = any(eip > 0 for name, (eip, _) in zip(OFFER_IDS, offers, strict=True) if name in naming)
    assert left == sorted(naming if pays else naming + free)
