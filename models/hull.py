"""Which offer does each person take as money gets cheaper?

At a price of money lambda a person takes the offer with the highest `value - lambda * cost`, or none when
that is not above 0. As lambda falls they step along the upper hull of their offers in (cost, value), from
none to the cheap ones to the dear ones; the price at which they take a step is its slope. So at a lower price
nobody falls off, and an offer that costs more is taken by fewer.
"""

from dataclasses import dataclass

import numpy as np

from models.choices import Choices, Floats, Ints, first_of_each

NONE = -1


@dataclass(frozen=True, slots=True)
class Steps:
    """Everybody's steps, the best return first; each person's in their order.

    Attributes:
        person: who takes the step.
        entry: the entry they take.
        before: the entry they leave, or `NONE`.
        price: return of the step: value per fine unit of cost; infinite when it costs nothing.
    """

    person: Ints
    entry: Ints
    before: Ints
    price: Floats

    def __len__(self) -> int:
        return len(self.person)


def steps(choices: Choices, value: Floats) -> Steps:
    """The steps of everybody down to a price of 0.

    Args:
        choices: who can be offered what.
        value: what each entry is worth, minor units; entries of no positive value are never taken.
    """
    worth, spent = np.zeros(choices.people), np.zeros(choices.people)
    price, held = np.full(choices.people, np.inf), np.full(choices.people, NONE)
    ahead = np.flatnonzero(value > 0)
    rounds: list[tuple[Ints, Ints, Ints, Floats]] = []
    while True:
        who = choices.person[ahead]
        gain, more = value[ahead] - worth[who], choices.cost[ahead] - spent[who]
        # What is not ahead now never will be: the value held and its cost only rise.
        open_ = (gain > 0) & (more >= 0)
        ahead, who, gain, more = ahead[open_], who[open_], gain[open_], more[open_]
        if not len(ahead):
            return _in_order(rounds)
        place, slope = _steepest(who, gain, more)
        movers, taken = who[place], ahead[place]
        # The slopes of a hull fall; rounding must not turn two steps round.
        price[movers] = np.minimum(slope, price[movers])
        rounds.append((movers, taken, held[movers], price[movers]))
        worth[movers], spent[movers], held[movers] = value[taken], choices.cost[taken], taken


def _steepest(who: Ints, gain: Floats, more: Floats) -> tuple[Ints, Floats]:
    """The place of each person's entry with the highest gain per cost, and that slope."""
    with np.errstate(divide="ignore"):
        slope = gain / more
    start = first_of_each(who)
    top = np.maximum.reduceat(slope, start)
    level = np.flatnonzero(slope == np.repeat(top, np.diff(start, append=len(who))))
    return level[first_of_each(who[level])], top


def _in_order(rounds: list[tuple[Ints, Ints, Ints, Floats]]) -> Steps:
    if not rounds:
        nobody = np.zeros(0, dtype=np.int64)
        return Steps(nobody, nobody, nobody, np.zeros(0))
    person, entry, before, price = (np.concatenate(column) for column in zip(*rounds, strict=True))
    order = np.argsort(-price, kind="stable")
    return Steps(person[order], entry[order], before[order], price[order])
