"""`python -m tests.bench.choosing [people]`: how long choosing among ten offers takes, and how good it is."""

import os
import resource
import sys
from collections.abc import Sequence
from time import perf_counter, process_time

from models.allocation import allocate
from models.choices import Choices
from models.limits import Group
from tests.offers_world import budget, numbers, scarce, world


def main(people: int) -> None:
    """Print seconds, gap and memory with a budget alone, and with everything scarce."""
    offers = world(people)
    before = _peak_gib()
    start = perf_counter()
    entries = numbers(offers)
    ready = perf_counter() - start
    print(f"{people:,} customers x 10 offers, {len(entries.eip):,} of them pay; ready in {ready:.1f} s")
    for name, limits in (("budget", []), ("everything scarce", scarce(people))):
        print(f"{name}: {_told(entries, limits)}")
    print(f"memory: {before:.2f} GiB before, {_peak_gib():.2f} GiB at most; load {os.getloadavg()[0]:.1f}")


def _told(entries: Choices, limits: Sequence[Group]) -> str:
    start, worked = perf_counter(), process_time()
    found = allocate(entries, limits, budget(entries))
    seconds, worked = perf_counter() - start, process_time() - worked
    people = int((found.entry >= 0).sum())
    return f"{seconds:.1f} s ({worked:.1f} s of processor), gap {found.gap:.5%}, {people:,} people"


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
