"""Where what was watched is kept: small JSON files per day, without anybody's name.

    monitor/as_of=D/watch.json     how far features and scores had moved that night, and the alarms
    monitor/as_of=D/matured.json   how the scores of that night turned out, written when its window is over
    monitor/as_of=D/retrain.json   that watching had a model trained that night, and what came of it

The first two say with `mlflow` whether MLflow has the figures too: `pending`, `recorded`, or `run is gone`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from features.errors import WinbackError
from flows.workspace import Workspace, publish_file
from models.alarms import Alarm, Turned, Watched
from models.drift import MOVED

WATCH, MATURED, RETRAIN = "watch.json", "matured.json", "retrain.json"
PENDING, RECORDED, GONE = "pending", "recorded", "run is gone"
_STATE = "mlflow"
_SCHEMA = 1
_DIGITS = 6


def read(file: Path) -> dict[str, Any] | None:
    """The content of one of these files, or None where there is none.

    Raises:
        WinbackError: when there is one that cannot be read.
    """
    if not file.is_file():
        return None
    try:
        return dict(json.loads(file.read_text("utf-8")))
    except ValueError:
        raise WinbackError(
            f"{file} is damaged. Delete it: the next night writes what it can again."
        ) from None


def write(file: Path, content: Mapping[str, Any]) -> None:
    """Write one of these files, unless it says the same already."""
    known = read(file)
    new = {"schema_version": _SCHEMA, **content}
    if known is not None and {**new, _STATE: known.get(_STATE)} == {**known, _STATE: known.get(_STATE)}:
        return
    with publish_file(file) as aside:
        aside.write_text(json.dumps(new, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def mark(file: Path, state: str) -> None:
    """Note what MLflow has."""
    content = {**(read(file) or {}), _STATE: state}
    with publish_file(file) as aside:
        aside.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def pending(places: Workspace) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Files whose figures MLflow does not have yet, oldest day first."""
    for day in places.days("monitor"):
        for name in (WATCH, MATURED):
            file = places.monitor(day) / name
            content = read(file)
            if content is not None and content[_STATE] == PENDING:
                yield file, content


def watched_content(
    as_of: date, model: tuple[str, str], watched: Watched, alarms: tuple[Alarm, ...]
) -> dict[str, Any]:
    """`watch.json` of a night.

    Args:
        as_of: the night.
        model: version and run id of the model that scored.
        watched: what was seen.
        alarms: what was beyond its limit.
    """
    tables = {"feature": watched.features, "score": watched.scores}
    columns = [
        {"kind": kind, **{name: _round(value) for name, value in row.items()}}
        for kind, table in tables.items()
        if table is not None
        for row in table.select(MOVED.names()).iter_rows(named=True)
    ]
    rate = watched.rate
    figures = {
        "predicted_rate": watched.predicted_rate,
        "observed_rate": None if rate is None else rate.mean,
        "model_age_days": watched.model_age_days,
        "alarms": len(alarms),
    }
    return {
        "as_of": as_of.isoformat(),
        "model_version": model[0],
        "model_run_id": model[1],
        "observed_rate_of": watched.rate_of.isoformat(),
        "figures": {f"watch.{name}": _round(value) for name, value in figures.items() if value is not None},
        "columns": columns,
        "alarms": [asdict(alarm) for alarm in alarms],
        _STATE: PENDING,
    }


def night_figures(content: Mapping[str, Any]) -> dict[str, float]:
    """What MLflow is told of a `watch.json`."""
    columns = content["columns"]
    psi = {f"psi.{one['column']}": one["psi"] for one in columns if one["psi"] is not None}
    nulls = {f"null_share.{one['column']}": one["null_share"] for one in columns if one["kind"] == "feature"}
    return {**content["figures"], **psi, **nulls}


def matured_content(
    as_of: date, model: tuple[str, str], until: date, promised: float | None, figures: Mapping[str, float]
) -> dict[str, Any]:
    """`matured.json` of a night.

    Args:
        as_of: the night.
        model: version and run id of the model that scored it.
        until: the last day of its outcome window.
        promised: AUROC measured at that model's training.
        figures: `matured.<measure>`.
    """
    return {
        "as_of": as_of.isoformat(),
        "model_version": model[0],
        "model_run_id": model[1],
        "outcome_until": until.isoformat(),
        "promised_auroc": promised,
        "figures": {name: _round(value) for name, value in figures.items()},
        _STATE: PENDING,
    }


def newest_turned(places: Workspace, as_of: date) -> Turned | None:
    """The newest night whose outcome was known by a day, as it turned out."""
    for day in reversed(places.days("monitor")):
        content = read(places.monitor(day) / MATURED)
        if content is not None and date.fromisoformat(content["outcome_until"]) <= as_of:
            found = content["figures"]
            return Turned(
                day,
                auroc=found.get("matured.auroc"),
                auroc_high=found.get("matured.auroc_high"),
                ece=found.get("matured.ece_above_noise"),
                promised_auroc=content["promised_auroc"],
            )
    return None


def last_retraining(places: Workspace, as_of: date, within_days: int) -> date | None:
    """The newest earlier day, of so many, on which watching had a model trained."""
    since = as_of - timedelta(days=within_days)
    days = [day for day in places.days("monitor") if since < day < as_of]
    return next((day for day in reversed(days) if (places.monitor(day) / RETRAIN).is_file()), None)


def _round(value: Any) -> Any:  # noqa: ANN401 - numbers and names
    return round(value, _DIGITS) if isinstance(value, float) else value
