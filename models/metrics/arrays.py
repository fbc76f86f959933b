"""What measures take and give."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
ArrayLike = npt.NDArray[Any]
# A measure of rows that are already known, given how much each counts.
Metric = Callable[[Array], float]
NAN = float("nan")


def weights(like: ArrayLike, weight: ArrayLike | None) -> Array:
    """The weights given, or 1 for each row."""
    return np.ones(len(like)) if weight is None else np.asarray(weight, float)


def ratio(part: float, whole: float) -> float:
    """One number as a share of another; NaN where there is no whole."""
    return float(part / whole) if whole else NAN
