"""How much do two arms of an experiment differ, and how sure is that?

The estimate is the difference of means within cells (`models.cells`), weighed by how many people the draw was
to contact there, of outcomes less what was to be expected anyway (`models.cuped`): the effect on those
contacted. Where all cells have one probability that is their size. Its interval holds the effects that the
draw does not refuse (`models.randomisation`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.cells import Numbers
from models.cuped import unexpected
from models.metrics import Array, Flags
from models.randomisation import Lines, bounds, drawn

# With fewer people than this in an arm nobody can tell what a covariate foretells: two of them fit four
# people exactly, and the arms themselves, whatever a contact does.
_LEAST_TO_ADJUST = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of an outcome per person in both arms, and how they differ.

    Attributes:
        treated: mean of those to be contacted, cells weighed by how many these are.
        control: the same of those held out.
        value: the difference, less what was to be expected anyway.
        error: its standard error.
        low: lower end of the 90 % interval; NaN where the arms are too small for one.
        high: upper end.
    """

    treated: float
    control: float
    value: float
    error: float
    low: float
    high: float


def differences(  # noqa: PLR0917 - what is compared, then how
    outcomes: Mapping[str, Array],
    treated: Flags,
    cell: Numbers,
    seed: int,
    covariates: Sequence[Array] = (),
    persons: Numbers | None = None,
    chance: Array | None = None,
) -> dict[str, Difference]:
    """Differences between the arms with 90 % intervals.

    Args:
        outcomes: name: one number per enrolment, in a fixed order.
        treated: who was contacted.
        cell: what `models.cells.cells` gives; those of cell -1 are left out.
        seed: the same seed gives the same interval.
        covariates: numbers per enrolment that were known before the draw; unused with few people in an arm.
        persons: number of each enrolment's person, where one can stand in several; the standard error is
            then clustered by person, and the interval as much wider or narrower as the error.
        chance: probability of each enrolment to be contacted; default, the same for all.

    Returns:
        One `Difference` per outcome; empty when no cell holds both arms.
    """
    kept = cell >= 0
    if not kept.any():
        return {}
    values = np.array([one[kept] for one in outcomes.values()], dtype=np.float64)
    known = np.array([one[kept] for one in covariates], dtype=np.float64).reshape(-1, int(kept.sum()))
    arms, within = treated[kept], cell[kept]
    if min(int(arms.sum()), int((~arms).sum())) < _LEAST_TO_ADJUST:
        known = known[:0]
    share = shares(within, None if chance is None else chance[kept])
    lines = drawn(values, known, arms, within, seed, share)
    found, low, high = lines.values(), *bounds(lines)
    error = lines.errors(found)[:, 0] / abs(lines.slope[0])
    if persons is not None:
        clustered = _clustered(values, known, arms, within, lines, persons[kept], share)
        ratio = np.divide(clustered, error, out=np.ones_like(error), where=error > 0)
        error, low, high = clustered, found - ratio * (found - low), found + ratio * (high - found)
    means = _means(values, arms, within, share)
    rows = zip(*means, found, error, low, high, strict=True)
    return {name: Difference(*map(float, row)) for name, row in zip(outcomes, rows, strict=True)}


def shares(cell: Numbers, chance: Array | None = None) -> Array:
    """What each cell counts: its share of the people whom the draw was to contact."""
    # Of equal chances all are 1: then shares are those of the sizes, to the last bit.
    people = np.bincount(cell, None if chance is None else chance / chance.max())
    return np.asarray(people / people.sum())


def _means(values: Array, treated: Flags, cell: Numbers, share: Array) -> tuple[Array, Array]:
    """Means of both arms per outcome, cells weighed by their shares."""
    weighed = values * _weights(treated, cell, share)
    return weighed[:, treated].sum(axis=1), weighed[:, ~treated].sum(axis=1)


def _weights(treated: Flags, cell: Numbers, share: Array) -> Array:
    """What each enrolment counts in the mean of its arm: its cell's share, split among those there."""
    arm = np.where(treated, cell, cell + int(cell.max()) + 1)
    return np.asarray(share[cell] / np.bincount(arm)[arm])


def _clustered(  # noqa: PLR0917 - what is compared, then by whom
    values: Array,
    covariates: Array,
    treated: Flags,
    cell: Numbers,
    lines: Lines,
    persons: Numbers,
    share: Array,
) -> Array:
    """Sandwich standard errors: what enrolments add to the difference is summed by person, then squared.

    Liang and Zeger, Biometrika 1986. Residuals are scaled by n / (n - 1) of their cell and arm, so that with
    every person enrolled once it is the usual error.
    """
    *own, contacted = unexpected(np.vstack([values, treated.astype(np.float64)]), covariates, cell)
    left = np.array(own) - lines.values()[:, None] * contacted
    arm = np.where(treated, cell, cell + int(cell.max()) + 1)
    size = np.bincount(arm)
    means = np.array([np.bincount(arm, one) / np.maximum(size, 1) for one in left])
    weight = _weights(treated, cell, share) * np.sqrt(size / np.maximum(size - 1, 1))[arm]
    added = np.where(treated, weight, -weight) * (left - means[:, arm])
    squared = np.array([(np.bincount(persons, one) ** 2).sum() for one in added])
    return np.asarray(np.sqrt(squared) / abs(lines.slope[0]))
