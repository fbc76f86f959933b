"""Who is calibrated with whom?

Each standing (`models.standing`) may have a calibrator of its own; where it has too few rows or events, or
its own is no better on customers held back, that of its model (churn or reactivation) serves, and where even
that has too few, everyone's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from models.calibration import Calibrator, Scored, calibrate, held_back_loss, platt
from models.metrics import Array
from models.standing import STANDINGS

# What a calibrator of its own takes: rows, and rows of the rarer outcome; and what it must bring, nats a row.
_OWN_ROWS, _OWN_EVENTS, _OWN_GAIN = 500, 50, 1e-4


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibrators by standing.

    Attributes:
        by_standing: standing: its calibrator, one for each of `STANDINGS`.
    """

    by_standing: Mapping[str, Calibrator]

    def apply(self, raw: Array, standing: npt.NDArray[Any]) -> Array:
        """Calibrated probabilities.

        Args:
            raw: scores.
            standing: of each row.
        """
        return self._each(standing, lambda one, rows: one.apply(raw[rows]))

    def standard_error(self, p: Array, standing: npt.NDArray[Any]) -> Array:
        """Standard error of calibrated probabilities."""
        return self._each(standing, lambda one, rows: one.standard_error(p[rows]))

    def with_drift(self, drift: float) -> "Calibration":
        """The same maps, with the drift of an honest test."""
        return Calibration({name: one.with_drift(drift) for name, one in self.by_standing.items()})

    def kinds(self) -> dict[str, str]:
        """Standing: the shape of its map."""
        return {name: one.kind for name, one in self.by_standing.items()}

    def to_json(self) -> dict[str, Any]:
        """The calibration as JSON values."""
        return {name: one.to_json() for name, one in self.by_standing.items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The calibration that `to_json` wrote."""
        return cls({name: Calibrator.from_json(one) for name, one in content.items()})

    def _each(
        self, standing: npt.NDArray[Any], part: Callable[[Calibrator, npt.NDArray[np.bool_]], Array]
    ) -> Array:
        found = np.zeros(len(standing))
        for name, one in self.by_standing.items():
            rows = standing == name
            if rows.any():
                found[rows] = part(one, rows)
        return found


def calibrate_by_standing(scores: Scored, standing: npt.NDArray[Any]) -> Calibration:
    """A calibrator for each standing: its own, its model's, or everyone's, as far as there is to learn from.

    Args:
        scores: of everyone.
        standing: of each row, one of `STANDINGS`.
    """
    everyone = calibrate(scores)
    found = {}
    for gone in (False, True):
        names = [name for name, one in STANDINGS.items() if one is gone]
        asked = np.isin(standing, names)
        same, where = scores.where(asked), standing[asked]
        pooled = calibrate(same) if _are_enough(same) else everyone
        for name in names:
            rows = where == name
            apart = _are_enough(same.where(rows)) and _is_better_apart(same, rows)
            found[name] = calibrate(same.where(rows)) if apart else pooled
    return Calibration(found)


def _are_enough(scores: Scored) -> bool:
    events = min(scores.event.sum(), (1 - scores.event).sum())
    return len(scores.raw) >= _OWN_ROWS and bool(events >= _OWN_EVENTS)


def _is_better_apart(scores: Scored, rows: npt.NDArray[np.bool_]) -> bool:
    """Whether a line for these rows alone serves them better than one for all, on customers held back."""
    everyone = np.ones(len(rows), bool)
    own, pooled = (held_back_loss(platt, scores, taught, rows) for taught in (rows, everyone))
    return own < pooled - _OWN_GAIN
