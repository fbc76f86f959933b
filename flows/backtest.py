"""What `winback backtest` does: past nights are made again without any future, and it is told how they did.

Nothing is written into lake, lists, scores or registry: what comes of it lies in a folder of its own.
"""

import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from features import ledger
from features.asof import AsOf
from features.digests import digest_of
from features.engine import Engine
from features.errors import ConfigError, DataRefused
from features.options import parse_day
from flows import horizon, inputs
from flows.console import step
from flows.lists import write_parquet
from flows.lock import hold
from flows.recipe import assumed_response
from flows.replay import TRIAL_FILE, Replay, replayed
from flows.settings import Settings
from flows.survey import known_history, survey
from flows.told_of_replays import rows, sentences
from flows.workspace import publish_folder
from models.afterwards import policy
from models.backtest import overall, table
from models.fitness import refuse_unfit
from models.plots import nights_png
from models.tracking import code_commit

RESULT = "backtest.json"
# A hundred years: so far every date can be counted.
_MOST_DAYS = 36_525
_TABLE, _SHEET, _PICTURE = "backtest.parquet", "backtest.csv", "backtest.png"


def backtest(settings: Settings, first: str, last: str, every: int, retrain: int) -> dict[str, Any]:
    """Replay the nights from one day to another.

    Args:
        settings: the config.
        first: the first night, YYYY-MM-DD.
        last: no night is later, YYYY-MM-DD.
        every: days from one night to the next.
        retrain: least days between two trainings.

    Raises:
        ConfigError: when the nights cannot be counted out.
        DataRefused: when the history does not reach over them, or there is too little to learn from.
    """
    start, end = parse_day(first, "--from"), parse_day(last, "--to")
    _refuse_no_nights(start, end, every, retrain)
    with hold(settings.root, "winback backtest"), inputs.engine(settings) as engine:
        settings, until = _asked(horizon.resolved(settings), start, end, engine)
        days = [start + timedelta(days=n) for n in range(0, (end - start).days + 1, every)]
        name = _name(settings, days, (every, retrain), until)
        folder = inputs.workspace(settings).backtest(name)
        scratch = inputs.workspace(settings).runs / "backtests" / name
        if not folder.exists():
            nights = tuple(settings.as_of(day.isoformat()) for day in days)
            _replay(Replay(settings, scratch, nights, every, retrain, until), folder, engine)
        if scratch.exists():  # of a run that was killed when all was told, too
            _clear(scratch)
    return _summary(folder)


def _refuse_no_nights(start: date, end: date, every: int, retrain: int) -> None:
    if start > end:
        raise ConfigError(f"--from {start} lies after --to {end}. Give the earlier day to --from.")
    for name, days in (("--every", every), ("--retrain", retrain)):
        if not 1 <= days <= _MOST_DAYS:
            raise ConfigError(f"{name} should be 1 day or more, and at most {_MOST_DAYS}, got {days}.")


def _asked(settings: Settings, start: date, end: date, engine: Engine) -> tuple[Settings, AsOf]:
    """The settings with a horizon, and the last day that is known.

    Where neither the config nor the workspace has a horizon, what was known on the first night chooses it.
    """
    last = _last_day(settings)
    if end > last:
        raise DataRefused(
            f"--to is {end}, but the last complete day is {last}: of later days not all orders are there. "
            f"Choose --to {last} or earlier, or take in newer orders first (winback ingest)."
        )
    _, began = known_history(settings, settings.as_of(last.isoformat()))
    _refuse_too_early(settings, start, began)
    day = settings.as_of(start.isoformat())
    history, first_day = known_history(settings, day)
    with step("Looking whether the shop fits"):
        found = survey(settings, history, first_day, day, engine)
    refuse_unfit(found.diagnosis, even_if_unfit=settings.train.even_if_unfit)
    settled = horizon.with_horizon(settings, found.horizon_days)
    _refuse_too_early(settled, start, began)
    return settled, settled.as_of(last.isoformat())


def _last_day(settings: Settings) -> date:
    newest = inputs.newest_order(settings)
    if newest is None:
        raise DataRefused("The lake holds no transactions yet. Run winback ingest, or look at the sources.")
    return min(newest, date.fromisoformat(inputs.last_complete_day(settings)))


def _refuse_too_early(settings: Settings, start: date, began: date) -> None:
    """A night needs one outcome window to learn from, and as much history before it."""
    churn = settings.churn
    window = churn.horizon_days or churn.horizon_candidates[0]
    earliest = began + timedelta(days=2 * window + churn.gap_days - 1)
    if start < earliest:
        raise DataRefused(
            f"The history begins on {began}, and a model needs two outcome windows of {window} days to learn "
            f"from: the first night that can be replayed is {earliest}. Choose --from {earliest} or later."
        )


def _name(settings: Settings, days: list[date], steps: tuple[int, int], until: AsOf) -> str:
    """The same for the same nights of the same data, config and code."""
    lists = inputs.own_enrolments(settings, until)
    own = lists.select("list_id", "acknowledged_on").unique().sort("list_id").rows()
    lake = ledger.version(inputs.workspace(settings).lake)
    made_of = (settings.digest(), settings.engine, lake, until.day, own, code_commit())
    return digest_of(*(str(one) for one in (*days, *steps, *made_of)))


def _replay(replay: Replay, folder: Path, engine: Engine) -> None:
    """Make every night that is not there yet, and write what they say together."""
    nights = [replayed(replay, number, engine) for number in range(len(replay.nights))]
    figures, settings = table(nights), replay.settings
    trials = pl.concat(pl.read_parquet(replay.place(one.day) / TRIAL_FILE) for one in replay.nights)
    content = {
        "backtest_id": folder.name,
        "from": replay.nights[0].day.isoformat(),
        "to": replay.nights[-1].day.isoformat(),
        "every_days": replay.every,
        "retrain_days": replay.retrain,
        "known_until": replay.until.day.isoformat(),
        "horizon_days": replay.until.horizon_days,
        "gap_days": replay.until.gap_days,
        "currency": settings.currency,
        "config_hash": settings.digest(),
        "lake_version": ledger.version(inputs.workspace(settings).lake),
        "overall": {
            **overall(figures),
            **policy(trials, assumed_response(settings).contact_cost, settings.currency, settings.seed),
        },
        "nights": nights,
    }
    with publish_folder(folder) as aside:
        write_parquet(figures, aside / _TABLE)
        (aside / _SHEET).write_text(figures.write_csv(line_terminator="\n"), encoding="utf-8", newline="")
        (aside / _PICTURE).write_bytes(nights_png(figures))
        text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False)
        (aside / RESULT).write_text(f"{text}\n", encoding="utf-8")


def _clear(scratch: Path) -> None:
    """What lies there names people, and is needed no more."""
    shutil.rmtree(scratch)


def _summary(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    figures = pl.read_parquet(folder / _TABLE)
    return {
        "status": "done",
        **{name: content[name] for name in ("backtest_id", "from", "to", "every_days", "known_until")},
        "sentences": list(sentences(content)),
        "tables": rows(figures, content["currency"]),
        "overall": content["overall"],
        "nights": content["nights"],
        "paths": {
            "table": str(folder / _SHEET),
            "figures": str(folder / RESULT),
            "picture": str(folder / _PICTURE),
        },
    }
