"""How is what is scarce shared out among people who are alike?

When many people gain the same, prices alone do not part them: at one price all want it, a hair above nobody
does. Then the best choice is a mixture: some of those who are alike take what everybody would take at one set
of prices, the others what they would take at another. The mixture is found by column generation (Dantzig and
Wolfe 1960): a small linear program mixes the choices seen so far, and its prices lead to the next choice.
They also bring down the bound where setting one price after the other got stuck.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.choices import Choices, Floats, Ints, first_of_each
from models.hull import NONE
from models.limits import Group
from models.prices import SAMPLE, Prices, charged

_MOST, _SMALL, _LEAST_SHARE = 150, 1e-4, 1e-6
# How far the next prices lie towards the best so far: full steps swing to and fro.
_CALM = 0.5


@dataclass(frozen=True, slots=True)
class Mixture:
    """Sets of prices with the shares of people who choose at each, and the prices with the lowest bound."""

    parts: Sequence[Prices]
    shares: Floats
    best: Prices

    def entries(self, choices: Choices, groups: Sequence[Group]) -> Ints:
        """The entry each person takes, or `NONE`: those who choose alike are dealt out by the shares."""
        if not self.parts:  # nothing within the limits brings anything: there is no place at all
            return np.full(choices.people, NONE)
        takes = np.array([_chosen(choices, groups, one) for one in self.parts])
        offers = np.where(takes == NONE, NONE, choices.offer[takes])
        _, kind = np.unique(offers, axis=1, return_inverse=True)
        part = np.searchsorted(np.cumsum(self.shares), _dealt(kind))
        entries: Ints = takes[np.minimum(part, len(self.parts) - 1), np.arange(choices.people)]
        return entries


def mixture(choices: Choices, groups: Sequence[Group], budget: float | None, start: Prices) -> Mixture:
    """The mixture that brings the contacted most within the limits, found for a sample of them.

    Args:
        choices: who can be offered what.
        groups: limits on contacted people.
        budget: most cost of contacted people, fine units.
        start: prices to begin with.
    """
    contacted = choices.of_contacted()
    some = contacted.head(SAMPLE)
    scale = some.people / max(contacted.people, 1)
    limits = np.array([np.inf if budget is None else budget, *(float(one.limit) for one in groups)]) * scale
    parts, brought, used = [Prices(0.0, np.zeros(len(groups)))], [0.0], [np.zeros(len(limits))]
    tried, best, lowest = start, start, np.inf
    while True:
        profit, uses = _outcome(some, groups, tried)
        parts.append(tried)
        brought.append(profit)
        used.append(uses)
        # What is left of the limits at these prices is worth what they say.
        priced = np.array([tried.money, *tried.places])
        reached = profit + float((priced * np.where(priced > 0, limits - uses, 0.0)).sum())
        if reached < lowest:
            best, lowest = tried, reached
        shares, prices, mixed = _mixed(np.array(brought), np.array(used), limits)
        if mixed >= lowest * (1 - _SMALL) or len(parts) > _MOST:
            kept = np.flatnonzero(shares > _LEAST_SHARE)
            return Mixture([parts[one] for one in kept], shares[kept] / shares[kept].sum(), best)
        calm = _CALM * np.array([best.money, *best.places]) + (1 - _CALM) * prices
        tried = Prices(float(calm[0]), calm[1:])


def _chosen(choices: Choices, groups: Sequence[Group], prices: Prices) -> Ints:
    """The entry that each person takes at some prices, or `NONE`."""
    value = choices.eip - charged(choices, groups, prices.places) - prices.money * choices.cost
    best = np.flatnonzero((value > 0) & (value == choices.best(value)[choices.person]))
    first = best[first_of_each(choices.person[best])]
    entry = np.full(choices.people, NONE)
    entry[choices.person[first]] = first
    return entry


def _outcome(choices: Choices, groups: Sequence[Group], prices: Prices) -> tuple[float, Floats]:
    """Profit of what is chosen at some prices, and what it uses of each limit, money first."""
    entry = _chosen(choices, groups, prices)
    held = entry[entry != NONE]
    counts = [float(group.offers[choices.offer[held]].sum()) for group in groups]
    return float(choices.eip[held].sum()), np.array([choices.cost[held].sum(), *counts])


def _mixed(brought: Floats, used: Floats, limits: Floats) -> tuple[Floats, Floats, float]:
    """Shares of the choices that bring most within the limits, the prices of the limits, what it brings."""
    from scipy.optimize import linprog

    bounded = np.isfinite(limits)
    scale, size = brought.max() or 1.0, np.maximum(np.where(bounded, limits, 1.0), 1.0)
    rows = np.vstack([(used / size)[:, bounded].T, np.ones(len(brought))])
    found = linprog(-brought / scale, A_ub=rows, b_ub=[*(limits / size)[bounded], 1.0], method="highs")
    prices = np.zeros(len(limits))
    prices[bounded] = np.maximum(-found.ineqlin.marginals[:-1], 0.0) * scale / size[bounded]
    shares = np.asarray(found.x, dtype=np.float64)
    return shares, prices, float((shares * brought).sum())


def _dealt(kind: Ints) -> Floats:
    """A number in [0, 1) for each person, spread evenly over those of one kind."""
    order = np.argsort(kind, kind="stable")
    start = first_of_each(kind[order])
    size = np.diff(start, append=len(order))
    # People stand in the order of a hash, so the draw is the same whatever order they came in.
    first = np.random.default_rng(0).random(len(start))
    dealt = np.empty(len(order))
    place = np.arange(len(order)) - np.repeat(start, size) + np.repeat(first, size)
    dealt[order] = place / np.repeat(size, size)
    return dealt
