"""A comparison with the champion becomes what the rule of promotion judges."""

import math

import numpy as np
import polars as pl

from models.challenge import CHAMPION, GROUPS, MEASURES, challenge
from models.comparison import SCHEMA, compare
from models.promotion import Comparison
from models.scoring import Scoring


def row(group: str, measure: str, snapshot: str, *figures: float, against: str = CHAMPION) -> tuple:
    return (against, group, measure, snapshot, *figures)


FOUND = pl.DataFrame(
    [
        row("all", "auroc", "2024-01-31", 0.8, 0.7, 0.1, 0.0, 0.2),
        row("all", "auroc", "2024-02-29", 0.8, 0.79, 0.01, 0.0, 0.2),
        row("all", "auroc", "mean", 0.8, 0.745, 0.055, 0.01, 0.1),
        row("all", "ece", "mean", 0.02, 0.03, 0.01, 0.0, 0.02),
        row("lapsed", "auroc", "mean", 0.6, 0.7, -0.1, -0.2, -0.05),
        row("bought_90d", "auroc", "mean", 0.6, 0.7, -0.1, -0.2, -0.05),
        row("all", "auroc", "mean", 0.8, 0.2, 0.6, 0.5, 0.7, against="recency"),
    ],
    schema=SCHEMA,
    orient="row",
)


def test_the_figures_of_the_champion_are_read_and_no_others():
    assert challenge(FOUND, same_recipe=True) == Comparison(
        2, 0.055, 0.01, 0.1, {"lapsed": (-0.1, -0.2, -0.05)}, 0.02, 0.03, same_recipe=True
    )


def test_where_the_champion_could_not_be_judged_nothing_is_compared():
    found = challenge(FOUND.clear(), same_recipe=False)
    assert (found.snapshots, found.by_stage) == (0, {})
    assert math.isnan(found.low)
    assert math.isnan(found.ece)


def test_a_scoring_compared_with_itself_differs_in_nothing():
    rng = np.random.default_rng(1)
    p0 = rng.random(400)
    judged = pl.DataFrame(
        {
            "as_of": ["2024-01-31"] * 200 + ["2024-02-29"] * 200,
            "customer_id": [f"c{number % 200}" for number in range(400)],
            "stage": ["active", "lapsed"] * 200,
            "days_since_last_purchase": rng.integers(0, 200, 400),
            "p0": p0,
            "champion.score": p0,
            "champion.p0": p0,
            "returned": rng.random(400) < p0,
            "window_margin": rng.integers(0, 1000, 400),
            "weight": np.ones(400),
        }
    ).with_columns(pl.col("as_of").str.to_date())
    champion = {CHAMPION: Scoring("champion.score", "champion.p0")}
    found = challenge(
        compare(judged, champion, groups=GROUPS, measures=MEASURES, draws=10), same_recipe=False
    )
    assert (found.snapshots, found.difference, found.low, found.high) == (2, 0, 0, 0)
    assert found.by_stage == {"lapsed": (0, 0, 0), "active": (0, 0, 0)}
    assert found.ece == found.ece_champion
