"""How small an effect can a list of this size show, and how many people would it take?

Shown means that the 90 % interval lies above 0; with the probability of `_Z_POWER`, 80 %, it does.
"""

import math

import polars as pl

from models.assignment import Arm

# Normal quantiles of a 90 % interval and of 80 % power.
_Z_LEVEL, _Z_POWER = 1.6448536269514722, 0.8416212335729143


def smallest_difference(error: float) -> float:
    """The smallest difference that can be shown, given the standard error of a difference."""
    return (_Z_LEVEL + _Z_POWER) * error


def smallest_lift(base: float, treated: int, controls: int) -> float:
    """The smallest difference between two shares that these sizes show.

    `(z_95 + z_80) sqrt(b (1 - b) (1/n + 1/m))`, the usual formula for two proportions.

    Args:
        base: the share among people who are not contacted.
        treated: people contacted.
        controls: people held out.
    """
    return smallest_difference(math.sqrt(base * (1 - base) * (1 / treated + 1 / controls)))


def people_needed(base: float, lift: float, control_share: float) -> int:
    """People, contacted and held out together, that it takes to show a lift: `smallest_lift` turned round.

    Args:
        base: the share among people who are not contacted.
        lift: difference between the shares, above 0.
        control_share: share of people held out, in (0, 1).
    """
    per_person = smallest_difference(math.sqrt(base * (1 - base) / (control_share * (1 - control_share))))
    return math.ceil(round((per_person / lift) ** 2, 6))


def power_of(winback: pl.DataFrame, holdout: pl.DataFrame) -> str | None:
    """What a list will be able to show, in plain words; None when nobody is compared.

    Args:
        winback: the people to contact (`models.outputs.WINBACK`).
        holdout: the people held out (`models.outputs.HOLDOUT`).
    """
    arms = (winback.filter(pl.col("arm") == Arm.TREATMENT), holdout.filter(pl.col("arm") == Arm.CONTROL))
    treated, controls = (arm.height for arm in arms)
    if not treated:
        return None
    if not controls:
        return "Nobody was drawn as a control, so nothing of what this list earns can be measured."
    churn = pl.concat([arm.select("churn_probability") for arm in arms])["churn_probability"]
    base = float((1 - churn).sum()) / churn.len()
    lift = 100 * smallest_lift(base, treated, controls)
    said = (
        f"With {treated + controls:,} people, {controls:,} of them controls, you will be able to see a lift "
        f"of {lift:.1f} points on the {base:.1%} who should buy anyway"
    )
    needed = people_needed(base, 0.01, controls / (treated + controls))
    if needed <= treated + controls:
        return f"{said}."
    return f"{said}; to see 1 point it takes {needed:,} people, in one list or over several."
