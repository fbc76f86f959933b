"""What can be measured, by name, each in a process of its own: `python -m tests.bench.cases NAME LINES`."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl

from tests.bench import bare, data, families, ours, references
from tests.bench.equal import differences
from tests.bench.places import Clock, Place

CASES: dict[str, Callable[[Place, Clock], pl.DataFrame | None]] = {
    "raw": data.write_raw,
    "load": data.load,
    "night": data.night,
    "gate": data.gate,
    "bare": bare.bare_scan,
    "all": ours.all_features,
    "common": ours.common_features,
    "families": families.each_family,
    "one": ours.one_snapshot,
    "twelve": ours.twelve_snapshots,
    "duckdb": references.duckdb_sql,
    "pandas": references.pandas_frames,
    "samples": references.write_samples,
}


def main(case: str, lines: int) -> None:
    """Measure one case, leave its values in the place, and print the figures as the last line."""
    place, clock = Place(lines), Clock()
    values = CASES[case](place, clock)
    figures = {
        "laps": clock.laps,
        "cpu": clock.cpu,
        "peak_mib": _peak_mib(),
        "load": os.getloadavg()[0],
    }
    place.figures(case).parent.mkdir(parents=True, exist_ok=True)
    place.figures(case).write_text(json.dumps(figures))
    if values is not None:
        values.write_parquet(place.result(case))
    print(json.dumps(figures))


def compare(case: str, other: str, lines: int) -> None:
    """Print the differences between the values of two cases."""
    print(json.dumps(differences(Place(lines), case, other)))


def _peak_mib() -> float:
    """Most memory this process has held; `getrusage` would count what its parent held before."""
    status = Path("/proc/self/status")
    if not status.exists():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes where there is no /proc
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


if __name__ == "__main__":
    if sys.argv[1] == "compare":
        compare(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main(sys.argv[1], int(sys.argv[2]))
