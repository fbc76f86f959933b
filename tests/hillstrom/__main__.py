"""`python -m tests.hillstrom`: judge uplift on a real trial; writes `.hillstrom/hillstrom.json` and `.png`.

The first run makes an environment for causalml and scikit-uplift; where that cannot be done, their reference
figures stand in. About ten minutes on one free core.
"""

import sys
import time

from tests.hillstrom import areas, policy
from tests.hillstrom.data import FILE, KEPT, arms
from tests.hillstrom.picture import draw
from tests.hillstrom.report import Figure, show, write_json


def main() -> int:
    """Print the figures; 1 when one is not what it must be."""
    if not FILE.is_file():
        print(f"The real file {FILE.name} is not in {FILE.parent}: nothing to judge on.", file=sys.stderr)
        return 1
    KEPT.mkdir(exist_ok=True)
    started = time.monotonic()
    found, pictured = figures()
    show(found)
    write_json(KEPT / "hillstrom.json", found)
    draw(KEPT / "hillstrom.png", pictured)
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0 if all(one.holds for one in found) else 1


def figures() -> tuple[list[Figure], list[tuple[areas.Arm, policy.Expected]]]:
    """All figures, and what the picture shows."""
    found: list[Figure] = []
    pictured = []
    for arm in arms():
        found += areas.figures(arm, *areas.said(arm))
        gains = policy.expected(arm)
        found += policy.figures(arm, gains)
        pictured.append((arm, gains))
    return found, pictured


if __name__ == "__main__":
    sys.exit(main())
