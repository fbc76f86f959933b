"""Does the order put first those who return, and those who bring most?

A score becomes levels, best first; everything else reads sums over levels, so that ties share what they hold.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from models.metrics.arrays import NAN, Array, ArrayLike, ratio, weights


@dataclass(frozen=True, slots=True)
class Ranking:
    """The order of rows by a score.

    Attributes:
        place: the level of each row; 0 is the best, equal scores share one, an unknown score is the worst.
        levels: how many levels there are.
    """

    place: npt.NDArray[np.int64]
    levels: int

    @classmethod
    def of(cls, score: "ArrayLike | Ranking") -> "Ranking":
        """Sort the rows by a score, highest first; a ranking is already."""
        if isinstance(score, Ranking):
            return score
        levels, place = np.unique(-np.asarray(score, float), return_inverse=True)
        return Ranking(place.astype(np.int64), len(levels))

    def sums(self, amount: Array) -> Array:
        """The amount of each level, best first."""
        return np.bincount(self.place, amount, self.levels).astype(float)


@dataclass(frozen=True, slots=True)
class Held:
    """An amount at each level of a score, best first, and how many rows hold it."""

    total: Array
    mass: Array

    @classmethod
    def of(cls, amount: ArrayLike, score: ArrayLike | Ranking, weight: ArrayLike | None = None) -> Self:
        """Sum an amount by the levels of a score."""
        ranking, w = Ranking.of(score), weights(amount, weight)
        return cls(ranking.sums(w * np.asarray(amount, float)), ranking.sums(w))

    def mean_at(self, share: float) -> float:
        """Mean amount among the top share; a group of ties at the cut counts with its mean."""
        room = share * float(self.mass.sum())
        taken = np.clip(room - (np.cumsum(self.mass) - self.mass), 0, self.mass)
        part = np.divide(self.total * taken, self.mass, out=np.zeros_like(self.total), where=self.mass > 0)
        return ratio(float(part.sum()), room)

    def lift_at(self, share: float) -> float:
        """Mean among the top share against the mean among all."""
        return ratio(self.mean_at(share), ratio(float(self.total.sum()), float(self.mass.sum())))

    def share_at(self, share: float) -> float:
        """Part of the whole amount that the top share holds."""
        whole = float(self.total.sum())
        return share * float(self.mass.sum()) * self.mean_at(share) / whole if whole > 0 else NAN

    def gini(self) -> float:
        """Twice the area between the curve of the amount held by the best rows and the diagonal."""
        whole, rows = float(self.total.sum()), float(self.mass.sum())
        if not whole > 0:
            return NAN
        held = np.cumsum(self.total)
        return float((self.mass * (2 * held - self.total)).sum() / (whole * rows) - 1)


@dataclass(frozen=True, slots=True)
class Gains:
    """Events and others at each level of a score, best first."""

    positive: Array
    negative: Array

    @classmethod
    def of(cls, event: ArrayLike, score: ArrayLike | Ranking, weight: ArrayLike | None = None) -> Self:
        """Count events and others by the levels of a score."""
        ranking, w, happened = Ranking.of(score), weights(event, weight), np.asarray(event, bool)
        return cls(ranking.sums(w * happened), ranking.sums(w * ~happened))

    @property
    def held(self) -> Held:
        """The events as an amount."""
        return Held(self.positive, self.positive + self.negative)

    def auroc(self) -> float:
        """See `auroc`."""
        worse = self.negative.sum() - np.cumsum(self.negative)
        pairs = float(self.positive.sum() * self.negative.sum())
        return ratio(float((self.positive * (worse + self.negative / 2)).sum()), pairs)

    def average_precision(self) -> float:
        """See `average_precision`."""
        found, seen = np.cumsum(self.positive), np.cumsum(self.positive + self.negative)
        if not len(found) or found[-1] == 0:
            return NAN
        precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
        return float((self.positive * precision).sum() / found[-1])


def auroc(event: ArrayLike, score: ArrayLike | Ranking, weight: ArrayLike | None = None) -> float:
    """P(a random event scores above a random non-event), ties half. NaN when one kind is missing."""
    return Gains.of(event, score, weight).auroc()


def average_precision(event: ArrayLike, score: ArrayLike | Ranking, weight: ArrayLike | None = None) -> float:
    """Precision averaged over the recall gained at each distinct score, best first. NaN without events."""
    return Gains.of(event, score, weight).average_precision()


def mean_at(
    amount: ArrayLike, score: ArrayLike | Ranking, share: float, weight: ArrayLike | None = None
) -> float:
    """Mean amount among the top share of the ranking; a group of ties at the cut counts with its mean."""
    return Held.of(amount, score, weight).mean_at(share)


def lift_at(
    event: ArrayLike, score: ArrayLike | Ranking, share: float, weight: ArrayLike | None = None
) -> float:
    """Rate of events among the top share of the ranking against the rate among all."""
    return Gains.of(event, score, weight).held.lift_at(share)


def value_at(
    amount: ArrayLike, score: ArrayLike | Ranking, share: float, weight: ArrayLike | None = None
) -> float:
    """Share of the whole amount held by the top share of the ranking. NaN when there is nothing to hold."""
    return Held.of(amount, score, weight).share_at(share)


def gini(
    amount: ArrayLike,
    score: ArrayLike | Ranking,
    weight: ArrayLike | None = None,
    best: Ranking | None = None,
) -> float:
    """Normalised Gini: that of the ranking by score against that of the ranking by the amount itself.

    1 is a perfect order, 0 a random one. NaN when the amount does not add up to more than nothing, or is the
    same for all. `best` is the ranking by the amount, where it is known already.
    """
    perfect = Held.of(amount, best or Ranking.of(amount), weight).gini()
    return ratio(Held.of(amount, score, weight).gini(), perfect)


def spearman(
    amount: ArrayLike | Ranking, score: ArrayLike | Ranking, weight: ArrayLike | None = None
) -> float:
    """Correlation of the ranks of two amounts, ties at their mean rank. NaN when either never differs."""
    left, right = Ranking.of(amount), Ranking.of(score)
    w = weights(left.place, weight)
    x, y = _centred_ranks(left, w), _centred_ranks(right, w)
    spread = float((w * x * x).sum() * (w * y * y).sum())
    return ratio(float((w * x * y).sum()), spread**0.5)


def _centred_ranks(ranking: Ranking, w: Array) -> Array:
    """Rank of each row, ties in their middle, less the mean rank."""
    mass = ranking.sums(w)
    middle = np.cumsum(mass) - mass / 2
    return np.asarray((middle - mass.sum() / 2)[ranking.place], float)
