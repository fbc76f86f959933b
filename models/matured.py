"""How good has a past night turned out, now that its outcome window is over?

Judged on people whom nobody contacted between a horizon before the night and the end of the window;
randomised controls stand in for the contacted with weight 1 / assignment probability.
"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from features.money import units
from models.evaluate import Response, evaluate
from models.lesson import learnable

MATURED = "matured"
# People on whom a past day is judged; of a larger shop a sample, which is as good.
_JUDGED = 200_000


@dataclass(frozen=True, slots=True)
class Rate:
    """How many of a past day's people bought again, nobody having contacted them.

    Attributes:
        mean: weighted share.
        error: its standard error.
        people: how many it is seen on.
    """

    mean: float
    error: float
    people: int


def share_judged(people: int) -> float:
    """The share of a past day's people on whom it is judged."""
    return _JUDGED / max(people, _JUDGED)


def judged(
    scores: pl.DataFrame, outcome: pl.DataFrame, features: pl.DataFrame | None, currency: str
) -> pl.DataFrame:
    """What a night said of each person beside what happened, sorted by customer.

    Args:
        scores: rows of `models.outputs.SCORES` of that night.
        outcome: of the same day, see `features.outcomes`; who is missing in it is left out.
        features: features of that night, if they are still there.
        currency: reporting currency.
    """
    said = scores.select(
        "customer_id",
        *(name for name in ("stage", "days_since_last_purchase") if features is None or name not in features),
        p0=1 - pl.col("churn_probability"),
        expected_margin=pl.col("expected_margin") * units(currency),
    )
    rows = learnable(outcome).join(said, on="customer_id", how="inner")
    if features is not None:
        rows = rows.join(features.drop("as_of"), on="customer_id", how="inner")
    return rows.sort("customer_id")


def matured(judged_rows: pl.DataFrame, response: Response, seed: int) -> dict[str, float]:
    """The figures of a training's test snapshot (`models.evaluate`), called `matured.<measure>`."""
    if judged_rows.is_empty():
        return {}
    return evaluate(judged_rows, response, split=MATURED, seed=seed)


def return_rate(outcome: pl.DataFrame) -> Rate | None:
    """The return rate of a past day; None when everybody was contacted."""
    rows = learnable(outcome)
    if rows.is_empty():
        return None
    returned, weight = rows["returned"].cast(pl.Float64).to_numpy(), rows["weight"].to_numpy()
    mean = float(np.average(returned, weights=weight))
    spread = (weight**2 * (returned - mean) ** 2).sum()
    return Rate(mean, math.sqrt(spread) / float(weight.sum()), len(rows))
