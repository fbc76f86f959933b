"""Probabilities and their log-odds: the scale on which opinions are mixed and effects are added."""

import math

import numpy as np

from models.metrics import Array

_EDGE = 1e-6


def logit(p: Array) -> Array:
    """Log-odds, with 0 and 1 pulled in to stay finite."""
    inside = np.clip(np.asarray(p, float), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(inside) - np.log1p(-inside), float)


def expit(x: Array) -> Array:
    """The probability of log-odds, without overflow anywhere."""
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(x, float) / 2)), float)


def moved(base: float, shift: float) -> float:
    """A probability after a shift of its log-odds."""
    odds = base / (1 - base) * math.exp(shift)
    return odds / (1 + odds)
