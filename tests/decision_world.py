"""A tiny shop for the tests of the decision: who is scored, and what is known of them."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from models import appraisal
from models.appraisal import Appraised, Common, Rules
from models.decision import Decision, Night, decide
from models.effects import Assumption, Evidence, Shift
from models.eligibility import Known
from models.options import ConsentOptions, ContactOptions, EffectOptions, ListOptions, OfferOptions

DAY = date(2024, 5, 31)
NIGHT = Night(DAY, "0123456789ab", "7")

# One good customer: worth 40.00 when won, very likely profitable to contact.
GOOD: Mapping[str, Any] = {
    "as_of": DAY,
    "p0": 0.2,
    "p0_se": 0.01,
    "expected_margin": 500.0,
    "value_if_returned": 4000.0,
    "value_if_not_returned": 300.0,
    "value_se": 200.0,
    "days_to_return": 40.0,
    "stage": "lapsed",
    "last_purchase_on": DAY - timedelta(days=64),
    "days_since_last_purchase": 64,
    "usual_gap_days": 21.0,
    "overdue_ratio": 64 / 21,
    "favourite_product": "Tea pot",
    "favourite_category": "Kitchen",
    "orders": 5,
    "active_days": 5,
    "categories": 2,
    "order_value_mean": 2500.0,
}
_PREDICTED = (
    "as_of",
    "p0",
    "p0_se",
    "expected_margin",
    "value_if_returned",
    "value_if_not_returned",
    "value_se",
    "expected_worth",
    "days_to_return",
)
_TYPES = {
    "days_since_last_purchase": pl.Int32,
    "last_purchase_on": pl.Date,
    "as_of": pl.Date,
    "usual_gap_days": pl.Float64,
    "favourite_product": pl.String,
    "favourite_category": pl.String,
}


class Taught:
    """What is known of some offers: mean and deviation of the effect, and from what; else assumed."""

    reads = ()

    def __init__(self, **offers: tuple[float, float, Evidence]) -> None:
        self.offers = offers

    def shift(self, people: pl.DataFrame, offer: OfferOptions) -> tuple[Shift, Evidence]:
        if offer.id not in self.offers:
            return Assumption(EffectOptions()).shift(people, offer)
        mu, sd, evidence = self.offers[offer.id]
        return Shift(np.full(people.height, mu), np.full(people.height, sd)), evidence


def people(*rows: Mapping[str, Any]) -> pl.DataFrame:
    """Rows that differ from the good customer in what is given."""
    found = pl.DataFrame([{**GOOD, **row} for row in rows], schema_overrides=_TYPES)
    worth = pl.col("value_if_not_returned") + pl.col("p0") * pl.col("value_if_returned")
    return found if "expected_worth" in found.columns else found.with_columns(expected_worth=worth)


def copies(count: int, **changes: Any) -> pl.DataFrame:
    """So many customers, c0000 and on, each worth a little less than the one before."""
    return people(
        *[
            {"customer_id": f"c{place:04d}", "value_if_returned": 4000.0 - place, **changes}
            for place in range(count)
        ]
    )


def rules(**changes: Any) -> Rules:
    """Rules without holdouts and exploration, consent assumed; `list` options can be given flat."""
    own = {key: changes.pop(key) for key in list(changes) if key in ListOptions.model_fields}
    quiet = {"control_share": 0.0, "universal_share": 0.0, "explore_share": 0.0}
    defaults: dict[str, Any] = {
        "offers": (OfferOptions(id="message"),),
        "effect": EffectOptions(),
        "contact": ContactOptions(cost={"email": 0.05, "sms": 0.1}),
        "consent": ConsentOptions(basis="assumed"),
        "list": ListOptions(**{**quiet, **own}),
        "currency": "EUR",
        "value_months": 12,
    }
    return Rules(**{**defaults, **changes})


def halves(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The frame, split as the pipeline has it: predictions and facts."""
    facts = [name for name in frame.columns if name not in _PREDICTED or name == "as_of"]
    return frame.select("customer_id", *_PREDICTED), frame.select(facts)


def appraised(frame: pl.DataFrame, rule: Rules, common: Common | None = None) -> Appraised:
    """The frame, appraised; by default it is everyone."""
    return appraisal.appraised(*halves(frame), rule, common)


def decided(frame: pl.DataFrame, rule: Rules, known: Known | None = None, night: Night = NIGHT) -> Decision:
    """The decision about the frame."""
    return decide(appraised(frame, rule), known or Known(), rule, night)


def reasons(decision: Decision) -> dict[str, str]:
    """Why each excluded customer is excluded."""
    return dict(decision.excluded.select("customer_id", "reason").iter_rows())


def listed(decision: Decision) -> list[str]:
    """Customers on the list, by rank."""
    return decision.winback["customer_id"].to_list()
