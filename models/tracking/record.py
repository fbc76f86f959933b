"""What one training leaves in MLflow: a run to compare, with runs of its parts, and a model that loads.

Registering the model is the moment at which a training counts. Its run and the nested runs are all `RUNNING`
until then; whoever finds them so later ends them, as finished when the model was registered, else as failed.
"""

import logging
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from models.tracking.content import TRAINING, NestedRun, TrainingRecord
from models.tracking.entries import log_data, log_facts
from models.tracking.store import Store, connected, exists, experiment_name

if TYPE_CHECKING:
    from mlflow import MlflowClient

BUNDLE = "bundle"
BOOSTER = "churn.ubj"
KEY = "training.key"
KIND, PARENT = "run.kind", "mlflow.parentRunId"
_EXAMPLE_ROWS = 5
_log = logging.getLogger(__name__)


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

        experiment = _experiment(client, store, experiment_name(record.horizon_days))
        _settle(client, store.model, experiment, record.key)
        tags = _identity(record)
        run = client.create_run(
            experiment, run_name=record.as_of.isoformat(), tags={**tags, KIND: TRAINING}
        ).info.run_id
        with mlflow.start_run(run_id=run), ExitStack() as undo:
            _log_artifacts(record)
            model_id, schema = _log_model(record)
            log_data(client, run, record.data(record.as_of, "training", record.profile), schema)
            log_facts(client, run, record.facts, model_id)
            undo.callback(_settle, client, store.model, experiment, record.key, keep=run)
            for one in record.runs():
                _log_nested(client, experiment, run, one, tags, schema)
            made = _register(client, store.model, model_id, run, tags)
        return RegisteredModel(run, made, client.get_run(run).data.metrics, tags)


def find_training(store: Store, key: str) -> RegisteredModel | None:
    """The registered model of a training that was recorded before, or None."""
    if not exists(store):
        return None
    with connected(store) as client:
        found = _registered(client, store.model, key)
        if not found:
            return None
        newest = max(found, key=lambda one: int(one.version))
        run = client.get_run(newest.run_id)
        if run.info.status == "RUNNING":  # killed after its last step
            _settle(client, store.model, run.info.experiment_id, key)
        return RegisteredModel(newest.run_id, str(newest.version), run.data.metrics, newest.tags)


def _experiment(client: "MlflowClient", store: Store, name: str) -> str:
    known = client.get_experiment_by_name(name)
    if known is None:
        place = f"{store.artifacts}/{name}" if store.artifacts else None
        return str(client.create_experiment(name, artifact_location=place))
    if known.lifecycle_stage == "deleted":
        client.restore_experiment(known.experiment_id)
    return str(known.experiment_id)


def _registered(client: "MlflowClient", model: str, key: str) -> Sequence[Any]:
    return list(client.search_model_versions(f"name = '{model}' and tags.`{KEY}` = '{key}'"))


def _settle(
    client: "MlflowClient", model: str, experiment: str, key: str, *, keep: str | None = None
) -> None:
    """End the runs of a training that are still open: they would look busy for ever.

    Args:
        client: of the store.
        model: the registered model.
        experiment: where to look.
        key: identity of the training.
        keep: a run that is ended by others.
    """
    whole = {one.run_id for one in _registered(client, model, key)}
    still_open = _all_runs(client, experiment, f"tags.`{KEY}` = '{key}' and attributes.status = 'RUNNING'")
    # A training ends after its parts: while it is open, they may be.
    for run in sorted(still_open, key=lambda one: PARENT not in one.data.tags):
        if run.info.run_id != keep:
            belongs_to = run.data.tags.get(PARENT, run.info.run_id)
            client.set_terminated(run.info.run_id, "FINISHED" if belongs_to in whole else "FAILED")


def _all_runs(client: "MlflowClient", experiment: str, question: str) -> list[Any]:
    """Every run that a filter finds; MLflow answers page by page."""
    found, token = [], None
    while True:
        page = client.search_runs([experiment], question, max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


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
            _log.debug("git does not say which commit this is")
        else:
            return done.stdout.strip()
    try:
        return f"winback {version('winback')}"
    except PackageNotFoundError:
        return "unknown"


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


def _log_model(record: TrainingRecord) -> tuple[str, dict[str, Any]]:
    """Log the model; gives its id, and the columns it reads."""
    from mlflow.models.model import Model

    from models.tracking import flavor

    info = Model.log(
        artifact_path=None,  # the name has taken its place, but it stayed required
        name="churn",
        flavor=flavor,
        bundle=record.bundle,
        sample=record.sample.head(_EXAMPLE_ROWS),
    )
    return str(info.model_id), {"mlflow_colspec": info.signature.inputs.to_dict()}


def _log_nested(  # noqa: PLR0917 - where it belongs, then what it is
    client: "MlflowClient",
    experiment: str,
    parent: str,
    nested: NestedRun,
    tags: Mapping[str, str],
    schema: Mapping[str, Any],
) -> None:
    """Log a part of a training; it stays open until the whole is registered."""
    named = {**tags, **nested.tags, KIND: nested.kind, PARENT: parent}
    run = client.create_run(experiment, run_name=nested.name, tags=named).info.run_id
    log_facts(client, run, nested.facts)
    if nested.data is not None:
        log_data(client, run, nested.data, schema)


def _register(client: "MlflowClient", model: str, model_id: str, run_id: str, tags: Mapping[str, str]) -> str:
    if not client.search_registered_models(f"name = '{model}'"):
        client.create_registered_model(
            model, description="Probability of no net purchase in the outcome window, not contacted."
        )
    made = client.create_model_version(
        model, source=f"models:/{model_id}", run_id=run_id, tags=dict(tags), model_id=model_id
    )
    return str(made.version)
