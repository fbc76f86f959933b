"""`python -m tests.accuracy [--final] [SHOP ...]`: judge on real shops, beside all baselines.

Without `--final` only development cutoffs are read: choose by these. The final cutoffs are for knowing, run
rarely; nothing may be chosen by them.
"""

import argparse
import sys
import time

import polars as pl

from features.errors import WinbackError
from flows.recipe import recipe
from tests.accuracy import report
from tests.accuracy.cutoffs import DATA, SHOPS, Shop
from tests.accuracy.fits import judged
from tests.accuracy.rules import Figure, figures
from tests.accuracy.tables import judgement, settings_of


def main() -> int:
    """Print the figures; 1 when one is not what it must be."""
    asked = argparse.ArgumentParser(prog="accuracy", description=__doc__)
    asked.add_argument("--final", action="store_true", help="the reference cutoffs; writes accuracy.json")
    asked.add_argument("shops", nargs="*", metavar="SHOP", help=", ".join(shop.name for shop in SHOPS))
    given = asked.parse_args()
    if not DATA.is_dir():
        print(f"The real files are not in {DATA}: nothing to judge on.", file=sys.stderr)
        return 1
    chosen = [shop for shop in SHOPS if not given.shops or shop.name in given.shops]
    if given.final and len(chosen) < len(SHOPS):
        asked.error("final figures are those of all shops")
    try:
        found = [one for shop in chosen for one in _of(shop, final=given.final)]
    except WinbackError as error:
        print(error, file=sys.stderr)
        return 1
    report.show(found, final=given.final)
    if given.final:
        report.write_json(report.JSON, found)
        report.append_log(report.LOG, found, report.commit())
    return 0 if all(one.holds for one in found) else 1


def _of(shop: Shop, *, final: bool) -> list[Figure]:
    settings = settings_of(shop)
    parts = []
    for day in shop.days(final=final):
        started = time.monotonic()
        one = judgement(settings, day)
        parts.append(judged(one, settings))
        seconds = time.monotonic() - started
        print(f"{shop.name} {day}: {one.past.height:,} rows taught, {seconds:.0f} s", file=sys.stderr)
    rows = pl.concat(parts, how="diagonal_relaxed")
    return figures(shop.name, rows, recipe(settings).response, final=final)


if __name__ == "__main__":
    sys.exit(main())
