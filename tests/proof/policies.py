"""Whom do the others contact? Rankings that shops use, with the same budget, rest and predictions as ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import polars as pl

from features.engine import Engine
from features.table import feature_table
from models.bundle import Bundle, predict
from models.effects import Shift, response
from models.tiers import worth
from tests.proof.chances import WINDOW, Array
from tests.proof.draws import Draws
from tests.proof.oracle import Oracle
from tests.proof.pipeline import light, model_of
from tests.proof.tables import as_of, history, numbers
from tests.proof.terms import RULES, STAGES
from tests.proof.worlds import CONTACT_COST, OFFER_COST, Numbers, Shop, World

# A ranking reads predictions, and says what is contacted first.
RANKINGS: Mapping[str, pl.Expr] = {
    "churn": pl.col("churn_probability"),
    "value": worth(),
    "churn x value": pl.col("churn_probability") * worth(),
}
WINBACK, RANDOM, ORACLE, NOBODY = "winback", "random", "oracle", "nobody"
MEASURING = "oracle that holds people out"
RIVALS = tuple(RANKINGS)


class Policy(Protocol):
    """Chooses whom to contact, list by list."""

    def choose(self, shop: Shop, week: int) -> Numbers:
        """People to contact on the shop's day, none of whom is in a window."""


@dataclass(slots=True)
class Rest:
    """Nobody is contacted again until the window of the last contact is over.

    Attributes:
        until: person: the last day of rest.
    """

    until: dict[int, int] = field(default_factory=dict)

    def awake(self, shop: Shop) -> Numbers:
        """Customers who may be contacted."""
        who = shop.customers()
        resting = [person for person, day in self.until.items() if day > shop.day]
        return who[~np.isin(who, resting)]

    def contacted(self, whom: Numbers, shop: Shop) -> Numbers:
        """These people, who rest from now on, as the pipeline counts it: from the day after the list."""
        self.until |= dict.fromkeys(whom.tolist(), shop.day + 1 + WINDOW)
        return whom


def within(order: Numbers, cost: Array, budget: float) -> Numbers:
    """The head of a ranking that the budget pays for.

    Args:
        order: places, the first to be contacted first.
        cost: expected cost of each place.
        budget: in the same units.
    """
    return order[np.cumsum(cost[order]) <= budget]


def usual_cost(said: pl.DataFrame) -> pl.Series:
    """What contacting people is expected to cost, with the effect that ours assumes before it has learned."""
    p0, assumed = said["p0"].to_numpy(), RULES.effect.assumed
    shift = Shift(np.full(len(p0), assumed.mu), np.full(len(p0), assumed.sd))
    p1, _ = response(np.log(p0 / (1 - p0)), shift)
    return pl.Series("cost", CONTACT_COST + OFFER_COST * p1)


@dataclass(slots=True)
class Nobody:
    """Contacts nobody."""

    def choose(self, shop: Shop, week: int) -> Numbers:  # noqa: ARG002 - what every policy takes
        """Nobody."""
        return np.empty(0, np.int64)


@dataclass(slots=True)
class Random:
    """Contacts by lot.

    Attributes:
        budget: of a week, minor units.
        cost: of a contact, on average.
        seed: of the lots.
        rest: who must be left alone.
    """

    budget: float
    cost: float
    seed: int
    rest: Rest = field(default_factory=Rest)

    def choose(self, shop: Shop, week: int) -> Numbers:  # noqa: ARG002 - what every policy takes
        """A random sample of everybody who may be contacted."""
        awake = self.rest.awake(shop)
        lots = Draws.of(self.seed, "lots", shop.people.count).uniform(shop.day, awake)
        chosen = within(np.argsort(lots), np.full(len(awake), self.cost), self.budget)
        return self.rest.contacted(awake[chosen], shop)


@dataclass(slots=True)
class Ranked:
    """Contacts the head of a ranking of the pipeline's own predictions.

    Attributes:
        ranking: what comes first.
        bundles: week: the model learned at it.
        budget: of a week, minor units.
        engine: where features are made.
        rest: who must be left alone.
    """

    ranking: pl.Expr
    bundles: dict[int, Bundle]
    budget: float
    engine: Engine
    rest: Rest = field(default_factory=Rest)

    def choose(self, shop: Shop, week: int) -> Numbers:
        """The head of the ranking of those who may be contacted."""
        facts = feature_table(history(shop), as_of(shop.day), STAGES, self.engine)
        said = predict(model_of(self.bundles, week), light(facts))
        scored = said.with_columns(rank_by=self.ranking, cost=usual_cost(said)).sort(
            ["rank_by", "customer_id"], descending=[True, False]
        )
        who = numbers(scored["customer_id"])
        awake = np.isin(who, self.rest.awake(shop))
        chosen = within(np.flatnonzero(awake), scored["cost"].to_numpy(), self.budget)
        return self.rest.contacted(who[chosen], shop)


@dataclass(slots=True)
class Knowing:
    """Contacts those who bring most per unit of cost, by the oracle, and nobody who brings nothing.

    Attributes:
        oracle: what it believes.
        world: whose effect it knows.
        budget: of a week, minor units.
        seed: of the lots.
        held_out: share of people who are left alone by lot for a window, as whoever measures must.
        rest: who must be left alone.
    """

    oracle: Oracle
    world: World
    budget: float
    seed: int
    held_out: float = 0.0
    rest: Rest = field(default_factory=Rest)

    def choose(self, shop: Shop, week: int) -> Numbers:  # noqa: ARG002 - what every policy takes
        """The best that can be expected to pay."""
        self.oracle.watch(shop)
        awake = self.rest.awake(shop)
        lots = Draws.of(self.seed, "held out", shop.people.count).uniform(shop.day, awake)
        awake = awake[lots >= self.held_out]
        gain = self.oracle.gains(self.world, awake)
        order = np.argsort(-gain.profit / gain.cost, kind="stable")
        pays = order[gain.profit[order] > 0]
        return self.rest.contacted(awake[within(pays, gain.cost, self.budget)], shop)
