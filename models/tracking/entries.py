"""How the facts of one run reach MLflow: few calls, within its limits, nothing that is not a number."""

import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from features.digests import short_digest

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

T = TypeVar("T")

# MLflow's own limits: of one batch, of a param, of a tag, of a data set's digest.
_MOST_METRICS, _MOST_PARAMS = 1000, 100
_LONGEST_PARAM, _LONGEST_TAG, _LONGEST_DIGEST = 6000, 5000, 36
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run says in numbers.

    Attributes:
        params: `<owner>.<name>`: value.
        metrics: `<split>.<measure>`: value; one that is not finite is left out, with a note.
        curves: name of a metric: its values, one per step from 1 on, such as the loss by boosting round.
    """

    params: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Data:
    """The rows that a run read, as MLflow's data set.

    Attributes:
        name: what it is called.
        context: what it was read for: training or test.
        identity: what makes these rows the same rows; the lake version among it.
        profile: how much of it there is.
    """

    name: str
    context: str
    identity: Mapping[str, str]
    profile: Mapping[str, object] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The same digest, the same rows and columns."""
        return short_digest(json.dumps(dict(self.identity), sort_keys=True))


def log_facts(client: "MlflowClient", run_id: str, facts: Facts, model_id: str | None = None) -> None:
    """Log params, metrics and curves in whole batches.

    Args:
        client: of the store.
        run_id: the run.
        facts: what it found.
        model_id: the logged model that the metrics are of, if any.
    """
    from mlflow.entities import Param, RunTag

    for params in batches(facts.params.items(), _MOST_PARAMS):
        pairs = [Param(name, str(value)[:_LONGEST_PARAM]) for name, value in params]
        client.log_batch(run_id, params=pairs)
    for points in batches(_points(facts, model_id), _MOST_METRICS):
        client.log_batch(run_id, metrics=points)
    dropped = sorted(name for name, value in facts.metrics.items() if not _is_finite(value))
    if dropped:
        note = RunTag("metrics.not_defined", ", ".join(dropped)[:_LONGEST_TAG])
        client.log_batch(run_id, tags=[note])
        _log.info("%d metrics are not defined on this data: %s", len(dropped), ", ".join(dropped[:5]))


def log_data(client: "MlflowClient", run_id: str, data: Data, schema: Mapping[str, Any]) -> None:
    """Log what a run read: its digest, where it comes from, its columns; no row of it."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    # `code` is the source type that names no file: the lake is told by its version.
    entry = Dataset(
        name=data.name,
        digest=data.digest[:_LONGEST_DIGEST],
        source_type="code",
        source=json.dumps({"tags": dict(data.identity)}),
        schema=json.dumps(schema),
        profile=json.dumps(dict(data.profile)),
    )
    tags = [InputTag("mlflow.data.context", data.context)]
    tags += [InputTag(name, value) for name, value in data.identity.items()]
    client.log_inputs(run_id, [DatasetInput(entry, tags)])


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, so many at a time."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def _points(facts: Facts, model_id: str | None) -> "Iterator[Metric]":
    from mlflow.entities import Metric
    from mlflow.utils.time import get_current_time_millis

    now = get_current_time_millis()
    single = ((name, value, 0) for name, value in facts.metrics.items())
    by_step = ((n, v, step) for n, values in facts.curves.items() for step, v in enumerate(values, 1))
    for part in (single, by_step):
        for name, value, step in part:
            if value is not None and math.isfinite(value):
                yield Metric(name, float(value), now, step, model_id=model_id)


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
