"""`python -m tests.bench small|medium|full`: measure, print, write `bench.json`."""

import argparse
import shutil
import sys

import polars as pl

from tests.bench import elsewhere, figures, report
from tests.bench.figures import Figure
from tests.bench.measure import CaseError, Measured, answer
from tests.bench.places import BENCH, ROOT, Place

_MILLION = 1_000_000
SCALES = {
    "small": (_MILLION,),
    "medium": (_MILLION, 10 * _MILLION),
    "full": (_MILLION, 10 * _MILLION, 100 * _MILLION),
}
_ROUNDS = 5
# Seconds after which no further round begins, so that the small scale stays under three minutes.
_SIDE_BY_SIDE, _SNAPSHOTS, _NIGHTS = 45, 20, 10


def main() -> int:
    """Measure what was asked for; 1 when values differ from a reference's, however fast they came."""
    asked = argparse.ArgumentParser(prog="bench", description=__doc__)
    asked.add_argument("scale", nargs="?", choices=SCALES, default="full")
    asked.add_argument("--rounds", type=int, default=_ROUNDS, help="interleaved runs, at most")
    given = asked.parse_args()
    try:
        return _bench(given.scale, given.rounds)
    except CaseError as error:
        print(error, file=sys.stderr)
        return 1


def _bench(scale: str, most_rounds: int) -> int:
    measured = Measured()
    found: list[Figure] = []
    for lines in SCALES[scale]:
        rounds = 1 if lines > figures.TEN_MILLION else most_rounds
        found += _at_scale(measured, Place(lines), rounds, hurried=scale == "small")
    found += figures.growth(measured, SCALES[scale])
    report.show(found, measured, SCALES[scale])
    report.write_json(ROOT / "bench.json", found)
    unequal = [one for one in found if one.limit == 0 and not one.holds]
    for one in unequal:
        print(f"{one.name}: {one.note}", file=sys.stderr)
    return 1 if unequal else 0


def _at_scale(measured: Measured, place: Place, rounds: int, *, hurried: bool) -> list[Figure]:
    lines, smallest = place.lines, place.lines == _MILLION
    _prepare(measured, place)
    for cases, seconds in (
        (("bare", "duckdb", "common", "all", *(("pandas",) if smallest else ())), _SIDE_BY_SIDE),
        (("one", "twelve") if lines <= figures.TEN_MILLION else (), _SNAPSHOTS),
        (("night", "gate") if lines == figures.TEN_MILLION else ("night",), _NIGHTS),
    ):
        measured.interleave(cases, place, rounds=rounds, seconds=seconds if hurried else float("inf"))
    measured.interleave(("families",), place, rounds=1, seconds=0)
    found = figures.at_scale(measured, lines)
    if measured.times("night", lines):
        anew = pl.read_parquet(place.result("night"))["rewritten"].item()
        found.append(figures.rewritten(lines, anew, len(place.files())))
    return [*found, *_values(measured, place), *(_foreign(measured, place) if smallest else [])]


def _prepare(measured: Measured, place: Place) -> None:
    """The lake of this scale. Only the smallest is loaded in every run, beside the rest."""
    if not (place.raw.is_dir() and place.extra.exists()):
        for stale in BENCH.glob(f"{place.lines}-*"):
            shutil.rmtree(stale)
        measured.interleave(("raw",), place, rounds=1, seconds=0)
    if place.lines == _MILLION or not place.cached():
        measured.interleave(("load",), place, rounds=1, seconds=0)
    else:
        measured.remember("load", place)


def _values(measured: Measured, place: Place) -> list[Figure]:
    if not measured.times("common", place.lines):
        return []
    columns = len(pl.read_parquet_schema(place.result("common"))) - 1
    return [
        figures.equality(
            place.lines,
            other,
            columns,
            answer("-m", "tests.bench.cases", "compare", "common", other, str(place.lines)),
        )
        for other in ("duckdb", "pandas")
        if measured.times(other, place.lines)
    ]


def _foreign(measured: Measured, place: Place) -> list[Figure]:
    measured.interleave(("samples",), place, rounds=1, seconds=0)
    rows = []
    for tool in elsewhere.SAMPLES:
        print(f"  {tool}, samples", file=sys.stderr)
        try:
            said: elsewhere.Extrapolated | str = elsewhere.measure(tool, place)
        except elsewhere.NotInstalledError as error:
            said = f"could not be installed or run here: {error}"
        rows.append(figures.foreign(measured, tool, place.lines, said))
    return rows


if __name__ == "__main__":
    sys.exit(main())
