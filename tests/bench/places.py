"""Where the benchmark keeps its files, and what a case is measured with."""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from features.asof import AsOf
from features.lake import Lake

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / ".bench"
# A month of the generated lines lies after it, which nobody may read.
AS_OF = AsOf(date(2025, 5, 31), horizon_days=90)
ZONE, CURRENCY, MARGIN_RATE = "UTC", "EUR", 0.3
# For every contestant that takes a number of threads.
THREADS = 2
# As many as the config has by default; a shop of this size sets lake.buckets higher.
_BUCKETS = 16
# What decides which bytes lie in a lake: a change here makes the lakes anew.
_MAKERS = (
    "features/contracts.py", "features/hashing.py", "features/ingest.py", "features/lake.py",
    "features/merging.py", "features/money.py", "features/parts.py", "features/pricing.py",
    "features/quality/*.py", "features/sources/*.py", "flows/demo_shop/bench.py", "tests/bench/data.py",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one scale, under `.bench/`.

    Attributes:
        lines: order lines in it.
    """

    lines: int

    @property
    def folder(self) -> Path:
        """Named by the number of lines and the code that makes them."""
        return BENCH / f"{self.lines}-{_makers()}"

    @property
    def raw(self) -> Path:
        """Generated order lines, as a shop would deliver them."""
        return self.folder / "raw"

    @property
    def extra(self) -> Path:
        """Lines of one more day: 0.1 % of the lines, of customers that are there already."""
        return self.folder / "extra" / "day.parquet"

    @property
    def lake(self) -> Lake:
        """The same lines as ingest leaves them: a base of sorted buckets of bounded size."""
        return Lake(self.folder / "lake", max(_BUCKETS, self.lines // 1_500_000))

    @property
    def made(self) -> Path:
        """Written when the lake is whole: its files."""
        return self.folder / "made.json"

    @property
    def samples(self) -> Path:
        """Orders of few customers, for tools that would take too long with all of them."""
        return self.folder / "samples"

    def files(self) -> list[str]:
        """The Parquet files of the base, which all contestants read."""
        return [str(self.folder / name) for name in json.loads(self.made.read_text())]

    def cached(self) -> bool:
        """Whether the lake is there, made by the code as it is now."""
        return self.made.exists()

    def result(self, case: str) -> Path:
        """Where a case leaves the values it computed."""
        return self.folder / "results" / f"{case}.parquet"

    def figures(self, case: str) -> Path:
        """What its last run took."""
        return self.folder / "results" / f"{case}.json"


@dataclass(slots=True)
class Clock:
    """Adds up the time of what is measured; what lies between the laps is not counted.

    Attributes:
        laps: seconds by part.
        cpu: seconds of processor time, of all parts and threads.
    """

    laps: dict[str, float] = field(default_factory=dict)
    cpu: float = 0.0

    @contextmanager
    def lap(self, name: str = "all") -> Iterator[None]:
        """Measure what runs inside."""
        start, before = time.perf_counter(), time.process_time()
        yield
        self.cpu += time.process_time() - before
        self.laps[name] = self.laps.get(name, 0.0) + time.perf_counter() - start


def _makers() -> str:
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _MAKERS for path in ROOT.glob(pattern)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
