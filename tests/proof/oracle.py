"""Who should be contacted, if the laws of the world were known and only people's secrets were not?

The oracle sees what anybody sees: who joined when, their traits, every order. It knows the laws and the
effect given the observables; a person's own rate, whether they are dormant and the unseen part of their
effect it must infer or average over (Bayes' rule on a grid of rates, day by day). Its expectation of what a
contact adds is exact but for two things: the traces of its own contacts in the orders are read as though
nobody had been contacted, and it does not ask whether next week would be better.
"""

from copy import copy
from typing import NamedTuple

import numpy as np

from tests.proof.chances import (
    DORMANT,
    DROPOUT,
    Array,
    ByState,
    no_purchase,
    orders,
    orders_if_pushed,
    push_for,
    shifted,
)
from tests.proof.worlds import (
    AMOUNT,
    AMOUNT_BETWEEN,
    AMOUNT_WITHIN,
    CHANNEL_RATES,
    CHANNELS,
    CONTACT_COST,
    LAST_DAY,
    MARGIN_RATE,
    MOST_UNITS,
    OFFER_COST,
    RATE_SHAPE,
    USUAL_GAP_DAYS,
    Flags,
    Numbers,
    People,
    Shop,
    Traits,
    World,
    seen_shift,
)

_RATES = 12
# Gauss-Hermite points for the unseen part of the effect: a Normal's mean of anything smooth.
_UNSEEN, _UNSEEN_WEIGHTS = (-(3**0.5), 0.0, 3**0.5), (1 / 6, 2 / 3, 1 / 6)


class Gain(NamedTuple):
    """What contacting customers adds by the last day, and what it costs, each in minor units."""

    profit: Array
    cost: Array


class Oracle:
    """Beliefs about everybody, learned along with a shop."""

    def __init__(self, people: People) -> None:
        """Before the first day."""
        from scipy.stats import gamma

        self._people, self._day = people, -1
        places = (np.arange(_RATES) + 0.5) / _RATES
        grid = gamma.ppf(places, RATE_SHAPE) / (RATE_SHAPE * USUAL_GAP_DAYS)
        self._grid = np.asarray(grid) * (1 / (RATE_SHAPE * USUAL_GAP_DAYS) * RATE_SHAPE / grid.mean())
        self._rates = self._grid[None, :] * np.array(CHANNEL_RATES)[people.traits.channel][:, None]
        self._buys, self._back = -np.expm1(-self._rates), -np.expm1(-DORMANT * self._rates)
        self._active = np.zeros((people.count, _RATES))
        self._dormant = np.zeros((people.count, _RATES))
        self._amounts, self._orders = np.zeros(people.count), np.zeros(people.count)

    def fork(self) -> "Oracle":
        """The same beliefs, to learn on apart."""
        other = copy(self)
        for name in ("_active", "_dormant", "_amounts", "_orders"):
            setattr(other, name, getattr(self, name).copy())
        return other

    def watch(self, shop: Shop) -> None:
        """See all orders up to the shop's day."""
        seen = shop.orders(self._day + 1)
        ends = np.searchsorted(seen.day, np.arange(self._day + 1, shop.day + 2))
        for day, start, end in zip(range(self._day + 1, shop.day + 1), ends, ends[1:], strict=False):
            self._one_day(day, seen.person[start:end])
        np.add.at(self._amounts, seen.person, np.log(seen.amount))
        np.add.at(self._orders, seen.person, 1.0)
        self._day = shop.day

    def gains(self, world: World, whom: Numbers) -> Gain:
        """What contacting some customers adds."""
        more, bought = self._tables(world)
        cell = _cell(self._people.traits, whom)
        active, dormant = self._active[whom], self._dormant[whom]
        total = (active + dormant).sum(axis=1)

        def mean(table: ByState) -> Array:
            parts = active * table.active[cell] + dormant * table.dormant[cell]
            return np.asarray(parts.sum(axis=1) / total)

        cost = CONTACT_COST + OFFER_COST * mean(bought)
        return Gain(MARGIN_RATE * self._amount(whom) * mean(more) - cost, cost)

    def p_active(self, whom: Numbers) -> Array:
        """How sure it is that somebody is active."""
        active, dormant = self._active[whom].sum(axis=1), self._dormant[whom].sum(axis=1)
        return np.asarray(active / (active + dormant))

    def _one_day(self, day: int, bought: Numbers) -> None:
        here = np.flatnonzero(self._people.joined < day)
        flags = np.zeros(self._people.count, bool)
        flags[bought] = True
        buys: Flags = flags[here, None]
        active = self._active[here] * np.where(buys, self._buys[here], 1 - self._buys[here])
        dormant = self._dormant[here] * np.where(buys, self._back[here], 1 - self._back[here])
        total = (active + dormant).sum(axis=1, keepdims=True)
        self._active[here] = ((1 - DROPOUT) * active + np.where(buys, dormant, 0.0)) / total
        self._dormant[here] = (DROPOUT * active + np.where(buys, 0.0, dormant)) / total
        self._active[self._people.joined == day] = 1 / _RATES

    def _amount(self, whom: Numbers) -> Array:
        """Mean net amount of the next orders: a Normal belief about the logarithm of a person's mean."""
        count = self._orders[whom]
        precision = 1 / AMOUNT_BETWEEN**2 + count / AMOUNT_WITHIN**2
        told = self._amounts[whom] + count * AMOUNT_WITHIN**2 / 2
        mean = (np.log(AMOUNT) / AMOUNT_BETWEEN**2 + told / AMOUNT_WITHIN**2) / precision
        return np.asarray(np.exp(mean + 0.5 / precision), float)

    def _tables(self, world: World) -> tuple[ByState, ByState]:
        """By cell of traits and rate: orders that a contact adds, and the chance to buy when contacted."""
        cells = _all_cells()
        rate = self._grid[None, :] * np.array(CHANNEL_RATES)[cells.channel][:, None]
        score = np.broadcast_to(cells.score()[:, None], rate.shape)
        days = LAST_DAY - self._day
        alone, nothing = orders(rate, days)[days], no_purchase(rate)
        more, bought = (ByState(np.zeros_like(rate), np.zeros_like(rate)) for _ in range(2))
        for unseen, weight in zip(_UNSEEN, _UNSEEN_WEIGHTS, strict=True):
            p1 = ByState(*(_contacted(world, score, 1 - none, unseen) for none in nothing))
            push = ByState(
                push_for(rate, np.ones(rate.shape, bool), p1.active),
                push_for(rate, np.zeros(rate.shape, bool), p1.dormant),
            )
            pushed = orders_if_pushed(rate, push, days)
            more = ByState(*(m + weight * (b - a) for m, a, b in zip(more, alone, pushed, strict=True)))
            bought = ByState(*(b + weight * p for b, p in zip(bought, p1, strict=True)))
        return more, bought


def _contacted(world: World, score: Array, p0: Array, unseen: float) -> Array:
    shift, spread = seen_shift(world, score, p0)
    return shifted(p0, shift + spread * unseen)


def _all_cells() -> Traits:
    channel, bargain, units = np.meshgrid(
        np.arange(len(CHANNELS)), np.array([False, True]), np.arange(1, MOST_UNITS + 1), indexing="ij"
    )
    return Traits(channel.ravel(), bargain.ravel(), units.ravel())


def _cell(traits: Traits, whom: Numbers) -> Numbers:
    place = (traits.channel[whom] * 2 + traits.bargain[whom]) * MOST_UNITS + traits.units[whom] - 1
    return np.asarray(place)
