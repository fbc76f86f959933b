"""How would this recipe have done? Fitted for each of the newest complete days, on what was known by then.

Rolling origin: each test day is judged by a fit on the days whose outcome was known by that day (purging), as
it would have been trained that day: on the newest `train.snapshots` of them, no more and, where the history
has them, no fewer than the model that is kept. Every figure of a recipe comes from here, never from the final fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from features.asof import AsOf
from models import baselines
from models.boosting import importance
from models.fitting import Recipe, fit_expected, fit_p0
from models.lesson import are_too_few, past_rows
from models.matrix import FeatureContract, to_matrix
from models.options import TrainOptions

# What the trees of each test day's fit used.
STABILITY = {"feature": pl.String, "snapshot": pl.Date, "gain_share": pl.Float64}


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said of the test days, and what came of it.

    Attributes:
        rows: learnable rows of the test days with p0, churn_probability and expected_margin, each by a fit
            that knew nothing after its day, and what `models.baselines` say; sorted by as_of and customer_id.
        stability: feature, snapshot, gain_share: what the churn trees of each fit used.
    """

    rows: pl.DataFrame
    stability: pl.DataFrame


def judge_recipe(rows: pl.DataFrame, as_of: AsOf, recipe: Recipe, days: Sequence[date]) -> Judged:
    """Judge a recipe.

    Args:
        rows: learnable rows with their `fold`.
        as_of: the windows.
        recipe: what is judged.
        days: on which days, see `test_days`; at least one.
    """
    parts = [_judged(rows, as_of, day, recipe) for day in days]
    rows = pl.concat((one.rows for one in parts), how="diagonal")  # a baseline may be missing on a day
    return Judged(rows, pl.concat(one.stability for one in parts))


def test_days(rows: pl.DataFrame, as_of: AsOf, options: TrainOptions) -> list[date]:
    """The newest days, oldest first, before whose outcome windows enough was known to learn from."""
    came = rows.select("as_of", "customer_id", "returned")
    newest = rows["as_of"].unique().sort(descending=True).head(options.tests)
    enough = [
        day
        for day in newest
        if not are_too_few(
            came.filter(past_rows(came, as_of.at(day), options.snapshots)), options.min_positives
        )
    ]
    return enough[::-1]


def _judged(rows: pl.DataFrame, as_of: AsOf, day: date, recipe: Recipe) -> Judged:
    past = rows.filter(past_rows(rows, as_of.at(day), recipe.train.snapshots))
    test = rows.filter(pl.col("as_of") == day)
    contract = FeatureContract.of(past)
    churn = fit_p0(past, contract, as_of.at(day), recipe)
    window, _ = fit_expected(past, contract, recipe, churn)
    matrix = to_matrix(test, contract)
    p0, _ = churn.model.p0(matrix, test)
    expected = window.expected(matrix, test["stage"], p0)
    low, high = window.interval.bounds(expected)
    found = test.with_columns(
        p0=p0, churn_probability=1 - p0, expected_margin=expected, margin_low=low, margin_high=high
    )
    found = baselines.fitted(past, found, as_of.horizon_days, recipe.seed)
    gains = importance(churn.model.churn)
    stability = pl.DataFrame(
        {"feature": list(gains), "snapshot": [day] * len(gains), "gain_share": list(gains.values())},
        schema=STABILITY,
    )
    return Judged(found, stability)
