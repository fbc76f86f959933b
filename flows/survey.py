"""Before anything is trained: which horizon do the data ask for, and does the shop fit?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE

from features.asof import AsOf
from features.diary import Counts, count_habits, count_silences, diary, merged
from features.engine import Engine
from features.errors import DataRefused
from features.history import History
from features.runs import Runs
from features.stages import count_gaps
from flows import horizon, inputs
from flows.console import step
from flows.settings import Settings
from models.fitness import MOST_SNAPSHOTS, Diagnosis, Figures, as_markdown, refuse_unfit, told, verdict
from models.horizon import Choice, choose, chosen, judged_days, proposed
from models.plots import horizon_png
from models.splits import complete_snapshots

CURVE, CURVE_PICTURE, FITNESS = "report/horizon.csv", "report/horizon.png", "report/fit.md"
_TOLD = ("fit.told", "label.horizon_told")


@dataclass(frozen=True, slots=True)
class Survey:
    """What a shop's order days say.

    Attributes:
        horizon_days: the horizon that is asked about.
        choice: the horizon that the data would choose.
        figures: what the habits are like, with the horizon asked about.
        diagnosis: whether the shop fits.
    """

    horizon_days: int
    choice: Choice
    figures: Figures
    diagnosis: Diagnosis

    def params(self) -> dict[str, int]:
        """What goes to MLflow as parameters."""
        return {
            "label.horizon_days": self.horizon_days,
            "label.horizon_proposed_days": self.choice.horizon_days,
        }

    def tags(self) -> dict[str, str]:
        """What goes to MLflow as tags; `said` finds the sentences among them."""
        told_of = told(self.diagnosis), proposed(self.choice, self.horizon_days)
        return {"fit.verdict": self.diagnosis.fit.value, **dict(zip(_TOLD, told_of, strict=True))}

    def files(self) -> dict[str, bytes]:
        """What goes to MLflow as artifacts."""
        files = {
            FITNESS: as_markdown(self.figures, self.diagnosis).encode(),
            CURVE: self.choice.curve.write_csv().encode(),
        }
        if self.choice.curve.is_empty():
            return files
        return {**files, CURVE_PICTURE: horizon_png(self.choice.curve, self.horizon_days)}


def said(tags: dict[str, str]) -> tuple[str, ...]:
    """The sentences about a training's shop, from the tags of its model."""
    return tuple(tags[name] for name in _TOLD if name in tags)


@dataclass(frozen=True, slots=True)
class Settled:
    """A run's settings with a horizon.

    Attributes:
        settings: with the horizon.
        as_of: the windows of the day with it.
        sentences: what to tell.
        choice: how the data chose it; None where the config or the workspace had one.
    """

    settings: Settings
    as_of: AsOf
    sentences: list[str]
    choice: Choice | None = None

    def told(self, of_shop: Sequence[str]) -> list[str]:
        """What to tell after a training, `of_shop` being what `said` finds.

        Of a horizon that the data chose just now it need not be said again that they would choose it.
        """
        return [*self.sentences, *(of_shop if self.choice is None else of_shop[:1])]

    def keep(self) -> None:
        """Let the workspace keep a horizon that the data chose: once something was learned with it."""
        if self.choice is not None:
            days, notes, day = self.choice.horizon_days, self.choice.notes, self.as_of.day
            horizon.keep(self.settings.root, horizon.Kept(horizon_days=days, chosen_as_of=day, notes=notes))


def settle(settings: Settings, as_of: AsOf) -> Settled:
    """The settings with a horizon: where neither the config nor the workspace has one, the data choose it.

    Raises:
        DataRefused: when there is nothing to choose from, or the shop does not fit.
    """
    if settings.churn.horizon_days is not None:
        return Settled(settings, as_of, horizon.overruled(settings))
    found = choose_horizon(settings, as_of)
    settled = horizon.with_horizon(settings, found.horizon_days)
    return Settled(settled, settled.as_of(as_of.day.isoformat()), [chosen(found)], found)


@task(name="choose the horizon", cache_policy=NO_CACHE)
def choose_horizon(settings: Settings, as_of: AsOf) -> Choice:
    """Let the data choose the horizon, unless nothing could be trained with it."""
    history, first_day = known_history(settings, as_of)
    with inputs.engine(settings) as engine, step("Choosing the horizon"):
        found = survey(settings, history, first_day, as_of, engine)
    refuse_unfit(found.diagnosis, even_if_unfit=settings.train.even_if_unfit)
    return found.choice


def known_history(settings: Settings, as_of: AsOf) -> tuple[History, date]:
    """Everything known at the end of a day, and its first day.

    Raises:
        DataRefused: when there is nothing.
    """
    history = inputs.history(settings, as_of)
    first_day = history.first_day()
    if first_day is None:
        raise DataRefused(
            "The lake holds no purchases to learn from. Run winback ingest, or look at the sources."
        )
    return history, first_day


def survey(settings: Settings, history: History, first_day: date, as_of: AsOf, engine: Engine) -> Survey:
    """Count the order days, part by part where the parts are, and judge what they add up to.

    Where the settings have no horizon, the one that the data choose is asked about.
    """
    diaries = engine.map(partial(diary, columns=history.columns, until=as_of), history.parts)
    judged = judged_days(as_of, first_day, settings.churn)
    counts = merged(engine.gather(engine.map(partial(_silences_and_gaps, judged=judged), diaries)))
    choice = choose(counts["silences"], counts["gaps"], as_of, first_day, settings.churn)
    asked = replace(as_of, horizon_days=settings.churn.horizon_days or choice.horizon_days)
    work = partial(count_habits, until=asked, snapshots=_snapshots(asked, first_day))
    habits = merged(engine.gather(engine.map(work, diaries)))
    figures = Figures.of({**counts, **habits}, asked, settings.train.tests)
    return Survey(asked.horizon_days, choice, figures, verdict(figures))


def _silences_and_gaps(days: Runs, judged: Sequence[AsOf]) -> Counts:
    return {"silences": count_silences(days, judged), "gaps": count_gaps(days)}


def _snapshots(as_of: AsOf, first_day: date) -> list[AsOf]:
    try:
        return complete_snapshots(as_of, first_day, MOST_SNAPSHOTS)
    except DataRefused:  # no past day has an outcome yet: what the diagnosis is to say
        return []
