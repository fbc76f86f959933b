"""What all lists together earned, in MLflow: a run of its own called `lists`, one step per day of measuring.

What one list earned stands beside the training of the model that made it, see `models.tracking.watched`.
"""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from models.tracking.record import KIND
from models.tracking.store import Store, connected, exists
from models.tracking.watched import points

if TYPE_CHECKING:
    from mlflow import MlflowClient

LISTS = "lists"


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
    if not exists(store):
        return False
    with connected(store) as client:
        experiment = client.get_experiment_by_name(f"churn-{horizon_days}d")
        if experiment is None:
            return False
        run = _run(client, str(experiment.experiment_id))
        for metrics in points(as_of, figures):
            client.log_batch(run, metrics=metrics)
    return True


def _run(client: "MlflowClient", experiment: str) -> str:
    """The run of all lists, made when there is none."""
    found = client.search_runs([experiment], f"tags.`{KIND}` = '{LISTS}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    made = client.create_run(experiment, run_name=LISTS, tags={KIND: LISTS})
    client.set_terminated(made.info.run_id, "FINISHED")
    return str(made.info.run_id)
