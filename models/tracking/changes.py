"""What changed from one training to another: data, code, params, features, figures? Only reads."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from models.tracking.runs import ROWS, SNAPSHOTS, Training
from models.tracking.store import Store, connected

if TYPE_CHECKING:
    from mlflow import MlflowClient

CONTRACT = "data/feature_contract.json"
# Parts of a training's identity: name here, and the tag or param that holds it.
_DATA = {
    "as_of": "data.as_of",
    "tested_on": "data.tested_on",
    "lake_version": "data.lake_version",
    "rows": ROWS,
    "snapshots": SNAPSHOTS,
}
_IDENTITY = {
    "question": "label.question",
    "code": "code.commit",
    "modelling code": "code.digest",
    "config": "config.hash",
    "recipe": "recipe.hash",
    "features": "data.feature_digest",
    "model": "model.digest",
}

Pair = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two trainings, before and after; what is alike is left out, but for metrics.

    Attributes:
        data: day, lake version, rows, snapshots.
        identity: question, code, config, recipe, features, model.
        params: name: both values; None where one training has no such parameter.
        added: features that only the second one reads; None when one contract was not kept.
        removed: features that only the first one reads.
        metrics: name: both values, alike or not; None where one training has no such figure.
    """

    data: Mapping[str, Pair]
    identity: Mapping[str, Pair]
    params: Mapping[str, Pair]
    added: tuple[str, ...] | None
    removed: tuple[str, ...] | None
    metrics: Mapping[str, Pair]


def changes(store: Store, before: Training, after: Training) -> Changes:
    """What changed from one training to another.

    Raises:
        WinbackError: when the store cannot be reached.
    """
    with connected(store) as client:
        read = [_features(client, one.run_id) for one in (before, after)]
    old, new = read
    known = old is not None and new is not None
    return Changes(
        data=_different(*({k: _fact(one, v) for k, v in _DATA.items()} for one in (before, after))),
        identity=_different(*({k: _fact(one, v) for k, v in _IDENTITY.items()} for one in (before, after))),
        params=_different(before.params, after.params),
        added=tuple(sorted((new or frozenset()) - (old or frozenset()))) if known else None,
        removed=tuple(sorted((old or frozenset()) - (new or frozenset()))) if known else None,
        metrics=_pairs(before.metrics, after.metrics),
    )


def _features(client: "MlflowClient", run_id: str) -> frozenset[str] | None:
    """The features that the model of a run reads; None when the run kept no contract."""
    folder, _, file = CONTRACT.rpartition("/")
    if file not in {Path(one.path).name for one in client.list_artifacts(run_id, folder)}:
        return None
    with TemporaryDirectory(prefix="winback-") as there:
        content = json.loads(Path(client.download_artifacts(run_id, CONTRACT, there)).read_text("utf-8"))
    return frozenset((*content["numbers"], *content["categories"]))


def _fact(one: Training, name: str) -> str | None:
    return one.tags.get(name, one.params.get(name))


def _different(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Pair]:
    return {name: pair for name, pair in _pairs(before, after).items() if pair[0] != pair[1]}


def _pairs(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Pair]:
    names = [*before, *(name for name in after if name not in before)]
    return {name: (before.get(name), after.get(name)) for name in names}
