"""Half a year of weekly lists, in every world, under every policy: what did each add?"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from features.engine import Engine, Threads
from models.bundle import Bundle
from tests.proof.chances import WINDOW
from tests.proof.oracle import Oracle
from tests.proof.pipeline import Pipeline, learned
from tests.proof.policies import (
    MEASURING,
    NOBODY,
    ORACLE,
    RANDOM,
    RANKINGS,
    WINBACK,
    Knowing,
    Nobody,
    Policy,
    Random,
    Ranked,
)
from tests.proof.tables import list_day
from tests.proof.terms import REFITS, RULES, rules
from tests.proof.worlds import (
    BUDGET_PER_PERSON,
    CONTACT_COST,
    FIRST_LIST,
    LAST_DAY,
    OFFER_COST,
    WEEKS,
    People,
    Shop,
    World,
    earned,
)

# Where ours is held against the rankings that shops use.
JUDGED = (World.FROM_TRAITS, World.FALLING_WITH_RISK)


@dataclass(frozen=True, slots=True)
class Course:
    """What became of a world under a policy; money in minor units.

    Attributes:
        seed: of the world.
        world: which.
        policy: which.
        profit: margin after the first list, less that of the same world without contacts, less all costs.
        cost: of contacts and vouchers.
        budget: of all weeks.
        contacted: people, list by list.
        gains: what each list was to add by the whole truth: `profit` without the luck of the draw.
    """

    seed: int
    world: World
    policy: str
    profit: float
    cost: float
    budget: float
    contacted: tuple[int, ...]
    gains: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """A shop on the day of its first list, which is the same in all worlds.

    Attributes:
        shop: in which nobody was contacted.
        oracle: what can be known of its people.
        bundle: the first model.
        budget: of a week, minor units.
    """

    shop: Shop
    oracle: Oracle
    bundle: Bundle
    budget: float

    @classmethod
    def of(cls, people: int, seed: int, engine: Engine) -> "Start":
        """So many people, two years after the opening."""
        shop = Shop(People.drawn(people, seed), World.NOTHING)
        shop.run(FIRST_LIST)
        oracle = Oracle(shop.people)
        oracle.watch(shop)
        budget = BUDGET_PER_PERSON * len(shop.customers())
        return cls(shop, oracle, learned(shop, None, engine), budget)

    def usual_cost(self) -> float:
        """Of contacting anybody, as the last window shows it."""
        before = self.shop.people.joined <= FIRST_LIST - WINDOW
        bought = np.unique(self.shop.orders(FIRST_LIST - WINDOW + 1).person)
        return CONTACT_COST + OFFER_COST * float(before[bought].sum() / before.sum())


def run_seed(seed: int, people: int, worlds: Sequence[World]) -> list[Course]:
    """All policies in some worlds of one seed."""
    with Threads(1) as engine:
        start = Start.of(people, seed, engine)
        return [course for world in worlds for course in _world(start, world, seed, engine)]


def exploration_budget(budget: float, *, trials: bool = True) -> float:
    """What may be spent on learning, of all weeks' budget.

    Everything until the first window is over, since until then each contact rests on an assumption alone and
    is an experiment; after that the shares that the config sets aside to learn: contacts below the cut, and
    trials on people whose contact may pay.

    Args:
        budget: of all weeks.
        trials: whether trials count.
    """
    before, own = REFITS[1] / WEEKS, RULES.list
    return budget * (before + (own.explore_share + trials * own.trial_share) * (1 - before))


def _world(start: Start, world: World, seed: int, engine: Engine) -> Iterator[Course]:
    nobody = _lived(start.shop.fork(world), Nobody())
    untouched = earned(nobody[0], FIRST_LIST)[0]
    for name, policy in _policies(start, world, seed, engine):
        began = time.process_time()
        shop, gains = nobody if name == NOBODY else _lived(start.shop.fork(world), policy)
        margin, cost = earned(shop, FIRST_LIST)
        sizes = tuple(len(whom) for _, whom in shop.contacts())
        seconds = time.process_time() - began
        print(
            f"  seed {seed}, world {world}, {name}: {sum(sizes):,} contacts, {seconds:.0f} s CPU",
            file=sys.stderr,
        )
        yield Course(
            seed, world, name, margin - untouched - cost, cost, start.budget * WEEKS, sizes, tuple(gains)
        )


def _policies(start: Start, world: World, seed: int, engine: Engine) -> Iterator[tuple[str, Policy]]:
    """Ours comes first: the others rank by what it has learned."""
    ours = Pipeline(rules(start.budget, f"proof-{seed}"), engine, start.bundle)
    yield WINBACK, ours
    if world in JUDGED:
        for name, ranking in RANKINGS.items():
            yield name, Ranked(ranking, ours.bundles, start.budget, engine)
    yield RANDOM, Random(start.budget, start.usual_cost(), seed)
    yield ORACLE, Knowing(start.oracle.fork(), world, start.budget, seed)
    if world in JUDGED:
        yield MEASURING, Knowing(start.oracle.fork(), world, start.budget, seed, _held_out())
    yield NOBODY, Nobody()


def _held_out() -> float:
    """Whom ours never contacts, of the people it chooses for profit: the least that measuring takes."""
    return RULES.list.universal_share + (1 - RULES.list.universal_share) * RULES.list.control_share


def _lived(shop: Shop, policy: Policy) -> tuple[Shop, list[float]]:
    """The world to its last day, and the true worth of each list on its day."""
    gains = []
    for week in range(WEEKS):
        shop.run(list_day(week))
        whom = policy.choose(shop, week)
        gains.append(float(shop.gains(whom).sum()) if len(whom) else 0.0)
        shop.contact(whom)
    shop.run(LAST_DAY)
    return shop, gains
