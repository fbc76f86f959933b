"""Who is on tonight's list, who is held out, who is excluded and why?

From predictions to frames ready to be written; everything here is pure and gives the same rows for the same
input.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from features.hashing import uniform
from features.money import exponent, units
from models.appraisal import Appraised, Rules
from models.assignment import CONTACTED, HELD_OUT, enrolment_ids
from models.causes import (
    by_cause,
    by_source,
    matched,
    unavailable,
    unmanageable_note,
    with_guesses,
    with_said,
)
from models.contenders import by_merit
from models.eligibility import BARRED, Known, Reason, barred, consent_note, permitted
from models.limits import FINE, fine_cost
from models.outputs import EXCLUDED, HOLDOUT, WINBACK, contact_by, rows
from models.path import PATH
from models.persons import persons, unjoined_note
from models.profit import APPRAISALS, best
from models.reasons import with_reasons
from models.selection import Selected, one_per_person, select, with_potential, without_offer

# What is known of listed customers and what the model says of them: `models.reasons.facts` and `explained`.
Explain = Callable[[pl.Series], pl.DataFrame]
# What the model's reasons say of why customers left: `models.causes.guessed`.
Guess = Callable[[pl.Series], pl.DataFrame]

# What decides about a customer, and what is shown of those who are enrolled.
_DECIDING = (
    "customer_id",
    "stage",
    "p0",
    "value_if_returned",
    "value_tier",
    "stratum",
    "last_purchase_on",
)
_SHOWN = (
    "days_since_last_purchase",
    "usual_gap_days",
    "favourite_product",
    "favourite_category",
    "orders",
)


@dataclass(frozen=True, slots=True)
class Night:
    """Which list is made.

    Attributes:
        day: the day of the decision.
        list_id: the name of the list (`models.assignment.list_id`).
        model_version: version of the model in the registry.
    """

    day: date
    list_id: str
    model_version: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The three frames of a list in their final shape, what they add up to, and how good the choice is.

    `path` is what other budgets would have bought (`models.path.PATH`), `allocation` the `figures` of
    `models.selection.Selected`.
    """

    list_id: str
    as_of: date
    winback: pl.DataFrame
    holdout: pl.DataFrame
    excluded: pl.DataFrame
    counts: Mapping[str, Any]
    totals: Mapping[str, float]
    notes: tuple[str, ...]
    path: pl.DataFrame = field(default_factory=PATH.to_frame)
    allocation: Mapping[str, Any] = field(default_factory=dict)


def decide(  # noqa: PLR0917 - what it is made of, in order
    appraised: Appraised,
    known: Known,
    rules: Rules,
    night: Night,
    explain: Explain | None = None,
    guess: Guess | None = None,
) -> Decision:
    """Make the list of a day.

    Args:
        appraised: everyone; of its files only what decides is read here, more only of those enrolled.
        known: who may be contacted.
        rules: thresholds, limits, shares.
        night: which list this is.
        explain: given the ids of the listed, what their reasons are made of; default, plain facts alone.
        guess: given ids of people who said nothing, why they left by the model's reasons; default, nobody
            knows.
    """
    everyone = appraised.people.lazy().select(_DECIDING).sort("customer_id").collect()
    who = persons(everyone["customer_id"], known.customers, known.identities)
    allowed = permitted(who, known, rules.consent, rules.offers)
    judged = _judged(everyone, who, allowed, known, rules, night.day)
    needed = any(offer.causes for offer in rules.offers)
    caused = with_guesses(judged, pl.col("reason").is_null(), guess) if needed else judged
    permitted_offers = (
        appraised.offers.lazy().collect().join(allowed, on=["customer_id", "channel"], how="semi")
    )
    offers = matched(permitted_offers, caused, rules.offers, unavailable(rules.offers, rules.list))
    offered = without_offer(_with_best_offer(caused, appraised, offers, rules.list.salt))
    unique = one_per_person(with_potential(offered, rules.list, rules.currency), rules.list.salt)
    selected = select(unique, offers, rules, night.day, night.list_id)
    chosen = selected.people.filter(pl.col("arm").is_not_null())
    known_causes = with_guesses(chosen, pl.lit(value=True), guess)
    enrolled = _with_details(known_causes, appraised.people.lazy())
    found = (
        consent_note(known, rules.consent),
        unjoined_note(everyone["customer_id"], known),
        unmanageable_note(selected.people),
    )
    notes = (*(note for note in found if note is not None), *appraised.notes)
    return _decision(selected, enrolled, rules, notes, night, explain)


def _judged(  # noqa: PLR0917 - what it is made of, in order
    everyone: pl.DataFrame, who: pl.DataFrame, allowed: pl.DataFrame, known: Known, rules: Rules, day: date
) -> pl.DataFrame:
    """Everyone with their person, why they said that they left, and what stands against contacting them."""
    may = allowed.select("customer_id").unique().with_columns(permitted=pl.lit(value=True))
    named = everyone.join(who, on="customer_id", how="left", validate="1:1", maintain_order="left")
    people = with_said(named, who, known.answers).join(may, on="customer_id", how="left")
    return barred(
        people.with_columns(pl.col("permitted").fill_null(value=False)),
        who,
        known,
        day,
        include_lost=rules.list.include_lost,
        unmanageable=rules.causes.unmanageable,
    )


def _with_details(enrolled: pl.DataFrame, people: pl.LazyFrame) -> pl.DataFrame:
    there = people.collect_schema()
    theirs = pl.col("customer_id").is_in(enrolled["customer_id"].implode())
    shown = people.select("customer_id", *[name for name in _SHOWN if name in there]).filter(theirs)
    return enrolled.join(shown.collect(), on="customer_id", how="left", validate="1:1", maintain_order="left")


def _with_best_offer(
    people: pl.DataFrame, appraised: Appraised, offers: pl.DataFrame, salt: str
) -> pl.DataFrame:
    """Everyone with the best offer they may be made: a safe and profitable one, else a safe one, else any.

    Those who may be made none keep the best one: it says what they would have been worth.
    """
    ranked = [best(some, salt) for some in by_merit(offers)]
    first = pl.concat(ranked).unique("customer_id", keep="first", maintain_order=True)
    others = appraised.people.lazy().select(list(APPRAISALS)).join(first.lazy(), on="customer_id", how="anti")
    made = pl.concat(
        [
            first.with_columns(offered=pl.lit(value=True)),
            others.collect().with_columns(offered=pl.lit(value=False)),
        ]
    )
    return people.join(made, on="customer_id", validate="1:1")


def _decision(  # noqa: PLR0917 - what it is made of, in order
    selected: Selected,
    enrolled: pl.DataFrame,
    rules: Rules,
    notes: tuple[str, ...],
    night: Night,
    explain: Explain | None,
) -> Decision:
    chosen = selected.people
    contacted = pl.col("arm").is_in(CONTACTED)
    listed = _ranked(enrolled.filter(contacted), rules.list.salt)
    held = enrolled.filter(pl.col("arm").is_in(HELD_OUT))
    left = chosen.filter(pl.col("arm").is_null())
    fixed: dict[str, str | date] = {
        "list_id": night.list_id,
        "as_of": night.day,
        "model_version": night.model_version,
        "contact_by": contact_by(night.day, rules.list.contact_within_days),
    }
    salt, currency = rules.list.salt, rules.currency
    contacts = _enrolled(_with_grounds(listed, explain), night.list_id, salt)
    told = with_reasons(contacts, currency, rules.value_months, rules.list.language)
    return Decision(
        night.list_id,
        night.day,
        rows(told, WINBACK, currency, fixed),
        rows(_enrolled(held, night.list_id, salt), HOLDOUT, currency, fixed),
        rows(left, EXCLUDED, currency, fixed),
        {**_counts(chosen), "listed_by_cause": by_cause(listed), "cause_from": by_source(listed)},
        _totals(listed, currency),
        notes,
        selected.path,
        selected.figures,
    )


def _with_grounds(listed: pl.DataFrame, explain: Explain | None) -> pl.DataFrame:
    """The listed with what their reasons are made of."""
    if explain is None:
        return listed
    grounds = explain(listed["customer_id"])
    more = grounds.select("customer_id", *[name for name in grounds.columns if name not in listed.columns])
    return listed.join(more, on="customer_id", how="left", validate="1:1", maintain_order="left")


def _ranked(contacted: pl.DataFrame, salt: str) -> pl.DataFrame:
    eip = pl.col("expected_incremental_profit")
    ranked = contacted.sort(-eip, uniform("person_id", f"{salt}|rank"), "customer_id")
    return ranked.with_row_index("rank", offset=1)


def _enrolled(people: pl.DataFrame, list_id: str, salt: str) -> pl.DataFrame:
    ids = enrolment_ids(people["person_id"].to_list(), list_id, salt)
    return people.with_columns(enrolment_id=pl.Series(ids, dtype=pl.String))


def _counts(chosen: pl.DataFrame) -> dict[str, Any]:
    """Scored = listed + held_out + excluded; eligible = scored - those barred."""
    arms, reasons = (
        dict(chosen[column].drop_nulls().value_counts().sort(column).iter_rows())
        for column in ("arm", "reason")
    )
    listed = {arm: arms.get(arm, 0) for arm in CONTACTED}
    held = {arm: arms.get(arm, 0) for arm in HELD_OUT}
    return {
        "scored": chosen.height,
        "eligible": chosen.height - sum(reasons.get(reason, 0) for reason in BARRED),
        "listed": sum(listed.values()),
        "held_out": sum(held.values()),
        "excluded": sum(reasons.values()),
        "by_arm": {str(arm): count for arm, count in (listed | held).items()},
        "excluded_by_reason": {str(reason): reasons.get(reason, 0) for reason in Reason},
    }


def _totals(listed: pl.DataFrame, currency: str) -> dict[str, float]:
    """What contacting the list is expected to cost and to add, major units; sums of integers."""
    digits, unit = exponent(currency), units(currency)
    cost = listed.select(fine_cost().sum()).item()
    profit = listed.select(pl.col("expected_incremental_profit").round().cast(pl.Int64).sum()).item()
    return {
        "expected_cost": round(cost / FINE / unit, digits),
        "expected_profit": round(profit / unit, digits),
    }
