"""`python -m tests.proof [PART ...]`: run the proof, print its figures, write `proof.json`.

Parts: `loop`, half a year of lists on simulated worlds; `coverage`, the intervals of `winback measure`;
`hillstrom`, a real randomised trial. Figures are told as they come: nothing may be chosen by them.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.proof import figures, parts, report
from tests.proof.figures import Figure
from tests.proof.loop import Course, run_seed
from tests.proof.worlds import World

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".proof"
# Each process uses one thread; libraries read these when they are first imported, in the workers.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")

LOOP = "loop"
# Earlier seeds, and those from 100 on, were looked at while choosing.
FIRST = 30
STUDIES: Mapping[str, Callable[[], list[Figure]]] = {
    "coverage": parts.coverage,
    "hillstrom": parts.hillstrom,
}


def main(words: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when a figure that must hold does not."""
    given = _asked(words)
    began = time.monotonic()
    found = _found(given)
    report.show(found)
    report.write_json(given.json, found)
    seconds = round(time.monotonic() - began)
    if given.keep:
        report.keep(
            found,
            FOLDER,
            {"first": given.first, "seeds": given.seeds, "people": given.people, "seconds": seconds},
        )
    print(f"{seconds} s", file=sys.stderr)
    return 0 if all(one.holds for one in found if one.must) else 1


def _asked(words: Sequence[str] | None) -> argparse.Namespace:
    asked = argparse.ArgumentParser(prog="proof", description=__doc__)
    names = (LOOP, *STUDIES)
    asked.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(names)}; default all")
    asked.add_argument("--seeds", type=int, default=10, help="seeds of the loop")
    asked.add_argument("--first", type=int, default=FIRST, help="the first of them")
    asked.add_argument("--people", type=int, default=30_000, help="people of a world")
    asked.add_argument("--worlds", default="abcd", help="which worlds of the loop, by their letters")
    asked.add_argument("--jobs", type=int, default=2, help="processes at a time")
    asked.add_argument("--json", type=Path, default=ROOT / "proof.json", help="where the figures go")
    asked.add_argument(
        "--keep", action="store_true", help="add the figures to tests/proof/log.jsonl, and keep the picture"
    )
    given = asked.parse_args(words)
    unknown = [name for name in given.parts if name not in names]
    if unknown:
        asked.error(f"there are no parts {unknown}; there are {', '.join(names)}")
    given.parts = given.parts or list(names)
    return given


def _found(given: argparse.Namespace) -> list[Figure]:
    """All parts share the processes, the long studies first."""
    os.environ |= _ONE_THREAD
    worlds = [World(letter) for letter in given.worlds]
    seeds = range(given.first, given.first + given.seeds) if LOOP in given.parts else ()
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        studies = {name: pool.submit(one) for name, one in STUDIES.items() if name in given.parts}
        lived = [pool.submit(run_seed, seed, given.people, worlds) for seed in seeds]
        found = _closed_loop(lived) if lived else []
        return found + [figure for study in studies.values() for figure in study.result()]


def _closed_loop(lived: Sequence[Future[list[Course]]]) -> list[Figure]:
    courses = [course for seed in lived for course in seed.result()]
    FOLDER.mkdir(exist_ok=True)
    report.write_courses(FOLDER / "courses.parquet", courses)
    (FOLDER / report.PICTURE).write_bytes(report.regret_png(courses))
    return figures.closed_loop(courses)


if __name__ == "__main__":
    sys.exit(main())
