"""`python -m tests.proof [PART ...]`: run the proof, print its figures, write `proof.json`.

Figures are told as they come: nothing may be chosen by them.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.proof import figures, report
from tests.proof.loop import Course, run_seed
from tests.proof.worlds import World

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".proof"

# Each process uses one thread; libraries read these when they are first imported, in the workers.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")

Part = Callable[[argparse.Namespace], Sequence[figures.Figure]]


def closed_loop(given: argparse.Namespace) -> list[figures.Figure]:
    """Half a year of lists on simulated worlds, seed by seed."""
    worlds = [World(letter) for letter in given.worlds]
    seeds = list(range(given.seeds))
    os.environ |= _ONE_THREAD
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        parts = pool.map(run_seed, seeds, [given.people] * len(seeds), [worlds] * len(seeds))
        courses: list[Course] = [course for part in parts for course in part]
    FOLDER.mkdir(exist_ok=True)
    report.write_courses(FOLDER / "courses.parquet", courses)
    (FOLDER / "regret.png").write_bytes(report.regret_png(courses))
    return figures.closed_loop(courses)


# Parts of the proof, in the order in which they run.
PARTS: Mapping[str, Part] = {"loop": closed_loop}


def main(words: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when a figure that must hold does not."""
    asked = argparse.ArgumentParser(prog="proof", description=__doc__)
    asked.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default all")
    asked.add_argument("--seeds", type=int, default=10, help="seeds of the closed loop")
    asked.add_argument("--people", type=int, default=20_000, help="people of a world")
    asked.add_argument("--worlds", default="abcd", help="which worlds, by their letters")
    asked.add_argument("--jobs", type=int, default=2, help="processes at a time")
    asked.add_argument("--json", type=Path, default=ROOT / "proof.json", help="where the figures go")
    given = asked.parse_args(words)
    unknown = [name for name in given.parts if name not in PARTS]
    if unknown:
        asked.error(f"there are no parts {unknown}; there are {', '.join(PARTS)}")
    found: list[figures.Figure] = []
    for name in given.parts or PARTS:
        began = time.monotonic()
        found += PARTS[name](given)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    report.show(found)
    report.write_json(given.json, found)
    return 0 if all(one.holds for one in found if one.must) else 1


if __name__ == "__main__":
    sys.exit(main())
