"""From the raw file of a shop to what is learned from and what is judged, as a night would have seen them."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from features.asof import AsOf
from features.errors import DataRefused
from features.table import training_table
from flows import inputs
from flows.settings import Settings, load
from models.splits import complete_snapshots
from tests.accuracy.cutoffs import HORIZON_DAYS, ROOT, Shop

WORK = ROOT / ".accuracy"
_EVERYBODY = 10**9


@dataclass(frozen=True, slots=True)
class Judgement:
    """One day to be judged.

    Attributes:
        as_of: the day and its windows.
        past: rows whose outcome was known at the end of the day.
        asked: everybody on the day, with what they did later.
    """

    as_of: AsOf
    past: pl.DataFrame
    asked: pl.DataFrame


def settings_of(shop: Shop, work: Path = WORK) -> Settings:
    """The shipped config on the raw file, everything read into a lake of its own."""
    root = work / shop.name
    shutil.rmtree(root, ignore_errors=True)
    places = (f"sources.transactions.path={shop.file}", f"workspace={root}")
    config = f"configs/{shop.name}.yaml"
    command = [sys.executable, "-m", "flows", "ingest", "-c", config, "--json"]
    for place in places:
        command += ["--set", place]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise DataRefused(f"{shop.name} could not be read: {done.stderr}")
    counts = json.loads(done.stdout.splitlines()[-1])["counts"]
    print(f"{shop.name}: {counts['accepted']:,} of {counts['delivered']:,} rows accepted", file=sys.stderr)
    return load(ROOT / config, places)


def judgement(settings: Settings, day: date) -> Judgement:
    """What a night on the day would learn from, and what came after it.

    The past is read as it was known at the end of the day, so that no later return or month gets into it;
    only the outcome of the day itself is read as it was known at the end of its window.
    """
    as_of = settings.as_of(day.isoformat())
    if (as_of.horizon_days, as_of.gap_days) != (HORIZON_DAYS, 0):
        raise DataRefused(f"The figures are about {HORIZON_DAYS} days without a gap, the config is not.")
    history = inputs.history(settings, as_of)
    first = history.first_day()
    if first is None:
        raise DataRefused("The lake holds no purchases.")
    days = complete_snapshots(as_of, first, settings.train.snapshots)
    later = as_of.at(as_of.outcome_end)
    outcome = inputs.history(settings, later)
    months, most = settings.value.horizon_months, settings.train.max_rows
    return Judgement(
        as_of,
        training_table(history, days, as_of, months, settings.stages, most),
        training_table(outcome, [as_of], later, months, settings.stages, _EVERYBODY),
    )
