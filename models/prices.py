"""What is one more unit worth of what is scarce: of money, of a place on the list or a channel, of an offer?

The prices of the Lagrangian dual: with a price on everything that is scarce, each person can be looked at
alone. One price at a time is set to where demand just meets the limit, and again, until none moves: first for
a sample of the people, then once more for all. Any prices give an upper bound on the profit that any choice
within the limits can reach.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.choices import Choices, Floats, Ints, first_of_each
from models.hull import NONE, steps
from models.limits import Group

SAMPLE = 50_000
_SWEEPS, _POLISH, _SAME = 30, 3, 1e-4


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in minor units.

    Attributes:
        money: price of a fine unit of cost: the least return that a step must bring.
        places: price of one person in each group.
    """

    money: float
    places: Floats


def find_prices(choices: Choices, groups: Sequence[Group], budget: float | None) -> Prices:
    """Prices at which demand meets the limits.

    Args:
        choices: who can be offered what.
        groups: limits on contacted people.
        budget: most cost of contacted people, fine units.
    """
    contacted = choices.of_contacted()
    prices = Prices(0.0, np.zeros(len(groups)))
    polish = _POLISH if contacted.people > SAMPLE else 0
    for some, sweeps in ((contacted.head(SAMPLE), _SWEEPS), (contacted, polish)):
        market, scale = _Market(some, groups), some.people / max(contacted.people, 1)
        for _ in range(sweeps):
            before, prices = prices, market.sweep(prices, budget, scale)
            if np.allclose(before.places, prices.places, rtol=_SAME, atol=0.0):
                break
    return prices


def settled(choices: Choices, groups: Sequence[Group], prices: Prices) -> Prices:
    """The same price of money, with the prices of places that meet demand at it.

    Where many people are alike, setting one price after the other can get stuck; a price of money that a walk
    within all limits has found leads on.
    """
    market, places = _Market(choices.of_contacted(), groups), prices.places.copy()
    for _ in range(_POLISH):
        places = market.meet(prices.money, places, 1.0)
    return Prices(prices.money, places)


def charges(groups: Sequence[Group], places: Floats, offers: int) -> Floats:
    """What each offer is charged for the places it takes, minor units."""
    total = np.zeros(offers)
    for group, price in zip(groups, places, strict=True):
        total[group.offers] += price
    return total


def charged(choices: Choices, groups: Sequence[Group], places: Floats) -> Floats | float:
    """What each entry is charged for the places it takes, minor units."""
    if not groups:
        return 0.0
    charged: Floats = charges(groups, places, len(groups[0].offers))[choices.offer]
    return charged


def bound(choices: Choices, groups: Sequence[Group], budget: float | None, prices: Prices) -> float:
    """No choice within the limits brings the contacted people more profit than this, minor units."""
    value = choices.eip - charged(choices, groups, prices.places) - prices.money * choices.cost
    scarce = sum(price * group.limit for group, price in zip(groups, prices.places, strict=True))
    surplus = choices.best(value)[choices.contacted].sum()
    return float(surplus + scarce + (0.0 if budget is None else prices.money * budget))


class _Market:
    """The entries of each group, found once."""

    def __init__(self, choices: Choices, groups: Sequence[Group]) -> None:
        self.choices, self.groups = choices, groups
        self.inside: list[Ints] = [np.flatnonzero(group.offers[choices.offer]) for group in groups]

    def sweep(self, prices: Prices, budget: float | None, scale: float) -> Prices:
        """Set one price after the other, money first; `scale` is of the limits."""
        money = 0.0 if budget is None else self._money(prices.places, budget * scale)
        return Prices(money, self.meet(money, prices.places, scale))

    def meet(self, money: float, before: Floats, scale: float) -> Floats:
        """Prices of places that meet the limits one after the other, at a price of money."""
        places = before.copy()
        for number, group in enumerate(self.groups):
            places[number] = 0.0
            demand = self._demand(number, money, places)
            places[number] = _meeting(demand, group.limit * scale)
        return places

    def _money(self, places: Floats, budget: float) -> float:
        """The return of the first step that the budget has no room for."""
        choices = self.choices
        path = steps(choices, choices.eip - charged(choices, self.groups, places))
        if not len(path):
            return 0.0
        spent = np.where(path.before == NONE, 0.0, choices.cost[path.before])
        total = np.cumsum(choices.cost[path.entry] - spent)
        place = int(np.searchsorted(total, budget, side="right"))
        if place == len(path):
            return 0.0
        return float(path.price[place])

    def _demand(self, number: int, money: float, places: Floats) -> Floats:
        """How much each person would give for an offer of the group, over the best they have elsewhere."""
        choices, inside = self.choices, self.inside[number]
        if not len(inside):
            return np.zeros(0)
        value = choices.eip - money * choices.cost - charged(choices, self.groups, places)
        if len(inside) == len(value):
            return choices.best(value)
        who = choices.person[inside]
        start = first_of_each(who)
        within = np.maximum.reduceat(value[inside], start)
        value[inside] = -np.inf
        return within - choices.best(value)[who[start]]


def _meeting(demand: Floats, limit: float) -> float:
    """The price at which as many want an offer as the limit allows, at least 0."""
    if limit >= len(demand):
        return 0.0
    return float(max(0.0, -np.partition(-demand, int(limit))[int(limit)]))
