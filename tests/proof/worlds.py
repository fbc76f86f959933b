"""Shops whose truth is known: who would have bought anyway, and what a contact changes in four worlds.

People join over time, buy with a rate of their own, fall dormant, and sometimes come back; a purchase of
somebody dormant, won or not, makes them active again. A contact shifts the log-odds of a purchase within the
30 days after it. All draws belong to a person and a day (`tests.proof.draws`): under two policies the same
people do the same, except what contacts change, so that what a policy adds is its margin less the margin of
the same world without any contact, less its costs.

All constants were chosen before any model was fitted on these worlds; each says why.
"""

from copy import copy
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
import numpy.typing as npt

from tests.proof.chances import (
    DORMANT,
    DROPOUT,
    WINDOW,
    Array,
    ByState,
    no_purchase,
    orders,
    orders_if_pushed,
    push_for,
    shifted,
)
from tests.proof.draws import Draws

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]

# Two years of history before the first list, as a shop has that begins with win-back; the days of all lists
# are Sundays, as day 0 is a Monday. Lists for half a year.
FIRST_LIST, WEEKS, WEEK = 727, 26, 7
# Half a year after the last list, so that what follows from a won purchase is counted too.
LAST_DAY = FIRST_LIST + WEEK * (WEEKS - 1) + 182
# New people join at a steady pace until the last list: no shop stands still.
JOINING_DAYS = FIRST_LIST + WEEK * WEEKS

# Active people buy every 40 days on average, so that a window of 30 days is neither always nor never hit.
# Shape 1.5: rates differ by a factor of ten between the slow and the fast tenth.
USUAL_GAP_DAYS, RATE_SHAPE = 40.0, 1.5
# An order's net amount: median 35.00, people differ by a log sd of 0.6 (the top tenth spends twice the
# median), orders of one person by 0.5. Net margin 30 %, the config's own default.
AMOUNT, AMOUNT_BETWEEN, AMOUNT_WITHIN, MARGIN_RATE = 3500.0, 0.6, 0.5, 0.3
# A text message costs 0.10; who buys in its window redeems a voucher of 0.50: of an order of 35.00 a small
# present, and dear enough that contacting those who buy anyway loses money.
CONTACT_COST, OFFER_COST = 10, 50
# A week's budget contacts about one in twenty of those who are customers at the first list.
BUDGET_PER_PERSON = 1.25

# Three traits that anybody can see from the first order on.
CHANNELS = ("search", "social", "friend", "shop")
CHANNEL_SHARES = (0.4, 0.25, 0.15, 0.2)
# Friends' friends buy more, those whom an advertisement caught less (Schmitt, Skiera and Van den Bulte,
# "Referral programs and customer value", Journal of Marketing 75, 2011).
CHANNEL_RATES = (1.0, 0.85, 1.2, 1.0)
BARGAIN_SHARE = 0.3
BARGAIN_DISCOUNT = 0.2
MOST_UNITS = 4

# Log-odds, so large that the mean effect over the customers of the first list is about 2 points of return
# probability, the middle of the 1 to 3 that are usual. The same for all:
SAME = 0.155
# From traits: those who came for a bargain, by an advertisement, or buy several at once answer more; half of
# the variance is noise that nobody sees; the spread is such that a tenth of people are harmed.
TRAITS, TRAITS_SPREAD = 0.15, 0.117
CHANNEL_EFFECTS, BARGAIN_EFFECT, UNIT_EFFECT = (0.0, 0.8, -0.6, -1.0), 1.2, 0.5
# Falling with the churn risk 1 - p0, to nothing where the customer is surely gone.
FALLING = 0.385


class World(StrEnum):
    """What a contact changes."""

    NOTHING = "a"
    SAME_FOR_ALL = "b"
    FROM_TRAITS = "c"
    FALLING_WITH_RISK = "d"


@dataclass(frozen=True, slots=True)
class Traits:
    """What anybody can see of people, one entry each.

    Attributes:
        channel: by which of `CHANNELS` they came.
        bargain: whether their first order was discounted.
        units: units in each of their orders.
    """

    channel: Numbers
    bargain: Flags
    units: Numbers

    def score(self) -> Array:
        """How the traits move the effect of a contact: mean 0 and variance 1 over people."""
        channel = np.array(CHANNEL_EFFECTS)[self.channel]
        raw = channel + BARGAIN_EFFECT * self.bargain + UNIT_EFFECT * self.units
        shares, values = np.array(CHANNEL_SHARES), np.array(CHANNEL_EFFECTS)
        mean = float((shares * values).sum()) + BARGAIN_EFFECT * BARGAIN_SHARE + UNIT_EFFECT * _MEAN_UNITS
        variance = float((shares * values**2).sum() - (shares * values).sum() ** 2)
        variance += BARGAIN_EFFECT**2 * BARGAIN_SHARE * (1 - BARGAIN_SHARE)
        variance += UNIT_EFFECT**2 * (MOST_UNITS**2 - 1) / 12
        return np.asarray((raw - mean) / variance**0.5)


_MEAN_UNITS = (MOST_UNITS + 1) / 2


@dataclass(frozen=True, slots=True)
class People:
    """Everyone who ever joins.

    Attributes:
        joined: day of the first purchase.
        rate: intensity of purchases while active, per day.
        amount: mean net amount of an order, minor units.
        traits: what can be seen of them.
        unseen: part of a contact's effect that follows from nothing anybody sees: mean 0, variance 1.
        seed: of their draws.
    """

    joined: Numbers
    rate: Array
    amount: Array
    traits: Traits
    unseen: Array
    seed: int

    @classmethod
    def drawn(cls, count: int, seed: int) -> Self:
        """So many people; the same seed gives the same ones, in every world."""
        rng = np.random.default_rng(seed)
        channel = rng.choice(len(CHANNELS), count, p=CHANNEL_SHARES)
        own = rng.gamma(RATE_SHAPE, 1 / (RATE_SHAPE * USUAL_GAP_DAYS), count)
        return cls(
            joined=rng.integers(0, JOINING_DAYS, count),
            rate=own * np.array(CHANNEL_RATES)[channel],
            amount=AMOUNT * np.exp(AMOUNT_BETWEEN * rng.normal(size=count)),
            traits=Traits(channel, rng.random(count) < BARGAIN_SHARE, rng.integers(1, MOST_UNITS + 1, count)),
            unseen=rng.normal(size=count),
            seed=seed,
        )

    @property
    def count(self) -> int:
        """How many."""
        return len(self.joined)


def seen_shift(world: World, score: Array, p0: Array) -> tuple[Array, float]:
    """The shift of the log-odds, as far as traits and churn risk tell, and the spread of the rest.

    Args:
        world: which.
        score: of the traits.
        p0: probability of a purchase in the window without a contact.
    """
    if world is World.FROM_TRAITS:
        half = TRAITS_SPREAD * 0.5**0.5
        return TRAITS + half * score + 0 * p0, half
    if world is World.FALLING_WITH_RISK:
        return FALLING * p0 + 0 * score, 0.0
    return (SAME if world is World.SAME_FOR_ALL else 0.0) + 0 * score * p0, 0.0


@dataclass(frozen=True, slots=True)
class Orders:
    """Orders in the order of their days: who, when, for how much (minor units), and with a voucher or not."""

    person: Numbers
    day: Numbers
    amount: Numbers
    redeems: Flags

    @property
    def margin(self) -> Array:
        """Net margin of each, minor units, before vouchers."""
        return np.asarray(MARGIN_RATE * self.amount, float)


class Shop:
    """A world on its way: `run` it to a day, `contact` people, look at what can be seen."""

    def __init__(self, people: People, world: World) -> None:
        """Before the first day."""
        self.people, self.world, self.day = people, world, -1
        self._buys, self._leaves, self._spends = (
            Draws.of(people.seed, purpose, people.count) for purpose in ("buy", "leave", "spend")
        )
        self._active = np.zeros(people.count, bool)
        self._push = np.ones(people.count)
        self._until = np.full(people.count, -1)
        self._score = people.traits.score()
        self._days: list[tuple[Numbers, Numbers, Flags]] = []
        self._contacts: list[tuple[int, Numbers]] = []

    def fork(self, world: World) -> "Shop":
        """The same shop on the same day, to go on apart in this world, where nobody was contacted yet."""
        if self._contacts:
            raise ValueError("people were contacted already: what became of them belongs to one world")
        other = copy(self)
        other.world = world
        for name in ("_active", "_push", "_until", "_days", "_contacts"):
            setattr(other, name, getattr(self, name).copy())
        return other

    def run(self, day: int) -> None:
        """Live on to the end of a day."""
        while self.day < day:
            self.day += 1
            self._live()

    def contact(self, whom: Numbers) -> None:
        """Contact some, for the window that begins tomorrow.

        Raises:
            ValueError: when one of them is not a customer yet, or still in a window.
        """
        if (self.people.joined[whom] > self.day).any() or (self._until[whom] > self.day).any():
            raise ValueError("only customers can be contacted, and not again while a window is open")
        rate, active = self.people.rate[whom], self._active[whom]
        p0, p1 = self.chances(whom)
        push = push_for(rate, active, p1)
        self._push[whom] = np.where(p1 == p0, 1.0, push)
        self._until[whom] = self.day + WINDOW
        self._contacts.append((self.day, whom))

    def chances(self, whom: Numbers) -> tuple[Array, Array]:
        """The true probabilities of a purchase in the window from tomorrow: without a contact, and with."""
        p0 = 1 - no_purchase(self.people.rate[whom]).of(self._active[whom])
        shift, spread = seen_shift(self.world, self._score[whom], p0)
        shift = shift + spread * self.people.unseen[whom]
        return p0, np.where(shift == 0, p0, shifted(p0, shift))

    def gains(self, whom: Numbers) -> Array:
        """What contacting some now adds by the last day, by the whole truth, minor units."""
        rate, active, days = self.people.rate[whom], self._active[whom], LAST_DAY - self.day
        _, p1 = self.chances(whom)
        push = push_for(rate, active, p1)
        pushed = orders_if_pushed(rate, ByState(push, push), days).of(active)
        more = pushed - orders(rate, days)[days].of(active)
        return MARGIN_RATE * self.people.amount[whom] * more - CONTACT_COST - OFFER_COST * p1

    def customers(self) -> Numbers:
        """Who has bought by now."""
        return np.flatnonzero(self.people.joined <= self.day)

    def orders(self, first: int = 0) -> Orders:
        """All orders from a day on."""
        kept = self._days[first:]
        who, amount, redeems = ([day[place] for day in kept] for place in range(3))
        days = np.repeat(np.arange(first, first + len(kept)), [len(day) for day in who])
        none = np.empty(0, np.int64)
        return Orders(
            np.concatenate([none, *who]),
            days,
            np.concatenate([none, *amount]),
            np.concatenate([none.astype(bool), *redeems]),
        )

    def contacts(self) -> list[tuple[int, Numbers]]:
        """Day of the list, and who was contacted, list by list."""
        return list(self._contacts)

    def _live(self) -> None:
        people, day = self.people, self.day
        push = np.where(self._until >= day, self._push, 1.0)
        intensity = push * people.rate * np.where(self._active, 1.0, DORMANT)
        buys = (people.joined < day) & (self._buys.uniform(day) < -np.expm1(-intensity))
        leaves = self._active & (self._leaves.uniform(day) < DROPOUT)
        redeems = buys & (self._until >= day)
        self._active = (self._active & ~leaves) | (buys & ~self._active) | (people.joined == day)
        self._until[buys] = np.minimum(self._until[buys], day)
        who = np.flatnonzero(buys | (people.joined == day))
        self._days.append((who, self._amounts(who), redeems[who]))

    def _amounts(self, who: Numbers) -> Numbers:
        within = np.exp(AMOUNT_WITHIN * self._spends.normal(self.day, who) - AMOUNT_WITHIN**2 / 2)
        return np.maximum(np.rint(self.people.amount[who] * within), 1).astype(np.int64)


def earned(shop: Shop, after: int) -> tuple[float, float]:
    """Margin of all orders after a day, and what all contacts and vouchers cost, minor units."""
    orders = shop.orders(after + 1)
    contacted = sum(len(whom) for _, whom in shop.contacts())
    return float(orders.margin.sum()), float(CONTACT_COST * contacted + OFFER_COST * orders.redeems.sum())
