"""Simulated campaigns whose true effect is known: strata, unequal probabilities, heavy-tailed margins.

A shop is a fixed population; a campaign draws its people from it, and their arms as a list would. The truth
of a campaign is the mean effect in the population, stratum by stratum, weighed by how many people of the list
the draw was to contact there: the effect on those contacted. Nothing here knows how lists are measured.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

BASE_RATES = np.array([0.02, 0.04, 0.07, 0.12, 0.20, 0.30])
STRATA = len(BASE_RATES)
SHOPS = 5
_POPULATION = 50_000
# A bought basket comes back in so many cases, and then costs a part of what it would have brought.
_RETURNED, _LOST = 0.06, 0.2
_KEPT = 1 - _RETURNED * (1 + _LOST)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a campaign is made. Money in minor units.

    Attributes:
        people: enrolled, both arms.
        held_out: probability of being a control, per stratum.
        tail: how baskets of one person differ: `lognormal 1.0` (its sigma) or `pareto 3.0` (its exponent).
        shift: what a contact adds to the log-odds of buying, on average.
        spread: standard deviation of that among people; some are harmed.
        contact_cost: per person contacted.
        offer_cost: per buyer who was contacted, beside the orders.
    """

    people: int
    held_out: tuple[float, ...]
    tail: str
    shift: float = 0.0
    spread: float = 0.0
    contact_cost: float = 0.0
    offer_cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Campaign:
    """What became of a campaign's people, and the true effects per person: return rate, margin, profit."""

    who: npt.NDArray[np.int64]
    stratum: npt.NDArray[np.int64]
    control_probability: Array
    treated: npt.NDArray[np.bool_]
    bought: Array
    margin: Array
    profit: Array
    margin_before: Array
    p0: Array
    truth: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Shop:
    """A population: stratum, log-odds of buying, usual basket, how a contact acts, what is known before."""

    stratum: npt.NDArray[np.int64]
    odds: Array
    basket: Array
    response: Array
    margin_before: Array
    p0: Array


@cache
def shop(seed: int) -> Shop:
    """A shop whose people differ in rhythm, basket and in how they take a contact."""
    draw = np.random.default_rng(seed)
    stratum = draw.integers(0, STRATA, _POPULATION)
    rhythm, taste, response = draw.normal(size=(3, _POPULATION))
    base = BASE_RATES[stratum]
    odds = np.log(base / (1 - base)) + 0.6 * rhythm
    basket = np.exp(7 + 0.5 * taste)
    orders = draw.poisson(np.exp(0.8 + 0.5 * rhythm + 0.2 * (stratum - 2.5)))
    before = orders * basket * np.exp(0.4 * draw.normal(size=_POPULATION))
    # A model that is right on the whole and off for everybody.
    p0 = _probability(0.8 * odds - 0.3 + 0.4 * draw.normal(size=_POPULATION))
    return Shop(stratum, odds, basket, response, before, p0)


def campaign(plan: Plan, seed: int, among: npt.NDArray[np.int64] | None = None) -> Campaign:
    """Run a campaign; another seed draws other people, arms and purchases, in one of a few shops.

    Args:
        plan: how.
        seed: of all draws.
        among: the people to draw from, by their numbers; default the whole population.
    """
    everyone, draw = shop(seed % SHOPS), np.random.default_rng([seed, plan.people])
    who = draw.choice(_POPULATION if among is None else among, plan.people, replace=False)
    stratum = everyone.stratum[who]
    held_out = np.array(plan.held_out)[stratum]
    treated = draw.random(plan.people) >= held_out
    chance = _probability(everyone.odds[who] + np.where(treated, _shifts(plan, everyone)[who], 0.0))
    bought = (draw.random(plan.people) < chance).astype(np.float64)
    kept = np.where(draw.random(plan.people) < _RETURNED, -_LOST, 1.0)
    margin = bought * kept * everyone.basket[who] * _sizes(plan.tail, plan.people, draw)
    profit = margin - treated * (plan.contact_cost + plan.offer_cost * bought)
    known = (everyone.margin_before[who], everyone.p0[who])
    return Campaign(
        who, stratum, held_out, treated, bought, margin, profit, *known, _truth(plan, everyone, stratum)
    )


def members(seed: int, size: int) -> npt.NDArray[np.int64]:
    """So many people of the population, drawn at random."""
    return np.random.default_rng(seed).choice(_POPULATION, size, replace=False)


def _truth(plan: Plan, everyone: Shop, stratum: npt.NDArray[np.int64]) -> tuple[float, float, float]:
    without = _probability(everyone.odds)
    contacted = _probability(everyone.odds + _shifts(plan, everyone))
    rate, worth = contacted - without, _KEPT * everyone.basket
    effects = (rate, rate * worth, rate * worth - plan.contact_cost - plan.offer_cost * contacted)
    contacts = np.bincount(stratum, minlength=STRATA) * (1 - np.array(plan.held_out))
    share = contacts / contacts.sum()
    size = np.bincount(everyone.stratum, minlength=STRATA)
    return tuple(float((share * np.bincount(everyone.stratum, one) / size).sum()) for one in effects)  # type: ignore[return-value]


def _shifts(plan: Plan, everyone: Shop) -> Array:
    return plan.shift + plan.spread * everyone.response


def _sizes(tail: str, people: int, draw: np.random.Generator) -> Array:
    """Sizes of baskets, 1 on average."""
    kind, width = tail.split()
    if kind == "lognormal":
        sigma = float(width)
        return np.exp(draw.normal(-(sigma**2) / 2, sigma, people))
    exponent = float(width)
    return (1 + draw.pareto(exponent, people)) * (exponent - 1) / exponent


def _probability(odds: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-odds)))
