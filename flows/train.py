"""The flow that trains a model on what was known, records it, and promotes it if it is good enough."""

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from features import ledger
from features.asof import AsOf
from features.engine import Engine
from features.errors import ConfigError, DataRefused
from features.history import History
from features.money import units
from features.snapshots import drawn
from features.table import sampled, training_parts, training_table
from flows import inputs
from flows.artifacts import summarise
from flows.console import step
from flows.days import name_of_run
from flows.lock import hold
from flows.retrying import ON_IO
from flows.settings import Settings
from flows.survey import Survey, known_history, said, settle, survey
from models import training
from models.bundle import load_bundle, predict
from models.churn import Regrow
from models.dossier import files_of, findings_of, trial_runs
from models.drift import Learned
from models.evaluate import Response
from models.fitness import refuse_unfit
from models.fitting import Recipe
from models.promotion import Comparison, Scores, Verdict, judge
from models.splits import complete_snapshots
from models.spread import Spread
from models.tracking import (
    AGAINST,
    OVERRIDE,
    REASON,
    WITHDRAWN,
    Champion,
    RegisteredModel,
    TrainingRecord,
    champion,
    code_commit,
    find_training,
    promote,
    record_training,
)

_SAMPLE_ROWS = 1000
# Training rows whose scores are kept as a profile.
_PROFILED_ROWS = 200_000
_QUESTION = "label.question"
_SECTIONS = ("churn", "stages", "train", "xgb", "search", "value")


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can score.

    Attributes:
        digest: of its content; what `model_version` says in the outputs.
        version: of the registered model.
        run_id: the run that made it.
        bundle: local folder of the saved model.
        known_until: the last day it was trained on.
        metrics: as measured at training.
        said: sentences on the shop and the horizon at training.
    """

    digest: str
    version: str
    run_id: str
    bundle: Path
    known_until: date
    metrics: dict[str, float]
    said: tuple[str, ...] = ()


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
        settings, day, chosen = settle(settings, day)
        made = learn(settings, day, force=force)
        verdict = consider(settings, made)
    shown = ("test.auroc", "test.recency.auroc", "test.ece", "test.profit_at_10pct", "cv.auroc")
    summary = {
        "status": "promoted" if verdict.promote else "refused",
        "as_of": day.day.isoformat(),
        "metrics": {name: round(made.metrics[name], 4) for name in shown if name in made.metrics},
        "paths": {"mlflow": inputs.store(settings).label},
        "run_ids": {"model_run": made.run_id, "model_version": made.version},
        "sentences": [
            *chosen,
            *said(dict(made.tags)),
            f"Model {made.version} {'is now in use' if verdict.promote else 'was refused'}. {verdict.reason}",
        ],
    }
    return summarise("train", summary)


def first_model(settings: Settings, as_of: AsOf) -> Model:
    """Train when there is no champion yet, and use what comes of it.

    Raises:
        DataRefused: when the model is not good enough to use.
    """
    verdict = consider(settings, learn(settings, as_of))
    found = champion_for(settings, as_of)
    if found is None:
        raise DataRefused(
            f"The first model was refused: {verdict.reason} Look at its run in MLflow; a "
            f"longer history or another "
            "churn.horizon_days may help."
        )
    return found


@task(name="find the champion", cache_policy=NO_CACHE, **ON_IO)
def champion_for(settings: Settings, as_of: AsOf) -> Model | None:
    """The promoted model, or None when there is none yet.

    Raises:
        ConfigError: when it answers another question than the config asks.
        DataRefused: when it was trained on days after the as_of.
    """
    found = champion(inputs.store(settings), inputs.workspace(settings).runs / "models")
    if found is None:
        return None
    refuse_other_question("The model in use", found.tags, settings)
    known_until = date.fromisoformat(found.tags["data.as_of"])
    if known_until > as_of.day:
        raise DataRefused(
            f"The model in use was trained on everything up to {known_until}, which lies "
            f"after {as_of.day}: its "
            "scores would know the future. Use a workspace of its own for past days (--set workspace=FOLDER)."
        )
    digest = load_bundle(found.bundle).digest
    told = said(dict(found.tags))
    return Model(digest, found.version, found.run_id, found.bundle, known_until, dict(found.metrics), told)


def refuse_other_question(what: str, tags: Mapping[str, str], settings: Settings) -> None:
    """Refuse a model that answers another question than the config asks.

    Args:
        what: how the message names the model.
        tags: of its version.
        settings: the config.

    Raises:
        ConfigError: naming both questions.
    """
    if not _answers(tags, settings):
        raise ConfigError(
            f"{what} predicts a {tags[_QUESTION]}; the config asks for a {_question(settings)}. Set churn "
            "and value back, or train a model for it with this config first (winback train)."
        )


@task(name="train", cache_policy=NO_CACHE)
def learn(settings: Settings, as_of: AsOf, *, force: bool = False) -> RegisteredModel:
    """Train and record; a training that was recorded before is not repeated unless forced.

    Raises:
        DataRefused: when there is nothing to learn from, or the shop does not fit.
    """
    store, places = inputs.store(settings), inputs.workspace(settings)
    lake_version = ledger.version(places.lake)
    key = _digest(as_of.day.isoformat(), settings.digest(), settings.engine, lake_version, code_commit())
    known = None if force else find_training(store, key)
    if known is not None:
        return known
    history, first = known_history(settings, as_of)
    with inputs.engine(settings) as engine:
        with step("Looking whether the shop fits"):
            surveyed = survey(settings, history, first, as_of, engine)
        refuse_unfit(surveyed.diagnosis, even_if_unfit=settings.train.even_if_unfit)
        days = complete_snapshots(as_of, first, settings.train.snapshots)
        with step(f"Building features of {len(days)} past days"):
            rows, regrow = _rows(settings, history, days, as_of, engine)
        with step(f"Training on {rows.height:,} rows"):
            journal = places.runs / f"search/{key}.journal"
            trained = training.train(rows, as_of, _recipe(settings), regrow, journal)
    with step("Recording the training in MLflow"), tempfile.TemporaryDirectory() as folder:
        trained.bundle.save(Path(folder))
        share = _PROFILED_ROWS / max(rows.height, _PROFILED_ROWS)
        predictions = predict(trained.bundle, rows.filter(drawn(share)))
        Learned.of(rows, trained.bundle.contract.names, predictions).save(Path(folder))
        sample = rows.tail(_SAMPLE_ROWS)
        record = _record(settings, as_of, trained, sample, Path(folder), key=key, lake_version=lake_version)
        return record_training(store, _with_survey(record, surveyed))


@task(name="promote or refuse", cache_policy=NO_CACHE)
def consider(settings: Settings, made: RegisteredModel) -> Verdict:
    """Put the new model beside the champion, and carry out the verdict.

    Everything is read from what MLflow recorded, so that it can be repeated after a kill.
    """
    store = inputs.store(settings)
    present = champion(store, inputs.workspace(settings).runs / "models")
    if present is not None and present.version == made.version:
        why = present.tags.get(OVERRIDE) or present.tags.get(REASON, "It is the champion.")
        return Verdict(promote=True, reason=str(why))
    if WITHDRAWN in made.tags:
        return Verdict(promote=False, reason=f"A person took this model out of use: {made.tags[WITHDRAWN]}")
    verdict = _verdict(settings, made, present)
    promote(store, made.version, verdict, datetime.now(UTC))
    return verdict


def _verdict(settings: Settings, made: RegisteredModel, present: Champion | None) -> Verdict:
    own, tolerance = _scores(dict(made.metrics), dict(made.tags)), settings.train.promote_tolerance
    if present is None or not _answers(present.tags, settings):
        return judge(own, None, tolerance)
    against = made.tags.get(AGAINST)
    if against not in {None, present.version}:
        return Verdict(
            promote=False,
            reason=f"It was compared with model {against}, but model {present.version} is in use since. "
            "Train again to compare with that one: winback train --force.",
        )
    comparison = None if against is None else Comparison.from_metrics(made.metrics)
    before = _scores(dict(present.metrics), dict(present.tags))
    return judge(own, before, tolerance, comparison=comparison, by_hand=OVERRIDE in present.tags)


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


def _question(settings: Settings) -> str:
    """What a model of this config predicts; models of different questions are not compared."""
    churn, months = settings.churn, settings.value.horizon_months
    seen = "everything" if churn.lookback_days is None else f"{churn.lookback_days} days"
    return (
        f"purchase within {churn.horizon_days} days after a gap of {churn.gap_days}, from {seen} before, "
        f"and its value over {months} months"
    )


def _answers(tags: Mapping[str, str], settings: Settings) -> bool:
    return tags.get(_QUESTION, _question(settings)) == _question(settings)


def assumed_response(settings: Settings) -> Response:
    """The response that rankings are compared by; it costs what the first offer costs."""
    offer, in_minor = settings.offers[0], units(settings.currency)
    return Response(
        offer_cost=offer.cost * in_minor,
        contact_cost=settings.contact.cost[offer.channel] * in_minor,
        minor_units=in_minor,
    )


def _recipe(settings: Settings) -> Recipe:
    """All settings of a training."""
    response = assumed_response(settings)
    return Recipe(settings.xgb, settings.train, settings.value, settings.seed, response, settings.search)


def _record(
    settings: Settings,
    as_of: AsOf,
    trained: training.Trained,
    sample: pl.DataFrame,
    bundle: Path,
    *,
    key: str,
    lake_version: str,
) -> TrainingRecord:
    options = settings.resolved()
    recipe = _digest(json.dumps({name: options[name] for name in _SECTIONS}, sort_keys=True), code_commit())
    contract = json.dumps(trained.bundle.contract.to_json(), sort_keys=True)
    params = {f"{name}.{k}": v for name in _SECTIONS for k, v in options[name].items()}
    tested, docs = date.fromisoformat(str(trained.judged["as_of"].max())), inputs.data_docs(settings)
    tags = {
        "data.tested_on": str(tested),
        "model.digest": trained.bundle.digest,
        _QUESTION: _question(settings),
    }
    about, response = trained.bundle.about, _recipe(settings).response
    findings = findings_of(
        trained, response, lake_version=lake_version, currency=settings.currency, docs=docs
    )
    return TrainingRecord(
        as_of=as_of.day,
        horizon_days=as_of.horizon_days,
        key=key,
        lake_version=lake_version,
        feature_digest=_digest(contract),
        config_hash=settings.digest(),
        recipe_hash=recipe,
        params={**params, **trained.params},
        metrics=trained.metrics,
        config=options,
        sample=sample,
        bundle=bundle,
        curves={f"{name}.log_loss": curve for name, curve in trained.curves.items()},
        snapshots=trained.snapshots,
        nested=trial_runs(trained.trials),
        files=files_of(findings),
        profile={"num_rows": about["rows"], "num_days": len(about["days"])},
        tags={**tags, "quality.data_docs": docs} if docs else tags,
    )


def _with_survey(record: TrainingRecord, surveyed: Survey) -> TrainingRecord:
    """The record with what the shop looked like before the training."""
    return replace(
        record,
        params={**record.params, **surveyed.params()},
        metrics={**record.metrics, **surveyed.figures.metrics()},
        files={**record.files, **surveyed.files()},
        tags={**record.tags, **surveyed.tags()},
    )


def _scores(metrics: dict[str, float], tags: dict[str, str]) -> Scores:
    split = "test" if "test.auroc" in metrics else "cv"
    return Scores(
        recipe=tags["recipe.hash"],
        as_of=date.fromisoformat(tags["data.as_of"]),
        tested_on=date.fromisoformat(tags["data.tested_on"]),
        auroc=metrics.get(f"{split}.auroc", float("nan")),
        recency_auroc=metrics.get(f"{split}.recency.auroc", float("nan")),
        ece=metrics.get(f"{split}.ece", float("nan")),
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
