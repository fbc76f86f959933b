"""How small an effect can a list of this size show, and how many people would it take?

Shown means that the 90 % interval lies above 0; with the probability of `_Z_POWER`, 80 %, it does.
"""

import math
from collections.abc import Sequence

import polars as pl

from models.assignment import Arm
from models.confidence import Z_LEVEL

# Normal quantile of 80 % power.
_Z_POWER = 0.8416212335729143
_DIGITS = 9
_NOTHING = "Nobody was drawn as a control, so nothing of what this list earns can be measured."

# Probability to be contacted, people contacted, people held out.
Group = tuple[float, int, int]


def smallest_difference(error: float) -> float:
    """The smallest difference that can be shown, given the standard error of a difference."""
    return (Z_LEVEL + _Z_POWER) * error


def smallest_lift(base: float, groups: Sequence[Group]) -> float | None:
    """The smallest difference between two shares that people show who were drawn in these groups.

    `(z_95 + z_80) sqrt(b (1 - b) sum of w^2 (1/n + 1/m))`, the usual formula for two proportions; the groups
    are compared each within itself and weighed by how many people the draw was to contact, as `measure` does.

    Args:
        base: the share among people who are not contacted.
        groups: of each probability to be contacted, that, the people contacted and the people held out.

    Returns:
        None when no group holds both.
    """
    both = [one for one in groups if min(one[1:])]
    whole = math.fsum(chance * (treated + held) for chance, treated, held in both)
    if not whole:
        return None
    spread = math.fsum(
        (chance * (treated + held) / whole) ** 2 * (1 / treated + 1 / held) for chance, treated, held in both
    )
    return smallest_difference(math.sqrt(base * (1 - base) * spread))


def people_needed(people: int, shown: float, lift: float) -> int:
    """People, contacted and held out together, that it takes to show a lift.

    Args:
        people: how many show the lift `shown`; the more would be drawn like these.
        shown: see `smallest_lift`.
        lift: difference between the shares, above 0.
    """
    return math.ceil(round(people * (shown / lift) ** 2, 6))


def power_of(winback: pl.DataFrame, holdout: pl.DataFrame) -> str | None:
    """What a list will be able to show, in plain words; None when nobody is compared.

    Args:
        winback: the people to contact (`models.outputs.WINBACK`).
        holdout: the people held out (`models.outputs.HOLDOUT`).
    """
    names = ["churn_probability", "assignment_probability"]
    arms = (winback.filter(pl.col("arm") == Arm.TREATMENT), holdout.filter(pl.col("arm") == Arm.CONTROL))
    treated, controls = (arm.height for arm in arms)
    if not treated:
        return None
    if not controls:
        return _NOTHING
    chance = pl.col("assignment_probability")
    people = pl.concat(
        [
            arms[0].select(*names, treated=1, chance=chance),
            arms[1].select(*names, treated=0, chance=1 - chance),
        ]
    )
    base = float((1 - people["churn_probability"]).sum()) / people.height
    groups = people.group_by(pl.col("chance").round(_DIGITS)).agg(
        pl.col("treated").sum(), controls=(1 - pl.col("treated")).sum()
    )
    shown = smallest_lift(base, list(groups.sort("chance").iter_rows()))
    if shown is None:
        return _NOTHING
    lift = 100 * shown
    said = (
        f"With {treated + controls:,} people, {controls:,} of them controls, you will be able to see a lift "
        f"of {lift:.1f} points on the {base:.1%} who should buy anyway"
    )
    needed = people_needed(people.height, shown, 0.01)
    if needed <= treated + controls:
        return f"{said}."
    return f"{said}; to see 1 point it takes {needed:,} people, in one list or over several."
