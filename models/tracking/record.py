"""What one training leaves in MLflow: a run that can be compared, and a registered model that loads."""

import logging
import math
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import yaml

from models.boosting import library
from models.tracking.store import Store, connected, exists

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL = "winback-churn"
BUNDLE = "bundle"
BOOSTER = "churn.ubj"
CALIBRATION, GAIN, DECILES = "report/calibration.png", "report/gain.png", "report/deciles.csv"
KEY = "training.key"
_EXAMPLE_ROWS = 5
_SAMPLE_ROWS = 1000
_LONGEST_PARAM = 6000  # MLflow's own limit
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """One finished training.

    Attributes:
        as_of: the last day that training knew.
        horizon_days: length of the outcome window.
        key: identity of the training (data, config, code); the same key is never trained twice.
        lake_version: versions of the tables read.
        feature_digest: identity of the feature contract.
        config_hash: identity of the config.
        recipe_hash: identity of features, parameters and code, whatever the data.
        params: `<owner>.<name>`: value.
        metrics: `<split>.<measure>`: value; one that is not finite is left out, with a note.
        config: every key of the resolved config; secrets are names of environment variables there.
        sample: feature rows as the model reads them; other columns are dropped, ids among them.
        bundle: folder of the saved model, with the churn booster in `churn.ubj`.
        files: artifact path: content, such as `report/calibration.png`.
        tags: further identity.
    """

    as_of: date
    horizon_days: int
    key: str
    lake_version: str
    feature_digest: str
    config_hash: str
    recipe_hash: str
    params: Mapping[str, object]
    metrics: Mapping[str, float | None]
    config: Mapping[str, Any]
    sample: pl.DataFrame
    bundle: Path
    files: Mapping[str, bytes] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A version of the registered model and the run it comes from."""

    run_id: str
    version: str
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def record_training(store: Store, record: TrainingRecord) -> RegisteredModel:
    """Record a training and register its model; nothing is registered unless everything was recorded.

    Raises:
        WinbackError: when the store cannot be reached.
    """
    with connected(store) as client:
        import mlflow

        experiment = _experiment(client, store, f"churn-{record.horizon_days}d")
        _fail_abandoned(client, experiment, record.key)
        tags = _identity(record)
        run = client.create_run(experiment, run_name=record.as_of.isoformat(), tags=tags)
        with mlflow.start_run(run_id=run.info.run_id):
            metrics = _log_facts(client, run.info.run_id, record)
            _log_artifacts(record)
            model_id = _log_model(record, metrics)
            made = _register(client, model_id, run.info.run_id, tags)
    return RegisteredModel(run.info.run_id, made, metrics, tags)


def find_training(store: Store, key: str) -> RegisteredModel | None:
    """The registered model of a training that was recorded before, or None."""
    if not exists(store):
        return None
    with connected(store) as client:
        found = client.search_model_versions(f"name = '{MODEL}' and tags.`{KEY}` = '{key}'")
        if not found:
            return None
        newest = max(found, key=lambda one: int(one.version))
        run = client.get_run(newest.run_id)
        if run.info.status == "RUNNING":  # killed after its last step
            client.set_terminated(newest.run_id, "FINISHED")
        return RegisteredModel(newest.run_id, str(newest.version), run.data.metrics, newest.tags)


def _experiment(client: "MlflowClient", store: Store, name: str) -> str:
    known = client.get_experiment_by_name(name)
    if known is None:
        place = f"{store.artifacts}/{name}" if store.artifacts else None
        return str(client.create_experiment(name, artifact_location=place))
    if known.lifecycle_stage == "deleted":
        client.restore_experiment(known.experiment_id)
    return str(known.experiment_id)


def _fail_abandoned(client: "MlflowClient", experiment: str, key: str) -> None:
    """Runs of the same training that were killed: they would look busy for ever."""
    abandoned = client.search_runs(
        [experiment], f"tags.`{KEY}` = '{key}' and attributes.status = 'RUNNING'", max_results=100
    )
    for run in abandoned:
        client.set_terminated(run.info.run_id, "FAILED")


def _identity(record: TrainingRecord) -> dict[str, str]:
    return {
        **record.tags,
        "data.as_of": record.as_of.isoformat(),
        "data.lake_version": record.lake_version,
        "data.feature_digest": record.feature_digest,
        "config.hash": record.config_hash,
        "recipe.hash": record.recipe_hash,
        "code.commit": code_commit(),
        KEY: record.key,
    }


def code_commit() -> str:
    """The commit this code is at, or the version of the installed package where there is no git checkout."""
    here = Path(__file__).resolve().parents[2]
    if (here / ".git").exists():
        try:
            done = subprocess.run(
                ["git", "rev-parse", "HEAD"],  # noqa: S607 - the user's own git, wherever it is
                cwd=here,
                capture_output=True,
                text=True,
                check=True,
            )
        except (OSError, subprocess.CalledProcessError):
            _LOG.debug("git does not say which commit this is")
        else:
            return done.stdout.strip()
    try:
        return f"winback {version('winback')}"
    except PackageNotFoundError:
        return "unknown"


def _log_facts(client: "MlflowClient", run_id: str, record: TrainingRecord) -> dict[str, float]:
    import mlflow

    for some in _chunks(record.params.items(), 100):
        mlflow.log_params({name: str(value)[:_LONGEST_PARAM] for name, value in some})
    finite = {k: float(v) for k, v in record.metrics.items() if v is not None and math.isfinite(v)}
    dropped = sorted(record.metrics.keys() - finite.keys())
    if dropped:
        client.set_tag(run_id, "metrics.not_defined", ", ".join(dropped)[:5000])
        _LOG.info("%d metrics are not defined on this data: %s", len(dropped), ", ".join(dropped[:5]))
    return finite


def _log_artifacts(record: TrainingRecord) -> None:
    import mlflow

    with tempfile.TemporaryDirectory(prefix="winback-") as folder:
        content = {
            "config/config.yaml": yaml.safe_dump(dict(record.config), sort_keys=False).encode(),
            **record.files,
        }
        for name, data in content.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        mlflow.log_artifacts(folder)
    mlflow.log_artifacts(str(record.bundle), BUNDLE)


def _log_model(record: TrainingRecord, metrics: Mapping[str, float]) -> str:
    """Log the booster, the dataset it learned from, and the metrics on both; gives the logged model's id."""
    import mlflow
    from mlflow.models.model import Model

    from models.tracking import flavor

    booster = library().Booster(model_file=record.bundle / BOOSTER)
    sample = flavor.as_served(record.sample.head(_SAMPLE_ROWS), booster)
    dataset = mlflow.data.from_polars(
        sample, name=f"features-{record.as_of.isoformat()}", digest=record.lake_version[:36]
    )
    mlflow.log_input(dataset, context="training")
    info = Model.log(
        artifact_path=None,  # the name has taken its place, but it stayed required
        name="churn",
        flavor=flavor,
        booster=booster,
        sample=sample.head(_EXAMPLE_ROWS),
    )
    for some in _chunks(metrics.items(), 500):
        mlflow.log_metrics(dict(some), model_id=info.model_id)
    return str(info.model_id)


def _register(client: "MlflowClient", model_id: str, run_id: str, tags: Mapping[str, str]) -> str:
    if not client.search_registered_models(f"name = '{MODEL}'"):
        client.create_registered_model(
            MODEL, description="Probability of no net purchase in the outcome window, not contacted."
        )
    made = client.create_model_version(
        MODEL, source=f"models:/{model_id}", run_id=run_id, tags=dict(tags), model_id=model_id
    )
    return str(made.version)


def _chunks(items: Iterable[tuple[str, Any]], size: int) -> Iterator[list[tuple[str, Any]]]:
    """MLflow takes so many at a time."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
