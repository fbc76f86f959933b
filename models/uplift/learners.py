"""How differently does a contact change people? Four learners on boosted trees.

S: one model with the contact as a feature. T: a model per arm. X: what each arm's model says of the other
arm's people gives every person an imputed effect, which is learned again (Kunzel et al., PNAS 2019). DR: the
doubly robust score of each person is learned (Kennedy, EJS 2023). X and DR read what the arms' models say
about people of customer folds that these have not seen, and the known probabilities of the draw. MEAN is the
mean of the four.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import polars as pl

from models.boosting import Mask, Objective, Recipe, Sample, grow, predict, validate
from models.metrics import Array
from models.options import XgbOptions
from models.uplift.contacts import Trial


class Learner(StrEnum):
    """What learns the effect."""

    S = "s"
    T = "t"
    X = "x"
    DR = "dr"
    MEAN = "mean"


_CONTACT = "_treated"
# Shallow: effects are small, and their differences smaller still.
_OUTCOME = XgbOptions(max_depth=2, learning_rate=0.1, max_bin=64, rounds=150, early_stopping=15, threads=1)
# An effect is a sum of steps in single features, each chosen among all; pairs are for S and T to find. On
# invented worlds with 1 to 5 points of effect deeper trees and fewer features at a time found noise.
_EFFECT = _OUTCOME.model_copy(update={"max_depth": 1, "colsample_bytree": 1.0, "max_bin": 32})
# A step that parts off this share of the people counts half.
_HALF = 0.05


# What each learner's opinion is made of.
PARTS: Mapping[Learner, tuple[str, ...]] = {
    Learner.S: ("single",),
    Learner.T: ("treated", "control"),
    Learner.X: ("of_treated", "of_control"),
    Learner.DR: ("score",),
}


@dataclass(frozen=True, slots=True)
class Effects:
    """Everything the learners have grown.

    Attributes:
        trees: part: its model.
        rounds: part: its boosting rounds.
        objective: how the outcome is learned.
        contacted: share of people contacted, which weighs the two halves of X.
    """

    trees: Mapping[str, bytes]
    rounds: Mapping[str, int]
    objective: Objective
    contacted: float

    def predict(self, matrix: pl.DataFrame, learner: Learner) -> Array:
        """The effect of a contact on each person's expected outcome, as one learner sees it."""
        if learner is Learner.MEAN:
            said = [self.predict(matrix, one) for one in PARTS]
            return np.asarray(np.mean(said, axis=0), float)
        if learner is Learner.S:
            return self._said("single", _told(matrix, 1.0)) - self._said("single", _told(matrix, 0.0))
        if learner is Learner.T:
            return self._said("treated", matrix) - self._said("control", matrix)
        if learner is Learner.DR:
            return self._said("score", matrix)
        of_treated, of_control = self._said("of_treated", matrix), self._said("of_control", matrix)
        return self.contacted * of_control + (1 - self.contacted) * of_treated

    def outcomes(self, matrix: pl.DataFrame) -> tuple[Array, Array]:
        """Expected outcome of each person when contacted, and when not."""
        return self._said("treated", matrix), self._said("control", matrix)

    def only(self, learner: Learner) -> "Effects":
        """Just what this learner needs."""
        kept = {
            name: raw for name, raw in self.trees.items() if learner is Learner.MEAN or name in PARTS[learner]
        }
        return Effects(kept, {name: self.rounds[name] for name in kept}, self.objective, self.contacted)

    def _said(self, part: str, matrix: pl.DataFrame) -> Array:
        return predict(self.trees[part], matrix)


def fit_effects(
    trial: Trial, objective: Objective, seed: int, rounds: Mapping[str, int] | None = None
) -> Effects:
    """Grow all parts of all learners.

    Args:
        trial: contacts of at least two customer folds.
        objective: how the outcome is learned; effects are learned by squared error.
        seed: of the row and column draws.
        rounds: boosting rounds by part; default found by cross-validation over the trial's folds.
    """
    grower = _Grower(objective, seed, rounds)
    sample, treated = trial.sample, trial.treated
    told = sample.matrix.with_columns(pl.Series(_CONTACT, treated.astype(np.float32)))
    grower.outcome("single", Sample(told, sample.label, sample.weight, sample.fold))
    grower.outcome("treated", sample.where(treated))
    grower.outcome("control", sample.where(~treated))
    if_contacted, if_not = _cross_fitted(trial, grower)
    imputed = np.where(treated, sample.label - if_not, if_contacted - sample.label)
    grower.effect("of_treated", _relabelled(sample, imputed).where(treated))
    grower.effect("of_control", _relabelled(sample, imputed).where(~treated))
    score = scores(trial, sample.label, if_contacted, if_not)
    grower.effect("score", _relabelled(sample, score))
    contacted = float((sample.weight * trial.propensity).sum() / sample.weight.sum())
    return Effects(grower.trees, grower.found, objective, contacted)


def scores(trial: Trial, outcome: Array, if_contacted: Array, if_not: Array) -> Array:
    """The doubly robust score: its mean over any group that the draw did not choose is the group's effect.

    `m1 - m0 + T (y - m1) / e - (1 - T) (y - m0) / (1 - e)` (Robins, Rotnitzky and Zhao, JASA 1994).
    """
    e = trial.propensity
    corrected = np.where(trial.treated, (outcome - if_contacted) / e, -(outcome - if_not) / (1 - e))
    return np.asarray(if_contacted - if_not + corrected, float)


@dataclass
class _Grower:
    objective: Objective
    seed: int
    rounds: Mapping[str, int] | None
    trees: dict[str, bytes] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)

    def outcome(self, part: str, sample: Sample) -> None:
        self._add(part, sample, Recipe(self.objective, _OUTCOME, self.seed))

    def effect(self, part: str, sample: Sample) -> None:
        shrinkage = {"reg_lambda": _HALF * len(sample.label)}
        self._add(part, sample, Recipe("reg:squarederror", _EFFECT.model_copy(update=shrinkage), self.seed))

    def _add(self, part: str, sample: Sample, recipe: Recipe) -> None:
        self.found[part] = self.rounds[part] if self.rounds else _rounds(sample, recipe)
        self.trees[part] = grow(sample, recipe, self.found[part])

    def again(self, part: str, sample: Sample) -> bytes:
        """The same part of the outcome from other rows."""
        return grow(sample, Recipe(self.objective, _OUTCOME, self.seed), self.found[part])


def _rounds(sample: Sample, recipe: Recipe) -> int:
    """Where the mean loss over folds is least: noise moves it less than the mean of the folds' own minima."""
    every = np.ones(len(sample.label), bool)
    return int(np.argmin(validate(sample, every, recipe).curve)) + 1


def _cross_fitted(trial: Trial, grower: _Grower) -> tuple[Array, Array]:
    """Both expected outcomes of each person, by models that never saw their customer."""
    sample = trial.sample
    said = {part: np.zeros(len(sample.label)) for part in ("treated", "control")}
    for fold in np.unique(sample.fold):
        held: Mask = sample.fold == fold
        unseen = sample.matrix.filter(pl.Series(held))
        for part, arm in (("treated", trial.treated), ("control", ~trial.treated)):
            said[part][held] = predict(grower.again(part, sample.where(arm & ~held)), unseen)
    return said["treated"], said["control"]


def _relabelled(sample: Sample, label: Array) -> Sample:
    return Sample(sample.matrix, label, sample.weight, sample.fold)


def _told(matrix: pl.DataFrame, contacted: float) -> pl.DataFrame:
    return matrix.with_columns(pl.lit(contacted, pl.Float32).alias(_CONTACT))
