"""What a simulated shop is asked to be, and where each of its draws comes from.

A plan decides every byte that is written: each step of each block of people draws from a stream of its own,
so blocks can be made one after another in bounded memory.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum
from zoneinfo import available_timezones

import numpy as np
import numpy.typing as npt

from features.errors import ConfigError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Draw(IntEnum):
    """Which part of the shop a random stream belongs to."""

    PRODUCTS = 0
    PEOPLE = 1
    VISITS = 2
    BASKETS = 3
    RETURNS = 4
    VOICES = 5
    RECORDS = 6
    DIRT = 7


@dataclass(frozen=True, slots=True)
class ShopPlan:
    """How large the shop is, which days it covers and what it draws from.

    Attributes:
        customers: number of people, guests not counted.
        seed: of every draw.
        start: first day with orders.
        end: last day with orders.
        timezone: the shop's; order times are written in it, contact times in UTC.
        dirty: whether a small share of the rows is broken, as in real exports.
        block: people drawn together; a part of what decides the draw.
        shard: people whose orders of one month are sorted together; more people give several files per month.
    """

    customers: int = 20_000
    seed: int = 7
    start: date = date(2023, 1, 1)
    end: date = date(2025, 6, 30)
    timezone: str = "Europe/Amsterdam"
    dirty: bool = True
    block: int = 10_000
    shard: int = 250_000

    def __post_init__(self) -> None:
        faults = []
        if self.customers < 1:
            faults.append(f"customers is {self.customers}, but a shop needs at least 1")
        if self.seed < 0:
            faults.append(f"seed is {self.seed}, but must be 0 or more")
        if self.days < 90:
            faults.append(f"{self.start} to {self.end} are {self.days} days, but a shop needs at least 90")
        if not 1 <= self.block <= self.shard:
            faults.append(f"block is {self.block}, but must lie between 1 and shard ({self.shard})")
        if self.timezone not in available_timezones():
            faults.append(f"timezone {self.timezone!r} is not one like Europe/Amsterdam")
        if faults:
            raise ConfigError("The demo shop cannot be made: " + "; ".join(faults) + ".")

    @property
    def days(self) -> int:
        """Number of days with orders, both ends counted."""
        return (self.end - self.start).days + 1

    @property
    def blocks(self) -> list[range]:
        """Numbers of the people of each block; the first person is number 1."""
        last = self.customers + 1
        return [range(first, min(first + self.block, last)) for first in range(1, last, self.block)]

    @property
    def shards(self) -> list[range]:
        """Which blocks' orders are sorted together."""
        count, size = len(self.blocks), self.shard // self.block
        return [range(first, min(first + size, count)) for first in range(0, count, size)]

    @property
    def months(self) -> list[date]:
        """First day of each month that has orders."""
        first = self.start.replace(day=1)
        months = []
        while first <= self.end:
            months.append(first)
            first = (first + timedelta(days=32)).replace(day=1)
        return months

    def stream(self, draw: Draw, *place: int) -> np.random.Generator:
        """The random stream of one step at one place (block, month, ...)."""
        return np.random.Generator(
            np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=(draw, *place)))
        )
