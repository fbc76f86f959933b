"""Which parameters of the trees serve best? A search, off by default, on days that no test ever sees.

Every trial is judged forward in time: on each of the newest days whose outcome was known by the first test
day, by trees grown on what was known before it. The configured parameters are the first trial, so that a
search never ends with worse ones. Trials that fall behind are given up (pruned). Each trial draws from a seed
of its own, and all are kept in a journal: a search that was killed goes on where it stood, and ends where it
would have ended. The only home of Optuna.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from features.asof import AsOf
from features.errors import ConfigError
from features.hashing import uniform
from models.boosting import Mask, Sample, forward_loss
from models.boosting import Recipe as Trees
from models.fitting import Recipe
from models.lesson import Lesson, are_too_few, churn_sample, past_rows
from models.matrix import FeatureContract
from models.options import XgbOptions

if TYPE_CHECKING:
    import optuna

_DAYS = 3
_MOST_ROWS = 200_000
# Trials drawn at random before the sampler follows what it has seen, and days judged before one is given up.
_STARTUP, _WARMUP = 8, 1
# How far each parameter may vary: no further than where small shops still learn.
_RANGES: Mapping[str, tuple[int, int] | tuple[float, float]] = {
    "max_depth": (2, 7),
    "learning_rate": (0.01, 0.2),
    "min_child_weight": (1.0, 500.0),
    "subsample": (0.4, 1.0),
    "colsample_bytree": (0.05, 1.0),
    "reg_lambda": (0.1, 100.0),
}
_BY_SCALE = ("learning_rate", "min_child_weight", "colsample_bytree", "reg_lambda")


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of parameters that was tried.

    Attributes:
        number: from 0, which is the configured set.
        params: name of the option in `xgb`: value.
        loss: mean log loss over the judged days; None where it was given up.
        losses: mean log loss over the first judged day, the first two, and so on.
    """

    number: int
    params: Mapping[str, float | int]
    loss: float | None
    losses: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Searched:
    """The parameters that served best, and everything that was tried."""

    xgb: XgbOptions
    trials: tuple[Trial, ...]


def search(rows: pl.DataFrame, as_of: AsOf, recipe: Recipe, tests: list[date], journal: Path) -> Searched:
    """Search the parameters of the trees.

    Args:
        rows: learnable rows with their `fold`.
        as_of: the windows.
        recipe: what to start from, and how many trials.
        tests: days that will judge the recipe; only what was known by the first of them is read.
        journal: file in which trials are kept; one per data and recipe.

    Raises:
        ConfigError: when Optuna is not installed.
    """
    most = recipe.train.snapshots
    known = _thinned(rows.filter(past_rows(rows, as_of.at(min(tests)))) if tests else rows)
    days = _judged_days(known, as_of, recipe.train.min_positives)
    if not days:
        return Searched(recipe.xgb, ())
    sample = churn_sample(
        known,
        FeatureContract.of(known),
        Lesson.of(known, gone_only=False, half_life_days=recipe.train.half_life_days),
    )
    masks = [
        (past_rows(known, as_of.at(day), most).to_numpy(), (known["as_of"] == day).to_numpy()) for day in days
    ]
    study = _study(journal)
    while len(done := _finished(study)) < recipe.search.trials:
        study.sampler = _sampler(recipe.seed + len(done))
        if not done:
            study.enqueue_trial({name: getattr(recipe.xgb, name) for name in _RANGES})
        _try(study, sample, masks, recipe)
    best = _options(recipe, study.best_params)
    return Searched(best, tuple(_told(number, trial) for number, trial in enumerate(done)))


def _try(study: "optuna.Study", sample: Sample, masks: Sequence[tuple[Mask, Mask]], recipe: Recipe) -> None:
    """One trial; given up when it falls behind on the days judged so far."""
    from optuna.trial import TrialState

    trial = study.ask(_space(recipe.xgb))
    trees = Trees("binary:logistic", _options(recipe, trial.params), recipe.seed)
    losses: list[float] = []
    for past, judged in masks:
        losses.append(forward_loss(sample, past, judged, trees))
        trial.report(float(np.mean(losses)), step=len(losses))
        if len(losses) < len(masks) and trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return
    study.tell(trial, float(np.mean(losses)))


def _judged_days(rows: pl.DataFrame, as_of: AsOf, least: int) -> list[date]:
    """The newest days before which enough was known, newest first: what is like today is judged first."""
    days = rows["as_of"].unique().sort(descending=True).head(_DAYS)
    return [day for day in days if not are_too_few(rows.filter(past_rows(rows, as_of.at(day))), least)]


def _thinned(rows: pl.DataFrame) -> pl.DataFrame:
    """All days of so many customers, the same every time, that about `_MOST_ROWS` are left."""
    if len(rows) <= _MOST_ROWS:
        return rows
    return rows.filter(uniform("customer_id", "search") < _MOST_ROWS / len(rows))


def _space(configured: XgbOptions) -> "dict[str, optuna.distributions.BaseDistribution]":
    """What may vary, and how far: the ranges, and as far as the configured set lies beyond them."""
    from optuna.distributions import FloatDistribution, IntDistribution

    found: dict[str, optuna.distributions.BaseDistribution] = {}
    for name, (low, high) in _RANGES.items():
        own = getattr(configured, name)
        ends = min(low, own), max(high, own)
        if isinstance(low, int):
            found[name] = IntDistribution(*ends)
        else:
            found[name] = FloatDistribution(*ends, log=name in _BY_SCALE and own > 0)
    return found


def _options(recipe: Recipe, params: Mapping[str, Any]) -> XgbOptions:
    return recipe.xgb.model_copy(update=dict(params))


def _study(journal: Path) -> "optuna.Study":
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        raise ConfigError(
            "search.trials is above 0, but Optuna is not installed. Install it (pip install "
            "'winback[search]'), or set search.trials to 0."
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal.parent.mkdir(parents=True, exist_ok=True)
    return optuna.create_study(
        study_name="search",
        storage=JournalStorage(JournalFileBackend(str(journal))),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP, n_warmup_steps=_WARMUP),
        load_if_exists=True,
    )


def _sampler(seed: int) -> "optuna.samplers.BaseSampler":
    import optuna

    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=_STARTUP, constant_liar=False)


def _finished(study: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
    """Trials that ended; one that was killed half way is tried again as another."""
    from optuna.trial import TrialState

    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state in ended]


def _told(number: int, trial: "optuna.trial.FrozenTrial") -> Trial:
    from optuna.trial import TrialState

    loss = trial.value if trial.state == TrialState.COMPLETE else None
    return Trial(number, dict(trial.params), loss, tuple(trial.intermediate_values.values()))
