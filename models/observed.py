"""What became of everybody who is compared: the people contacted for profit, and those held out of them.

People explored below the cut and the universal holdout were drawn otherwise and are not compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from features.asof import AsOf
from features.money import units
from features.orders import as_known, net_by
from models.assignment import Arm

COMPARED = (Arm.TREATMENT, Arm.CONTROL)
RETURN_RATE, NET_MARGIN, NET_PROFIT = "return_rate", "net_margin", "net_profit"
# Known before the draw, so that differences can be freed of what they foretell.
MARGIN_BEFORE, P0 = "margin_before", "p0"
COVARIATES = (MARGIN_BEFORE, P0)
# The groups told apart, where the list has these columns for both arms.
GROUPS = ("selection", "value_tier", "offer_id", "stage", "cause")
_DAYS_BEFORE = 365
# A covariate's outermost percentiles are drawn in: a few very large customers would decide its slope.
_TAIL = 0.01


@dataclass(frozen=True, slots=True)
class Trial:
    """A delivered list and the days over which it is looked at.

    Attributes:
        list_id: its name.
        as_of: the day of the decision.
        window: the days that count, seen from the acknowledgement.
        enrolled: its enrolments, of all arms: `enrolment_id`, `customer_id`, `arm`, `stratum`,
            `assignment_probability`, `offer_id`, and `offer_cost` and `contact_cost` in major units; where
            the list has them `churn_probability` and the columns of `GROUPS`.
    """

    list_id: str
    as_of: date
    window: AsOf
    enrolled: pl.DataFrame

    def over(self, days: int) -> "Trial":
        """The same list, looked at over so many days."""
        return replace(self, window=replace(self.window, horizon_days=days))


def observed(
    trial: Trial,
    who: pl.DataFrame,
    orders: pl.LazyFrame,
    margins: pl.LazyFrame,
    *,
    paid_beside: Mapping[str, float],
    currency: str,
) -> pl.DataFrame:
    """What became of everybody who is compared.

    Args:
        trial: the list.
        who: `customer_id`, `person_id` of everyone enrolled, with their other ids: all of them count.
        orders: `features.orders.orders`.
        margins: daily net margins (`features.books.accounts`), of the year before the list too.
        paid_beside: offer: `models.options.OfferOptions.paid_beside_orders`; 1 for offers that are not named.
        currency: reporting currency.

    Returns:
        Sorted by `enrolment_id`: `person_id`, `treated`, `stratum`, `control_probability`, the columns of
        `GROUPS` and `COVARIATES` that there are, and per person in the window `return_rate` (1 for a net
        purchase), `net_margin` and `net_profit` (net of contact and offer). Minor units.
    """
    window, on = trial.window, pl.col("ordered_on")
    placed = as_known(orders.collect(), window.outcome_end).lazy()
    bought = placed.filter(window.outcome(on), net_by(pl.col("cancelled_on") <= window.outcome_end))
    people = who.lazy()
    buyers = bought.select("customer_id").join(people, on="customer_id").select("person_id").unique()
    earned = margins.join(people, on="customer_id").group_by("person_id")
    before = window.at(trial.as_of).last_days(on, _DAYS_BEFORE)
    by_person = earned.agg(
        pl.col("margin").filter(window.outcome(on)).sum().alias(NET_MARGIN),
        pl.col("margin").filter(before).sum().alias(MARGIN_BEFORE),
    )
    treated, chance = pl.col("arm") == Arm.TREATMENT, pl.col("assignment_probability")
    found = (
        trial.enrolled.lazy()
        .filter(pl.col("arm").is_in(COMPARED))
        .join(people, on="customer_id", how="left")
        .join(buyers.with_columns(pl.lit(1.0).alias(RETURN_RATE)), on="person_id", how="left")
        .join(by_person, on="person_id", how="left")
        .with_columns(pl.col(RETURN_RATE).fill_null(0.0), pl.col(NET_MARGIN, MARGIN_BEFORE).fill_null(0))
        .with_columns(
            (pl.col(NET_MARGIN) - _spent(treated, paid_beside, units(currency))).alias(NET_PROFIT),
            treated=treated,
            control_probability=pl.when(treated).then(1 - chance).otherwise(chance).round(9),
        )
        .collect()
    )
    return _shaped(found)


def _spent(treated: pl.Expr, paid_beside: Mapping[str, float], unit: int) -> pl.Expr:
    """What a person's contact cost beside the orders, minor units: the contact, and for a buyer the offer."""
    redeemed = pl.col("offer_id").replace_strict(dict(paid_beside), default=1.0, return_dtype=pl.Float64)
    offer = pl.col(RETURN_RATE) * redeemed * pl.col("offer_cost")
    return pl.when(treated).then((pl.col("contact_cost") + offer) * unit).otherwise(0.0)


def _shaped(found: pl.DataFrame) -> pl.DataFrame:
    named = ["enrolment_id", "person_id", "stratum", RETURN_RATE, NET_MARGIN, NET_PROFIT]
    groups = [name for name in GROUPS if name in found.columns and found[name].null_count() < found.height]
    if "selection" in groups and found["selection"].n_unique() == 1:
        groups.remove("selection")  # nobody was tried: it would say the whole list once more
    before = [_drawn_in(pl.col(MARGIN_BEFORE).cast(pl.Float64))]
    if "churn_probability" in found.columns and not found["churn_probability"].has_nulls():
        before.append((1 - pl.col("churn_probability")).alias(P0))
    columns = [*named, "treated", "control_probability", *groups, *before]
    return found.select(columns).sort("enrolment_id")


def _drawn_in(value: pl.Expr) -> pl.Expr:
    return value.clip(value.quantile(_TAIL, "nearest"), value.quantile(1 - _TAIL, "nearest"))
