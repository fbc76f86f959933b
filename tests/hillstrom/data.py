"""The trial: 64,000 customers, a third each got men's mail, women's mail, or none; outcomes of two weeks."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from models.uplift import contract_of
from models.uplift.contacts import Trial, ordered

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT.parent / "shared" / "data" / "hillstrom" / "hillstrom.csv"
KEPT = ROOT / ".hillstrom"
ARMS = {"men's": "Mens E-Mail", "women's": "Womens E-Mail"}
OUTCOMES = ("visit", "spend")
REPEATS, FOLDS = 5, 2
# By design: one arm against the one that got nothing.
CHANCE = 0.5
_NOBODY = "No E-Mail"
_FEATURES = ("recency", "history", "mens", "womens", "newbie", "zip_code", "channel")
_CENTS = 100


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm against none.

    Attributes:
        name: men's or women's.
        rows: contacts as `models.uplift` takes them; `visit`, `conversion`, and `spend` in dollars beside.
    """

    name: str
    rows: pl.DataFrame

    @property
    def treated(self) -> npt.NDArray[np.bool_]:
        """Who got the mail."""
        return self.rows["treated"].to_numpy()

    def outcome(self, name: str) -> npt.NDArray[np.float64]:
        """An outcome, one per customer."""
        return self.rows[name].cast(pl.Float64).to_numpy()

    def contacts(self, outcome: str) -> pl.DataFrame:
        """What a shop would know: nothing but one outcome; money in minor units."""
        money = outcome == "spend"
        returned = pl.col("conversion" if money else outcome) > 0
        rows = self.rows.with_columns(returned=returned).drop("visit", "conversion", "spend")
        cents = (self.rows["spend"] * pl.Series([_CENTS])).round().cast(pl.Int64)
        return ordered(rows.with_columns(window_margin=cents) if money else rows)

    def trial(self, outcome: str) -> Trial:
        """The same as arrays."""
        rows = self.contacts(outcome)
        column = "window_margin" if outcome == "spend" else "returned"
        return Trial.of(rows, column, contract_of(rows), folds=4, seed=0)


def arms() -> list[Arm]:
    """Both arms, each against none; customers, who have no id in the file, are numbered by its lines."""
    table = pl.read_csv(FILE, infer_schema_length=None).with_row_index("line", offset=2)
    return [Arm(name, _against_none(table, label)) for name, label in ARMS.items()]


def halves(arm: Arm) -> npt.NDArray[np.int8]:
    """Repeats x customers: the half each customer is in, every half as much of it contacted."""
    place = np.arange(len(arm.rows))
    found = np.empty((REPEATS, len(place)), np.int8)
    for repeat in range(REPEATS):
        rng = np.random.default_rng([repeat, int(hashlib.sha256(arm.name.encode()).hexdigest()[:8], 16)])
        for treated in (True, False):
            some = rng.permutation(place[arm.treated == treated])
            found[repeat, some] = np.arange(len(some)) % FOLDS
    return found


def _against_none(table: pl.DataFrame, label: str) -> pl.DataFrame:
    mine = table.filter(pl.col("segment").is_in([label, _NOBODY]))
    return mine.select(
        pl.format("line-{}", pl.col("line").cast(pl.String).str.zfill(5)).alias("customer_id"),
        *_FEATURES,
        pl.lit("lapsed").alias("stage"),
        pl.lit("bronze").alias("value_tier"),
        pl.lit("mail").alias("offer_id"),
        (pl.col("segment") == label).alias("treated"),
        pl.lit(CHANCE).alias("assignment_probability"),
        "visit",
        "conversion",
        "spend",
    )
