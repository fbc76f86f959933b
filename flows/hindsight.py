"""How past nights turned out: which of them can be judged by now, and the writing of it, once for each."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from features.asof import AsOf
from features.outcomes import outcomes
from features.snapshots import drawn
from flows import inputs, monitor
from flows.enrolments import read_manifest
from flows.recipe import assumed_response
from flows.scoring import SCORES
from flows.settings import Settings
from models.matured import Rate, judged, matured, return_rate, share_judged
from models.outputs import Manifest
from models.tracking import promised

# Past nights that one night judges. More of them wait only after an upgrade; the next nights take the rest.
_NIGHTS = 31
_PROMISES = ("test.auroc", "cv.auroc")


@dataclass(frozen=True, slots=True)
class _Past:
    """A night whose outcome window is over: its windows and its list's manifest."""

    window: AsOf
    manifest: Manifest


def judge_past(settings: Settings, as_of: AsOf, people: int) -> tuple[Rate | None, date]:
    """Write how each past night turned out that can be judged by now and has not been.

    Orders that have not arrived would count as people who stayed away, so a window is over only when an
    order of its last day or later is there. The lake is read once for all days.

    Args:
        settings: the config.
        as_of: tonight.
        people: how many customers there are, about.

    Returns:
        The return rate of the newest day whose outcome is known, and that day.
    """
    known = min(as_of.day, inputs.newest_order(settings) or as_of.day)
    recent = as_of.at(known - (as_of.outcome_end - as_of.day))
    past = _past_nights(settings, known)
    shares = {
        recent: share_judged(people),
        **{one.window: _share_of(settings, one.window.day) for one in past},
    }
    with inputs.engine(settings) as engine:
        happened = outcomes(inputs.history(settings, as_of), shares, as_of, engine)
    for one in past:
        _judge(settings, one, happened[one.window], shares[one.window])
    return return_rate(happened[recent]), recent.day


def _past_nights(settings: Settings, known: date) -> list[_Past]:
    """Nights with a list that nobody has judged yet and whose windows are over, newest first."""
    places, found = inputs.workspace(settings), []
    for day in reversed(places.days("scores")):
        manifest = read_manifest(places.list(day))
        if manifest is None or (places.monitor(day) / monitor.MATURED).is_file():
            continue
        window = AsOf(day, manifest.horizon_days, manifest.gap_days)
        if window.is_complete(known):
            found.append(_Past(window, manifest))
    return found[:_NIGHTS]


def _judge(settings: Settings, past: _Past, happened: pl.DataFrame, share: float) -> None:
    day, places = past.window.day, inputs.workspace(settings)
    scores = pl.read_parquet(_scores(settings, day))
    version = str(scores["model_version"][0])
    # Scores can be of another model than the list: a changed list of a delivered night is refused after them.
    run_id = past.manifest.model_run_id if version == past.manifest.model_version else ""
    rows = judged(scores, happened, _features(places.features(day), share), settings.currency)
    content = monitor.matured_content(
        day,
        (version, run_id),
        past.window.outcome_end,
        _promise(settings, run_id),
        matured(rows, assumed_response(settings), settings.seed),
    )
    monitor.write(places.monitor(day) / monitor.MATURED, content)


def _features(folder: Path, share: float) -> pl.DataFrame | None:
    """Features of a sample of a past night's people, if they are still there."""
    parts = [pl.read_parquet(file).filter(drawn(share)) for file in sorted(folder.glob("*.parquet"))]
    return pl.concat(parts, how="diagonal") if parts else None


def _promise(settings: Settings, run_id: str) -> float | None:
    metrics = promised(inputs.store(settings), run_id)
    return next((metrics[name] for name in _PROMISES if name in metrics), None)


def _scores(settings: Settings, day: date) -> Path:
    return inputs.workspace(settings).scores(day) / SCORES


def _share_of(settings: Settings, day: date) -> float:
    return share_judged(int(pl.scan_parquet(_scores(settings, day)).select(pl.len()).collect().item()))
