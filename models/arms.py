"""How much do two arms of an experiment differ, and how sure is that?

People are compared within cells: groups that the draw treated alike. Cells are weighed by their size, which
is what inverse probability weights come to when everybody in a cell has the same probability.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]

LEVEL = 0.9
_DRAWS = 1000
# Strata with fewer people than this in an arm are compared together with their neighbours.
_LEAST_IN_ARM = 20
# Numbers drawn at once, so that memory stays bounded.
_AT_ONCE = 1 << 20
# Normal quantiles of a 90 % interval and of 80 % power.
_Z_LEVEL, _Z_POWER = 1.6448536269514722, 0.8416212335729143


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of an outcome per person in both arms, and their difference with its 90 % interval."""

    treated: float
    control: float
    value: float
    low: float
    high: float


def cells(groups: Sequence[tuple[float, str]], treated: Flags) -> Numbers:
    """The cell of each person.

    A cell is a run of neighbouring strata, in the order of their names, that the draw gave the same
    probability, long enough to hold people of both arms.

    Args:
        groups: probability of being a control, and stratum, per person.
        treated: who was contacted.

    Returns:
        Cell numbers from 0; -1 for people whose cell lacks one of the arms.
    """
    names = sorted(set(groups))
    place = {name: number for number, name in enumerate(names)}
    own = np.array([place[group] for group in groups], dtype=np.int64)
    sizes = [np.bincount(own[flags], minlength=len(names)) for flags in (treated, ~treated)]
    merged: list[list[int]] = []
    for number, (probability, _) in enumerate(names):
        alone = not merged or names[merged[-1][0]][0] != probability
        if alone or _is_full(merged[-1], sizes):
            merged.append([number])
        else:
            merged[-1].append(number)
    merged = _last_joined(merged, names, sizes)
    usable = [cell for cell in merged if min(int(arm[cell].sum()) for arm in sizes) >= 2]
    number_of = np.full(len(names), -1, dtype=np.int64)
    for number, cell in enumerate(usable):
        number_of[cell] = number
    return number_of[own]


def differences(
    outcomes: Mapping[str, Array], treated: Flags, cell: Numbers, seed: int
) -> dict[str, Difference]:
    """Differences in means with bootstrap-t intervals.

    Outcomes of shops are skewed (most people buy nothing, a few buy a lot) and control arms are small, so an
    arm's own resamples understate what it can be off by: with 100 controls, a plain percentile interval finds
    an effect where there is none two to five times too often. Both arms are therefore redrawn from the
    residuals of the two together, and the interval takes the quantiles of the studentised difference (Efron
    and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 12.5 and 16.2).

    Args:
        outcomes: name: one number per person, in a fixed order of people.
        treated: who was contacted.
        cell: what `cells` gives; people of cell -1 are left out.
        seed: the same seed gives the same interval.

    Returns:
        One `Difference` per outcome; empty when no cell holds both arms.
    """
    names = list(outcomes)
    values = np.stack([outcomes[name] for name in names]).astype(np.float64)
    kept = cell >= 0
    if not kept.any():
        return {}
    generator = np.random.default_rng(seed)
    found = _Sums(len(names))
    for number in range(int(cell.max()) + 1):
        inside = cell == number
        share = inside.sum() / kept.sum()
        found.add(values[:, inside & treated], values[:, inside & ~treated], share, generator)
    return dict(zip(names, found.differences(), strict=True))


def smallest_lift(base: float, treated: int, controls: int) -> float:
    """The smallest difference between two shares that these sizes show with 80 % power.

    Shown means that the 90 % interval lies above 0: `(z_95 + z_80) sqrt(b (1 - b) (1/n + 1/m))`.

    Args:
        base: the share among people who are not contacted.
        treated: people contacted.
        controls: people held out.
    """
    return (_Z_LEVEL + _Z_POWER) * float(np.sqrt(base * (1 - base) * (1 / treated + 1 / controls)))


class _Sums:
    """Weighted sums over cells: of both means, of the variance, and of the same in every draw."""

    def __init__(self, outcomes: int) -> None:
        self.means = np.zeros((2, outcomes))
        self.variance = np.zeros(outcomes)
        self.drawn = np.zeros((outcomes, _DRAWS))
        self.drawn_variance = np.zeros((outcomes, _DRAWS))

    def add(self, treated: Array, control: Array, share: float, generator: np.random.Generator) -> None:
        means = np.stack([treated.mean(axis=-1), control.mean(axis=-1)])
        self.means += share * means
        self.variance += share**2 * (_variance(treated) + _variance(control))
        residuals = np.hstack([treated - means[0][:, None], control - means[1][:, None]])
        people = residuals.shape[1]
        step = max(1, _AT_ONCE // people)
        for start in range(0, _DRAWS, step):
            part = slice(start, min(start + step, _DRAWS))
            picks = generator.integers(0, people, size=(part.stop - start, people))
            one, other = (residuals[:, some] for some in np.split(picks, [treated.shape[1]], axis=1))
            self.drawn[:, part] += share * (one.mean(axis=-1) - other.mean(axis=-1))
            self.drawn_variance[:, part] += share**2 * (_variance(one) + _variance(other))

    def differences(self) -> list[Difference]:
        value = self.means[0] - self.means[1]
        error, errors = np.sqrt(self.variance), np.sqrt(self.drawn_variance)
        studentised = np.divide(self.drawn, errors, out=np.zeros_like(self.drawn), where=errors > 0)
        below, above = np.quantile(studentised, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=-1)
        rows = zip(*self.means, value, value - above * error, value - below * error, strict=True)
        return [Difference(*map(float, row)) for row in rows]


def _variance(people: Array) -> Array:
    """Squared error of the mean over the last axis, the people."""
    return np.asarray(people.var(axis=-1, ddof=1) / people.shape[-1])


def _is_full(cell: list[int], sizes: list[Numbers]) -> bool:
    return all(int(arm[cell].sum()) >= _LEAST_IN_ARM for arm in sizes)


def _last_joined(
    merged: list[list[int]], names: list[tuple[float, str]], sizes: list[Numbers]
) -> list[list[int]]:
    """What was left over at the end of a probability joins the cell before it."""
    joined: list[list[int]] = []
    for cell in merged:
        same = bool(joined) and names[joined[-1][0]][0] == names[cell[0]][0]
        if same and not _is_full(cell, sizes):
            joined[-1] = joined[-1] + cell
        else:
            joined.append(cell)
    return joined
