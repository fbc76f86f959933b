"""Customers appraised part by part are appraised as all together, and no offer is missing."""

from pathlib import Path
from typing import Any

import polars as pl
from decision_world import NIGHT, appraised, decided, halves, people, rules
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.appraisal import Appraised, Common, Rules, figures
from models.decision import Decision, decide
from models.eligibility import Known
from models.options import AssumedEffect, ConsentOptions, OfferOptions
from models.profit import appraise

OFFERS = (
    OfferOptions(id="mail"),
    OfferOptions(id="tenth", cost_rate=0.1, redeem_share=0.5),
    OfferOptions(id="text", channel="sms", effect=AssumedEffect(mu=0.4, sd=0.1)),
    OfferOptions(id="gift", channel="sms", cost=30.0),
    OfferOptions(id="nag", channel="sms", effect=AssumedEffect(mu=-0.5, sd=0.1)),
)
MONEY = st.floats(-9000, 9000)
PERSON = st.fixed_dictionaries(
    {
        "p0": st.floats(0.01, 0.99),
        "value_if_returned": MONEY,
        "value_if_not_returned": MONEY,
        "active_days": st.integers(1, 5),
        "order_value_mean": st.one_of(st.none(), st.floats(1, 9000)),
        "consent_email": st.booleans(),
        "consent_sms": st.booleans(),
    }
)
PEOPLE = st.lists(PERSON, min_size=1, max_size=12)


def shop(rows: list[dict[str, Any]]) -> tuple[pl.DataFrame, Known, Rules]:
    named = [{"customer_id": f"c{place:02d}", **row} for place, row in enumerate(rows)]
    scored = people(*named).with_columns(pl.col("order_value_mean").cast(pl.Float64))
    consents = scored.select("customer_id", "consent_email", "consent_sms")
    rule = rules(offers=OFFERS, consent=ConsentOptions(basis="column"), explore_share=0.2, control_share=0.2)
    return scored.drop("consent_email", "consent_sms"), Known(customers=consents), rule


def frames(decision: Decision) -> list[pl.DataFrame]:
    return [decision.winback, decision.holdout, decision.excluded]


@given(PEOPLE, st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_parts_of_the_customers_are_appraised_as_all_of_them(rows: list[dict[str, Any]], parts: int):
    scored, _, rule = shop(rows)
    split = [scored.gather_every(parts, place) for place in range(min(parts, scored.height))]
    common = Common.of(pl.concat([figures(*halves(some)) for some in split]))
    found = [appraised(some, rule, common) for some in split]
    whole = appraised(scored, rule)
    together = pl.concat([one.people.lazy().collect() for one in found]).sort("customer_id")
    assert_frame_equal(together, whole.people.lazy().collect(), check_exact=True)


@given(PEOPLE)
@settings(max_examples=40, deadline=None)
def test_offers_that_are_left_out_could_not_have_been_made(rows: list[dict[str, Any]]):
    scored, known, rule = shop(rows)
    some = appraised(scored, rule)
    all_of_them = appraise(scored, OFFERS, rule.effect, rule.contact, "EUR")
    one, other = (
        decide(Appraised(some.people, offers), known, rule, NIGHT) for offers in (some.offers, all_of_them)
    )
    for left, right in zip(frames(one), frames(other), strict=True):
        assert_frame_equal(left, right, check_exact=True)


def test_a_decision_reads_people_and_offers_from_files_as_well(tmp_path: Path):
    scored, known, rule = shop(
        [{"p0": 0.1 + place / 20, "consent_email": True, "consent_sms": False} for place in range(9)]
    )
    made = appraised(scored, rule)
    for name, frame in (("people", made.people), ("offers", made.offers)):
        frame.lazy().collect().write_parquet(tmp_path / f"{name}.parquet")
    scanned = Appraised(*(pl.scan_parquet(tmp_path / f"{name}.parquet") for name in ("people", "offers")))
    here, there = decided(scored, rule, known), decide(scanned, known, rule, NIGHT)
    assert here.winback.height > 0
    for left, right in zip(frames(here), frames(there), strict=True):
        assert_frame_equal(left, right, check_exact=True)
