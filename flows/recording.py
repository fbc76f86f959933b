"""What is recorded of a training? The model's own findings, the survey of the shop, the champion beside."""

import json
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from features.asof import AsOf
from features.digests import digest_of
from flows import inputs
from flows.recipe import QUESTION, question
from flows.settings import Settings
from flows.survey import Survey
from models import training
from models.dossier import files_of, findings_of, trial_runs
from models.tracking import AGAINST, Champion, TrainingRecord

_SECTIONS = ("churn", "stages", "train", "xgb", "search", "value")


@dataclass(frozen=True, slots=True)
class Done:
    """A training that is done, ready to be recorded.

    Attributes:
        trained: what came of it.
        surveyed: what the shop looked like before.
        champion: the model it was compared with.
        sample: training rows, as an example of what the model reads.
        bundle: folder of the saved model.
        key: identity of the training.
        lake_version: of the tables it read.
    """

    trained: training.Trained
    surveyed: Survey
    champion: Champion | None
    sample: pl.DataFrame
    bundle: Path
    key: str
    lake_version: str


def record(settings: Settings, as_of: AsOf, done: Done) -> TrainingRecord:
    """Everything that MLflow keeps of a training."""
    return _beside(_with_survey(_of_model(settings, as_of, done), done.surveyed), done)


def _of_model(settings: Settings, as_of: AsOf, done: Done) -> TrainingRecord:
    trained = done.trained
    options, about = settings.resolved(), trained.bundle.about
    contract = json.dumps(trained.bundle.contract.to_json(), sort_keys=True)
    params = {f"{name}.{k}": v for name in _SECTIONS for k, v in options[name].items()}
    tested, docs = date.fromisoformat(str(trained.judged["as_of"].max())), inputs.data_docs(settings)
    tags = {
        "data.tested_on": str(tested),
        "model.digest": trained.bundle.digest,
        "code.digest": about["code"],
        QUESTION: question(settings),
    }
    findings = findings_of(
        trained,
        trained.response,
        lake_version=done.lake_version,
        currency=settings.currency,
        docs=docs,
        diagnosis=done.surveyed.diagnosis,
    )
    return TrainingRecord(
        as_of=as_of.day,
        horizon_days=as_of.horizon_days,
        key=done.key,
        lake_version=done.lake_version,
        feature_digest=digest_of(contract),
        config_hash=settings.digest(),
        recipe_hash=digest_of(about["recipe"], about["code"]),
        params={**params, **trained.params},
        metrics=trained.metrics,
        config=options,
        sample=done.sample,
        bundle=done.bundle,
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


def _beside(record: TrainingRecord, done: Done) -> TrainingRecord:
    """The record with the comparison that decides on promotion, and with whom it was made."""
    if done.champion is None or done.trained.comparison is None:
        return record
    return replace(
        record,
        metrics={**record.metrics, **done.trained.comparison.to_metrics()},
        tags={**record.tags, AGAINST: done.champion.version},
    )
