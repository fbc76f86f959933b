"""Nobody is contacted against their will, and everyone left out has a reason."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from decision_world import DAY, copies, decided, listed, people, reasons, rules

from features.errors import ConfigError
from models.eligibility import ENROLMENTS, Known
from models.options import AssumedEffect, ConsentOptions, ContactOptions, EffectOptions, OfferOptions

COLUMN = ConsentOptions(basis="column")


def customers(**columns: list[object]) -> Known:
    return Known(customers=pl.DataFrame(columns))


def enrolled(customer: str, open_until: date, as_of: date = DAY - timedelta(days=30)) -> Known:
    row = {
        "enrolment_id": "e",
        "list_id": "l",
        "as_of": as_of,
        "customer_id": customer,
        "arm": "control",
        "acknowledged_on": as_of,
        "open_until": open_until,
    }
    return Known(enrolments=pl.DataFrame([row], schema=ENROLMENTS))


def test_a_null_and_a_no_are_not_consent():
    known = customers(customer_id=["c0000", "c0001", "c0002"], consent_email=[True, None, False])
    decision = decided(copies(4), rules(consent=COLUMN), known)
    assert listed(decision) == ["c0000"]
    assert reasons(decision) == dict.fromkeys(["c0001", "c0002", "c0003"], "no_consent")


def test_a_no_on_another_id_of_the_same_person_counts():
    known = Known(
        customers=pl.DataFrame({"customer_id": ["c0000", "x"], "consent_email": [True, False]}),
        identities=pl.DataFrame({"customer_id": ["c0000", "x"], "person_id": ["p", "p"]}),
    )
    assert reasons(decided(copies(1), rules(consent=COLUMN), known)) == {"c0000": "no_consent"}


def test_without_a_customers_table_nobody_has_consented_and_the_list_says_so():
    decision = decided(copies(2), rules(consent=COLUMN))
    assert set(reasons(decision).values()) == {"no_consent"}
    assert "there is no customers table" in decision.notes[0]


def test_with_basis_none_the_list_is_made_and_marked():
    decision = decided(copies(2), rules(consent=ConsentOptions(basis="none")))
    assert len(listed(decision)) == 2
    assert "not exported" in decision.notes[0]


def test_an_offer_goes_out_on_a_channel_that_is_permitted_even_if_another_would_earn_more():
    offers = (OfferOptions(id="mail"), OfferOptions(id="text", channel="sms"))
    known = customers(customer_id=["c0000"], consent_email=[False], consent_sms=[True])
    decision = decided(copies(1), rules(consent=COLUMN, offers=offers), known)
    assert decision.winback.select("offer_id", "channel", "contact_cost").row(0) == ("text", "sms", 0.1)


def test_a_channel_without_a_consent_column_is_a_config_error():
    rule = rules(
        consent=COLUMN,
        offers=(OfferOptions(id="call", channel="phone"),),
        contact=ContactOptions(cost={"phone": 2.0}),
    )
    with pytest.raises(ConfigError, match="phone"):
        decided(copies(1), rule, customers(customer_id=["c0000"]))


@pytest.mark.parametrize(
    ("until", "held"),
    [(None, True), (DAY, True), (DAY + timedelta(days=1), True), (DAY - timedelta(days=1), False)],
)
def test_a_suppression_holds_until_its_day_has_passed(until: date | None, held: bool):  # noqa: FBT001 - a table of cases
    moment = None if until is None else datetime(until.year, until.month, until.day, tzinfo=UTC)
    table = pl.DataFrame(
        {"customer_id": ["c0000"], "reason": ["asked"], "until": [moment]},
        schema_overrides={"until": pl.Datetime("us", "UTC")},
    )
    found = reasons(decided(copies(1), rules(), Known(suppressions=table)))
    assert found == ({"c0000": "suppressed"} if held else {})


def test_a_suppression_without_an_end_is_for_good():
    table = pl.DataFrame({"customer_id": ["c0000"], "reason": ["asked"]})
    assert reasons(decided(copies(1), rules(), Known(suppressions=table))) == {"c0000": "suppressed"}


def test_a_suppression_or_staff_mark_of_one_id_holds_for_the_person():
    known = Known(
        customers=pl.DataFrame(
            {"customer_id": ["c0001", "y"], "is_staff": [None, True], "email": ["a@b.c", "A@B.C"]}
        ),
        identities=pl.DataFrame({"customer_id": ["c0000", "x"], "person_id": ["p", "p"]}),
        suppressions=pl.DataFrame({"customer_id": ["x"], "reason": ["asked"]}),
    )
    assert reasons(decided(copies(2), rules(), known)) == {"c0000": "suppressed", "c0001": "staff"}


def test_lost_people_are_listed_only_when_configured():
    lost = copies(1, stage="lost")
    assert reasons(decided(lost, rules())) == {"c0000": "lost"}
    assert listed(decided(lost, rules(include_lost=True))) == ["c0000"]


def test_an_open_enrolment_keeps_a_person_off_the_list_until_its_last_day():
    assert reasons(decided(copies(1), rules(), enrolled("c0000", DAY + timedelta(days=1)))) == {
        "c0000": "still_enrolled"
    }
    assert listed(decided(copies(1), rules(), enrolled("c0000", DAY))) == ["c0000"]


def test_enrolments_of_the_same_day_and_later_are_not_history():
    known = enrolled("c0000", DAY + timedelta(days=90), as_of=DAY)
    assert listed(decided(copies(1), rules(), known)) == ["c0000"]


def test_a_person_is_enrolled_once_under_the_id_with_the_best_profit():
    known = Known(identities=pl.DataFrame({"customer_id": ["c0000", "c0001"], "person_id": ["p", "p"]}))
    decision = decided(copies(3), rules(), known)
    assert listed(decision) == ["c0000", "c0002"]
    assert reasons(decision) == {"c0001": "same_person"}


def test_an_id_that_may_be_contacted_stands_for_one_that_may_not():
    frame = people(
        {"customer_id": "a", "stage": "lost", "value_if_returned": 9000.0},
        {"customer_id": "b"},
    )
    known = Known(identities=pl.DataFrame({"customer_id": ["a", "b"], "person_id": ["p", "p"]}))
    decision = decided(frame, rules(), known)
    assert (listed(decision), reasons(decision)) == (["b"], {"a": "lost"})


def test_low_value_no_profit_and_harm_are_told_apart():
    frame = people(
        {"customer_id": "cheap", "value_if_returned": 900.0},
        {"customer_id": "owes", "value_if_returned": -500.0},
        {"customer_id": "sure buyer", "p0": 0.999},
        {"customer_id": "touchy", "stage": "active"},
    )
    effect = EffectOptions(by_stage={"active": AssumedEffect(mu=-0.5, sd=0.1)})
    assert reasons(decided(frame, rules(effect=effect, min_value=10.0))) == {
        "cheap": "below_value",
        "owes": "below_value",
        "sure buyer": "not_profitable",
        "touchy": "harmful",
    }


def test_a_customer_who_costs_money_when_returning_is_never_listed_even_if_scaring_them_off_would_pay():
    effect = EffectOptions(assumed=AssumedEffect(mu=-1, sd=0))
    frame = copies(3, value_if_returned=-5000.0)
    for explore in (0.0, 0.9):
        assert not listed(decided(frame, rules(effect=effect, explore_share=explore, min_value=-1e9)))


def test_a_safe_offer_is_taken_when_the_one_that_promises_most_is_too_unsure():
    bold = OfferOptions(id="bold", effect=AssumedEffect(mu=0.3, sd=1.0))
    safe = OfferOptions(id="safe", effect=AssumedEffect(mu=0.2, sd=0.05))
    decision = decided(copies(1), rules(offers=(bold, safe)))
    assert decision.winback["offer_id"].to_list() == ["safe"]


def test_only_the_top_share_by_value_is_listed():
    assert listed(decided(copies(10), rules(top_value_share=0.3))) == ["c0000", "c0001", "c0002"]
    assert not listed(decided(copies(10), rules(top_value_share=0.0)))


def test_an_offer_that_harms_is_not_put_in_the_place_of_one_that_only_costs_too_much():
    dear = OfferOptions(id="dear", cost=30.0)
    harmful = OfferOptions(id="harmful", effect=AssumedEffect(mu=-0.5, sd=0.1))
    decision = decided(copies(1), rules(offers=(dear, harmful)))
    assert reasons(decision) == {"c0000": "not_profitable"}
