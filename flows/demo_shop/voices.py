"""What people told the shop: complaints, scores, and answers at the exit."""

import numpy as np
import polars as pl

from flows.demo_shop.people import CAUSES, Cause
from flows.demo_shop.plan import Draw, ShopPlan

_COMPLAINTS = {
    "late_delivery": "The parcel came a week late, and nobody told me.",
    "damaged": "Two jars were broken when I opened the box.",
    "wrong_item": "This is not what I ordered.",
    "poor_service": "I called three times, and nobody called back.",
    "quality": "It tastes stale, not as it used to.",
}
_EXIT_REASONS = {
    Cause.PRICE: "too_expensive",
    Cause.COMPETITOR: "found_another_shop",
    Cause.OUTGROWN: "no_longer_needed",
    Cause.MOVED: "moved_away",
    Cause.DECEASED: "passed_away",
    Cause.OTHER: "other",
    Cause.NEVER_SETTLED: "did_not_suit",
    Cause.COMPLAINT: "bad_experience",
}
_ASKED_AT_EXIT, _ASKED_FOR_SCORE = 0.08, 0.05


def draw_voices(plan: ShopPlan, block: int, visits: pl.DataFrame, departures: pl.DataFrame) -> pl.DataFrame:
    """Everything said until the end of the plan, in order of time.

    Args:
        plan: the plan.
        block: the block's number.
        visits: from `walk`.
        departures: from `walk`.

    Returns:
        `person`, `day` (whole, since the start), `second`, `kind`, `score`, `reason`, `text`.
    """
    rng = plan.stream(Draw.VOICES, block)
    said = pl.concat([_complaints(rng, visits), _scores(rng, visits), _exits(rng, departures)])
    second = pl.Series("second", rng.integers(8 * 3600, 21 * 3600, said.height))
    said = said.with_columns(pl.col("day").floor().cast(pl.Int64), second)
    return said.filter(pl.col("day") < plan.days).sort("day", "second", "person", "kind")


def _complaints(rng: np.random.Generator, visits: pl.DataFrame) -> pl.DataFrame:
    angry = visits.filter("complained")
    reason = pl.Series("reason", rng.choice(list(_COMPLAINTS), angry.height))
    return angry.select(
        "person",
        pl.col("day") + 1 + pl.Series(rng.integers(0, 6, angry.height)),
        pl.lit("complaint").alias("kind"),
        pl.lit(None, pl.Float64).alias("score"),
        reason,
        reason.replace_strict(_COMPLAINTS, return_dtype=pl.String).alias("text"),
    )


def _scores(rng: np.random.Generator, visits: pl.DataFrame) -> pl.DataFrame:
    asked = visits.filter(pl.Series(rng.random(visits.height) < _ASKED_FOR_SCORE))
    mood = rng.normal(8.3, 1.4, asked.height) - 2.0 * asked["progress"].to_numpy()
    mood -= 4.0 * asked["complained"].to_numpy()
    return asked.select(
        "person",
        pl.col("day") + 7,
        pl.lit("nps").alias("kind"),
        pl.Series("score", np.clip(np.round(mood), 0, 10)),
        pl.lit(None, pl.String).alias("reason"),
        pl.lit(None, pl.String).alias("text"),
    )


def _exits(rng: np.random.Generator, departures: pl.DataFrame) -> pl.DataFrame:
    asked = departures.filter(pl.Series(rng.random(departures.height) < _ASKED_AT_EXIT))
    names = pl.Series([_EXIT_REASONS[one] for one in CAUSES])
    return asked.select(
        "person",
        pl.col("day") + 20 + pl.Series(rng.integers(0, 40, asked.height)),
        pl.lit("exit").alias("kind"),
        pl.lit(None, pl.Float64).alias("score"),
        names.gather(asked["cause"]).alias("reason"),
        pl.lit(None, pl.String).alias("text"),
    )
