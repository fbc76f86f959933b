"""What would "send to those with positive expected profit" have earned, had the shop followed it?

Each half of the trial is decided on by what the other half taught: the effect on visits (learned, or pooled
where that cannot be told from noise; nothing is assumed beforehand), times the mean spend of a visitor, less
the cost of a mail. What it earned is read off the spend of the trial itself, inverse-propensity weighted.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from models.boosting import Recipe, Sample, grow, predict, validate
from models.effects import response
from models.options import AssumedEffect, EffectOptions, OfferOptions, UpliftOptions, XgbOptions
from models.uplift import Judged, contract_of, learn
from models.uplift.contacts import Trial
from tests.hillstrom.data import CHANCE, Arm, halves
from tests.hillstrom.report import Figure
from tests.hillstrom.worth_of_rules import difference, policy_value

COSTS = (0.05, 0.10, 0.25, 0.50)
OFFER = OfferOptions(id="mail")
# Nothing is assumed: no shift, known to within a factor of nearly three either way.
NOTHING_ASSUMED = EffectOptions(assumed=AssumedEffect(mu=0.0, sd=1.0))
_TREES = XgbOptions(max_depth=3, learning_rate=0.1, rounds=150, early_stopping=15, threads=1)
_SEED = 0


@dataclass(frozen=True, slots=True)
class Expected:
    """What contacting each customer was expected to bring before the cost of the mail, dollars.

    Attributes:
        gain: one per customer, from the other half.
        notes: what spoke in each half.
    """

    gain: np.ndarray
    notes: tuple[str, ...]


def expected(arm: Arm, outcome: str = "visit") -> Expected:
    """Expected gains over the first split into halves."""
    half = halves(arm)[0]
    rows = arm.contacts(outcome).with_columns(spend=pl.Series(arm.outcome("spend")))
    gain, notes = np.zeros(len(rows)), []
    for one in (0, 1):
        taught, judged = rows.filter(pl.Series(half != one)), rows.filter(pl.Series(half == one))
        contacts = taught.drop("spend", "window_margin", strict=False)
        known = learn(contacts, [OFFER], NOTHING_ASSUMED, UpliftOptions(), seed=_SEED)
        p0 = _uncontacted(contacts, judged)
        shift, _ = known.shift(judged.with_columns(p0=pl.Series(p0)), OFFER)
        p1, _ = response(np.log(p0 / (1 - p0)), shift)
        worth = taught.filter("returned")["spend"].mean()
        gain[half == one] = (p1 - p0) * float(worth)  # type: ignore[arg-type]  # visitors there are
        notes += known.notes
    return Expected(gain, tuple(notes))


def trial_of(arm: Arm) -> Judged:
    """The spend of the trial."""
    people = len(arm.rows)
    return Judged(arm.outcome("spend"), arm.treated, np.full(people, CHANCE), np.ones(people))


def figures(arm: Arm, gains: Expected) -> list[Figure]:
    """Per cost: the rule against the better of sending to all and to none."""
    trial = trial_of(arm)
    everyone = np.ones(len(gains.gain), bool)
    rows = []
    for cost in COSTS:
        picked = gains.gain > cost
        own, to_all = policy_value(trial, picked, cost), policy_value(trial, everyone, cost)
        better = everyone if to_all.value > 0 else ~everyone
        against = difference(trial, picked, better, cost)
        rows.append(
            Figure(
                f"{arm.name}, policy at {cost:.2f}", own.value, own.low, own.high,
                _goal(to_all.value), against.high >= 0,
                f"sends to {picked.mean():.0%}; difference {against.value:+.3f} ({against.low:+.3f} to "
                f"{against.high:+.3f}); {' '.join(gains.notes) if cost == COSTS[0] else ''}",
            )
        )  # fmt: skip
    return rows


def curve(arm: Arm, gains: Expected, cost: float, points: int = 50) -> Mapping[str, np.ndarray]:
    """Net value per customer, with its interval, of sending to the top share of the ranking."""
    trial, order = trial_of(arm), np.argsort(-gains.gain, kind="stable")
    shares = np.linspace(0, 1, points + 1)
    found = []
    for share in shares:
        picked = np.zeros(len(order), bool)
        picked[order[: round(share * len(order))]] = True
        one = policy_value(trial, picked, cost)
        found.append((one.value, one.low, one.high))
    value, low, high = np.array(found).T
    return {"share": shares, "value": value, "low": low, "high": high}


def _goal(to_all: float) -> str:
    other = "all" if to_all > 0 else "none"
    return f"not below {other} ({max(to_all, 0):.3f}) by more than the 90 % interval"


def _uncontacted(taught: pl.DataFrame, judged: pl.DataFrame) -> np.ndarray:
    contract = contract_of(taught)
    trial = Trial.of(taught, "returned", contract, folds=4, seed=_SEED)
    sample: Sample = trial.sample.where(~trial.treated)
    recipe = Recipe("binary:logistic", _TREES, _SEED)
    rounds = validate(sample, np.ones(len(sample.label), bool), recipe).rounds
    unseen = Trial.of(judged, "returned", contract, folds=4, seed=_SEED).sample.matrix
    return np.clip(predict(grow(sample, recipe, rounds), unseen), 1e-6, 1 - 1e-6)
