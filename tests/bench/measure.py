"""How long and how much memory a case takes: fresh processes, contestants in turns, medians."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.places import ROOT, THREADS, Place

_THREADS = dict.fromkeys(
    ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), str(THREADS)
)
# Beyond this share of the free memory a larger scale is not tried.
_MEMORY_SHARE = 0.85
_KILLED = (-9, 137)


class CaseError(Exception):
    """A case failed; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one case.

    Attributes:
        laps: seconds by part.
        cpu: seconds of processor time, of all laps and threads.
        peak_mib: most memory held.
        load: the machine's load when it ended.
    """

    laps: dict[str, float]
    cpu: float
    peak_mib: float
    load: float

    @property
    def seconds(self) -> float:
        """All laps."""
        return sum(self.laps.values())


@dataclass(slots=True)
class Measured:
    """All runs so far, by case and number of lines; and why a case was not run.

    Attributes:
        runs: in order.
        left_out: the reason.
    """

    runs: dict[tuple[str, int], list[Run]] = field(default_factory=dict)
    left_out: dict[tuple[str, int], str] = field(default_factory=dict)

    def seconds(self, case: str, lines: int) -> float | None:
        """Median seconds of a case."""
        found = self.runs.get((case, lines))
        return statistics.median(run.seconds for run in found) if found else None

    def cpu(self, case: str, lines: int) -> float | None:
        """Median processor time of a case: steadier than the clock where others are at work."""
        found = self.runs.get((case, lines))
        return statistics.median(run.cpu for run in found) if found else None

    def peak_gib(self, case: str, lines: int) -> float | None:
        """Median peak of a case."""
        found = self.runs.get((case, lines))
        return statistics.median(run.peak_mib for run in found) / 1024 if found else None

    def laps(self, case: str, lines: int) -> dict[str, float]:
        """Seconds by part, of the first run."""
        found = self.runs.get((case, lines))
        return found[0].laps if found else {}

    def times(self, case: str, lines: int) -> int:
        """How often a case was run."""
        return len(self.runs.get((case, lines), []))

    def interleave(self, cases: Sequence[str], place: Place, *, rounds: int, seconds: float) -> None:
        """Run the cases in turns, each in a fresh process.

        Args:
            cases: their names.
            place: the files.
            rounds: how often, at most.
            seconds: no further round begins after so long.
        """
        end = time.monotonic() + seconds
        for number in range(rounds):
            if number and time.monotonic() > end:
                break
            for case in cases:
                self._run(case, place)

    def remember(self, case: str, place: Place) -> None:
        """Take the figures of the case's last run, in an earlier benchmark."""
        figures = json.loads(place.figures(case).read_text())
        self.runs.setdefault((case, place.lines), []).append(Run(**figures))

    def _run(self, case: str, place: Place) -> None:
        key = (case, place.lines)
        if key in self.left_out:
            return
        needed = self._foreseen_gib(case, place.lines)
        if needed > _MEMORY_SHARE * free_gib():
            self.left_out[key] = f"needs about {needed:.0f} GiB, {free_gib():.0f} GiB are free"
            return
        print(f"  {case}, {place.lines:,} lines", file=sys.stderr)
        done = python("-m", "tests.bench.cases", case, str(place.lines))
        if done.returncode in _KILLED:
            self.left_out[key] = f"was killed from outside or out of memory (exit code {done.returncode})"
        elif done.returncode:
            raise CaseError(f"{case} failed with exit code {done.returncode}:\n{done.stderr}")
        else:
            self.runs.setdefault(key, []).append(Run(**json.loads(done.stdout.splitlines()[-1])))

    def _foreseen_gib(self, case: str, lines: int) -> float:
        """A straight line through the two largest smaller scales; through one and nothing at all."""
        smaller = sorted(n for name, n in self.runs if name == case and n < lines)
        if not smaller:
            return 0.0
        first, last = (0, *smaller)[-2:]
        low, high = (self.peak_gib(case, n) or 0.0 for n in (first, last))
        return high + (high - low) * (lines - last) / (last - first)


def python(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the project, with as many threads as everybody gets."""
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **_THREADS},
    )  # fmt: skip


def answer(*words: str) -> Any:
    """What such a run prints last, as JSON."""
    done = python(*words)
    if done.returncode:
        raise CaseError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def free_gib() -> float:
    """Memory that a new process can have."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    line = next(line for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable"))
    return int(line.split()[1]) / 2**20
