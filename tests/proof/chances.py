"""What do the worlds' laws say of a customer: how likely is a purchase, and how many are to be expected?

A customer is active or dormant. Each day an active one buys with the intensity `rate`, a dormant one with
`DORMANT` of it; then an active one falls dormant with the chance `DROPOUT`, and a dormant one who has bought
is active again. A contact multiplies the intensity by a `push` for the days of its window, until the first
purchase. All functions take arrays that broadcast.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Days of the window in which a contact acts, and whose purchases count as a return.
WINDOW = 30
# An active life lasts 300 days on average: in shops without a contract most first buyers are gone within
# a year or two.
DROPOUT = 1 / 300
# Who has stopped comes back on their own with a tenth of the former intensity: about one in thirteen in a
# month for somebody who used to buy every 40 days. Nobody is beyond reach.
DORMANT = 0.1

_HALVINGS = 60


class ByState(NamedTuple):
    """A number for somebody active, and the same for somebody dormant."""

    active: Array
    dormant: Array

    def of(self, is_active: npt.NDArray[np.bool_]) -> Array:
        """The number of each, by their state."""
        return np.where(is_active, self.active, self.dormant)


def no_purchase(rate: Array, push: Array | float = 1.0, days: int = WINDOW) -> ByState:
    """Probability that no purchase comes within so many days."""
    stays, away = np.exp(-push * rate), np.exp(-push * DORMANT * rate)
    active, dormant = np.ones_like(stays), np.ones_like(away)
    for _ in range(days):
        active = stays * ((1 - DROPOUT) * active + DROPOUT * dormant)
        dormant = away * dormant
    return ByState(active, dormant)


def shifted(p0: Array, shift: Array) -> Array:
    """The probability whose log-odds lie by a shift above those of `p0`."""
    odds = p0 / (1 - p0) * np.exp(shift)
    return odds / (1 + odds)


def push_for(rate: Array, is_active: npt.NDArray[np.bool_], p1: Array) -> Array:
    """The push that makes the probability of a purchase within the window `p1`, by bisection."""
    low, high = np.full_like(rate, -12.0), np.full_like(rate, 12.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        enough = 1 - no_purchase(rate, np.exp(middle)).of(is_active) >= p1
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.exp((low + high) / 2)


def orders(rate: Array, days: int) -> list[ByState]:
    """Orders to expect within 0, 1, ... `days` days without a contact."""
    buys, back = -np.expm1(-rate), -np.expm1(-DORMANT * rate)
    found = [ByState(np.zeros_like(buys), np.zeros_like(back))]
    for _ in range(days):
        active, dormant = found[-1]
        found.append(
            ByState(
                buys + (1 - DROPOUT) * active + DROPOUT * dormant,
                back * (1 + active) + (1 - back) * dormant,
            )
        )
    return found


def orders_if_pushed(rate: Array, push: ByState, days: int) -> ByState:
    """Orders to expect within so many days when the window of a contact begins with them.

    Args:
        rate: intensity while active.
        push: of a contact made while active, and of one made while dormant.
        days: at least the window.
    """
    later = orders(rate, days)
    made_active, _ = _if_pushed(rate, push.active, later, days)
    _, made_dormant = _if_pushed(rate, push.dormant, later, days)
    return ByState(made_active, made_dormant)


def _if_pushed(rate: Array, push: Array, later: list[ByState], days: int) -> ByState:
    buys, back = -np.expm1(-push * rate), -np.expm1(-push * DORMANT * rate)
    active, dormant = later[days - WINDOW]
    for left in range(days - WINDOW + 1, days + 1):
        rest = later[left - 1]
        bought = 1 + (1 - DROPOUT) * rest.active + DROPOUT * rest.dormant
        active = buys * bought + (1 - buys) * ((1 - DROPOUT) * active + DROPOUT * dormant)
        dormant = back * (1 + rest.active) + (1 - back) * dormant
    return ByState(active, dormant)
