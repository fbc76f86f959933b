"""Do intervals of `winback measure` hold the truth as often as they say? `python -m tests.proof.coverage`.

2,000 campaigns that work in different ways, and 2,000 in which contacts do nothing and cost nothing, are
measured as lists are. Prints a table, and returns claims for `proof.json`.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import product

import numpy as np
import polars as pl

from features.asof import AsOf
from models.measurement import Judgement, measured
from models.observed import NET_PROFIT, Trial
from models.options import ListOptions
from models.over_time import cumulative
from models.soundness import Contamination
from tests.proof.campaigns import SHOPS, Campaign, Plan, campaign, members

CAMPAIGNS = 2000
COVERED, WORKED_AT_MOST = (0.88, 0.92), 0.065
_SEED = 41
_SIZES = (300, 600, 1200, 3000)
_LIST = ListOptions()
# A tenth held out; half; shares that differ between strata; and as lists are by default at first, with people
# beside who are tried on an assumed effect.
_HELD_OUT = (
    (0.1,) * 6,
    (0.5,) * 6,
    (0.1, 0.1, 0.2, 0.2, 0.5, 0.5),
    (_LIST.control_share, _LIST.trial_control_share or 0.0) * 3,
)
_TAILS = ("lognormal 1.0", "lognormal 1.3", "pareto 3.0")
_COSTS = {"contact_cost": 5.0, "offer_cost": 200.0}
# No effect but costs; the same for all; different for each, a fifth of people harmed; large.
_EFFECTS = (
    {},
    {"shift": 0.3},
    {"shift": 0.4, "spread": 0.5},
    {"shift": 1.0, "spread": 0.3},
)
_LISTS, _SHOPPERS, _REPEATS = 6, 800, 1000


@dataclass(frozen=True, slots=True)
class Claim:
    """One line of `proof.json`.

    Attributes:
        name: what.
        value: found.
        low: lower end of the 90 % interval, over repeated studies.
        high: its upper end.
        goal: what it is held against.
        holds: whether it is as it must be.
    """

    name: str
    value: float
    low: float
    high: float
    goal: float
    holds: bool

    @property
    def must(self) -> bool:
        """Whether the proof fails without it."""
        return self.name.startswith("must: ")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one interval did."""

    plan: Plan
    covered: bool
    too_high: bool
    width: float
    verdict: str


def claims(campaigns: int = CAMPAIGNS) -> list[Claim]:
    """Run the study and print it part by part.

    Args:
        campaigns: how many of either kind.
    """
    working = list(_study(_plans(_EFFECTS, _COSTS), campaigns, _SEED))
    nothing = list(_study(_plans(({},), {}), campaigns, _SEED + 1))
    together = list(_together(max(1, campaigns * _REPEATS // CAMPAIGNS)))
    _show("campaigns with costs and different effects", working)
    _show("campaigns without effect and cost", nothing)
    _show(f"{_LISTS} lists together, many people on several", together)
    covered = _share([one.covered for one in working])
    covered_together = _share([one.covered for one in together])
    worked = _share([one.verdict == Judgement.WORKED for one in nothing])
    return [
        *_covered("90 % intervals hold the truth", covered),
        *_covered("90 % intervals of lists together hold the truth", covered_together),
        Claim(
            "must: campaigns without effect called worked, at most",
            *worked,
            WORKED_AT_MOST,
            worked[0] <= WORKED_AT_MOST,
        ),
    ]


def _covered(what: str, share: tuple[float, float, float]) -> list[Claim]:
    low, high = COVERED
    return [
        Claim(f"must: {what}, at least", *share, low, low <= share[0]),
        Claim(f"must: {what}, at most", *share, high, share[0] <= high),
    ]


def enrolled(one: Campaign) -> pl.DataFrame:
    """A campaign in the shape that `models.observed.observed` gives."""
    people = one.treated.size
    # As lists do: outermost percentiles of what people spent are drawn in.
    low, high = np.quantile(one.margin_before, [0.01, 0.99])
    return pl.DataFrame(
        {
            "enrolment_id": [f"{place:07}" for place in range(people)],
            "person_id": [f"{number:07}" for number in one.who],
            "stratum": [f"s{number}" for number in one.stratum],
            "return_rate": one.bought,
            "net_margin": one.margin,
            "net_profit": one.profit,
            "treated": one.treated,
            "control_probability": one.control_probability,
            "margin_before": np.clip(one.margin_before, low, high),
            "p0": one.p0,
        }
    )


def _plans(effects: Sequence[dict[str, float]], costs: dict[str, float]) -> list[Plan]:
    return [
        Plan(people, held_out, tail, **effect, **costs)
        for people, held_out, tail, effect in product(_SIZES, _HELD_OUT, _TAILS, effects)
    ]


def _study(plans: Sequence[Plan], campaigns: int, seed: int) -> Iterator[Outcome]:
    for number in range(campaigns):
        plan = plans[number % len(plans)]
        one = campaign(plan, seed + 1001 * number)
        trial = _trial(f"{seed}-{number}")
        table = measured(trial, enrolled(one), Contamination(), "EUR", seed)
        yield _outcome(plan, table, one.truth[2])


def _together(repeats: int) -> Iterator[Outcome]:
    """Lists one after the other, of people who are drawn again and again from the same few."""
    plan = Plan(300, (0.1,) * 6, "lognormal 1.0", shift=0.4, spread=0.5, **_COSTS)
    for number in range(repeats):
        some, draw = members(number, _SHOPPERS), np.random.default_rng([_SEED, number])
        sizes = [int(size) for size in draw.integers(200, 500, _LISTS)]
        # Steps of `SHOPS`: all lists are of one shop.
        lists = [
            campaign(replace(plan, people=size), number + SHOPS * 1000 * place, some)
            for place, size in enumerate(sizes, 1)
        ]
        truth = sum(one.truth[2] * size for one, size in zip(lists, sizes, strict=True)) / sum(sizes)
        trials = [(_trial(f"{number}-{place}"), enrolled(one)) for place, one in enumerate(lists)]
        yield _outcome(plan, cumulative(trials, "EUR", number), truth)


def _trial(name: str) -> Trial:
    day = date(2025, 1, 1)
    return Trial(name, day, AsOf(day, horizon_days=30), pl.DataFrame())


def _outcome(plan: Plan, table: pl.DataFrame, truth: float) -> Outcome:
    row = table.row(by_predicate=pl.col("outcome") == NET_PROFIT, named=True)
    low, high, true = row["low"], row["high"], truth / 100
    return Outcome(plan, low <= true <= high, low > true, high - low, row["verdict"])


def _share(held: Sequence[bool]) -> tuple[float, float, float]:
    """A share and its 90 % interval (Wilson, Journal of the American Statistical Association 1927)."""
    count, share, z = len(held), float(np.mean(held)), 1.645
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return round(share, 4), round(float(middle - reach), 4), round(float(middle + reach), 4)


def _show(title: str, found: Sequence[Outcome]) -> None:
    """Print how all of them did, and each kind of them."""
    print(f"\n{title}\n{'':34}{'n':>6}{'covered':>9}{'too high':>9}{'too low':>9}{'worked':>9}{'did not':>9}")
    _line("all", found)
    for name in ("people", "held_out", "tail", "shift"):
        values = sorted({getattr(one.plan, name) for one in found})
        for value in values if len(values) > 1 else ():
            _line(f"{name} {value}", [one for one in found if getattr(one.plan, name) == value])


def _line(name: str, found: Sequence[Outcome]) -> None:
    covered, high = (float(np.mean([getattr(one, key) for one in found])) for key in ("covered", "too_high"))
    worked, did_not = (
        float(np.mean([one.verdict == kind for one in found]))
        for kind in (Judgement.WORKED, Judgement.DID_NOT)
    )
    figures = (f"{value:9.3f}" for value in (covered, high, 1 - covered - high, worked, did_not))
    print(f"{name[:34]:34}{len(found):6}{''.join(figures)}")


if __name__ == "__main__":
    started = time.monotonic()
    for claim in claims(int(sys.argv[1]) if len(sys.argv) > 1 else CAMPAIGNS):
        print(asdict(claim))
    print(f"{time.monotonic() - started:.0f} s")
