"""Which contacts can teach what a contact changes, and in what shape?

A row is one person drawn for being contacted, or for not being contacted, with a known probability: people
held out in the draw stand beside those contacted, with the offer they would have been made.
"""

from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
import polars as pl

from features.errors import DataRefused
from features.wording import counted
from models.boosting import Mask, Sample
from models.matrix import FeatureContract, is_feature, to_matrix
from models.metrics import Array
from models.splits import customer_fold

# What a contact's row says beside its features; `assignment_probability` is that of the own arm.
NEEDED = ("customer_id", "treated", "assignment_probability", "returned")
_TOLD = (
    *NEEDED, "offer_id", "list_id", "enrolment_id", "person_id", "arm", "selection", "stratum", "channel",
    "value_tier", "contacted_at", "weight", "window_margin",
)  # fmt: skip
_ORDER = ("customer_id", "as_of", "list_id", "enrolment_id", "offer_id")


@dataclass(frozen=True, slots=True)
class Trial:
    """Contacts as arrays.

    Attributes:
        sample: features, an outcome, weights and customer folds.
        treated: who was contacted.
        propensity: probability of being contacted.
    """

    sample: Sample
    treated: Mask
    propensity: Array

    @classmethod
    def of(cls, rows: pl.DataFrame, outcome: str, contract: FeatureContract, folds: int, seed: int) -> Self:
        """The contacts of a frame, in its order; a `weight` counts where there is one.

        Raises:
            DataRefused: see `ordered`.
        """
        fold = rows.select(customer_fold("customer_id", folds, seed)).to_series().to_numpy()
        weight = (
            rows["weight"].cast(pl.Float64).to_numpy() if "weight" in rows.columns else np.ones(len(rows))
        )
        label = rows[outcome].cast(pl.Float64).to_numpy()
        sample = Sample(matrix(rows, contract), label, weight, fold)
        return cls(sample, rows["treated"].to_numpy(), propensity(rows))

    def where(self, rows: Mask) -> "Trial":
        """Only the contacts for which the mask holds."""
        return Trial(self.sample.where(rows), self.treated[rows], self.propensity[rows])


def contract_of(rows: pl.DataFrame) -> FeatureContract:
    """The features of contacts: whatever a model may read, `p0` at the time of the contact among them."""
    day = [] if "as_of" in rows.columns else [pl.lit(date(2000, 1, 1)).alias("as_of")]  # one day for all
    return FeatureContract.of(rows.drop(_TOLD, strict=False).with_columns(day))


def ordered(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows in an order that does not hang on how they came, when they can be used.

    Raises:
        DataRefused: when a column is missing, a value unknown, or a probability is not between 0 and 1.
    """
    missing = [name for name in NEEDED if name not in rows.columns]
    if missing:
        raise DataRefused(
            f"Contacts lack the columns {missing}. They have, beside features: {_beside(rows)}."
        )
    chance = pl.col("assignment_probability")
    unknown = pl.any_horizontal(pl.col(NEEDED).is_null())
    wrong = rows.filter(unknown | ~((chance > 0) & (chance < 1))).height
    if wrong:
        raise DataRefused(
            f"{counted(wrong, 'contact')} of {rows.height} cannot be compared: arm, outcome or customer is "
            "unknown, or assignment_probability does not lie between 0 and 1. Only people that a draw could "
            "have put into either arm can teach what a contact changes."
        )
    return rows.sort([name for name in _ORDER if name in rows.columns])


def newest(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """The contacts of the newest days, whole days, at most so many; those of one day at the least."""
    if rows.height <= most or "as_of" not in rows.columns:
        return rows
    days = rows.group_by("as_of").len().sort("as_of", descending=True)
    fitting = days.filter(pl.col("len").cum_sum() <= most)["as_of"]
    first = days["as_of"][0] if fitting.is_empty() else fitting[-1]
    return rows.filter(pl.col("as_of") >= first)


def _beside(rows: pl.DataFrame) -> list[str]:
    return sorted(name for name in rows.columns if name in _TOLD or not is_feature(name))


def propensity(rows: pl.DataFrame) -> Array:
    """Probability of having been drawn for contact."""
    own = pl.col("assignment_probability").cast(pl.Float64)
    return rows.select(pl.when("treated").then(own).otherwise(1 - own)).to_series().to_numpy()


def matrix(rows: pl.DataFrame, contract: FeatureContract) -> pl.DataFrame:
    """The features in the shape of the model; other columns do not matter."""
    return to_matrix(rows.select([name for name in contract.names if name in rows.columns]), contract)
