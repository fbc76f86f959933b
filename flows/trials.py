"""Which delivered lists can be looked back on, and what became of their people?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

import polars as pl

from features.asof import AsOf
from features.books import accounts
from flows import inputs
from flows.enrolments import delivered, read_manifest
from flows.settings import Settings
from models.observed import Trial, observed
from models.persons import persons


def trials(settings: Settings, as_of: AsOf) -> list[Trial]:
    """Delivered lists of earlier days, oldest first."""
    places = inputs.workspace(settings)
    found = []
    for folder in (places.list(day) for day in places.days("lists") if day < as_of.day):
        manifest, known = read_manifest(folder), delivered(folder)
        if manifest is None or known is None:
            continue
        names = ("winback.parquet", "holdout.parquet")
        treated, held = (pl.read_parquet(folder / name) for name in names)
        enrolled = pl.concat([treated.select(held.columns), held])
        window = AsOf(known.acknowledged_on, manifest.horizon_days, manifest.gap_days)
        found.append(Trial(manifest.list_id, manifest.as_of, window, enrolled))
    return found


def arrived(trial: Trial, newest: date | None) -> bool:
    """Whether the orders of the whole outcome window are there."""
    return newest is not None and trial.window.is_complete(newest)


@dataclass(frozen=True, slots=True)
class Accounts:
    """What became of the people of some lists.

    Attributes:
        settings: the config.
        enrolments: `models.eligibility.ENROLMENTS`, of all lists, and every row of the contacts table.
        who: `customer_id`, `person_id` of everyone known.
        orders: of the people of the lists, under all their ids.
        margins: their daily net margins.
    """

    settings: Settings
    enrolments: pl.DataFrame
    who: pl.DataFrame
    orders: pl.LazyFrame
    margins: pl.LazyFrame

    @classmethod
    def read(cls, settings: Settings, as_of: AsOf, lists: Sequence[Trial]) -> Self:
        """As they are known at the end of a day."""
        history, known = inputs.history(settings, as_of), inputs.told_people(settings)
        drawn_or_contacted = inputs.enrolments_and_contacts(settings, as_of)
        who = persons(drawn_or_contacted["customer_id"], known.customers, known.identities)
        drawn = pl.concat([trial.enrolled["customer_id"] for trial in lists]).unique()
        theirs = who.filter(pl.col("customer_id").is_in(drawn.implode()))["person_id"].unique()
        ids = who.filter(pl.col("person_id").is_in(theirs.implode()))["customer_id"]
        orders, margins = accounts(history, ids)
        return cls(settings, drawn_or_contacted, who, orders.lazy(), margins.lazy())

    def of(self, trial: Trial) -> pl.DataFrame:
        """See `models.observed.observed`."""
        beside = {offer.id: float(offer.paid_beside_orders) for offer in self.settings.offers}
        currency = self.settings.currency
        return observed(trial, self.who, self.orders, self.margins, paid_beside=beside, currency=currency)
