"""A small invented shop, as the training frame that features and labels make of it."""

from datetime import date

import numpy as np
import polars as pl

from features.asof import AsOf
from features.labels import margin_month
from models.splits import complete_snapshots

AS_OF = AsOf(date(2024, 6, 30), horizon_days=60)
FIRST_DAY = date(2023, 1, 1)


def training_frame(people: int = 600, snapshots: int = 6, seed: int = 3) -> pl.DataFrame:
    """Monthly days of a shop whose customers return the likelier, the later they last bought."""
    rng = np.random.default_rng(seed)
    taste, budget = rng.normal(size=people), rng.lognormal(8, 1, size=people)
    days = complete_snapshots(AS_OF, FIRST_DAY, snapshots)
    frames = [_day(one, taste, budget, rng) for one in reversed(days)]
    return pl.concat(frames).sort("as_of", "customer_id")


def feature_frame(people: int = 600) -> pl.DataFrame:
    """The features of one day, without what happened after it."""
    frame = training_frame(people, snapshots=1, seed=5)
    outcome = ["returned", "in_gap", "contacted", "days_to_return", "weight", "window_margin", "fold"]
    months = [margin_month(k) for k in range(1, 13)]
    return frame.drop(outcome + months, strict=False)


def _day(one: AsOf, taste: np.ndarray, budget: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    people = len(taste)
    silent = rng.integers(0, 200, people)
    chance = 1 / (1 + np.exp(-(taste - (silent - 60) / 40)))
    returned = rng.random(people) < chance
    spent = np.rint(budget * rng.lognormal(0, 0.3, people)).astype(np.int64)
    later = (rng.random((people, 12)) < 0.2) * spent[:, None]
    # The outcome window reaches over the first two months: what is bought in it is bought in them.
    later[:, 0], later[:, 1] = np.where(returned, spent, 0), 0
    months = {
        margin_month(k + 1): later[:, k] if one.month(k + 1)[1] <= AS_OF.day else [None] * people
        for k in range(12)
    }
    frame = pl.DataFrame(
        {
            "as_of": [one.day] * people,
            "customer_id": [f"c{number:05}" for number in range(people)],
            "days_since_last_purchase": silent.astype(np.int32),
            "orders": np.maximum(np.rint(3 + taste), 1).astype(np.int32),
            "net_amount_365d": np.rint(budget * 3).astype(np.int64),
            "margin_365d": np.rint(budget).astype(np.int64),
            "usual_gap_days": np.where(taste > 0, 20.0, np.nan),
            "acquisition_channel": np.where(taste > 1, "search", "shop"),
            "season_sin": [one.day.month / 12] * people,
            "stage": np.where(silent > 60, "lapsed", "active"),
            "favourite_category": ["books"] * people,
            "last_purchase_on": [one.day] * people,
            "returned": returned,
            "in_gap": np.zeros(people, bool),
            "contacted": np.zeros(people, bool),
            "weight": np.ones(people),
            "days_to_return": np.where(returned, 1 + silent % one.horizon_days, None).tolist(),
            "window_margin": np.where(returned, spent, 0),
            **months,
        },
        strict=False,
    )
    return frame.with_columns(
        pl.col("^margin_month_.*$").cast(pl.Int64), pl.col("days_to_return").cast(pl.Int32)
    )
