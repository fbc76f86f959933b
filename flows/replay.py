"""One night of the past, made again as it would have been made then: nothing that came later is known to it.

A night that is done lies in a folder of its own, so that a run which was killed goes on where it stopped.
These folders name people, so they are gone once the replay has been told.
"""

import json
import shutil
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from features.asof import AsOf
from features.engine import Engine
from features.errors import DataRefused
from features.money import units
from features.table import each_part
from flows import inputs
from flows.appraising import appraise, rules_of
from flows.building import write_part
from flows.console import step
from flows.effects import believe
from flows.followed import followed, trial_after
from flows.grounds import guesses
from flows.lists import write_parquet
from flows.recipe import assumed_response
from flows.scoring import predict_parts
from flows.settings import Settings
from flows.survey import known_history
from flows.train import taught
from flows.workspace import publish_folder
from models.afterwards import policy
from models.assignment import list_id
from models.backtest import VALUE_WITH_PURCHASE, agreement, people
from models.bundle import load_bundle, with_purchase
from models.decision import Decision, Night, decide
from models.eligibility import DRAWN, ENROLMENTS, Reason, as_enrolments

PEOPLE, TRIAL_FILE, FIGURES = "people.parquet", "trial.parquet", "figures.json"
_ENROLLED, _MAKING = "enrolled.parquet", "making"
# Takes the place of the lake's version in the names of replayed lists: with that, rows that came later would
# draw other controls.
_REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class Replay:
    """Nights to make again.

    Attributes:
        settings: the config, with a horizon.
        folder: where nights that are done lie.
        nights: which nights, oldest first.
        every: days from one night to the next.
        retrain: least days between two trainings.
        until: the last day that is known today: what followed is looked up till then.
    """

    settings: Settings
    folder: Path
    nights: tuple[AsOf, ...]
    every: int
    retrain: int
    until: AsOf

    def place(self, day: date) -> Path:
        """Folder of a night."""
        return self.folder / f"as_of={day}"

    def trained_on(self, night: AsOf) -> AsOf:
        """The night whose model scores: the first, then each first night so many days after the last one."""
        last = self.nights[0]
        for one in self.nights:
            if one.day > night.day:
                break
            if (one.day - last.day).days >= self.retrain:
                last = one
        return last


class _Made(NamedTuple):
    """The version of the model, the list, and what the night said of everybody (`models.backtest.PEOPLE`)."""

    version: str
    decision: Decision
    said: pl.DataFrame


def replayed(replay: Replay, number: int, engine: Engine) -> dict[str, Any]:
    """The figures of a night (`models.backtest.NIGHTS`); it is made unless it is there already.

    Raises:
        DataRefused: when there was not enough to learn from.
    """
    night = replay.nights[number]
    folder = replay.place(night.day)
    if not (folder / FIGURES).is_file():
        bundle = _model(replay, replay.trained_on(night), engine)
        with (
            step(f"Night {number + 1} of {len(replay.nights)}: {night.day}"),
            publish_folder(folder) as aside,
        ):
            _make(replay, night, bundle, aside, engine)
    return dict(json.loads((folder / FIGURES).read_text(encoding="utf-8")))


def _model(replay: Replay, day: AsOf, engine: Engine) -> Path:
    """The model of a day, trained on what was known by then; it takes over without a comparison."""
    folder = replay.folder / f"model={day.day}"
    if not folder.exists():
        settings = replay.settings
        try:
            known = known_history(settings, day)
            journal = replay.folder / f"search-{day.day}.journal"
            trained, _ = taught(settings, day, known, engine, journal=journal)
        except DataRefused as error:
            raise DataRefused(f"The night of {day.day} cannot be replayed. {error}") from None
        with publish_folder(folder) as aside:
            trained.bundle.save(aside)
    return folder


def _make(replay: Replay, night: AsOf, bundle: Path, aside: Path, engine: Engine) -> None:
    """Decide the list of a night, look up what followed, and write both."""
    settings, until = replay.settings, replay.until
    made = _made(replay, night, bundle, aside / _MAKING, engine)
    shutil.rmtree(aside / _MAKING)
    decision, said = made.decision, made.said
    write_parquet(said, aside / PEOPLE)
    write_parquet(_enrolled(decision, night), aside / _ENROLLED)
    trial = trial_after(settings, night, replay.every, until, said, engine)
    write_parquet(trial, aside / TRIAL_FILE)
    figures = {
        "as_of": night.day.isoformat(),
        "trained_as_of": replay.trained_on(night).day.isoformat(),
        "model_version": made.version,
        **{name: decision.counts[name] for name in ("scored", "eligible", "listed", "held_out")},
        "still_enrolled": decision.counts["excluded_by_reason"][Reason.STILL_ENROLLED],
        **decision.totals,
        **followed(settings, night, until, said, engine),
        **_moved(replay, night, said),
        **policy(trial, assumed_response(settings).contact_cost, settings.currency, settings.seed),
        "notes": list(decision.notes),
    }
    content = json.dumps(figures, indent=1, sort_keys=True, allow_nan=False)
    (aside / FIGURES).write_text(f"{content}\n", encoding="utf-8")


def _made(replay: Replay, night: AsOf, bundle: Path, making: Path, engine: Engine) -> _Made:
    settings, version = replay.settings, load_bundle(bundle).digest
    features = _features(settings, night, making / "features", engine)
    believed = believe.fn(settings, night, features, replay.folder / "effects")
    rules, guess = rules_of(settings, believed), partial(guesses, settings, features, bundle)
    predict_parts(settings, making / "predictions", features, bundle)
    everyone = appraise(settings, making / "appraised", features, making / "predictions", rules, version)
    rested, others = _enrolled_before(replay, night), inputs.campaigns(settings, night)
    known = replace(inputs.known_people(settings, night), answers=inputs.said(settings, night))
    made_of = settings.digest(), version, _REPLAYED, believed.digest
    name = Night(night.day, list_id(night.day, *made_of), version)

    def decided(*enrolments: pl.DataFrame) -> Decision:
        who = replace(known, enrolments=pl.concat(enrolments))
        return decide(everyone, who, rules, name, guess=guess)

    decision = decided(rested, others)
    scored = pl.read_parquet(making / "appraised/scores").join(
        _with_purchase(settings, bundle, features), on="customer_id", validate="1:1"
    )
    return _Made(version, decision, people(scored, decision, decided(others)))


def _with_purchase(settings: Settings, bundle: Path, features: Path) -> pl.DataFrame:
    """V1 of everybody, major units."""
    model = load_bundle(bundle)
    found = pl.concat(with_purchase(model, pl.read_parquet(file)) for file in sorted(features.iterdir()))
    return found.with_columns(pl.col(VALUE_WITH_PURCHASE) * (1 / units(settings.currency)))


def _features(settings: Settings, night: AsOf, folder: Path, engine: Engine) -> Path:
    folder.mkdir(parents=True)
    write = partial(write_part, folder)
    each_part(inputs.history(settings, night), night, settings.stages, engine, write)
    return folder


def _enrolled(decision: Decision, night: AsOf) -> pl.DataFrame:
    """Everybody whom a list enrols (`ENROLMENTS`), as if it were delivered on the day after."""
    delivered = night.day + timedelta(days=1)
    both = pl.concat(frame.select(DRAWN) for frame in (decision.winback, decision.holdout))
    return as_enrolments(both.with_columns(acknowledged_on=pl.lit(delivered, pl.Date)), night)


def _enrolled_before(replay: Replay, night: AsOf) -> pl.DataFrame:
    """Everybody whom replayed nights before this one have enrolled."""
    earlier = [one.day for one in replay.nights if one.day < night.day]
    lists = [pl.read_parquet(replay.place(day) / _ENROLLED) for day in earlier]
    return pl.concat([pl.DataFrame(schema=ENROLMENTS), *lists])


def _moved(replay: Replay, night: AsOf, said: pl.DataFrame) -> dict[str, Any]:
    """How far the night agrees with the one before."""
    earlier = [one.day for one in replay.nights if one.day < night.day]
    return agreement(pl.read_parquet(replay.place(earlier[-1]) / PEOPLE), said) if earlier else {}
