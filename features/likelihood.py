"""Which positive parameters make the data most likely.

One small maximiser for the models of attrition and of spend: BFGS (Nocedal and Wright 2006, chapter 6) in the
logarithms of the parameters, from fixed start values and within fixed bounds, so that the same data always
give the same numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Likelihood = Callable[[Floats], tuple[float, Floats]]

MAX_ITERATIONS = 500
# Slopes per customer and unit of a log-parameter: the search ends, or is taken for an answer where it stuck.
FLAT = 1e-8
FLAT_ENOUGH = 1e-4
# Longest step of a log-parameter, and how often a step that gains nothing is cut.
_LONGEST = 2.0
_CUTS = 30
# Part of the promised gain that a step must bring (Armijo), and gain below which nothing is left.
_ENOUGH = 1e-4
_NOTHING = 1e-15


@dataclass(frozen=True, slots=True)
class Maximum:
    """Where the search ended. `converged` is False when it stopped early, but on flat ground."""

    parameters: tuple[float, ...]
    log_likelihood: float
    iterations: int
    converged: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Logs of the parameters, the loss there and its slope."""

    logs: Floats
    loss: float
    slope: Floats


def maximise(
    likelihood: Likelihood, start: tuple[float, ...], bounds: tuple[tuple[float, float], ...]
) -> Maximum | None:
    """The parameters at which the mean log-likelihood is greatest.

    Args:
        likelihood: positive parameters to the mean log-likelihood per customer and its gradient.
        start: positive start values.
        bounds: least and greatest value of each parameter, positive.

    Returns:
        The maximum (inside the bounds or on them), or None when the search found none.
    """

    def at(logs: Floats) -> _Place:
        parameters = np.exp(logs)
        value, slope = likelihood(parameters)
        return _Place(logs, -value, -slope * parameters)

    box = np.log(np.asarray(bounds))
    with np.errstate(all="ignore"):
        found, iterations, converged = _descend(at, at(np.log(np.asarray(start))), box)
    if not (np.isfinite(found.loss) and np.isfinite(found.slope).all()):
        return None
    if not (converged or _steepness(found, box) < FLAT_ENOUGH):
        return None
    parameters = tuple(float(value) for value in np.exp(found.logs))
    return Maximum(parameters, -float(found.loss), iterations, converged)


def _descend(at: Callable[[Floats], _Place], here: _Place, box: Floats) -> tuple[_Place, int, bool]:
    """Down to the least loss; how many steps it took, and whether nothing was left to gain."""
    inverse = steepest = np.eye(len(here.logs)) / max(1.0, float(np.abs(here.slope).max()))
    for iteration in range(MAX_ITERATIONS):
        if _steepness(here, box) < FLAT:
            return here, iteration, True
        there = _step(at, here, box, inverse) or _step(at, here, box, steepest)
        if there is None:
            return here, iteration, False
        if here.loss - there.loss <= _NOTHING * max(abs(here.loss), 1.0):
            return there, iteration + 1, _steepness(there, box) < FLAT_ENOUGH
        free = _free(here, box)
        step, turn = (
            np.where(free, change, 0) for change in (there.logs - here.logs, there.slope - here.slope)
        )
        inverse = _learned(inverse, step, turn, first=iteration == 0)
        here = there
    return here, MAX_ITERATIONS, False


def _step(at: Callable[[Floats], _Place], here: _Place, box: Floats, inverse: Floats) -> _Place | None:
    """A place with less loss in the direction that the curvature so far suggests; None when there is none."""
    free = _free(here, box)
    newton = -(inverse * np.outer(free, free) * here.slope).sum(axis=1)
    ways = np.where(free, newton, _downhill(here, box))
    length = min(1.0, _LONGEST / float(np.abs(ways).max()))
    for _ in range(_CUTS):
        there = at(np.clip(here.logs + length * ways, box[:, 0], box[:, 1]))
        promised = float((here.slope * (there.logs - here.logs)).sum())
        if np.isfinite(there.slope).all() and there.loss <= here.loss + _ENOUGH * min(promised, 0.0):
            return there
        length *= _cut(promised, there.loss - here.loss)
    return None


def _cut(promised: float, change: float) -> float:
    """Where the parabola through the losses and the slope has its least, as a part of the step."""
    bend = change - promised
    return float(np.clip(-promised / (2 * bend), 0.1, 0.5)) if np.isfinite(bend) and bend > 0 else 0.5


def _learned(inverse: Floats, step: Floats, turn: Floats, *, first: bool) -> Floats:
    """The inverse curvature after a step, with what the slopes at its ends tell of it."""
    along = float((step * turn).sum())
    if along <= 1e-10 * float(np.sqrt((step**2).sum() * (turn**2).sum())):
        return inverse
    if first:
        inverse = np.eye(len(step)) * along / float((turn**2).sum())
    keep = np.eye(len(step)) - np.outer(step, turn) / along
    return np.asarray(keep @ inverse @ keep.T + np.outer(step, step) / along)


def _downhill(place: _Place, box: Floats) -> Floats:
    """The step against the slope, as far as the bounds let it."""
    return np.asarray(np.clip(-place.slope, box[:, 0] - place.logs, box[:, 1] - place.logs))


def _free(place: _Place, box: Floats) -> npt.NDArray[np.bool_]:
    """Which parameters no bound stops (Bertsekas 1982, SIAM J. Control 20): only those move together."""
    return np.asarray(_downhill(place, box) == -place.slope)


def _steepness(place: _Place, box: Floats) -> float:
    """What a step inside the bounds could still gain: 0 on a maximum; NaN is never flat."""
    return float(np.abs(_downhill(place, box)).max())
