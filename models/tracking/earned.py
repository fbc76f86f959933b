"""What all lists together earned and taught, in MLflow: runs of their own called `lists` and `effects`.

`lists` has one step per day of measuring, `effects` one per day of the newest list that was learned from.

What one list earned stands beside the training of the model that made it, see `models.tracking.watched`.
"""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from models.tracking.record import KIND
from models.tracking.store import Store, connected, exists, experiment_name
from models.tracking.watched import points

if TYPE_CHECKING:
    from mlflow import MlflowClient

LISTS, EFFECTS = "lists", "effects"


def record_lists(store: Store, horizon_days: int, as_of: date, figures: Mapping[str, float]) -> bool:
    """Write what all lists have earned by a day; False when nothing was ever trained there.

    Args:
        store: where.
        horizon_days: of the experiment.
        as_of: the day of measuring.
        figures: metric: value.

    Raises:
        WinbackError: when the store cannot be reached.
    """
    return _record(store, horizon_days, LISTS, as_of, figures)


def record_effects(  # noqa: PLR0917 - where, then what
    store: Store,
    horizon_days: int,
    as_of: date,
    figures: Mapping[str, float],
    tags: Mapping[str, str],
    found_on: date,
) -> bool:
    """Write what contacts have taught by a day, as found on another, with tags for what is no number."""
    return _record(store, horizon_days, EFFECTS, as_of, figures, tags, found_on)


def _record(  # noqa: PLR0917 - where, then what
    store: Store,
    horizon_days: int,
    kind: str,
    as_of: date,
    figures: Mapping[str, float],
    tags: Mapping[str, str] | None = None,
    found_on: date | None = None,
) -> bool:
    if not exists(store):
        return False
    with connected(store) as client:
        experiment = client.get_experiment_by_name(experiment_name(horizon_days))
        if experiment is None:
            return False
        run = _run(client, str(experiment.experiment_id), kind)
        for metrics in points(as_of, figures, found_on):
            client.log_batch(run, metrics=metrics)
        for name, value in (tags or {}).items():
            client.set_tag(run, name, value)
    return True


def _run(client: "MlflowClient", experiment: str, kind: str) -> str:
    """The run of its kind, made when there is none."""
    found = client.search_runs([experiment], f"tags.`{KIND}` = '{kind}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    made = client.create_run(experiment, run_name=kind, tags={KIND: kind})
    client.set_terminated(made.info.run_id, "FINISHED")
    return str(made.info.run_id)
