"""How fast shopping time passes on each day of the year.

People draw the time to their next order in *shopping days*: on average one passes per day, more in a busy
season. Running everybody's clock through the calendar gives seasons without touching anybody's own rhythm.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum

import numpy as np

from flows.demo_shop.plan import Floats, Ints, ShopPlan


class Season(IntEnum):
    """When somebody buys."""

    ALL_YEAR = 0
    WINTER = 1
    SPRING = 2


# Shopping days per day, by month; scaled to a mean of 1. Off season is slow, never still: clocks must run.
_BY_MONTH = {
    Season.ALL_YEAR: (0.85, 0.90, 0.95, 1.0, 1.0, 0.95, 0.85, 0.85, 0.95, 1.05, 1.35, 1.50),
    Season.WINTER: (0.05, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.05, 0.20, 4.5, 6.5),
    Season.SPRING: (0.03, 0.10, 2.0, 4.0, 4.0, 1.6, 0.10, 0.03, 0.03, 0.03, 0.03, 0.03),
}
_BY_WEEKDAY = np.array([1.05, 0.95, 0.95, 1.0, 1.1, 1.0, 0.95])


@dataclass(frozen=True, slots=True)
class Calendar:
    """Shopping time since the shop's first day.

    Attributes:
        passed: one row per season, one column per day boundary.
    """

    passed: Floats

    def clock(self, season: Ints, day: Floats) -> Floats:
        """Shopping days that have passed at a point in time, given in days since the start."""
        return self._look_up(season, day, forward=True)

    def day(self, season: Ints, clock: Floats) -> Floats:
        """The point in time at which that many shopping days have passed."""
        return self._look_up(season, clock, forward=False)

    def _look_up(self, season: Ints, values: Floats, *, forward: bool) -> Floats:
        days = np.arange(self.passed.shape[1], dtype=np.float64)
        found = np.empty_like(values)
        for one in Season:
            mine = season == one
            passed = self.passed[one]
            known, wanted = (days, passed) if forward else (passed, days)
            found[mine] = np.interp(values[mine], known, wanted)
        return found


def make_calendar(plan: ShopPlan) -> Calendar:
    """The calendar of the days of a plan."""
    days = [plan.start + timedelta(days=i) for i in range(plan.days)]
    month = np.array([day.month - 1 for day in days])
    weekday = _BY_WEEKDAY[np.array([day.weekday() for day in days])]
    rows = []
    for season in Season:
        speed = np.array(_BY_MONTH[season])
        rows.append(np.concatenate(([0.0], np.cumsum(speed[month] / speed.mean() * weekday))))
    return Calendar(np.array(rows))
