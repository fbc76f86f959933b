"""What the files of a night look like: names and types of their columns, each written once (version 1).

Money in files is in major units of the reporting currency, rounded to its digits; the costs of a contact
keep four more, since they can be fractions of a cent.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from features.labels import DAYS_TO_RETURN
from features.money import exponent, units
from models.reasons import REASONS

SCHEMA_VERSION = 1

SCORES = pl.Schema(
    {
        "customer_id": pl.String(),
        "as_of": pl.Date(),
        "stage": pl.String(),
        "churn_probability": pl.Float64(),
        "expected_margin": pl.Float64(),
        "value_if_returned": pl.Float64(),
        "value_if_not_returned": pl.Float64(),
        "offer_id": pl.String(),
        "channel": pl.String(),
        "uplift": pl.Float64(),
        "evidence": pl.String(),
        "expected_incremental_profit": pl.Float64(),
        "expected_incremental_profit_low": pl.Float64(),
        "value_tier": pl.String(),
        "last_purchase_on": pl.Date(),
        "days_since_last_purchase": pl.Int32(),
        "usual_gap_days": pl.Float64(),
        "overdue_ratio": pl.Float64(),
        "next_purchase_on": pl.Date(),
        "model_version": pl.String(),
    }
)

WINBACK = pl.Schema(
    {
        "rank": pl.Int64(),
        "list_id": pl.String(),
        "enrolment_id": pl.String(),
        "as_of": pl.Date(),
        "customer_id": pl.String(),
        "arm": pl.String(),
        "selection": pl.String(),
        "stratum": pl.String(),
        "assignment_probability": pl.Float64(),
        "stage": pl.String(),
        "value_tier": pl.String(),
        "churn_probability": pl.Float64(),
        "value_if_returned": pl.Float64(),
        "uplift": pl.Float64(),
        "evidence": pl.String(),
        "expected_incremental_profit": pl.Float64(),
        "expected_incremental_profit_low": pl.Float64(),
        "offer_id": pl.String(),
        "offer_cost": pl.Float64(),
        "contact_cost": pl.Float64(),
        "channel": pl.String(),
        "cause": pl.String(),
        **dict.fromkeys(REASONS, pl.String()),
        "favourite_product": pl.String(),
        "favourite_category": pl.String(),
        "last_purchase_on": pl.Date(),
        "days_since_last_purchase": pl.Int32(),
        "usual_gap_days": pl.Float64(),
        "contact_by": pl.Date(),
        "model_version": pl.String(),
    }
)

# From this chance of a return on a date is told for it.
_LIKELY = 0.5

# The columns that only make sense for someone who is contacted.
_CONTACT_ONLY = {"rank", *REASONS, "favourite_product", "favourite_category", "contact_by"}
HOLDOUT = pl.Schema({name: dtype for name, dtype in WINBACK.items() if name not in _CONTACT_ONLY})

EXCLUDED = pl.Schema(
    {
        "customer_id": pl.String(),
        "reason": pl.String(),
        **{
            name: WINBACK[name]
            for name in (
                "as_of",
                "stage",
                "value_tier",
                "churn_probability",
                "value_if_returned",
                "expected_incremental_profit",
                "expected_incremental_profit_low",
            )
        },
    }
)

# Texts that come from the shop's own free text, in which a spreadsheet could find a formula.
FREE_TEXT = ("cause", *REASONS, "favourite_product", "favourite_category")

_MONEY = (
    "expected_margin",
    "value_if_returned",
    "value_if_not_returned",
    "expected_incremental_profit",
    "expected_incremental_profit_low",
)
_COSTS = ("offer_cost", "contact_cost")
_PROBABILITIES = ("churn_probability", "uplift")
_COST_DIGITS, _PROBABILITY_DIGITS, _DAY_DIGITS = 4, 6, 2
# Who is explored is one of all customers below the cut: with fewer digits their chance would be none.
_DRAW_DIGITS = 12


def digits(currency: str) -> Mapping[str, int]:
    """Digits after the decimal mark of each floating-point column of the list."""
    money = exponent(currency)
    return {
        **dict.fromkeys(_MONEY, money),
        **dict.fromkeys(_COSTS, money + _COST_DIGITS),
        **dict.fromkeys(_PROBABILITIES, _PROBABILITY_DIGITS),
        "assignment_probability": _DRAW_DIGITS,
        "usual_gap_days": _DAY_DIGITS,
    }


def scores(people: pl.DataFrame, currency: str, model_version: str) -> pl.DataFrame:
    """`scores.parquet`: one row per customer, sorted.

    Args:
        people: predictions, facts, `value_tier` and the best offer's appraisal, money in minor units.
        currency: reporting currency.
        model_version: version of the model in the registry.
    """
    expected = pl.col("as_of") + pl.duration(days=pl.col(DAYS_TO_RETURN).round().cast(pl.Int64))
    columns = people.with_columns(
        _churn(),
        *[pl.col(name) / units(currency) for name in _MONEY],
        next_purchase_on=pl.when(pl.col("p0") >= _LIKELY).then(expected),
        model_version=pl.lit(model_version),
    )
    return _shaped(columns, SCORES).sort("customer_id")


def rows(
    people: pl.DataFrame, schema: pl.Schema, currency: str, fixed: Mapping[str, str | date]
) -> pl.DataFrame:
    """The rows of a list in the shape of `schema`: minor units become major ones, numbers get their digits.

    Args:
        people: columns of the schema, money in minor units, `p0` instead of `churn_probability`.
        schema: `WINBACK`, `HOLDOUT` or `EXCLUDED`.
        currency: reporting currency.
        fixed: columns that are the same in all rows.
    """
    places = digits(currency)
    major = people.with_columns(
        _churn(), *[pl.col(name) / units(currency) for name in (*_MONEY, *_COSTS) if name in schema]
    ).with_columns(**{name: pl.lit(value) for name, value in fixed.items() if name in schema})
    # Adding 0 turns -0.0, which some readers print, into 0.0.
    return _shaped(major, schema).with_columns(
        pl.col(name).round(places[name]) + 0.0 for name in schema if name in places
    )


def _churn() -> pl.Expr:
    return (1 - pl.col("p0")).alias("churn_probability")


def _shaped(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    return frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())


class Manifest(BaseModel):
    """`manifest.json`: what a list was made of and what is in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION
    list_id: str
    as_of: date
    currency: str
    config_hash: str
    lake_versions: dict[str, Any]
    model_version: str
    model_run_id: str
    effects: str | None = None
    evidence: dict[str, str] = {}
    seed: int
    consent_basis: str
    exportable: bool
    acknowledge: str
    gap_days: int
    horizon_days: int
    contact_by: date
    notes: tuple[str, ...] = ()
    counts: dict[str, Any]
    totals: dict[str, float]
    allocation: dict[str, Any] = {}
    files: dict[str, str] = {}


def contact_by(day: date, within_days: int) -> date:
    """The last day on which to contact."""
    return day + timedelta(days=within_days)
