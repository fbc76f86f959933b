"""What a model's nights looked like, in MLflow: beside its training, one step per day.

How nights turned out (`matured.<measure>`) stands on the training's own run, so that it can be compared with
the `test.<measure>` that was promised. How far features and scores had moved stands on one nested run per
model, called `nights`. A step is the day's number since 1970, and its time a day's midnight, so that writing
twice changes nothing: the day's own, or that on which its figures were found. Of figures of one step MLflow
shows the latest ones, and of one time the highest.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from models.tracking.record import KIND, PARENT
from models.tracking.store import Store, connected, exists

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

NIGHTS = "nights"
_EPOCH = date(1970, 1, 1)
_AT_A_TIME = 1000  # MLflow's own limit


def record_night(store: Store, run_id: str, as_of: date, figures: Mapping[str, float]) -> bool:
    """Write how far things had moved on one day; False when the model's run is gone.

    Args:
        store: where.
        run_id: the run that made the model which scored that day.
        as_of: the day.
        figures: metric: value.

    Raises:
        WinbackError: when the store cannot be reached.
    """
    return _record(store, run_id, as_of, figures, nested=True)


def record_matured(
    store: Store, run_id: str, as_of: date, figures: Mapping[str, float], found_on: date | None = None
) -> bool:
    """Write how the scores or the list of one day have turned out, as found on another day."""
    return _record(store, run_id, as_of, figures, found_on, nested=False)


def promised(store: Store, run_id: str) -> Mapping[str, float]:
    """What a training measured; nothing when its run is gone.

    Raises:
        WinbackError: when the store cannot be reached.
    """
    if not (run_id and exists(store)):
        return {}
    with connected(store) as client:
        run = _run(client, run_id)
        return {} if run is None else dict(run.data.metrics)


def points(
    as_of: date, figures: Mapping[str, float], found_on: date | None = None
) -> "Iterator[list[Metric]]":
    """Figures of a day as MLflow takes them, so many at a time; found on that day, or on a later one."""
    from mlflow.entities import Metric

    found = found_on or as_of
    midnight = datetime(found.year, found.month, found.day, tzinfo=UTC)
    at, step = int(midnight.timestamp() * 1000), (as_of - _EPOCH).days
    every = [Metric(name, float(value), at, step) for name, value in sorted(figures.items())]
    for first in range(0, len(every), _AT_A_TIME):
        yield every[first : first + _AT_A_TIME]


def _record(
    store: Store,
    run_id: str,
    as_of: date,
    figures: Mapping[str, float],
    found_on: date | None = None,
    *,
    nested: bool,
) -> bool:
    if not (run_id and exists(store)):
        return False
    with connected(store) as client:
        run = _run(client, run_id)
        if run is None:
            return False
        place = _nights(client, run) if nested else run_id
        for metrics in points(as_of, figures, found_on):
            client.log_batch(place, metrics=metrics)
    return True


def _run(client: "MlflowClient", run_id: str) -> "Run | None":
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise
    return run if run.info.lifecycle_stage == "active" else None


def _nights(client: "MlflowClient", parent: "Run") -> str:
    """The nested run of a model's nights, made when there is none."""
    experiment = parent.info.experiment_id
    mine = f"tags.`{PARENT}` = '{parent.info.run_id}' and tags.`{KIND}` = '{NIGHTS}'"
    found = client.search_runs([experiment], mine, max_results=1)
    if found:
        return str(found[0].info.run_id)
    tags = {PARENT: parent.info.run_id, KIND: NIGHTS}
    made = client.create_run(experiment, run_name=NIGHTS, tags=tags)
    client.set_terminated(made.info.run_id, "FINISHED")
    return str(made.info.run_id)
