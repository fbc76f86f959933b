"""What may contacting take in all: money, people, units of an offer, messages of a channel?

Costs are summed as whole numbers of fine units, thousandths of a minor unit, since a contact may cost a
fraction of a cent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.money import units
from models.options import ListOptions, OfferOptions

FINE = 1000


@dataclass(frozen=True, slots=True)
class Group:
    """Offers that share one limit on the people they are made to.

    Attributes:
        name: what the limit is called: `capacity`, `channel email`, `offer gift`.
        limit: most people.
        offers: for each offer, whether it counts.
    """

    name: str
    limit: int
    offers: NDArray[np.bool_]

    @property
    def kind(self) -> str:
        """`offer`, `channel` or `capacity`: groups of one kind share no offer."""
        return self.name.partition(" ")[0]


@dataclass(frozen=True, slots=True)
class Limits:
    """Fine units of money and people contacted; None, or not named, is without limit.

    Attributes:
        budget: most expected cost.
        capacity: most people.
        channels: channel: most people contacted on it.
        stock: offer: most people it is made to.
    """

    budget: int | None
    capacity: int | None
    channels: Mapping[str, int] = field(default_factory=dict)
    stock: Mapping[str, int] = field(default_factory=dict)

    def split(self, share: float) -> tuple["Limits", "Limits"]:
        """The part for profit and the part (a share, rounded down) for exploration; both only grow.

        The whole stock is for profit: what is scarce is not spent on learning.
        """
        explore = Limits(
            _part(self.budget, share),
            _part(self.capacity, share),
            {name: int(limit * share) for name, limit in self.channels.items()},
            dict.fromkeys(self.stock, 0),
        )
        rest = Limits(
            _rest(self.budget, explore.budget),
            _rest(self.capacity, explore.capacity),
            {name: limit - explore.channels[name] for name, limit in self.channels.items()},
            self.stock,
        )
        return rest, explore

    def left(self, contacted: pl.DataFrame) -> "Limits":
        """What some contacts leave, of no stock: what is scarce is not spent on learning.

        Args:
            contacted: `expected_cost` and `channel` of each.
        """
        spent, people = int(contacted.select(fine_cost().sum()).item()), contacted.height
        by_channel = dict(contacted["channel"].value_counts().iter_rows())
        return Limits(
            None if self.budget is None else max(self.budget - spent, 0),
            None if self.capacity is None else max(self.capacity - people, 0),
            {name: max(limit - by_channel.get(name, 0), 0) for name, limit in self.channels.items()},
            dict.fromkeys(self.stock, 0),
        )

    def is_used_up(self, contacted: pl.DataFrame) -> pl.Expr:
        """Whether an offer (`offer_id`, `channel`) has no unit or no room left beside some contacts."""
        made, messages = (
            dict(contacted[name].value_counts().iter_rows()) for name in ("offer_id", "channel")
        )
        gone = [name for name, limit in self.stock.items() if made.get(name, 0) >= limit]
        full = [name for name, limit in self.channels.items() if messages.get(name, 0) >= limit]
        return pl.col("offer_id").is_in(gone) | pl.col("channel").is_in(full)

    def at_most(self, other: "Limits") -> "Limits":
        """The narrower of both."""
        return Limits(
            _lower(self.budget, other.budget),
            _lower(self.capacity, other.capacity),
            {name: min(limit, other.channels.get(name, limit)) for name, limit in self.channels.items()},
            {name: min(limit, other.stock.get(name, limit)) for name, limit in self.stock.items()},
        )

    def groups(self, offers: Sequence[OfferOptions]) -> list[Group]:
        """The limits on people, the narrow ones first."""
        found = [
            Group(f"offer {name}", limit, np.array([offer.id == name for offer in offers]))
            for name, limit in self.stock.items()
        ]
        found += [
            Group(f"channel {name}", limit, np.array([offer.channel == name for offer in offers]))
            for name, limit in self.channels.items()
        ]
        if self.capacity is not None:
            found.append(Group("capacity", self.capacity, np.ones(len(offers), dtype=np.bool_)))
        return found


def limits(options: ListOptions, offers: Sequence[OfferOptions], currency: str) -> Limits:
    """The configured limits."""
    return Limits(
        None if options.budget is None else round(options.budget * units(currency) * FINE),
        options.capacity,
        options.channel_capacity,
        {offer.id: offer.stock for offer in offers if offer.stock is not None},
    )


def fine_cost(column: str = "expected_cost") -> pl.Expr:
    """Minor units to fine units, rounded up, so that a budget is never overdrawn by rounding."""
    return (pl.col(column) * FINE).round(3).ceil().cast(pl.Int64).alias("fine_cost")


def _lower(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def _part(limit: int | None, share: float) -> int | None:
    return None if limit is None else int(limit * share)


def _rest(limit: int | None, part: int | None) -> int | None:
    return None if limit is None or part is None else limit - part
