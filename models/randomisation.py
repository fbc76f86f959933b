"""Which effects are compatible with what was seen, had the draw of the arms fallen otherwise?

An effect is taken off the treated; if it is the true one, it did not matter who was drawn, and drawing
the arms anew shows how large a difference chance alone makes. The interval holds the effects that this test
does not refuse (Imbens and Rubin, Causal Inference, 2015, chapter 5). The difference is studentised, which
keeps the test right on average when the effect is not the same for everybody (Chung and Romano, Annals of
Statistics 2013; Wu and Ding, Journal of the American Statistical Association 2021).

Outcomes of shops are skewed (most people buy nothing, a few buy a lot) and control arms are small. The usual
interval, 1.645 standard errors either way, then holds the truth in 78 to 83 cases of 100 instead of
90; where a contact does nothing this test errs as often as it says, whatever the outcomes look like.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.cells import Numbers
from models.confidence import LEVEL
from models.cuped import unexpected
from models.metrics import Array, Flags

# Draws of the arms: with one of 1000, the seen one among them, tails of 5 % are 50 draws. Large experiments,
# whose differences are nearly normal, make fewer, so that people times draws stay below `_WORK`.
_DRAWS, _LEAST_DRAWS, _WORK = 999, 199, 20_000_000
# Picked at once, so that memory stays bounded.
_AT_ONCE = 1 << 18
# Bounds are looked for within so many standard errors, halving the stretch so often.
_REACH, _HALVINGS = 64.0, 48
_EQUAL = 1e-9


@dataclass(frozen=True, slots=True)
class Lines:
    """Differences and their squared errors in every draw, as functions of the effect that is taken off.

    With the effect `e` the difference is `difference - e slope`, its squared error
    `fixed - 2 e mixed + e^2 square`. The first draw is the one that was made. Rows are outcomes,
    columns draws; `slope` and `square` are the same for all outcomes.
    """

    difference: Array
    slope: Array
    fixed: Array
    mixed: Array
    square: Array

    def values(self) -> Array:
        """The effect of each outcome that leaves no difference: the estimate."""
        return np.asarray(self.difference[:, 0] / self.slope[0])

    def errors(self, effects: Array) -> Array:
        """Standard error of each difference, in every draw, when these effects are taken off."""
        effect = effects[:, None]
        squared = self.fixed - 2 * effect * self.mixed + effect**2 * self.square
        return np.sqrt(np.maximum(squared, 0.0))

    def chances(self, effects: Array) -> tuple[Array, Array]:
        """Shares of draws with a difference as large as the seen one or larger, and as small or smaller."""
        difference = self.difference - effects[:, None] * self.slope
        error = self.errors(effects)
        ratio = np.copysign(np.inf, difference)
        np.divide(difference, error, out=ratio, where=error > 0)
        ratio[np.abs(difference) <= 0] = 0.0
        seen = ratio[:, :1]
        room = np.where(np.isfinite(seen), _EQUAL * (1 + np.abs(seen)), 0.0)
        return (ratio >= seen - room).mean(axis=1), (ratio <= seen + room).mean(axis=1)


def drawn(  # noqa: PLR0917 - what is compared, then how
    values: Array, covariates: Array, treated: Flags, cell: Numbers, seed: int, share: Array
) -> Lines:
    """Draw the arms anew within cells, as many times as it takes.

    Args:
        values: one row per outcome, one column per person, in a fixed order of people.
        covariates: the same per covariate known before the draw.
        treated: who was contacted.
        cell: cell of each person, from 0; every cell holds two people of each arm or more.
        seed: the same seed gives the same draws.
        share: what each cell counts; in sum 1.
    """
    people, outcomes = treated.size, len(values)
    draws = int(np.clip(_WORK // people, _LEAST_DRAWS, _DRAWS))
    *rest, contacted = unexpected(np.vstack([values, treated.astype(np.float64)]), covariates, cell)
    own = np.array(rest)
    kept = np.vstack([own, contacted[None], own**2, own * contacted, contacted[None] ** 2])
    generator = np.random.default_rng(seed)
    total = np.zeros((3 * outcomes + 2, draws + 1))
    for number in range(int(cell.max()) + 1):
        inside = cell == number
        sums, sizes = _sums(kept[:, inside], treated[inside], draws, generator)
        total += _compared(sums, sizes, outcomes, float(share[number]))
    k = outcomes
    return Lines(total[:k], total[k], total[k + 1 : 2 * k + 1], total[2 * k + 1 : -1], total[-1])


def bounds(lines: Lines) -> tuple[Array, Array]:
    """The least and the greatest effect that are not refused, per outcome.

    NaN where the arms are so small that no effect can be refused.
    """
    values = lines.values()
    errors = lines.errors(values)
    reach = _REACH * (errors[:, 0] + np.median(errors, axis=1)) / abs(lines.slope[0])
    tail = (1 - LEVEL) / 2
    low = _turning(values - reach, values, lambda effects: lines.chances(effects)[0] > tail)
    high = _turning(values + reach, values, lambda effects: lines.chances(effects)[1] > tail)
    return low, high


def _turning(outside: Array, inside: Array, holds: Callable[[Array], Flags]) -> Array:
    """Where effects begin to hold between one that does not and one that does, by halving the stretch."""
    endless, nowhere = holds(outside), ~holds(inside)
    without, within = outside, inside
    for _ in range(_HALVINGS):
        middle = (without + within) / 2
        good = holds(middle)
        without, within = np.where(good, without, middle), np.where(good, middle, within)
    return np.where(endless, np.where(outside == inside, inside, np.nan), np.where(nowhere, inside, within))


def _sums(
    kept: Array, treated: Flags, draws: int, generator: np.random.Generator
) -> tuple[tuple[Array, Array], tuple[int, int]]:
    """What the treated and the controls of one cell add up to in every draw, and how many they are."""
    sizes = (int(treated.sum()), int((~treated).sum()))
    few_are_treated = sizes[0] <= sizes[1]
    few = min(sizes)
    sums = [_picked(kept, np.flatnonzero(treated == few_are_treated)[None])]
    places = np.arange(treated.size, dtype=np.int32)
    step = max(1, _AT_ONCE // treated.size)
    for start in range(0, draws, step):
        rows = np.tile(places, (min(step, draws - start), 1))
        sums.append(_picked(kept, generator.permuted(rows, axis=1)[:, :few]))
    these = np.hstack(sums)
    others = kept.sum(axis=1)[:, None] - these
    return ((these, others) if few_are_treated else (others, these)), sizes


def _picked(kept: Array, places: Numbers) -> Array:
    return np.stack([one[places].sum(axis=1) for one in kept])


def _compared(sums: tuple[Array, Array], sizes: tuple[int, int], outcomes: int, share: float) -> Array:
    """A cell's part in `Lines`: differences of means, and squared errors of both arms."""
    means = [one[: outcomes + 1] / size for one, size in zip(sums, sizes, strict=True)]
    squared = [
        (one[outcomes + 1 :] - size * _products(mean)) / (size * (size - 1))
        for one, mean, size in zip(sums, means, sizes, strict=True)
    ]
    return np.vstack([share * (means[0] - means[1]), share**2 * (squared[0] + squared[1])])


def _products(means: Array) -> Array:
    """Squares of the outcomes' means, their products with that of being treated, and its square."""
    own, treated = means[:-1], means[-1:]
    return np.vstack([own**2, own * treated, treated**2])
