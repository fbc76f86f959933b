"""Features of everyone, part by part, checked before anything is made of them."""

from functools import partial
from pathlib import Path

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from features.asof import AsOf
from features.errors import DataRefused
from features.freshness import stage_measures
from features.quality import Gate, Suite, Tally, Verdict, refuse
from features.table import KEYS, each_part
from flows import inputs
from flows.console import step
from flows.lists import write_parquet
from flows.scoring import SCORES
from flows.settings import Settings
from flows.workspace import publish_folder


@task(name="build features", cache_policy=NO_CACHE)
def build_features(settings: Settings, as_of: AsOf) -> Path:
    """Features of everyone who had bought by the day, a file per part of them; returns the folder."""
    folder = inputs.workspace(settings).features(as_of.day)
    before = _stage_counts(settings, as_of)
    with publish_folder(folder) as aside:
        with step("Building features"), inputs.engine(settings) as engine:
            known, write = inputs.history(settings, as_of), partial(write_part, aside)
            rows = sum(each_part(known, as_of, settings.stages, engine, write))
        if not rows:
            raise DataRefused(
                f"Nobody had bought anything by {as_of.day}, so there is nobody to score. Choose a later "
                "--as-of, or look at what the lake holds: winback status."
            )
        with step("Checking features"), inputs.gate(settings, f"{as_of.day} features") as gate:
            rules = inputs.suite(settings, "features")
            tally, stages = _tallied(settings, rules, aside)
            seen = tally.sample, tally.counts, tally.rows, ("as_of",), frozenset({"customer_id"})
            checked = gate.check_rows(rules, *seen, label="features", failing=tally.failing)
            refuse([checked, *_stage_jump(settings, gate, as_of, stages, before)])
    return folder


def write_part(folder: Path, number: int, features: pl.DataFrame) -> int:
    """Write the features of a part of the customers; returns how many there are."""
    write_parquet(features, folder / f"part-{number:04d}.parquet")
    return features.height


def read_part(features: Path, customers: pl.Series) -> pl.DataFrame:
    """Features of some customers; of the part's others nothing is kept in memory."""
    theirs = pl.col("customer_id").is_in(customers.implode())
    return pl.scan_parquet(features, hive_partitioning=False).filter(theirs).collect()


def _checked(rules: Suite, features: Path) -> list[str]:
    """The columns that a suite looks at, and those that the night itself does."""
    present = pl.scan_parquet(features).collect_schema().names()
    wanted = {*KEYS, "stage", *(column for rule in rules.rules for column in rule.columns)}
    return [name for name in present if name in wanted]


def _tallied(settings: Settings, rules: Suite, features: Path) -> tuple[Tally, pl.DataFrame]:
    """What the files of features add up to, and the customers per stage; one file is in memory at a time.

    A customer is in one file only, so that even rules about many rows can be judged file by file.
    """
    options = settings.quality
    tally = Tally(rules, sample_rows=options.sample_rows, keys_shown=options.row_keys_shown)
    stages = []
    for file in sorted(features.iterdir()):
        part = pl.read_parquet(file, columns=_checked(rules, file))
        tally.add(part)
        stages.append(part["stage"].value_counts())
    counted = pl.concat(stages).group_by("stage").agg(pl.col("count").sum())
    return tally, counted.sort("stage")


def _stage_counts(settings: Settings, as_of: AsOf) -> tuple[int, pl.DataFrame]:
    """Days since the last night before this one, and its customers per stage."""
    places = inputs.workspace(settings)
    earlier = [day for day in places.days("scores") if day < as_of.day]
    empty = pl.DataFrame(schema={"stage": pl.String, "count": pl.UInt32})
    if not earlier:
        return 0, empty
    last = pl.read_parquet(places.scores(earlier[-1]) / SCORES, columns=["stage"])
    return (as_of.day - earlier[-1]).days, last["stage"].value_counts().sort("stage")


def _stage_jump(
    settings: Settings, gate: Gate, as_of: AsOf, now: pl.DataFrame, before: tuple[int, pl.DataFrame]
) -> list[Verdict]:
    days, counts = before
    limit = settings.quality.max_stage_jump
    measures = stage_measures(now, counts, days=days, max_jump=limit)
    return [gate.check_measures(inputs.suite(settings, "night"), measures, label=f"stages of {as_of.day}")]
