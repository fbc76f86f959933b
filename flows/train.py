"""The flow that trains a model on what was known, records it, and promotes it if it is good enough."""

import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from features import ledger
from features.asof import AsOf
from features.digests import digest_of
from features.engine import Engine
from features.errors import DataRefused
from features.history import History
from features.snapshots import drawn
from features.table import sampled, training_parts, training_table
from flows import inputs
from flows.artifacts import summarise
from flows.champion import Model, champion_for, rival
from flows.console import step
from flows.days import name_of_run
from flows.lock import hold
from flows.recipe import recipe
from flows.recording import Done, record
from flows.settings import Settings
from flows.succession import consider
from flows.survey import Settled, known_history, said, settle, survey
from models import training
from models.bundle import Bundle, load_bundle, predict
from models.churn import Regrow
from models.drift import Learned
from models.fitness import refuse_unfit
from models.splits import complete_snapshots, days_to_build
from models.spread import Spread
from models.tracking import RegisteredModel, code_commit, find_training, record_training

_SAMPLE_ROWS = 1000
# Training rows whose scores are kept as a profile.
_PROFILED_ROWS = 200_000


@flow(name="winback-train", flow_run_name=name_of_run, validate_parameters=False)
def train(
    config: str,
    as_of: str | None = None,
    overrides: list[str] | None = None,
    force: bool = False,  # noqa: FBT001, FBT002 - a parameter of deployments, given by name
) -> dict[str, Any]:
    """Train on everything known at the end of a day, and promote the model if it is good enough.

    Args:
        config: path of the config file.
        as_of: the last day that is known, YYYY-MM-DD; default the last complete day.
        overrides: `key.path=value`.
        force: train even when the same data and settings were trained on before.
    """
    settings, day = inputs.opened(config, overrides or [], as_of)
    with hold(settings.root, "winback train"), inputs.engine(settings):
        settled = settle(settings, day)
        made = learned(settled, force=force)
        verdict = consider(settled.settings, made)
    shown = ("test.auroc", "test.recency.auroc", "test.ece", "test.profit_at_10pct", "cv.auroc")
    summary = {
        "status": "promoted" if verdict.promote else "refused",
        "as_of": day.day.isoformat(),
        "metrics": {name: round(made.metrics[name], 4) for name in shown if name in made.metrics},
        "paths": {"mlflow": inputs.store(settings).label},
        "run_ids": {"model_run": made.run_id, "model_version": made.version},
        "sentences": [
            *settled.told(said(dict(made.tags))),
            f"Model {made.version} {'is now in use' if verdict.promote else 'was refused'}. {verdict.reason}",
        ],
    }
    return summarise("train", summary)


def learned(settled: Settled, *, force: bool = False) -> RegisteredModel:
    """Train; only then is a horizon that the data chose the workspace's own."""
    made = learn(settled.settings, settled.as_of, force=force)
    settled.keep()
    return made


def first_model(settled: Settled) -> Model:
    """Train when there is no champion yet, and use what comes of it.

    Raises:
        DataRefused: when the model is not good enough to use.
    """
    verdict = consider(settled.settings, learned(settled))
    found = champion_for(settled.settings, settled.as_of)
    if found is None:
        raise DataRefused(
            f"There is no model to score with: the one that was trained was refused. {verdict.reason} Look "
            "at its run in MLflow; a longer history or another churn.horizon_days may help."
        )
    return found


@task(name="train", cache_policy=NO_CACHE)
def learn(settings: Settings, as_of: AsOf, *, force: bool = False) -> RegisteredModel:
    """Train and record; a training that was recorded before is not repeated unless forced.

    Raises:
        DataRefused: when there is nothing to learn from, or the shop does not fit.
    """
    store, places = inputs.store(settings), inputs.workspace(settings)
    lake_version = ledger.version(places.lake)
    key = digest_of(as_of.day.isoformat(), settings.digest(), settings.engine, lake_version, code_commit())
    known = None if force else find_training(store, key)
    if known is not None:
        return known
    present = rival(settings)
    history, first = known_history(settings, as_of)
    with inputs.engine(settings) as engine:
        with step("Looking whether the shop fits"):
            surveyed = survey(settings, history, first, as_of, engine)
        refuse_unfit(surveyed.diagnosis, even_if_unfit=settings.train.even_if_unfit)
        champion = load_bundle(present.bundle) if present else None
        journal = places.runs / f"search/{key}.journal"
        trained, rows = taught(settings, as_of, (history, first), engine, journal=journal, champion=champion)
    with step("Recording the training in MLflow"), tempfile.TemporaryDirectory() as folder:
        trained.bundle.save(Path(folder))
        lesson = rows.filter(pl.col("as_of").is_in(trained.days))
        share = _PROFILED_ROWS / max(lesson.height, _PROFILED_ROWS)
        predictions = predict(trained.bundle, lesson.filter(drawn(share)))
        Learned.of(lesson, trained.bundle.contract.names, predictions).save(Path(folder))
        sample = lesson.tail(_SAMPLE_ROWS)
        done = Done(trained, surveyed, present, sample, Path(folder), key, lake_version)
        return record_training(store, record(settings, as_of, done))


def taught(
    settings: Settings,
    as_of: AsOf,
    known: tuple[History, date],
    engine: Engine,
    *,
    journal: Path,
    champion: Bundle | None = None,
) -> tuple[training.Trained, pl.DataFrame]:
    """The model of a day, and the rows that it was learned from and judged by; nothing is recorded.

    Args:
        settings: the config.
        as_of: the day; nothing after it is known.
        known: the history up to it, and its first day.
        engine: where parts are worked on.
        journal: file of the search's trials.
        champion: the model in use, to be compared with.
    """
    history, first = known
    days = _days(settings, as_of, first, champion)
    with step(f"Building features of {len(days)} past days"):
        rows, regrow = _rows(settings, history, days, as_of, engine)
    with step(f"Training on {rows.height:,} rows"):
        own = recipe(settings)
        found = training.train(rows, as_of, own, regrow=regrow, journal=journal, champion=champion)
    return found, rows


def _days(settings: Settings, as_of: AsOf, first: date, champion: Bundle | None) -> list[AsOf]:
    """The days to build: enough for every fit, those of the champion's recipe too."""
    theirs = 0 if champion is None else int(champion.about["train"]["snapshots"])
    learned = max(settings.train.snapshots, theirs)
    return complete_snapshots(as_of, first, days_to_build(as_of, learned, settings.train.tests))


def _rows(
    settings: Settings, history: History, days: Sequence[AsOf], as_of: AsOf, engine: Engine
) -> tuple[pl.DataFrame, Regrow | None]:
    """The rows that are learned from here; on a cluster, the last fit then reads those of everybody."""
    months, most = settings.value.horizon_months, settings.train.max_rows
    if settings.engine == "local":
        return training_table(history, days, as_of, months, settings.stages, most, engine), None
    parts = training_parts(history, days, as_of, months, settings.stages, engine)
    # Day by day, as a table of one machine is, so that everything but the last fit comes out the same.
    rows = sampled(parts, history, days, most, engine).sort("as_of", maintain_order=True)
    return rows, Spread(engine, _as_it_is, parts).grow


def _as_it_is(rows: pl.DataFrame) -> pl.DataFrame:
    return rows
