"""The logarithm of the beta function and the slope of log-gamma, for positive numbers.

Stirling's series (Abramowitz and Stegun 1964, 6.1.40 and 6.3.18) after steps up by 10, where it is exact to
rounding. SciPy has both, but to import it takes longer than all features of a middling shop together.
"""

import numpy as np

from features.likelihood import Floats

_STEPS = np.arange(10.0)
_LOG_GAMMA = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188)
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132)


def log_beta(x: Floats, y: Floats) -> Floats:
    """Logarithm of B(x, y), without the cancellation of three large log-gammas."""
    up = _rising(x + y, 2) - _rising(x, 1) - _rising(y, 1)
    x, y = x + len(_STEPS), y + len(_STEPS)
    both = x + y
    main = -x * np.log1p(y / x) - y * np.log1p(x / y) + (np.log(2 * np.pi) + np.log(both / x / y)) / 2
    rest = _series(_LOG_GAMMA, x) / x + _series(_LOG_GAMMA, y) / y - _series(_LOG_GAMMA, both) / both
    return np.asarray(up + main + rest)


def digamma(x: Floats) -> Floats:
    """The derivative of log-gamma."""
    steps = (1 / np.add.outer(x, _STEPS)).sum(axis=-1)
    x = x + len(_STEPS)
    return np.asarray(np.log(x) - 0.5 / x - _series(_DIGAMMA, x) / x**2 - steps)


def _rising(x: Floats, times: int) -> Floats:
    """Logarithm of x (x + 1) (x + 2) ..., so many times ten factors."""
    steps = np.arange(times * float(len(_STEPS)))
    return np.asarray(np.log(np.add.outer(x, steps)).sum(axis=-1))


def _series(coefficients: tuple[float, ...], x: Floats) -> Floats:
    """Sum of c_k / x^(2k)."""
    step, total = 1 / x**2, np.zeros_like(x)
    for coefficient in reversed(coefficients):
        total = total * step + coefficient
    return total
