"""How much of an outcome was to be expected anyway, from what was known before?

CUPED (Deng, Xu, Kohavi and Walker, Improving the Sensitivity of Online Controlled Experiments by Utilizing
Pre-Experiment Data, WSDM 2013): `y - theta (x - mean x)` with `theta = cov(x, y) / var(x)`, here with
both arms pooled and within cells; for several covariates theta are the coefficients of least squares. It
does not move the expected difference between arms, since `x` was known before the draw, and takes away the
part of the variance that `x` explains.
"""

import numpy as np

from models.cells import Numbers
from models.metrics import Array


def unexpected(values: Array, covariates: Array, cell: Numbers) -> Array:
    """Values less the mean of their cell and what the covariates foretell inside it.

    The step is linear in the values, so that an effect can be taken off before or after it.

    Args:
        values: one row per outcome, one column per person.
        covariates: the same per covariate; there may be none. One that does not vary within cells is unused.
        cell: cell of each person, from 0.
    """
    centred = _centred(values, cell)
    known = _centred(covariates, cell)
    spread = np.sqrt((known * known).mean(axis=1))
    # Rounding leaves something of a constant; against its own size that is nothing.
    size = np.abs(covariates).max(axis=1, initial=0.0)
    known = known[spread > 1e-9 * size] / spread[spread > 1e-9 * size][:, None]
    if not len(known):
        return centred
    # Sums of products instead of `@`, which starts threads and then adds up in another order.
    inner = np.array([[(one * other).sum() for other in known] for one in known])
    with_values = np.array([[(one * value).sum() for value in centred] for one in known])
    theta = np.linalg.lstsq(inner, with_values, rcond=1e-9)[0]
    for one, weights in zip(known, theta, strict=True):
        centred -= weights[:, None] * one
    return centred


def _centred(values: Array, cell: Numbers) -> Array:
    sizes = np.bincount(cell)
    means = [np.bincount(cell, value) / sizes for value in values]
    return np.array([value - mean[cell] for value, mean in zip(values, means, strict=True)]).reshape(
        values.shape
    )
