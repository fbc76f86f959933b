"""Which learner ranks best, and what do the chosen ones say of people they have never seen?

The learner is picked in inner folds by how much of the effect it explains there, `slope^2 * variance` of the
best line from what it says to the doubly robust scores (Chernozhukov, Demirer, Duflo and Fernandez-Val, 2018,
section 4), signed: its scale does not matter, since it is calibrated later. What is then reported comes from
outer folds, in each of which everything was done anew without the people judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from models.boosting import Objective
from models.metrics import Array
from models.uplift.contacts import Trial
from models.uplift.learners import Effects, Learner, fit_effects, scores


@dataclass(frozen=True, slots=True)
class Chosen:
    """A learner, and all that was grown.

    Attributes:
        learner: the one that explained most.
        effects: all learners.
        explained: learner: variance of the effect that it explained in the inner folds, signed.
    """

    learner: Learner
    effects: Effects
    explained: Mapping[Learner, float]

    def predict(self, matrix: pl.DataFrame) -> Array:
        """The effect as the chosen learner sees it."""
        return self.effects.predict(matrix, self.learner)


@dataclass(frozen=True, slots=True)
class Unseen:
    """What was said of every person by models that never saw them.

    Attributes:
        effect: of a contact.
        score: the person's doubly robust score.
        expected: outcome expected of the person before the draw, whichever arm.
        learners: outer fold: the learner picked in it.
    """

    effect: Array
    score: Array
    expected: Array
    learners: Mapping[int, Learner]


def choose(trial: Trial, objective: Objective, seed: int) -> Chosen:
    """Fit all learners, and pick one over the folds of the trial."""
    effects = fit_effects(trial, objective, seed)
    sample = trial.sample
    said = {learner: np.zeros(len(sample.label)) for learner in Learner}
    target = np.zeros(len(sample.label))
    for fold in np.unique(sample.fold):
        held = sample.fold == fold
        inner = fit_effects(trial.where(~held), objective, seed, effects.rounds)
        judged = trial.where(held)
        matrix = judged.sample.matrix
        for learner in Learner:
            said[learner][held] = inner.predict(matrix, learner)
        target[held] = scores(judged, judged.sample.label, *inner.outcomes(matrix))
    explained = {learner: _explained(said[learner], target, trial) for learner in Learner}
    return Chosen(max(Learner, key=lambda one: explained[one]), effects, explained)


def unseen(trial: Trial, outcome: Array, objective: Objective, seed: int) -> Unseen:
    """Everything anew in each outer fold, for the people outside it.

    Args:
        trial: the contacts; its label is what is learned.
        outcome: what happened, which the label may be a tamed form of.
        objective: how the label is learned.
        seed: of the draws.
    """
    people = len(outcome)
    found = Unseen(np.zeros(people), np.zeros(people), np.zeros(people), {})
    learners = {}
    for fold in np.unique(trial.sample.fold):
        held = trial.sample.fold == fold
        chosen, judged = choose(trial.where(~held), objective, seed), trial.where(held)
        matrix, e = judged.sample.matrix, judged.propensity
        if_contacted, if_not = chosen.effects.outcomes(matrix)
        found.effect[held] = chosen.predict(matrix)
        found.score[held] = scores(judged, outcome[held], if_contacted, if_not)
        found.expected[held] = e * if_contacted + (1 - e) * if_not
        learners[int(fold)] = chosen.learner
    return Unseen(found.effect, found.score, found.expected, learners)


def _explained(said: Array, target: Array, trial: Trial) -> float:
    """Covariance times slope, within folds: other folds have other models."""
    weight, fold = trial.sample.weight, trial.sample.fold
    x, y = (_centred(values, weight, fold) for values in (said, target))
    variance, covariance = float((weight * x * x).sum()), float((weight * x * y).sum())
    return covariance * abs(covariance) / (variance * weight.sum()) if variance > 0 else 0.0


def _centred(values: Array, weight: Array, fold: np.ndarray[tuple[int], np.dtype[np.int32]]) -> Array:
    means = np.bincount(fold, weight * values) / np.maximum(np.bincount(fold, weight), 1e-12)
    return np.asarray(values - means[fold], float)
