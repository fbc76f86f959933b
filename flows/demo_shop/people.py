"""Who buys here: rhythm, loyalty, taste, and how they would take a contact. Nothing of it is exported."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import polars as pl

from flows.demo_shop.calendar import Season
from flows.demo_shop.plan import Draw, Flags, Floats, Ints, ShopPlan
from flows.demo_shop.products import GARDEN, GIFTS, PER_CATEGORY, place_weights, shelf_weights


@dataclass(frozen=True, slots=True)
class Source:
    """An acquisition channel: its share of people, and how they differ from the average."""

    name: str
    share: float
    leaving: float
    pace: float
    bargain: float


SOURCES = (
    Source("organic", 0.28, 0.85, 1.00, 0.00),
    Source("search", 0.24, 1.00, 1.00, 0.02),
    Source("referral", 0.10, 0.60, 0.90, -0.05),
    Source("social", 0.16, 1.30, 1.05, 0.05),
    Source("marketplace", 0.12, 1.45, 1.15, 0.05),
    Source("coupon", 0.10, 1.80, 1.10, 0.25),
)


class Cause(StrEnum):
    """Why somebody left."""

    PRICE = "price"
    COMPETITOR = "competitor"
    OUTGROWN = "outgrown"
    MOVED = "moved"
    DECEASED = "deceased"
    OTHER = "other"
    NEVER_SETTLED = "never_settled"
    COMPLAINT = "complaint"


CAUSES = tuple(Cause)
_PLANNED = (0.27, 0.26, 0.20, 0.11, 0.02, 0.14)
OFFERS = ("message", "discount10", "gift")
_EXISTING = 0.30
_SEASONAL = 0.07


def draw_people(plan: ShopPlan, block: int) -> pl.DataFrame:
    """The people of one block, one row each, with everything about them that stays.

    `acquired_day` and `first_day` are days since the start; `mean_gap` is in shopping days; `lifetime` is the
    order after which they mean to leave; `effect_<offer>` is the shift of the log of their buying rate in the
    weeks after a contact.
    """
    rng = plan.stream(Draw.PEOPLE, block)
    numbers = np.array(plan.blocks[block], dtype=np.int64)
    count = len(numbers)
    source = rng.choice(len(SOURCES), count, p=[one.share for one in SOURCES])
    existing = rng.random(count) < _EXISTING
    season = rng.choice(len(Season), count, p=[1 - _SEASONAL, 0.6 * _SEASONAL, 0.4 * _SEASONAL])
    bargain = np.array([one.bargain for one in SOURCES])[source]
    price_sensitivity = np.clip(rng.beta(2, 3, count) + bargain, 0, 1)
    evenness = rng.normal(0, 1, count)
    appetite = rng.normal(0, 1, count)
    pace = np.array([one.pace for one in SOURCES])[source] * np.where(season == Season.ALL_YEAR, 1.0, 2.5)
    mean_gap = np.clip(40 * rng.lognormal(0, 0.75, count) * pace, 5, 600)
    leave = _leave_probability(rng, source, season)
    first_day = np.where(
        existing, rng.random(count) * np.minimum(mean_gap * 2, 120), rng.random(count) ** 0.9 * plan.days
    )
    acquired = np.where(existing, -rng.random(count) * 1000, first_day)
    lifetime = _lifetime(rng, source, leave, existing)
    base = 0.25 + 0.55 * (price_sensitivity - 0.43) - 0.08 * evenness + 0.10 * appetite
    base += rng.normal(0, 0.08, count)
    category = rng.choice(len(shelf_weights()), count, p=shelf_weights())
    category = np.where(season == Season.WINTER, GIFTS, np.where(season == Season.SPRING, GARDEN, category))
    return pl.DataFrame(
        {
            "number": numbers,
            "source": source,
            "existing": existing,
            "season": season,
            "acquired_day": acquired,
            "first_day": first_day,
            "mean_gap": mean_gap,
            "regularity": np.clip(2.0 * np.exp(0.5 * evenness), 0.7, 12),
            "leave_probability": leave,
            "lifetime": lifetime,
            "cause": _causes(rng, source, (lifetime == 1) & ~existing),
            "complaint_rate": 0.05 * rng.gamma(2, 0.5, count),
            "price_sensitivity": price_sensitivity,
            "basket": 1.75 * np.exp(0.45 * appetite),
            "favourite_category": category,
            "favourite_product": category * PER_CATEGORY + rng.choice(PER_CATEGORY, count, p=place_weights()),
            "effect_message": base,
            "effect_discount10": base + 0.05 + 0.5 * (price_sensitivity - 0.43),
            "effect_gift": base + 0.03 + 0.08 * appetite,
        }
    )


def _leave_probability(rng: np.random.Generator, source: Ints, season: Ints) -> Floats:
    """Probability of leaving after an order, mean about 8 %."""
    leaving = np.array([one.leaving for one in SOURCES])[source]
    calm = np.where(season == Season.ALL_YEAR, 1.0, 0.5)
    leave: Floats = np.clip(rng.beta(1.2, 14, len(source)) * leaving * calm, 0.005, 0.8)
    return leave


def _lifetime(rng: np.random.Generator, source: Ints, leave: Floats, existing: Flags) -> Ints:
    leaving = np.array([one.leaving for one in SOURCES])[source]
    once = ~existing & (rng.random(len(source)) < 0.34 * leaving)
    return np.where(once, 1, 1 + rng.geometric(leave)).astype(np.int64)


def _causes(rng: np.random.Generator, source: Ints, once: Flags) -> Ints:
    planned = rng.choice(len(_PLANNED), len(source), p=_PLANNED)
    coupon = np.array([one.name == "coupon" for one in SOURCES])[source]
    planned = np.where(coupon & (rng.random(len(source)) < 0.4), CAUSES.index(Cause.PRICE), planned)
    return np.where(once, CAUSES.index(Cause.NEVER_SETTLED), planned)
