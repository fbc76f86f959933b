"""Who orders when, who leaves why, and whom the shop contacted on the way.

Each person carries one number: the shopping days still due until the next order. A contact lets this clock
run faster (or slower) for some weeks; whoever has left waits on a clock of its own, most often for ever. All
people of a block walk from one campaign to the next together.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from flows.demo_shop.calendar import Calendar
from flows.demo_shop.people import CAUSES, OFFERS, Cause
from flows.demo_shop.plan import Draw, Flags, Floats, Ints, ShopPlan

FIRST_CAMPAIGN, BETWEEN_CAMPAIGNS, WINDOW = 240, 60, 30
# Orders over which somebody who means to leave shows it.
RAMP = 4
_ELIGIBLE, _SILENT, _REST = 0.15, (30, 400), 90
_LEAVES_AFTER_COMPLAINT = 0.5
# Shopping days until somebody who left comes back unasked, on average.
_BACK_AFTER = {
    Cause.PRICE: 700.0,
    Cause.COMPETITOR: 800.0,
    Cause.OUTGROWN: 2500.0,
    Cause.MOVED: np.inf,
    Cause.DECEASED: np.inf,
    Cause.OTHER: 900.0,
    Cause.NEVER_SETTLED: 3000.0,
    Cause.COMPLAINT: 1800.0,
}


@dataclass(frozen=True, slots=True)
class Campaign:
    """One past mailing: its place in the row, its day since the start, its offer, its share of treated."""

    number: int
    day: int
    offer: int
    treated: float


@dataclass(frozen=True, slots=True)
class Walk:
    """What happened to the people of one block; `person` is the row in the frame of people.

    Attributes:
        visits: `person`, `day`, `order` (1 is the first), `progress` (0 far from leaving, 1 the last order),
            `complained`, `coupon` (a discount offer was running).
        contacts: `person`, `day`, `campaign`, `treated`, `probability` (of the arm drawn), `silent_days`.
        departures: `person`, `day` (of the last order), `cause`, `orders`.
        comebacks: `person`, `day`; the n-th belongs to the n-th departure.
    """

    visits: pl.DataFrame
    contacts: pl.DataFrame
    departures: pl.DataFrame
    comebacks: pl.DataFrame


def campaigns(plan: ShopPlan) -> list[Campaign]:
    """The past campaigns of a plan: every two months, the offers in turn, half or four fifths treated."""
    days = range(FIRST_CAMPAIGN, plan.days - WINDOW, BETWEEN_CAMPAIGNS)
    return [Campaign(i, day, i % len(OFFERS), 0.5 if i % 2 else 0.8) for i, day in enumerate(days)]


def walk(plan: ShopPlan, block: int, people: pl.DataFrame, reachable: Flags, calendar: Calendar) -> Walk:
    """Walk the people of one block through all days of the plan.

    Args:
        plan: the plan.
        block: the block's number.
        people: from `draw_people`.
        reachable: whether the shop may contact them.
        calendar: from `make_calendar`.
    """
    walker = _Walker(plan.stream(Draw.VISITS, block), people, calendar)
    day = 0
    for campaign in campaigns(plan):
        walker.advance(day, campaign.day)
        walker.contact(campaign, reachable)
        walker.advance(campaign.day, campaign.day + WINDOW)
        walker.forget()
        day = campaign.day + WINDOW
    walker.advance(day, plan.days)
    return walker.walked()


class _Walker:
    def __init__(self, rng: np.random.Generator, people: pl.DataFrame, calendar: Calendar) -> None:
        self.rng, self.calendar = rng, calendar
        self.season = people["season"].to_numpy()
        self.mean_gap = people["mean_gap"].to_numpy()
        self.regularity = people["regularity"].to_numpy()
        self.leave = people["leave_probability"].to_numpy()
        self.cause = people["cause"].to_numpy()
        self.complaint_rate = people["complaint_rate"].to_numpy()
        self.effects = people.select(f"effect_{offer}" for offer in OFFERS).to_numpy()
        self.lifetime = people["lifetime"].to_numpy().copy()
        self.due = calendar.clock(self.season, people["first_day"].to_numpy())
        count = people.height
        self.orders = np.zeros(count, np.int64)
        self.away = np.zeros(count, np.bool_)
        self.last_day = np.full(count, -np.inf)
        self.enrolled_on = np.full(count, -np.inf)
        self.speed = np.ones(count)
        self.coupon = np.zeros(count, np.bool_)
        self.log: dict[str, list[pl.DataFrame]] = {name: [] for name in _EMPTY}

    def advance(self, left: int, right: int) -> None:
        """Let all clocks run from one day to another."""
        everyone = np.arange(len(self.due))
        began = self.calendar.clock(self.season, np.full(len(everyone), float(left)))
        ends = self.calendar.clock(self.season, np.full(len(everyone), float(right)))
        runs = (ends - began) * self.speed
        spent = np.zeros(len(everyone))
        who = everyone[self.due < runs]
        while who.size:
            spent[who] += self.due[who]
            clock = began[who] + spent[who] / self.speed[who]
            # An order at the very end of a stretch may round up into the next day.
            day = np.minimum(self.calendar.day(self.season[who], clock), np.nextafter(float(right), 0))
            self.due[who] = self._order(who, day)
            who = who[spent[who] + self.due[who] < runs[who]]
        self.due -= runs - spent

    def contact(self, campaign: Campaign, reachable: Flags) -> None:
        """Draw the campaign's people and their arms, and change the clocks of those contacted."""
        silent = campaign.day - self.last_day
        fit = reachable & (silent > _SILENT[0]) & (silent <= _SILENT[1])
        fit &= campaign.day - self.enrolled_on >= _REST
        who = np.flatnonzero(fit & (self.rng.random(len(fit)) < _ELIGIBLE))
        treated = self.rng.random(len(who)) < campaign.treated
        self.enrolled_on[who] = campaign.day
        self.speed[who[treated]] = np.exp(self.effects[who[treated], campaign.offer])
        self.coupon[who[treated]] = OFFERS[campaign.offer] == "discount10"
        self._note(
            "contacts",
            person=who,
            day=np.full(len(who), float(campaign.day)),
            campaign=np.full(len(who), campaign.number),
            treated=treated,
            probability=np.where(treated, campaign.treated, 1 - campaign.treated),
            silent_days=silent[who],
        )

    def forget(self) -> None:
        """End the effect of the last campaign."""
        self.speed[:] = 1
        self.coupon[:] = False

    def walked(self) -> Walk:
        """Everything noted so far."""
        return Walk(**{name: pl.concat([_EMPTY[name], *frames]) for name, frames in self.log.items()})

    def _order(self, who: Ints, day: Floats) -> Floats:
        """One order for each of `who`; returns the shopping days until their next one."""
        self._come_back(who, day)
        self.orders[who] += 1
        self.last_day[who] = day
        left = self.lifetime[who] - self.orders[who]
        progress = np.clip((RAMP - left) / RAMP, 0, 1)
        complained = self.rng.random(len(who)) < self.complaint_rate[who]
        driven_off = complained & (self.rng.random(len(who)) < _LEAVES_AFTER_COMPLAINT)
        self._note(
            "visits",
            person=who,
            day=day,
            order=self.orders[who],
            progress=progress,
            complained=complained,
            coupon=self.coupon[who],
        )
        shape = self.regularity[who]
        gap = self.rng.gamma(shape, self.mean_gap[who] / shape)
        outgrown = self.cause[who] == CAUSES.index(Cause.OUTGROWN)
        gap = np.maximum(gap * np.where(outgrown, 1 + 1.2 * progress, 1), 0.5)
        cause = np.where(driven_off, CAUSES.index(Cause.COMPLAINT), self.cause[who])
        return self._leave(who, day, cause, driven_off | (left <= 0), gap)

    def _leave(self, who: Ints, day: Floats, cause: Ints, leaving: Flags, gap: Floats) -> Floats:
        back_after = np.array([_BACK_AFTER[one] for one in CAUSES])[cause]
        silence = self.rng.standard_exponential(len(who)) * back_after + self.mean_gap[who]
        self.away[who] = leaving
        gone = who[leaving]
        self._note(
            "departures", person=gone, day=day[leaving], cause=cause[leaving], orders=self.orders[gone]
        )
        return np.where(leaving, silence, gap)

    def _come_back(self, who: Ints, day: Floats) -> None:
        back = self.away[who]
        again = who[back]
        self._note("comebacks", person=again, day=day[back])
        self.lifetime[again] = self.orders[again] + 1 + self.rng.geometric(self.leave[again])

    def _note(self, name: str, **columns: Ints | Floats | Flags) -> None:
        self.log[name].append(pl.DataFrame(columns, schema=_EMPTY[name].schema))


_EMPTY = {
    "visits": pl.DataFrame(
        schema={
            "person": pl.Int64,
            "day": pl.Float64,
            "order": pl.Int64,
            "progress": pl.Float64,
            "complained": pl.Boolean,
            "coupon": pl.Boolean,
        }
    ),
    "contacts": pl.DataFrame(
        schema={
            "person": pl.Int64,
            "day": pl.Float64,
            "campaign": pl.Int64,
            "treated": pl.Boolean,
            "probability": pl.Float64,
            "silent_days": pl.Float64,
        }
    ),
    "departures": pl.DataFrame(
        schema={"person": pl.Int64, "day": pl.Float64, "cause": pl.Int64, "orders": pl.Int64}
    ),
    "comebacks": pl.DataFrame(schema={"person": pl.Int64, "day": pl.Float64}),
}
