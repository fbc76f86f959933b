"""Which offers can each person be made, at what profit and cost? Bare numbers, ready for the arithmetic.

One entry per person and offer that may be made and pays: memory goes with these, not with people x offers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.hashing import stable_hash
from models.limits import fine_cost

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Equal profits are told apart by a part in a billion, drawn per person and offer.
_TIE = 2.0**-30


@dataclass(frozen=True, slots=True)
class Choices:
    """Entries of a person stand together; people in the order of a salted hash.

    Attributes:
        start: first entry of each person.
        person: person of each entry.
        offer: offer of each entry, its place in the config.
        eip: expected incremental profit, minor units; equal ones differ by a hair, drawn by hash.
        cost: expected cost, fine units, whole numbers (below 2^53 their sums are exact).
        contacted: per person, whether they are contacted when selected; the others are held out.
    """

    start: Ints
    person: Ints
    offer: Ints
    eip: Floats
    cost: Floats
    contacted: Bools

    @property
    def people(self) -> int:
        """How many people there are."""
        return len(self.start)

    def head(self, people: int) -> "Choices":
        """The first people: a fixed random sample, since they are in the order of a hash."""
        if people >= self.people:
            return self
        end = self.start[people]
        return Choices(
            self.start[:people],
            self.person[:end],
            self.offer[:end],
            self.eip[:end],
            self.cost[:end],
            self.contacted[:people],
        )

    def of_contacted(self) -> "Choices":
        """Without those who are held out."""
        kept = self.contacted[self.person]
        place = np.cumsum(self.contacted) - 1
        person = place[self.person[kept]]
        return Choices(
            first_of_each(person),
            person,
            self.offer[kept],
            self.eip[kept],
            self.cost[kept],
            self.contacted[self.contacted],
        )

    def best(self, value: Floats) -> Floats:
        """The highest value among each person's entries, at least 0: they can be left alone."""
        if not len(value):
            return np.zeros(0)
        best: Floats = np.maximum(np.maximum.reduceat(value, self.start), 0.0)
        return best


def in_hash_order(offers: pl.DataFrame, salt: str) -> pl.DataFrame:
    """Sort by a salted hash of the customer, whatever order the rows came in; adds `draw`."""
    drawn = offers.with_columns(draw=stable_hash("customer_id", f"{salt}|offer"))
    return drawn.sort("draw", "customer_id", "offer_id")


def choices(offers: pl.DataFrame, ids: Sequence[str], salt: str) -> Choices:
    """The numbers of a frame.

    Args:
        offers: `customer_id`, `offer_id`, `expected_incremental_profit`, `expected_cost`, `contacted`, from
            `in_hash_order`; one row per entry.
        ids: the offers of the config.
        salt: what ties are drawn with.
    """
    person = offers["customer_id"].rle_id().cast(pl.Int64).to_numpy()
    start = first_of_each(person)
    place = pl.Series(range(len(ids)), dtype=pl.Int64)
    offer = offers["offer_id"].replace_strict(list(ids), place, return_dtype=pl.Int64).to_numpy()
    names = pl.DataFrame({"offer_id": list(ids)}).select(stable_hash("offer_id", salt)).to_series().to_numpy()
    tie = _uniform(offers["draw"].to_numpy() ^ names[offer])
    return Choices(
        start=start,
        person=person,
        offer=offer,
        eip=offers["expected_incremental_profit"].to_numpy() * (1 + _TIE * tie),
        cost=offers.select(fine_cost()).to_series().cast(pl.Float64).to_numpy(),
        contacted=offers["contacted"].to_numpy()[start],
    )


def first_of_each(person: Ints) -> Ints:
    """The places at which another person begins."""
    return np.flatnonzero(np.diff(person, prepend=-1))


def _uniform(hashes: NDArray[np.uint64]) -> Floats:
    """Numbers in [0, 1) from 64 bits that are mixed once more (the finaliser of SplitMix64)."""
    mixed = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) / 2.0**53
