"""Evidence A: who answers to a contact, learned from the own randomised contacts of one offer.

A model is only kept when it ranks people it has never seen: when the lower bound of its Qini over outer folds
lies above 0. Else there is none, and the pooled effect (B) speaks.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from features.errors import DataRefused
from models.boosting import Objective
from models.effects import Evidence, Shift, response
from models.matrix import FeatureContract
from models.metrics import Array
from models.options import UpliftOptions
from models.uplift.choice import choose, unseen
from models.uplift.contacts import Trial, matrix, ordered
from models.uplift.curves import Estimate, Judged, qini_over_folds
from models.uplift.learners import Effects, Learner
from models.uplift.trust import Trust, fit_trust

CONVERSION, MARGIN = "conversion", "margin"
_OBJECTIVES: Mapping[str, tuple[str, Objective]] = {
    CONVERSION: ("returned", "binary:logistic"),
    MARGIN: ("window_margin", "reg:squarederror"),
}
# A few margins must not rule the trees; what they are judged and calibrated by is untouched.
_TAILS = (0.005, 0.995)
_P_EDGE = 1e-6
# Shifts beyond this, on the log-odds, are not to be believed; doubt beyond this is no knowledge at all.
_FARTHEST, _MOST_DOUBT = 2.0, 1.5


@dataclass(frozen=True, slots=True)
class Uplift:
    """The effect of a contact on one outcome.

    Attributes:
        outcome: `CONVERSION` or `MARGIN`.
        learner: the learner picked.
        effects: its models.
        trust: from what it says to the expected effect.
        qini: over outer folds, per customer, with its 90 % interval.
    """

    outcome: str
    learner: Learner
    effects: Effects
    trust: Trust
    qini: Estimate

    def predict(self, features: pl.DataFrame) -> tuple[Array, Array]:
        """Expected effect per person, in units of the outcome, and the standard error of that expectation."""
        return self.trust.apply(self.effects.predict(features, self.learner))

    def to_json(self) -> dict[str, Any]:
        """Everything but the trees as JSON values."""
        about = {"rounds": dict(self.effects.rounds), "objective": self.effects.objective}
        return {
            "outcome": self.outcome,
            "learner": str(self.learner),
            "contacted": self.effects.contacted,
            "trust": self.trust.to_json(),
            "qini": asdict(self.qini),
            **about,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], trees: Mapping[str, bytes]) -> Self:
        """What `to_json` wrote, with its trees."""
        effects = Effects(trees, content["rounds"], content["objective"], content["contacted"])
        trust, qini = Trust.from_json(content["trust"]), Estimate(**content["qini"])
        return cls(content["outcome"], Learner(content["learner"]), effects, trust, qini)


@dataclass(frozen=True, slots=True)
class UpliftModel:
    """Who answers to an offer.

    Attributes:
        contract: the features.
        conversion: effect on buying in the window, a probability.
        margin: effect on net margin in the window, minor units; None when it cannot be told from noise.
    """

    contract: FeatureContract
    conversion: Uplift
    margin: Uplift | None

    @property
    def evidence(self) -> Evidence:
        """Measured."""
        return Evidence.MEASURED

    def shift(self, features: pl.DataFrame) -> Shift:
        """The shift on the log-odds of each person's `p0`, one per row.

        Raises:
            DataRefused: when features or `p0` are missing.
        """
        if "p0" not in features.columns:
            raise DataRefused("An uplift cannot become a shift on the log-odds without the column p0.")
        effect, error = self.conversion.predict(matrix(features, self.contract))
        return to_shift(features["p0"].cast(pl.Float64).to_numpy(), effect, error)

    def margin_uplift(self, features: pl.DataFrame) -> tuple[Array, Array] | None:
        """Effect on net margin in the window and its standard error, minor units; None: not known."""
        return None if self.margin is None else self.margin.predict(matrix(features, self.contract))

    def to_json(self) -> dict[str, Any]:
        """Everything but the trees as JSON values."""
        outcomes = {one.outcome: one.to_json() for one in (self.conversion, self.margin) if one is not None}
        return {"contract": self.contract.to_json(), "outcomes": outcomes}

    def trees(self) -> dict[tuple[str, str], bytes]:
        """(outcome, part): its model, UBJSON."""
        both = [one for one in (self.conversion, self.margin) if one is not None]
        return {(one.outcome, part): raw for one in both for part, raw in one.effects.trees.items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], trees: Mapping[tuple[str, str], bytes]) -> Self:
        """What `to_json` and `trees` gave."""
        found = {}
        for name, one in content["outcomes"].items():
            own = {part: raw for (outcome, part), raw in trees.items() if outcome == name}
            found[name] = Uplift.from_json(one, own)
        return cls(FeatureContract.from_json(content["contract"]), found[CONVERSION], found.get(MARGIN))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What people whom a model has not seen say of the effect on one outcome.

    Attributes:
        outcome: `CONVERSION` or `MARGIN`.
        qini: over outer folds, per customer, with its 90 % interval.
        trust: from what learners say to the expected effect.
        trial: the contacts, to learn from.
        objective: how the outcome is learned.
        seed: of the draws.
    """

    outcome: str
    qini: Estimate
    trust: Trust
    trial: Trial
    objective: Objective
    seed: int

    @property
    def is_credible(self) -> bool:
        """Whether it can be told from noise."""
        return self.qini.low > 0

    def learned(self) -> Uplift:
        """The model of all contacts."""
        chosen = choose(self.trial, self.objective, self.seed)
        effects = chosen.effects.only(chosen.learner)
        return Uplift(self.outcome, chosen.learner, effects, self.trust, self.qini)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the contacts of an offer could teach.

    Attributes:
        model: None when nothing credible was found.
        qini: outcome: how well unseen people were ranked; empty when there was too little to learn from.
        notes: what was found, in sentences.
    """

    model: UpliftModel | None
    qini: Mapping[str, Estimate]
    notes: tuple[str, ...]


def fit_uplift(
    rows: pl.DataFrame, contract: FeatureContract, options: UpliftOptions, seed: int
) -> UpliftModel | None:
    """Learn who answers to an offer; None when the contacts cannot tell.

    Args:
        rows: randomised contacts of one offer: `models.uplift.contacts.NEEDED`, the features, and where known
            `window_margin` (minor units) and `weight`.
        contract: the features to learn from (`models.uplift.contacts.contract_of`).
        options: how much is needed.
        seed: of the folds and draws.

    Raises:
        DataRefused: when rows cannot be compared.
    """
    return judge_uplift(rows, contract, options, seed).model


def judge_uplift(rows: pl.DataFrame, contract: FeatureContract, options: UpliftOptions, seed: int) -> Verdict:
    """The same as `fit_uplift`, with what was found on the way."""
    rows = ordered(rows)
    thin = _too_thin(rows, options)
    if thin:
        return Verdict(None, {}, (thin,))
    outcomes = [CONVERSION, *([MARGIN] if "window_margin" in rows.columns else [])]
    found = {name: judge_outcome(rows, name, contract, options, seed) for name in outcomes}
    notes, qini = tuple(_note(one) for one in found.values()), {name: one.qini for name, one in found.items()}
    if not found[CONVERSION].is_credible:
        return Verdict(None, qini, notes)
    learned = {name: one.learned() for name, one in found.items() if one.is_credible}
    return Verdict(UpliftModel(contract, learned[CONVERSION], learned.get(MARGIN)), qini, notes)


def judge_outcome(
    rows: pl.DataFrame, name: str, contract: FeatureContract, options: UpliftOptions, seed: int
) -> Judgement:
    """Judge the effect on one outcome; rows as `ordered` gives them."""
    column, objective = _OBJECTIVES[name]
    outcome = rows[column].cast(pl.Float64).to_numpy()
    tamed = rows.with_columns(pl.Series(column, _tamed(outcome, objective)))
    trial = Trial.of(tamed, column, contract, options.folds, seed)
    found = unseen(trial, outcome, objective, seed)
    weight, customers = trial.sample.weight, rows["customer_id"].to_numpy()
    judged = Judged(outcome - found.expected, trial.treated, trial.propensity, weight)
    qini = qini_over_folds(judged, found.effect, trial.sample.fold, customers, seed=seed)
    trust = fit_trust(found.effect, found.score, weight, customers)
    return Judgement(name, qini, trust, trial, objective, seed)


def to_shift(p0: Array, effect: Array, error: Array) -> Shift:
    """The shift whose expected effect on `p0` is this one, with the doubt carried over by the slope there.

    With doubt, the mean of expit(logit + delta) is not expit(logit + mean of delta); one Newton step from the
    second-order expansion makes up for it.
    """
    p0 = np.clip(p0, _P_EDGE, 1 - _P_EDGE)
    logit = np.log(p0 / (1 - p0))
    odds = np.exp(np.clip(_FARTHEST, 0, None))
    low, high = p0 / (p0 + (1 - p0) * odds), p0 * odds / (p0 * odds + 1 - p0)
    p1 = np.clip(p0 + effect, low, high)
    slope = p1 * (1 - p1)
    sd = np.minimum(error / slope, _MOST_DOUBT)
    mu = np.log(p1 / (1 - p1)) - logit - 0.5 * sd**2 * (1 - 2 * p1)
    reached, steep = response(logit, Shift(mu, sd))
    return Shift(mu + (p1 - reached) / steep, sd)


def _tamed(outcome: Array, objective: Objective) -> Array:
    if objective == "binary:logistic" or not outcome.any():
        return outcome
    return np.asarray(np.clip(outcome, *np.quantile(outcome[outcome != 0], _TAILS)), float)


def _too_thin(rows: pl.DataFrame, options: UpliftOptions) -> str | None:
    arms = rows.group_by("treated").agg(pl.len(), pl.col("returned").cast(pl.Int64).sum()).sort("treated")
    people = dict(arms.select("treated", "len").iter_rows())
    returned = dict(arms.select("treated", "returned").iter_rows())
    fewest = min(people.get(arm, 0) for arm in (False, True))
    returns = min(returned.get(arm, 0) for arm in (False, True))
    if fewest >= options.least_in_arm and returns >= options.least_returns:
        return None
    return (
        f"too few contacts to learn who answers: {people.get(True, 0)} contacted ({returned.get(True, 0)} "
        f"came back), {people.get(False, 0)} held out ({returned.get(False, 0)} came back); each side needs "
        f"{options.least_in_arm} people and {options.least_returns} who came back"
    )


def _note(one: Judgement) -> str:
    q = one.qini
    found = f"Qini {q.value * 1e4:.1f} per 10,000 customers (90 %: {q.low * 1e4:.1f} to {q.high * 1e4:.1f})"
    told = "who answers can be told" if one.is_credible else "cannot be told from noise"
    return f"{one.outcome}: {found}, {told}"
