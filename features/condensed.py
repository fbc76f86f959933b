"""How to say nearly the same about very many customers with few points, for a fit that reads them often.

Customers lie in a plane (days of one kind, days of another). Those of one cell of the plane become at most
four points with the cell's count, mean, variances and covariance, so that sums of any smooth function change
by terms of the fourth order in the width of a cell only; one point at the mean would err in the second.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

# So many cells to a unit of the square root of days at first: long spans need less care than short ones.
_FINEST = 4.0
_WIDENINGS = 12
# Where the points of a cell lie, in standard deviations along the two axes of its spread.
_ONE = ((0.0, 0.0),)
_TWO = ((1.0, 0.0), (-1.0, 0.0))
_FOUR = tuple((sign * 2**0.5, 0.0) for sign in (1, -1)) + tuple((0.0, sign * 2**0.5) for sign in (1, -1))
# A spread across the main one that is less than this part of the variance is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Points:
    """Customers in a plane.

    Attributes:
        level: customers of different levels are never put together.
        first: one coordinate.
        second: the other.
        customers: how many each point stands for; not whole where points stand for a cell.
    """

    level: Whole
    first: Floats
    second: Floats
    customers: Floats


def condensed(points: Points, most: int) -> Points:
    """The same customers in fewer points: in ever wider cells until there are at most `most` cells.

    Args:
        points: whole days from 0; in an order of their own, so that the same customers give the same bits.
        most: up to so many points are left as they are; there is at least one cell per level, though.
    """
    if len(points.level) <= most:
        return points
    finenesses = (_FINEST / 2**n for n in range(_WIDENINGS))
    cells = (_cells(points, fineness) for fineness in finenesses)
    return _spread_out(points, next((few for few in cells if _count(few) <= most), points.level << 40))


def _cells(points: Points, fineness: float) -> Whole:
    """The cell of each point, in one number; larger than that of any point of a lower level."""
    first, second = (np.floor(np.sqrt(days) * fineness) for days in (points.first, points.second))
    return (points.level << 40) | (first.astype(np.int64) << 20) | second.astype(np.int64)


def _count(cells: Whole) -> int:
    return 1 + int((np.diff(np.sort(cells)) > 0).sum())


def _spread_out(points: Points, cells: Whole) -> Points:
    """One, two or four points in place of each cell."""
    kinds, cell = np.unique(cells, return_inverse=True)
    customers = np.bincount(cell, points.customers)

    def mean(values: Floats) -> Floats:
        return np.bincount(cell, points.customers * values) / customers

    first, second = mean(points.first), mean(points.second)
    off_first, off_second = points.first - first[cell], points.second - second[cell]
    variance = mean(off_second**2)
    # The Cholesky root of the covariance: a step along the first coordinate, what the second then makes, and
    # what is left of the second.
    along = np.sqrt(mean(off_first**2))
    with np.errstate(divide="ignore", invalid="ignore"):
        with_it = np.where(along > 0, mean(off_first * off_second) / along, np.sqrt(variance))
    left = variance - with_it**2
    across = np.sqrt(np.where(left > _ROUNDING * variance, left, 0))

    single = (along == 0) & (with_it == 0)
    parts = []
    for rows, places in ((single, _ONE), (~single & (across == 0), _TWO), (across > 0, _FOUR)):
        for u, v in places:
            parts.append(
                (
                    kinds[rows] >> 40,
                    np.maximum(first[rows] + u * along[rows], 0),
                    np.maximum(second[rows] + u * with_it[rows] + v * across[rows], 0),
                    customers[rows] / len(places),
                )
            )
    level, *rest = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Points(level, *rest)
