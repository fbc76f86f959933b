"""Which days are judged: development days, by which everything is chosen, and final ones, by which nothing.

A day is the `as_of`; its cutoff, as ../shared/data/README.md counts, is the day after.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
HORIZON_DAYS = 90


@dataclass(frozen=True, slots=True)
class Shop:
    """A real shop.

    Attributes:
        name: of its config and in the figures.
        file: its raw file.
        development: days to choose by; their outcomes end by `known_until`.
        known_until: the last day that a development run reads.
        final: days of the reference figures.
    """

    name: str
    file: Path
    development: tuple[date, ...]
    known_until: date
    final: tuple[date, ...]

    def days(self, *, final: bool) -> tuple[date, ...]:
        """The days to judge.

        Raises:
            ValueError: when a development day's outcome lies beyond what development may read.
        """
        if final:
            return self.final
        late = [str(day) for day in self.development if day + timedelta(HORIZON_DAYS) > self.known_until]
        if late:
            raise ValueError(f"{self.name}: the outcomes of {', '.join(late)} end after {self.known_until}")
        return self.development


SHOPS = (
    Shop(
        name="cdnow",
        file=DATA / "cdnow" / "CDNOW_master.txt",
        development=(date(1997, 10, 31), date(1997, 11, 30), date(1997, 12, 31)),
        known_until=date(1998, 3, 31),
        final=(date(1998, 3, 31),),
    ),
    Shop(
        name="online_retail_ii",
        file=DATA / "online_retail_ii" / "online_retail_ii.csv.gz",
        development=(date(2011, 1, 8), date(2011, 2, 8), date(2011, 3, 8), date(2011, 4, 8)),
        known_until=date(2011, 7, 8),
        final=(date(2011, 7, 8), date(2011, 8, 8), date(2011, 9, 8)),
    ),
)
