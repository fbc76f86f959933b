"""Laws that every list keeps, whatever the shop, the people and the limits (DESIGN, sections 5 and 6).

Here they are asked of whole decisions, with all that can get in each other's way at once: several ids of one
person, consent by channel, stock, capacities, several offers. Of the parts they are asked where these are
tested: of the choice alone in `test_allocation`, of lists without scarce offers in `test_selection`, of the
profit of one offer in `test_profit`, of who is one person in `test_persons`.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from decision_world import DAY, Taught, appraised, copies, decided, listed, people, rules
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_lists import written

from models.appraisal import Rules
from models.assignment import is_control, is_universal
from models.choices import choices, in_hash_order
from models.contenders import pays
from models.decision import Decision
from models.effects import Evidence
from models.eligibility import ENROLMENTS, Known
from models.hull import NONE, steps
from models.options import AssumedEffect, ConsentOptions, ContactOptions, EffectOptions, OfferOptions

ARMS = {"control_share": 0.2, "universal_share": 0.1, "explore_share": 0.2}
GIFT = OfferOptions(id="gift", cost=4.0, effect=AssumedEffect(mu=0.6, sd=0.1))
OFFERS = (
    GIFT,
    OfferOptions(id="note"),
    OfferOptions(id="tenth", channel="sms", cost_rate=0.05, effect=AssumedEffect(mu=0.4, sd=0.1)),
    OfferOptions(id="box", channel="sms", cost=9.0, min_purchase=20.0, effect=AssumedEffect(mu=0.9, sd=0.2)),
)


@dataclass(frozen=True)
class Crowd:
    """A shop's people, and what must hold of them by the test's own reckoning.

    Attributes:
        people: predictions and facts, as the decision reads them.
        known: who may be contacted.
        person: id: the smallest id of the same person.
        never: persons one of whose ids is suppressed, staff or still enrolled.
        allowed: id and channel of everyone who has said yes there, under no id no.
    """

    people: pl.DataFrame
    known: Known
    person: Mapping[str, str]
    never: frozenset[str]
    allowed: frozenset[tuple[str, str]]


# Most could be contacted at a profit: only then are there limits to keep to.
CHOICES: Mapping[str, Sequence[Any]] = {
    "p0": (0.0, 0.02, 0.1, 0.2, 0.2, 0.5),
    "value_if_returned": (-100.0, 90.0, 700.0, 2000.0, 4000.0, 4000.0, 9000.0),
    "stage": ("lost", *("lapsed", "at_risk", "new", "active") * 3),
    "order_value_mean": (None, 500.0, 2500.0, 9000.0),
    "account": (*[None] * 60, *range(40)),
    "address": (*[None] * 60, *range(40)),
    "email": (*[True] * 6, None, False),
    "sms": (*[True] * 6, None, False),
    "state": (*["free"] * 30, "suppressed", "was suppressed", "staff", "enrolled"),
}


def drawn(seed: int, size: int) -> Crowd:
    """So many people, each trait drawn by itself."""
    draw = np.random.default_rng(seed)
    picks = {name: draw.integers(len(values), size=size) for name, values in CHOICES.items()}
    return crowd([{name: CHOICES[name][picks[name][row]] for name in CHOICES} for row in range(size)])


def crowd(rows: Sequence[Mapping[str, Any]]) -> Crowd:
    known = {f"c{place:03d}": row for place, row in enumerate(rows)}
    person = persons_of(known)
    barred = {"suppressed", "staff", "enrolled"}
    refused = {
        (person[one], channel)
        for one, row in known.items()
        for channel in ("email", "sms")
        if row[channel] is False
    }
    return Crowd(
        people=people(
            *[
                {"customer_id": one, **{name: row[name] for name in list(row)[:4]}}
                for one, row in known.items()
            ]
        ),
        known=tables(known),
        person=person,
        never=frozenset(person[one] for one, row in known.items() if row["state"] in barred),
        allowed=frozenset(
            (one, channel)
            for one, row in known.items()
            for channel in ("email", "sms")
            if row[channel] and (person[one], channel) not in refused
        ),
    )


def persons_of(known: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Ids with the same account or address, directly or through others."""
    person = {one: one for one in known}
    for column in ("account", "address") * len(known):
        least: dict[Any, str] = {}
        for one, row in known.items():
            least[row[column]] = min(person[one], least.get(row[column], person[one]))
        joined = {
            one: person[one] if row[column] is None else least[row[column]] for one, row in known.items()
        }
        person = {one: joined[named] for one, named in joined.items()}
    return person


def tables(known: Mapping[str, Mapping[str, Any]]) -> Known:
    def of(state: str) -> list[str]:
        return [one for one, row in known.items() if row["state"] == state]

    places = {one: row["account"] for one, row in known.items() if row["account"] is not None}
    ends = {"suppressed": DAY + timedelta(days=9), "was suppressed": DAY - timedelta(days=1)}
    until = [(one, end) for state, end in ends.items() for one in of(state)]
    return Known(
        customers=pl.DataFrame(
            {
                "customer_id": list(known),
                "email": [
                    None if row["address"] is None else f" Home{row['address']}@shop.example"
                    for row in known.values()
                ],
                "consent_email": [row["email"] for row in known.values()],
                "consent_sms": [row["sms"] for row in known.values()],
                "is_staff": [row["state"] == "staff" for row in known.values()],
            },
            schema_overrides={
                "email": pl.String,
                "consent_email": pl.Boolean,
                "consent_sms": pl.Boolean,
            },
        ),
        identities=pl.DataFrame(
            {"customer_id": list(places), "person_id": [f"a{place}" for place in places.values()]},
            schema_overrides={"customer_id": pl.String, "person_id": pl.String},
        ),
        suppressions=pl.DataFrame(
            {
                "customer_id": [one for one, _ in until],
                "reason": "asked",
                "until": [datetime(end.year, end.month, end.day, tzinfo=UTC) for _, end in until],
            },
            schema_overrides={"customer_id": pl.String, "until": pl.Datetime("us", "UTC")},
        ),
        enrolments=pl.DataFrame(
            [
                {
                    "enrolment_id": f"e{one}",
                    "list_id": "earlier",
                    "as_of": DAY - timedelta(days=9),
                    "customer_id": one,
                    "arm": "control",
                    "assignment_probability": 0.1,
                    "acknowledged_on": DAY - timedelta(days=8),
                    "open_until": DAY + timedelta(days=9),
                }
                for one in of("enrolled")
            ],
            schema=ENROLMENTS,
        ),
    )


CROWDS = st.builds(drawn, seed=st.integers(0, 10**6), size=st.integers(1, 120))
# Of some offers: assumed and worth a trial, the same of own contacts, surely good, harmful.
UNSURE, SPOKEN = (0.3, 0.6, Evidence.ASSUMED), (0.2, 0.4, Evidence.POOLED)
SURE, HARMFUL = (0.3, 0.05, Evidence.POOLED), (-0.4, 0.2, Evidence.POOLED)
KINDS = st.sampled_from([UNSURE, UNSURE, SPOKEN, SPOKEN, SURE, HARMFUL])
TAUGHT = st.dictionaries(st.sampled_from([offer.id for offer in OFFERS]), KINDS)
LIMITS = st.fixed_dictionaries(
    {
        "budget": st.none() | st.floats(0, 30),
        "capacity": st.none() | st.integers(0, 25),
        "channel_capacity": st.dictionaries(st.sampled_from(["email", "sms"]), st.integers(0, 10)),
        "stock": st.none() | st.integers(0, 4),
        "control_share": st.sampled_from([0.0, 0.3]),
        "universal_share": st.sampled_from([0.0, 0.2]),
        "explore_share": st.sampled_from([0.0, 0.3]),
        "trial_share": st.sampled_from([0.0, 0.5]),
        "taught": TAUGHT,
    }
)


# Where places that stayed empty are filled until the money ends.
FILLED_UP: Mapping[str, object] = {
    "budget": 29.98,
    "channel_capacity": {"sms": 6},
    "stock": None,
    "control_share": 0.3,
    "explore_share": 0.0,
    "taught": {"gift": SURE, "note": SPOKEN, "tenth": SURE},
}


def ruled(limits: Mapping[str, object]) -> Rules:
    own = dict(limits)
    gift = GIFT.model_copy(update={"stock": own.pop("stock")})
    effects = Taught(**own.pop("taught", {}))
    return rules(offers=(gift, *OFFERS[1:]), consent=ConsentOptions(basis="column"), effects=effects, **own)


def enrolled(decision: Decision) -> list[str]:
    return [*decision.winback["customer_id"], *decision.holdout["customer_id"]]


@given(some=CROWDS, limits=LIMITS)
@settings(max_examples=25)
def test_nobody_is_contacted_who_is_held_out_suppressed_or_has_not_agreed(some: Crowd, limits):
    rule = ruled(limits)
    decision = decided(some.people, rule, some.known)
    contacted = [some.person[one] for one in listed(decision)]
    assert not some.never & {some.person[one] for one in enrolled(decision)}
    assert set(decision.winback.select("customer_id", "channel").rows()) <= some.allowed
    assert not set(contacted) & {some.person[one] for one in decision.holdout["customer_id"]}
    salt, year = rule.list.salt, rule.list.universal_period
    names = pl.DataFrame({"person_id": contacted}, schema={"person_id": pl.String})
    assert names.filter(is_universal(rule.list.universal_share, salt, DAY, year)).is_empty()
    assert names.filter(is_control(rule.list.control_share, salt, decision.list_id)).is_empty()


@given(some=CROWDS, limits=LIMITS)
@settings(max_examples=25)
def test_each_is_contacted_or_held_out_by_the_chance_that_is_told_of_them(some: Crowd, limits):
    decision = decided(some.people, ruled(limits), some.known)
    both = pl.concat([decision.winback, decision.holdout], how="diagonal").filter(
        pl.col("arm").is_in(["treatment", "control"])
    )
    told = pl.col("assignment_probability")
    is_held = pl.col("arm") == "control"
    drawn = is_control(pl.when(is_held).then(told).otherwise(1 - told), "winback", decision.list_id)
    persons = both.with_columns(person_id=pl.col("customer_id").replace_strict(some.person))
    assert persons.filter(is_held != drawn).is_empty()
    held = both.with_columns(share=pl.when(is_held).then(told).otherwise(1 - told).round(6))
    assert (
        held.select("selection", "evidence", "share")
        .unique()
        .select("selection", "evidence")
        .is_unique()
        .all()
    )


@given(some=CROWDS, limits=LIMITS)
@settings(max_examples=25)
@example(some=drawn(77886, 112), limits=FILLED_UP)
def test_nobody_is_tried_while_somebody_who_surely_pays_could_still_be_made_an_offer(some: Crowd, limits):
    rule = ruled(limits)
    decision = decided(some.people, rule, some.known)
    sure = decision.winback.filter(pl.col("selection") == "profit")
    made = {name: dict(sure[name].value_counts().iter_rows()) for name in ("offer_id", "channel")}
    room = {
        channel: most - int(most * limits["explore_share"])
        for channel, most in limits["channel_capacity"].items()
    }
    stock = {} if limits["stock"] is None else {"gift": limits["stock"]}
    paying = appraised(some.people, rule).offers.lazy().filter(pays()).collect()
    waiting = decision.excluded.filter(pl.col("reason") == "beyond_budget")["customer_id"].to_list()
    could = [
        one
        for one, offer, channel in paying.select("customer_id", "offer_id", "channel").rows()
        if one in waiting
        and (one, channel) in some.allowed
        and made["offer_id"].get(offer, 0) < stock.get(offer, 999)
        and made["channel"].get(channel, 0) < room.get(channel, 999)
    ]
    both = pl.concat([decision.winback, decision.holdout], how="diagonal")
    tried = both.filter(pl.col("selection") == "explore", pl.col("arm") != "explore")
    assert tried.is_empty() or not could


@given(some=CROWDS, limits=LIMITS)
@settings(max_examples=10)
def test_the_files_a_tool_reads_name_the_contacted_and_nobody_else(some: Crowd, limits):
    decision = decided(some.people, ruled(limits), some.known)
    with tempfile.TemporaryDirectory() as place:
        folder = written(Path(place) / "list", decision).folder
        lines = (folder / "winback.jsonl").read_text(encoding="utf-8").splitlines()
        forms = [
            pl.read_csv(folder / "winback.csv", schema=decision.winback.schema)["customer_id"].to_list(),
            [json.loads(line)["customer_id"] for line in lines],
            pl.read_parquet(folder / "winback.parquet")["customer_id"].to_list(),
        ]
        held = pl.read_parquet(folder / "holdout.parquet")["arm"]
    assert forms == [listed(decision)] * 3
    assert set(held) <= {"control", "universal"}


@given(some=CROWDS, limits=LIMITS)
@settings(max_examples=15)
def test_a_person_under_several_ids_is_enrolled_once(some: Crowd, limits):
    decision = decided(some.people, ruled(limits), some.known)
    theirs = [some.person[one] for one in enrolled(decision)]
    assert len(theirs) == len(set(theirs))


@given(some=CROWDS, limits=LIMITS)
@settings(max_examples=30)
def test_a_list_keeps_to_budget_capacity_channels_and_stock_all_at_once(some: Crowd, limits):
    rule = ruled(limits)
    found = decided(some.people, rule, some.known).winback
    buying = 1 - pl.col("churn_probability") + pl.col("uplift")
    spent = found.select((pl.col("contact_cost") + buying * pl.col("offer_cost")).sum()).item()
    assert limits["budget"] is None or spent <= limits["budget"] + 1e-3
    assert limits["capacity"] is None or found.height <= limits["capacity"]
    assert limits["stock"] is None or found.filter(pl.col("offer_id") == "gift").height <= limits["stock"]
    for channel, most in limits["channel_capacity"].items():
        assert found.filter(pl.col("channel") == channel).height <= most


@given(some=CROWDS, less=st.floats(0, 30), more=st.floats(0, 30), taught=TAUGHT)
@settings(max_examples=40)
@example(some=drawn(296872, 69), less=16.99, more=6.65, taught={"gift": UNSURE})
def test_with_stock_and_room_to_spare_a_bigger_budget_only_adds_people(some: Crowd, less, more, taught):
    plenty = {
        "taught": taught,
        "capacity": 500,
        "channel_capacity": {"email": 500, "sms": 500},
        "stock": 500,
        **ARMS,
    }
    small, big = (
        decided(some.people, ruled({**plenty, "budget": budget}), some.known)
        for budget in (less, less + more)
    )
    assert set(listed(small)) <= set(listed(big))
    assert set(enrolled(small)) <= set(enrolled(big))


def taken(offers: tuple[OfferOptions, ...], some: Crowd, price: float) -> dict[str, str]:
    """Which offer each takes that pays, where a unit of expected cost must bring `price` units of profit."""
    found = appraised(some.people, rules(offers=offers)).offers.lazy().collect()
    rows = in_hash_order(found.filter(pays()).with_columns(contacted=pl.lit(value=True)), "winback")
    numbers = choices(rows, [offer.id for offer in offers], "winback")
    walked, held = steps(numbers, numbers.eip), np.full(numbers.people, NONE)
    within = walked.price * 1000 >= price
    held[walked.person[within]] = walked.entry[within]
    return dict(rows[held[held != NONE]].select("customer_id", "offer_id").iter_rows())


def having(offer: str, made: Mapping[str, str]) -> set[str]:
    return {one for one, theirs in made.items() if theirs == offer}


@given(
    some=CROWDS,
    price=st.floats(0, 20),
    place=st.integers(0, 3),
    dearer=st.fixed_dictionaries({"cost": st.floats(0, 30), "cost_rate": st.floats(0, 0.5)}),
)
@settings(max_examples=30)
def test_at_one_price_of_money_an_offer_that_costs_more_is_made_to_no_others(
    some: Crowd, price, place, dearer
):
    own = OFFERS[place]
    more = {name: getattr(own, name) + extra for name, extra in dearer.items()}
    dear = (*OFFERS[:place], own.model_copy(update=more), *OFFERS[place + 1 :])
    assert having(own.id, taken(dear, some, price)) <= having(own.id, taken(OFFERS, some, price))


@given(some=CROWDS, more=st.floats(0, 30))
@settings(max_examples=25)
def test_without_a_budget_nobody_is_listed_with_an_offer_because_it_costs_more(some: Crowd, more):
    def made(cost: float) -> set[str]:
        gift = GIFT.model_copy(update={"cost": cost})
        rule = rules(offers=(gift, *OFFERS[1:]), consent=ConsentOptions(basis="column"), control_share=0.2)
        found = decided(some.people, rule, some.known).winback
        return {some.person[one] for one in found.filter(pl.col("offer_id") == "gift")["customer_id"]}

    assert made(4.0 + more) <= made(4.0)


MONEY = ("expected_margin", "value_if_returned", "value_if_not_returned", "value_se", "order_value_mean")


def in_money(rule: Rules, rate: float, currency: str) -> Rules:
    """The same rules where a unit of the reporting currency buys `rate` times less."""
    offers = tuple(
        offer.model_copy(update={name: getattr(offer, name) * rate for name in ("cost", "min_purchase")})
        for offer in rule.offers
    )
    contact = ContactOptions(cost={name: cost * rate for name, cost in rule.contact.cost.items()})
    budget = None if rule.list.budget is None else rule.list.budget * rate
    options = rule.list.model_copy(update={"budget": budget, "min_value": rule.list.min_value * rate})
    return replace(rule, offers=offers, contact=contact, list=options, currency=currency)


def same_but_for_money(one: Decision, other: Decision, rate: float, coin: float) -> None:
    """The same people; profits differ by the rate, but for what rounding to coins of each money takes."""
    unmoved = ["rank", "customer_id", "arm", "selection", "offer_id", "channel", "assignment_probability"]
    assert one.winback.select(unmoved).equals(other.winback.select(unmoved))
    assert one.excluded.select("customer_id", "reason").equals(other.excluded.select("customer_id", "reason"))
    eip = "expected_incremental_profit"
    rounding = 0.51 * (0.01 * rate + coin)
    assert other.winback[eip].to_list() == pytest.approx((one.winback[eip] * rate).to_list(), abs=rounding)


@given(some=CROWDS, limits=LIMITS)
@settings(max_examples=25)
def test_a_currency_without_cents_gives_the_same_people(some: Crowd, limits):
    """The same whole numbers of the smallest coin: cents in one, yen in the other."""
    rule = ruled(limits)
    one = decided(some.people, rule, some.known)
    other = decided(some.people, in_money(rule, 100.0, "JPY"), some.known)
    same_but_for_money(one, other, 100.0, coin=1.0)


@given(some=CROWDS, limits=LIMITS, power=st.integers(-3, 12))
@settings(max_examples=25)
def test_money_in_another_unit_gives_the_same_people(some: Crowd, limits, power: int):
    # Only contacts cost, in amounts that stay whole: budgets are counted in thousandths of a cent.
    rate = 2.0**power
    free = tuple(offer.model_copy(update={"cost": 0.0, "cost_rate": 0.0}) for offer in OFFERS)
    rule = replace(ruled(limits), offers=free, contact=ContactOptions(cost={"email": 0.08, "sms": 0.64}))
    if rule.list.budget is not None:
        whole = rule.list.model_copy(update={"budget": round(rule.list.budget / 0.08) * 0.08})
        rule = replace(rule, list=whole)
    money = [name for name in MONEY if name in some.people.columns]
    rich = replace(some, people=some.people.with_columns(pl.col(money).cast(pl.Float64) * rate))
    one = decided(some.people, rule, some.known)
    other = decided(rich.people, in_money(rule, rate, "EUR"), rich.known)
    same_but_for_money(one, other, rate, coin=0.01)


def test_one_person_of_many_ids_and_channels_gets_one_contact():
    """By hand: three ids, joined through an account and an address; one no to e-mail holds for all."""
    row = {"p0": 0.2, "value_if_returned": 4000.0, "stage": "lapsed", "order_value_mean": 2500.0}
    free = {**row, "account": None, "address": None, "email": True, "sms": True, "state": "free"}
    some = crowd(
        [
            {**free, "account": 1},
            {**free, "account": 1, "address": 1, "value_if_returned": 9000.0},
            {**free, "address": 1, "email": False},
            free,
        ]
    )
    decision = decided(some.people, ruled({"stock": None}), some.known)
    assert listed(decision) == ["c001", "c003"]
    assert decision.winback["channel"][0] == "sms"
    assert set(decision.excluded["reason"]) == {"same_person"}


def test_an_effect_that_harms_is_no_reason_to_contact_however_the_limits_lie():
    effect = EffectOptions(assumed=AssumedEffect(mu=-0.5, sd=0.1))
    for budget in (None, 0.0, 50.0):
        assert not listed(decided(copies(30), rules(effect=effect, budget=budget, explore_share=0.5)))
