"""What a night looks at beside its list: what has moved since the model learned, how past nights turned out.

The figures are written before the list, and can stop it. MLflow is told afterwards: when it does not
answer then, the night says so and the next one tells it; nobody is woken up for a chart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from features.asof import AsOf
from features.errors import DataRefused, WinbackError
from flows import inputs, monitor
from flows.champion import Model, champion_for
from flows.console import step
from flows.hindsight import judge_past
from flows.scoring import score
from flows.settings import Settings
from flows.succession import consider
from flows.train import learn
from models.alarms import Action, Alarm, Watched, alarms
from models.drift import Counts, Learned, Profile, moved, total
from models.tracking import MODEL, record_matured, record_night


@dataclass(frozen=True, slots=True)
class Scored:
    """A night's predictions, and what was noticed on the way.

    Attributes:
        model: the model that made them.
        predictions: their folder.
        sentences: for the summary.
    """

    model: Model
    predictions: Path
    sentences: tuple[str, ...]


def scored(settings: Settings, as_of: AsOf, features: Path, model: Model) -> Scored:
    """Score everyone, look at what has moved, and do what the config says about it.

    Args:
        settings: the config.
        as_of: the night.
        features: folder of its features.
        model: the model in use; another one scores in the end when watching asks for a training and the new
            model is promoted.

    Raises:
        DataRefused: when something that moved is to stop the night.
    """
    predictions = score(settings, as_of, features, model)
    found = look(settings, as_of, features, predictions, model)
    _stop(settings, as_of, found)
    said = tuple(f"Watch: {alarm.sentence}" for alarm in found)
    asking = [str(alarm.signal) for alarm in found if alarm.action is Action.RETRAIN]
    if not asking:
        return Scored(model, predictions, said)
    newer, told = _retrained(settings, as_of, model, asking)
    if newer.digest != model.digest:
        predictions = score(settings, as_of, features, newer)
        _stop(settings, as_of, look(settings, as_of, features, predictions, newer))
    return Scored(newer, predictions, (*said, told))


@task(name="watch", cache_policy=NO_CACHE)
def look(
    settings: Settings, as_of: AsOf, features: Path, predictions: Path, model: Model
) -> tuple[Alarm, ...]:
    """Compare the night with what the model learned from, and past nights with what happened; write it down.

    The same night again writes nothing.
    """
    with step("Watching what has moved"), inputs.engine(settings):
        watched = _watched(settings, as_of, features, predictions, model)
    found = alarms(watched, settings.watch)
    content = monitor.watched_content(as_of.day, (model.digest, model.run_id), watched, found)
    monitor.write(inputs.workspace(settings).monitor(as_of.day) / monitor.WATCH, content)
    for alarm in found:
        _emit(as_of, model, alarm)
    return found


@task(name="record what was watched", cache_policy=NO_CACHE)
def record(settings: Settings) -> tuple[str, ...]:
    """Tell MLflow everything it has not been told yet; gives a sentence when that has to wait."""
    store = inputs.store(settings)
    try:
        for file, content in list(monitor.pending(inputs.workspace(settings))):
            told, figures = (
                (record_night, monitor.night_figures(content))
                if file.name == monitor.WATCH
                else (record_matured, content["figures"])
            )
            there = told(store, content["model_run_id"], date.fromisoformat(content["as_of"]), figures)
            monitor.mark(file, monitor.RECORDED if there else monitor.GONE)
    except WinbackError as error:
        return (f"What was watched is not in MLflow yet; the next night tries again. {error}",)
    return ()


def _watched(settings: Settings, as_of: AsOf, features: Path, predictions: Path, model: Model) -> Watched:
    learned = Learned.load(model.bundle)
    with inputs.engine(settings) as engine:
        sums = engine.gather(engine.map(_sum_of_p0, sorted(predictions.iterdir())))
    people = sum(rows for rows, _ in sums)
    rate, rate_of = judge_past(settings, as_of, people)
    return Watched(
        features=_moved(settings, learned.features, features) if learned else None,
        scores=_moved(settings, learned.scores, predictions) if learned else None,
        predicted_rate=sum(p0 for _, p0 in sums) / people,
        rate=rate,
        rate_of=rate_of,
        turned=monitor.newest_turned(inputs.workspace(settings), as_of.day),
        model_age_days=(as_of.day - model.known_until).days,
    )


def _moved(settings: Settings, profile: Profile, folder: Path) -> pl.DataFrame:
    """How far the columns of a folder's files have moved; one file is in memory at a time and worker."""
    with inputs.engine(settings) as engine:
        counted = engine.gather(engine.map(partial(_count, profile), sorted(folder.iterdir())))
    return moved(profile, total(counted))


def _count(profile: Profile, file: Path) -> Counts:
    return profile.count(pl.read_parquet(file, columns=list(profile.columns)))


def _sum_of_p0(file: Path) -> tuple[int, float]:
    p0 = pl.read_parquet(file, columns=["p0"])["p0"].to_numpy()
    return len(p0), float(p0.sum())


def _stop(settings: Settings, as_of: AsOf, found: Sequence[Alarm]) -> None:
    stopping = [alarm for alarm in found if alarm.action is Action.STOP]
    if not stopping:
        return
    record(settings)
    said = " ".join(alarm.sentence for alarm in stopping)
    pass_by = " ".join(f"--set watch.{alarm.signal}.action=warn" for alarm in stopping)
    file = inputs.workspace(settings).monitor(as_of.day) / monitor.WATCH
    raise DataRefused(
        f"The night of {as_of.day} stops before its list (watch.{stopping[0].signal}.action is stop). {said} "
        f"All figures are in {file}. Look at the feeds first. If the data is right, train again (winback "
        f"train), or let this night pass: {pass_by}."
    )


def _retrained(settings: Settings, as_of: AsOf, model: Model, asking: Sequence[str]) -> tuple[Model, str]:
    """Train because of alarms, once a night and not too often; gives the model in use, and a sentence."""
    places, rest = inputs.workspace(settings), settings.watch.retrain_rest_days
    file = places.monitor(as_of.day) / monitor.RETRAIN
    done: Mapping[str, Any] | None = monitor.read(file)
    if done is None:
        last = monitor.last_retraining(places, as_of.day, rest) or model.known_until
        if (as_of.day - last).days < rest:
            return model, (
                f"No new model is trained because of this: the last training was that of {last}, less than "
                f"{rest} days ago (watch.retrain_rest_days)."
            )
        day = as_of.day.isoformat()
        done = {"as_of": day, "because": list(asking), "before": model.digest, **_training(settings, as_of)}
        monitor.write(file, done)
    if not done["promoted"]:
        return model, f"A new model was trained because of this, but the old one stays. {done['reason']}"
    newer = champion_for(settings, as_of) or model
    return newer, f"A new model was trained because of this and is in use now. {done['reason']}"


def _training(settings: Settings, as_of: AsOf) -> dict[str, Any]:
    """Train and consider; when nothing can be learned from the data, the night goes on without."""
    try:
        verdict = consider(settings, learn(settings, as_of))
    except DataRefused as error:
        return {"promoted": False, "reason": str(error)}
    return {"promoted": verdict.promote, "reason": verdict.reason}


def _emit(as_of: AsOf, model: Model, alarm: Alarm) -> None:
    """An event that a Prefect automation can act on, such as a message to whoever is on duty."""
    emit_event(
        event=f"winback.watch.{alarm.signal}",
        resource={"prefect.resource.id": f"winback.model.{model.digest}", "prefect.resource.name": MODEL},
        payload={
            "as_of": as_of.day.isoformat(),
            "action": str(alarm.action),
            "found": alarm.found,
            "limit": alarm.limit,
            "sentence": alarm.sentence,
        },
    )
