"""Trainings as MLflow holds them, made in milliseconds: runs, versions, files, without a model to train."""

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from models.tracking import RegisteredModel, Store
from models.tracking.store import connected

FIRST = date(2011, 6, 1)
METRICS = {"test.auroc": 0.81, "test.recency.auroc": 0.77, "test.ece": 0.01}


def recorded(
    store: Store,
    number: int,
    *,
    metrics: Mapping[str, float] = METRICS,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    features: Sequence[str] | None = ("orders", "recency"),
    registered: bool = True,
    parent: str | None = None,
) -> RegisteredModel:
    """A training of its own day; `number` sets the day and the time at which it began."""
    day = str(FIRST + timedelta(days=7 * number))
    own = {
        "data.as_of": day,
        "data.tested_on": "2011-03-01",
        "recipe.hash": "beef",
        "training.key": f"k{number}",
        **(tags or {}),
    }
    nested = {} if parent is None else {"mlflow.parentRunId": parent}
    with connected(store) as client:
        known = client.get_experiment_by_name("churn-90d")
        place = f"{store.artifacts}/churn-90d" if store.artifacts else None
        experiment = known.experiment_id if known else client.create_experiment("churn-90d", place)
        run = client.create_run(
            experiment, start_time=1000 * (number + 1), run_name=day, tags={**own, **nested}
        ).info.run_id
        for name, value in metrics.items():
            client.log_metric(run, name, value)
        for name, value in (params or {}).items():
            client.log_param(run, name, value)
        files = {"bundle/bundle.json": json.dumps({"number": number})}
        if features is not None:
            content = {"numbers": list(features), "categories": {"country": ["NL"]}, "ignored": []}
            files["data/feature_contract.json"] = json.dumps(content)
        with TemporaryDirectory() as folder:
            for name, text in files.items():
                path = Path(folder, name)
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
            client.log_artifacts(run, folder)
        if not registered:
            client.set_terminated(run, "FAILED")
            return RegisteredModel(run, "", metrics, own)
        client.set_terminated(run, "FINISHED")
        if not client.search_registered_models(f"name = '{store.model}'"):
            client.create_registered_model(store.model)
        source = f"{client.get_run(run).info.artifact_uri}/bundle"
        made = client.create_model_version(store.model, source=source, run_id=run, tags=own)
    return RegisteredModel(run, str(made.version), metrics, own)


def copied(made: Store, store: Store) -> Store:
    """A store that begins with what another one holds; making an empty database takes seconds."""
    assert made.database is not None
    assert store.database is not None
    store.database.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(made.database, store.database)
    return store
