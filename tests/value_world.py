"""A shop whose truth is known: who is alive, how often they buy, what an order brings."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from features.asof import AsOf
from features.labels import DAYS_TO_RETURN, margin_month
from models.matrix import FeatureContract
from models.splits import customer_fold

HORIZON, MONTHS = 60, 12
LAST = AsOf(date(2025, 1, 1), HORIZON)
CONTRACT = FeatureContract(
    ("days_since_last_purchase", "expected_order_amount", "expected_purchases_60d", "net_amount_365d"), {}
)


@dataclass(frozen=True, slots=True)
class Truth:
    """What the shop's people are like.

    Attributes:
        people: how many there are.
        dead: share of the silent who never buy again.
        rate: chance of a purchase per month of those alive.
        stays: chance per month to stay alive.
        tail: spread of the logarithm of an order's margin around the person's own.
        returned: what a month without a purchase brings (goods that come back), minor units.
    """

    people: int = 1200
    dead: float = 0.6
    rate: float = 0.4
    stays: float = 0.95
    tail: float = 0.3
    returned: int = 0


def value_rows(truth: Truth, days: int = 14, seed: int = 5) -> pl.DataFrame:
    """Monthly days with what came after each, as far as it is known on `LAST`; two stages."""
    rng = np.random.default_rng(seed)
    budget = rng.lognormal(7, 0.8, truth.people)
    silent = rng.random(truth.people) < 0.5
    starts = [LAST.at(LAST.day - timedelta(days=61 + round(30.44 * k))) for k in range(days)]
    rows = [_day(one, truth, budget, silent, rng) for one in reversed(starts)]
    return pl.concat(rows).sort("as_of", "customer_id").with_columns(customer_fold("customer_id", 4, 7))


def _day(
    one: AsOf, truth: Truth, budget: np.ndarray, silent: np.ndarray, rng: np.random.Generator
) -> pl.DataFrame:
    people, shape = truth.people, (truth.people, MONTHS)
    alive = ~(silent & (rng.random(people) < truth.dead))[:, None] & (
        np.cumprod(rng.random(shape) < truth.stays, axis=1) > 0
    )
    bought = alive & (rng.random(shape) < truth.rate)
    spread = np.exp(truth.tail * rng.normal(size=shape) - truth.tail**2 / 2)
    margin = np.rint(np.where(bought, budget[:, None] * spread, truth.returned)).astype(np.int64)
    back = bought[:, :2].any(axis=1)
    known = [one.month(k)[1] <= LAST.day for k in range(1, MONTHS + 1)]
    months = {
        margin_month(k + 1): margin[:, k] if known[k] else pl.Series([None] * people, dtype=pl.Int64)
        for k in range(MONTHS)
    }
    first = np.where(bought[:, 0], rng.integers(1, 31, people), rng.integers(31, 61, people))
    return pl.DataFrame(
        {
            "as_of": [one.day] * people,
            "customer_id": [f"c{number:05}" for number in range(people)],
            "days_since_last_purchase": np.where(silent, 200, 20).astype(np.int32),
            "expected_order_amount": budget * 3,
            "expected_purchases_60d": np.where(silent, 0.3, 0.8),
            "net_amount_365d": np.rint(budget * 12 * rng.lognormal(0, 0.3, people)).astype(np.int64),
            "stage": np.where(silent, "lapsed", "active"),
            "returned": back,
            DAYS_TO_RETURN: pl.Series(np.where(back, first, -1), dtype=pl.Int32),
            "weight": np.ones(people),
            "window_margin": margin[:, :2].sum(axis=1),
            **months,
        }
    ).with_columns(pl.when(pl.col(DAYS_TO_RETURN) > 0).then(DAYS_TO_RETURN).alias(DAYS_TO_RETURN))


def true_values(truth: Truth, rate: float = 0.1, people: int = 200_000) -> dict[tuple[str, bool], float]:
    """Mean discounted margin of twelve months per (stage, returned), by brute force, of many people."""
    rng = np.random.default_rng(11)
    budget, silent = rng.lognormal(7, 0.8, people), rng.random(people) < 0.5
    shape = (people, MONTHS)
    alive = ~(silent & (rng.random(people) < truth.dead))[:, None] & (
        np.cumprod(rng.random(shape) < truth.stays, axis=1) > 0
    )
    bought = alive & (rng.random(shape) < truth.rate)
    discount = (1 + rate) ** (-np.arange(1, MONTHS + 1) / 12)
    total = (np.where(bought, budget[:, None], truth.returned) * discount).sum(axis=1)
    back = bought[:, :2].any(axis=1)
    return {
        (stage, outcome): float(total[(silent == (stage == "lapsed")) & (back == outcome)].mean())
        for stage in ("active", "lapsed")
        for outcome in (True, False)
    }
