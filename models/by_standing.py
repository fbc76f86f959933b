"""From scores to probabilities: the level of the days to come, one shape, and who is off by how much.

Scores of all training days are first moved to a common level (`models.level`), so that a season is not taken
for a fault of the score. On these one shape is chosen, held back over blocks of days: what is right must stay
right in time. Then each standing (`models.standing`) gets its own shift from the newest days, drawn towards 0
by how little it is known; a standing with too few rows or events has none, and so is pooled with the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from models import level
from models.calibration import Calibrator, Scored, calibrate, with_error
from models.log_odds import expit, logit
from models.metrics import Array
from models.standing import STANDINGS

Names = npt.NDArray[Any]
Rows = npt.NDArray[np.bool_]
# What a shift of its own takes: rows, and rows of the rarer outcome; and the rows' worth of belief in none.
_OWN_ROWS, _OWN_EVENTS, _BELIEF = 300, 30, 800.0
_BLOCKS = 4


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibrators by standing.

    Attributes:
        by_standing: standing: its calibrator, one for each of `STANDINGS`.
    """

    by_standing: Mapping[str, Calibrator]

    def apply(self, raw: Array, standing: Names) -> Array:
        """Calibrated probabilities.

        Args:
            raw: scores.
            standing: of each row.
        """
        return self._each(standing, lambda one, rows: one.apply(raw[rows]))

    def standard_error(self, p: Array, standing: Names) -> Array:
        """Standard error of calibrated probabilities."""
        return self._each(standing, lambda one, rows: one.standard_error(p[rows]))

    def with_drift(self, drift: float) -> "Calibration":
        """The same maps, with the drift of an honest test."""
        return Calibration({name: one.with_drift(drift) for name, one in self.by_standing.items()})

    def kind(self) -> str:
        """The shape of the maps."""
        return next(iter(self.by_standing.values())).kind

    def to_json(self) -> dict[str, Any]:
        """The calibration as JSON values."""
        return {name: one.to_json() for name, one in self.by_standing.items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The calibration that `to_json` wrote."""
        return cls({name: Calibrator.from_json(one) for name, one in content.items()})

    def _each(self, standing: Names, part: Callable[[Calibrator, Rows], Array]) -> Array:
        found = np.zeros(len(standing))
        for name, one in self.by_standing.items():
            rows = standing == name
            if rows.any():
                found[rows] = part(one, rows)
        return found


def calibrate_by_standing(
    scores: Scored, standing: Names, day: npt.NDArray[np.int64], newest: Rows
) -> Calibration:
    """Calibrate out-of-fold scores of all training days.

    Args:
        scores: of everyone, held back by customers.
        standing: of each row, one of `STANDINGS`.
        day: number of each row's day, 0 is the oldest.
        newest: rows of the newest days, which tell the standings' own shifts and the error.
    """
    of_days = level.shifts(scores.raw, scores.event, scores.weight, day)
    centred = replace(scores, raw=expit(logit(scores.raw) + of_days[day]), fold=_blocks(scores, day))
    shape, last = calibrate(centred), centred.where(newest)
    ahead, stands = level.expected(of_days), standing[newest]
    found = {}
    for name in STANDINGS:
        own = last.where(stands == name)
        enough = _are_enough(own)
        after = level.shift(shape.apply(own.raw), own.event, own.weight, _BELIEF) if enough else 0.0
        told = with_error(shape.moved(0.0, after), own) if enough else with_error(shape, last)
        found[name] = told.moved(ahead, 0.0)
    return Calibration(found)


def cross_calibrated(scores: Scored, standing: Names, day: npt.NDArray[np.int64], newest: Rows) -> Array:
    """Probabilities of the same rows, each by a calibration that never saw its customers' outcomes.

    A calibration is right by construction about what it was fitted on: judged there it would look better
    than it is. Arguments are those of `calibrate_by_standing`.
    """
    found = np.zeros(len(scores.raw))
    for fold in np.unique(scores.fold):
        held = scores.fold == fold
        _, days = np.unique(day[~held], return_inverse=True)
        others = calibrate_by_standing(_in_folds(scores.where(~held)), standing[~held], days, newest[~held])
        found[held] = others.apply(scores.raw[held], standing[held])
    return found


def _in_folds(scores: Scored) -> Scored:
    """The same scores; of a single fold every other row is held back, since a shape is chosen by it."""
    if len(np.unique(scores.fold)) > 1:
        return scores
    return replace(scores, fold=(np.arange(len(scores.fold)) % 2).astype(np.int32))


def _blocks(scores: Scored, day: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Blocks of neighbouring days; with too few days, the customers held back before."""
    count = int(day.max()) + 1
    return (day * _BLOCKS // count).astype(np.int32) if count >= _BLOCKS else scores.fold


def _are_enough(scores: Scored) -> bool:
    events = min(scores.event.sum(), (1 - scores.event).sum())
    return len(scores.raw) >= _OWN_ROWS and bool(events >= _OWN_EVENTS)
