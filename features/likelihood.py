"""Which positive parameters make the data most likely.

One small maximiser for the models of attrition and of spend: quasi-Newton in the logarithms of the
parameters, from fixed start values and within fixed bounds, so that the same data always give the same
numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Likelihood = Callable[[Floats], tuple[float, Floats]]

MAX_ITERATIONS = 500
# Steepest slope, per customer and unit of a log-parameter, at which a search that stopped early is still
# taken for an answer.
FLAT_ENOUGH = 1e-4


@dataclass(frozen=True, slots=True)
class Maximum:
    """Where the search ended. `converged` is False when it stopped early, but on flat ground."""

    parameters: tuple[float, ...]
    log_likelihood: float
    iterations: int
    converged: bool


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
    from scipy import optimize

    def loss(logs: Floats) -> tuple[float, Floats]:
        parameters = np.exp(logs)
        value, slope = likelihood(parameters)
        return -value, -slope * parameters

    log_bounds = np.log(np.asarray(bounds))
    with np.errstate(all="ignore"):
        found = optimize.minimize(
            loss,
            np.log(np.asarray(start)),
            jac=True,
            method="L-BFGS-B",
            bounds=optimize.Bounds(log_bounds[:, 0], log_bounds[:, 1]),
            options={"maxiter": MAX_ITERATIONS, "ftol": 1e-13, "gtol": 1e-7},
        )
    if not (np.isfinite(found.fun) and np.isfinite(found.x).all()):
        return None
    if not (found.success or _flat(found.x, found.jac, log_bounds)):
        return None
    parameters = tuple(float(value) for value in np.exp(found.x))
    return Maximum(parameters, -float(found.fun), int(found.nit), bool(found.success))


def _flat(logs: Floats, slope: Floats, bounds: Floats) -> bool:
    """Whether no step inside the bounds gains anything worth having."""
    step = np.clip(logs - slope, bounds[:, 0], bounds[:, 1]) - logs
    return bool(np.abs(step).max() < FLAT_ENOUGH)
