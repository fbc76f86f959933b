"""What a raw score means as a probability, and how wrong that probability can be on average.

A calibrator is learned on out-of-fold scores. Three shapes compete by cross-fitted log loss, the simpler one
first: the score as it is, Platt (a line on the log-odds) and isotonic regression. A richer one must win
clearly; isotonic needs many events, since it ties people that the score tells apart.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from models.log_odds import expit, logit
from models.metrics import Array, binned, log_loss

_ISOTONIC_EVENTS = 1000
# What a richer shape must bring, nats a row.
_GAIN = 1e-4
_NEWTON_STEPS = 50


@dataclass(frozen=True, slots=True)
class Calibrator:
    """A monotone map from raw to calibrated probability, on the log-odds, with its error.

    Attributes:
        kind: straight, platt or isotonic.
        knots: log-odds of the raw score where the map is pinned.
        values: calibrated log-odds there; straight lines between and beyond.
        error_at: calibrated probabilities where the error was measured.
        error: standard error of the mean outcome there, its bias included.
        drift: log-odds by which an honest test in time was off as a whole.
    """

    kind: str
    knots: tuple[float, ...]
    values: tuple[float, ...]
    error_at: tuple[float, ...] = ()
    error: tuple[float, ...] = ()
    drift: float = 0.0

    def apply(self, raw: Array) -> Array:
        """Calibrated probabilities."""
        return expit(_line(logit(raw), self.knots, self.values))

    def standard_error(self, p: Array) -> Array:
        """Standard error of calibrated probabilities: of the calibration and of drift in time."""
        own = np.interp(p, self.error_at, self.error) if self.error_at else np.zeros(len(p))
        return np.sqrt(own**2 + (self.drift * p * (1 - p)) ** 2)

    def moved(self, before: float, after: float) -> "Calibrator":
        """The same map for scores whose log-odds are lower by `before`, raised by `after` at the end."""
        knots, values = (np.array(self.knots) - before, np.array(self.values) + after)
        return replace(self, knots=_numbers(knots), values=_numbers(values))

    def with_drift(self, drift: float) -> "Calibrator":
        """The same map, with the drift of an honest test."""
        return replace(self, drift=drift)

    def to_json(self) -> dict[str, Any]:
        """The calibrator as JSON values."""
        numbers = {name: list(getattr(self, name)) for name in ("knots", "values", "error_at", "error")}
        return {"kind": self.kind, **numbers, "drift": self.drift}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The calibrator that `to_json` wrote."""
        numbers = {name: tuple(content[name]) for name in ("knots", "values", "error_at", "error")}
        return cls(kind=content["kind"], drift=content["drift"], **numbers)


@dataclass(frozen=True, slots=True)
class Scored:
    """Out-of-fold scores to calibrate on.

    Attributes:
        raw: probabilities, uncalibrated.
        event: 0/1.
        weight: of each row.
        fold: what is held back together when shapes compete.
        repeats: rows per customer; an error counts customers, not rows.
    """

    raw: Array
    event: Array
    weight: Array
    fold: npt.NDArray[np.int32]
    repeats: float

    def where(self, rows: npt.NDArray[np.bool_]) -> "Scored":
        """Only the rows for which the mask holds."""
        return Scored(self.raw[rows], self.event[rows], self.weight[rows], self.fold[rows], self.repeats)


def calibrate(scores: Scored) -> Calibrator:
    """Choose and fit a calibrator on out-of-fold scores."""
    return with_error(_choose(scores), scores)


def with_error(shape: Calibrator, scores: Scored) -> Calibrator:
    """The same map, with its standard error as these scores show it."""
    bins = binned(shape.apply(scores.raw), scores.event, scores.weight)
    sampling = np.sqrt(bins["variance"] / np.maximum(bins["rows"] / scores.repeats, 1))
    error = np.maximum(np.abs(bins["observed"] - bins["predicted"]), sampling)
    return replace(shape, error_at=_numbers(bins["predicted"]), error=_numbers(error))


def _choose(scores: Scored) -> Calibrator:
    shapes: list[Callable[[Scored], Calibrator]] = [_straight, _platt]
    if min(scores.event.sum(), (1 - scores.event).sum()) >= _ISOTONIC_EVENTS:
        shapes.append(_isotonic)
    best, least = shapes[0], _held_back_loss(shapes[0], scores)
    for shape in shapes[1:]:
        loss = _held_back_loss(shape, scores)
        if loss < least - _GAIN:
            best, least = shape, loss
    return best(scores)


def _held_back_loss(fit: Callable[[Scored], Calibrator], scores: Scored) -> float:
    """Log loss, each fold under a fit on the others."""
    p = np.zeros(len(scores.raw))
    for one in np.unique(scores.fold):
        held = scores.fold == one
        p[held] = fit(scores.where(~held)).apply(scores.raw[held])
    return log_loss(scores.event, p, scores.weight)


def _straight(scores: Scored) -> Calibrator:  # noqa: ARG001 - it learns nothing
    """The score as it is."""
    return Calibrator("straight", (-1.0, 1.0), (-1.0, 1.0))


def _platt(scores: Scored) -> Calibrator:
    """Logistic regression on the log-odds by Newton's method (Platt 1999), lightly held at the identity."""
    raw, event, weight = scores.raw, scores.event, scores.weight
    x = np.column_stack([np.ones(len(raw)), logit(raw)])
    beta = np.array([0.0, 1.0])
    for _ in range(_NEWTON_STEPS):
        p = expit(x @ beta)
        slope = x.T @ (weight * (event - p)) - (beta - [0.0, 1.0])
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x + np.eye(2)
        step = np.linalg.solve(curvature, slope)
        beta += step
        if np.abs(step).max() < 1e-10:
            break
    knots = np.array([-1.0, 1.0])
    return Calibrator("platt", _numbers(knots), _numbers(beta[0] + max(beta[1], 0.0) * knots))


def _isotonic(scores: Scored) -> Calibrator:
    """Isotonic regression; the map runs through the middles of its steps, so that it keeps rising."""
    from sklearn.isotonic import IsotonicRegression

    x, weight = logit(scores.raw), scores.weight
    steps = IsotonicRegression(y_min=0, y_max=1).fit_transform(x, scores.event, sample_weight=weight)
    levels, place = np.unique(steps, return_inverse=True)
    mass = np.bincount(place, weight)
    knots = np.bincount(place, weight * x) / mass
    # A step of pure events or non-events is pulled in by half an event.
    values = (levels * mass + 0.5 * levels.mean()) / (mass + 0.5)
    return Calibrator("isotonic", _numbers(knots), _numbers(logit(np.maximum.accumulate(values))))


def _line(x: Array, knots: tuple[float, ...], values: tuple[float, ...]) -> Array:
    """Straight lines through the knots, and on with the slope of the outermost pair for two of them."""
    if len(knots) == 2:
        slope = (values[1] - values[0]) / (knots[1] - knots[0])
        return np.asarray(values[0] + slope * (x - knots[0]), float)
    return np.asarray(np.interp(x, knots, values), float)


def _numbers(values: Array) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
