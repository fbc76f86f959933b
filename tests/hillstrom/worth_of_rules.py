"""What would a rule on whom to contact have earned, had it been followed? Read off a randomised trial.

The value of a rule against contacting nobody is that of the people it picks: per person of the trial,

    share picked * (mean outcome of those contacted - mean outcome of those not - cost of a contact)

with every person counted by 1 / probability of the own arm, normalised (Hajek 1971). Two rules differ only in
the people on whom they disagree, so a difference is paired, and its variance is that of these people alone.
"""

import numpy as np

from models.confidence import Z_LEVEL
from models.metrics import Array, Flags
from models.uplift.curves import Estimate, Judged


def policy_value(trial: Judged, picked: Flags, cost: float) -> Estimate:
    """Net value per person of contacting those picked, against contacting nobody, with its 90 % interval."""
    return difference(trial, picked, np.zeros_like(picked), cost)


def difference(trial: Judged, picked: Flags, other: Flags, cost: float) -> Estimate:
    """Net value per person of one rule less that of another, with its 90 % interval.

    Args:
        trial: the trial; its outcome in money.
        picked: whom the one rule contacts.
        other: whom the other contacts.
        cost: of a contact, same unit.
    """
    gains = [(1.0, _gain(trial, picked & ~other, cost)), (-1.0, _gain(trial, other & ~picked, cost))]
    value = sum(sign * gain for sign, (gain, _) in gains)
    error = np.sqrt(sum(variance for _, (_, variance) in gains))
    return Estimate(float(value), float(value - Z_LEVEL * error), float(value + Z_LEVEL * error))


def _gain(trial: Judged, some: Flags, cost: float) -> tuple[float, float]:
    """Net gain of contacting some, per person of the whole trial, and its variance."""
    share = float(trial.weight[some].sum() / trial.weight.sum())
    arms = [some & trial.treated, some & ~trial.treated]
    if min(int(arm.sum()) for arm in arms) < 2:
        return 0.0, 0.0
    counts = trial.counts
    (mean, error), (other, other_error) = (_mean(trial.outcome[arm], counts[arm]) for arm in arms)
    return share * (mean - other - cost), share**2 * (error + other_error)


def _mean(outcome: Array, counts: Array) -> tuple[float, float]:
    total = counts.sum()
    mean = float((counts * outcome).sum() / total)
    return mean, float((counts**2 * (outcome - mean) ** 2).sum() / total**2)
