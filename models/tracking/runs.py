"""Which trainings were there, and how good was each?

Only reads. A training is a run that carries a `training.key` and has no parent: runs nested in it (test
snapshots, search trials) are its details.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from features.errors import ConfigError
from models.figures import BASELINES
from models.tracking.record import KEY, PARENT
from models.tracking.registry import CHAMPION, OVERRIDE, VERDICT, WITHDRAWN
from models.tracking.store import MODEL, Store, connected, exists

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_TRAININGS = f"tags.`{KEY}` LIKE '%' and tags.`{PARENT}` IS NULL"
_RUN_ID = re.compile(r"[0-9a-f]{4,32}")
_OF_ANOTHER = re.compile(rf"({MODEL}[a-z0-9-]*)/([0-9]{{1,9}})")
_SHOWN = 20
# Digits of a model's number that a database can hold, and the runs that MLflow gives at a time.
_LONGEST_NUMBER, _MOST_RUNS = 9, 50_000
_FIGURES = ("auroc", "auroc_low", "auroc_high", "ece", "profit_at_10pct", "value_at_10pct")
ROWS, SNAPSHOTS = "train.rows", "train.days"


@dataclass(frozen=True, slots=True)
class Training:
    """One training as it was recorded.

    Attributes:
        run_id: of its run.
        version: of the registered model that came of it; None when none did.
        aliases: that point to this version now, such as `champion`.
        status: MLflow's word for the run: FINISHED, FAILED, RUNNING...
        metrics: the last value of each.
        params: as text.
        tags: of the run, those of the version over them.
    """

    run_id: str
    version: str | None
    aliases: tuple[str, ...]
    status: str
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]

    @property
    def name(self) -> str:
        """What people call it: the model's number, or the beginning of the run's id."""
        return f"run {self.run_id[:8]}" if self.version is None else f"model {self.version}"

    @property
    def is_own(self) -> bool:
        """Whether its model answers the question that was asked about, and not another one."""
        return self.version is not None and "/" not in self.version

    @property
    def split(self) -> str:
        """What its figures were measured on: `test`, or `cv` where the history was too short for that."""
        return "test" if "test.auroc" in self.metrics else "cv"

    @property
    def state(self) -> str:
        """Verdict and present place, such as `promoted, champion` or `failed`."""
        judged = self.tags.get(VERDICT, "not judged" if self.status == "FINISHED" else self.status.lower())
        hands = ("by hand",) if OVERRIDE in self.tags and CHAMPION in self.aliases else ()
        left = ("withdrawn",) if WITHDRAWN in self.tags else ()
        return ", ".join((judged, *self.aliases, *hands, *left))


def trainings(store: Store, last: int) -> tuple[Training, ...]:
    """The newest trainings, newest first.

    Raises:
        WinbackError: when the store cannot be reached.
    """
    if not exists(store):
        return ()
    with connected(store) as client:
        return _found(client, store, _TRAININGS, min(last, _MOST_RUNS))


def training(store: Store, name: str) -> Training:
    """The training with a model version, or whose run id begins so (at least 4 characters).

    Raises:
        ConfigError: when there is none or more than one; the message names those there are.
        WinbackError: when the store cannot be reached.
    """
    if not exists(store):
        raise ConfigError("There is no training yet. Train a model: winback train.")
    with connected(store) as client:
        run_id = _run_of(client, store, name)
        wanted = f"{_TRAININGS} and attributes.run_id LIKE '{run_id}%'"
        found = _found(client, store, wanted, 2) if run_id else ()
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigError(f"More than one run begins with {name}. Give more of its id.")
        there = ", ".join(
            f"{one.name} ({one.run_id[:8]})" for one in _found(client, store, _TRAININGS, _SHOWN)
        )
    raise ConfigError(
        f"There is no training {name}. Give the number of a model or the id of a run (winback runs shows "
        f"both). There are: {there or 'none yet'}."
    )


def headline(one: Training) -> dict[str, Any]:
    """The figures by which trainings are compared at a glance; None where there is no such figure."""
    figure = {name: one.metrics.get(f"{one.split}.{name}") for name in _FIGURES}
    rivals = {name: one.metrics.get(f"{one.split}.{name}.auroc", -math.inf) for name in BASELINES}
    best = max(BASELINES, key=lambda name: rivals[name])
    there = math.isfinite(rivals[best])
    return {
        "as_of": one.tags.get("data.as_of"),
        "model_version": one.version,
        "run_id": one.run_id,
        "state": one.state,
        "recipe": one.tags.get("recipe.hash"),
        "split": one.split,
        **figure,
        "best_baseline": best if there else None,
        "best_baseline_auroc": rivals[best] if there else None,
        "rows": _whole(one.params.get(ROWS)),
        "snapshots": _whole(one.params.get(SNAPSHOTS)),
    }


def _found(client: "MlflowClient", store: Store, wanted: str, most: int) -> tuple[Training, ...]:
    experiments = [
        one.experiment_id for one in client.search_experiments(filter_string="name LIKE 'churn-%'")
    ]
    if not experiments:
        return ()
    runs = client.search_runs(experiments, wanted, order_by=["attributes.start_time DESC"], max_results=most)
    versions, aliases = _versions(client, store)
    ordered = sorted(runs, key=lambda run: (run.info.start_time or 0, run.info.run_id), reverse=True)
    return tuple(_training(run, versions.get(run.info.run_id), aliases) for run in ordered)


def _training(
    run: "Run", version: tuple[str, Mapping[str, str]] | None, aliases: Mapping[str, Sequence[str]]
) -> Training:
    number, own = version or (None, {})
    # A run keeps what a person once did with its model; whether it is so now is a tag of the version.
    tags = {k: v for k, v in run.data.tags.items() if k not in {OVERRIDE, WITHDRAWN}}
    held = () if number is None else tuple(sorted(aliases.get(number, ())))
    data = run.data
    return Training(
        run.info.run_id, number, held, run.info.status, data.metrics, data.params, {**tags, **own}
    )


def _versions(
    client: "MlflowClient", store: Store
) -> tuple[dict[str, tuple[str, Mapping[str, str]]], dict[str, list[str]]]:
    """The newest version of each run with its tags, and the aliases of each version, of all questions."""
    every = f"name LIKE '{MODEL}%'"
    made = sorted(client.search_model_versions(every), key=lambda one: int(one.version))
    aliases: dict[str, list[str]] = {}
    for model in client.search_registered_models(every):
        for alias, one in model.aliases.items():
            aliases.setdefault(_number(store, model.name, one), []).append(alias)
    return {one.run_id: (_number(store, one.name, one.version), one.tags) for one in made}, aliases


def _number(store: Store, model: str, version: object) -> str:
    """What people call a version: its number, and of which model where that answers another question."""
    return str(version) if model == store.model else f"{model}/{version}"


def _run_of(client: "MlflowClient", store: Store, name: str) -> str | None:
    """The run id, or its beginning, that a name stands for; a number is a model first."""
    other = _OF_ANOTHER.fullmatch(name)
    model, number = other.groups() if other else (store.model, name)
    if number.isdecimal() and len(number) <= _LONGEST_NUMBER:
        found = client.search_model_versions(f"name = '{model}' and version_number = {int(number)}")
        if found:
            return str(found[0].run_id)
    return name if _RUN_ID.fullmatch(name) else None


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
