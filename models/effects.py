"""What does contacting someone change, and how sure are we of it?

An effect is a shift `delta ~ Normal(mu, sd)` of the log-odds of buying. Here it is assumed (evidence C);
what is measured (`models.uplift`) has the same shape, so nothing below changes with it.
"""

from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.contracts import Stage
from models.log_odds import expit
from models.metrics import Array
from models.options import AssumedEffect, EffectOptions, OfferOptions

# Gauss-Hermite nodes: exact to 1e-9 for standard deviations up to 2 on the log-odds.
_NODES, _WEIGHTS = np.polynomial.hermite.hermgauss(41)


class Evidence(StrEnum):
    """Where an effect comes from."""

    MEASURED = "A"
    POOLED = "B"
    ASSUMED = "C"


@dataclass(frozen=True, slots=True)
class Shift:
    """Mean and standard deviation of the shift on the log-odds, one per customer."""

    mu: Array
    sd: Array

    def is_harmful(self, percentile: float) -> NDArray[np.bool_]:
        """Credibly negative: even the (1 - percentile) quantile of the shift lies below 0."""
        return self.mu - NormalDist().inv_cdf(percentile) * self.sd < 0


class Effects(Protocol):
    """Whatever knows the effect of offers."""

    @property
    def reads(self) -> tuple[str, ...]:
        """What it must be told of people beside stage and tier."""

    def shift(self, people: pl.DataFrame, offer: OfferOptions) -> tuple[Shift, Evidence]:
        """The effect of an offer on each person, and where that comes from."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """Effects as the config assumes them."""

    options: EffectOptions

    @property
    def reads(self) -> tuple[str, ...]:
        """Nothing more."""
        return ()

    def shift(self, people: pl.DataFrame, offer: OfferOptions) -> tuple[Shift, Evidence]:
        """See `assumed`; `people` have a `stage`."""
        return assumed(people["stage"], offer, self.options), Evidence.ASSUMED


def assumed(stage: pl.Series, offer: OfferOptions, options: EffectOptions) -> Shift:
    """The assumed shift of one offer: the offer's own, else the stage's, else the general one.

    Args:
        stage: stage of each customer.
        offer: the offer.
        options: what is assumed.
    """

    def effect(of: Stage) -> AssumedEffect:
        return offer.effect or options.by_stage.get(of, options.assumed)

    def spread(values: dict[str, float]) -> Array:
        return stage.cast(pl.String).replace_strict(values, return_dtype=pl.Float64).to_numpy()

    return Shift(
        mu=spread({str(one): effect(one).mu for one in Stage}),
        sd=spread({str(one): effect(one).sd for one in Stage}),
    )


def response(logit: Array, shift: Shift) -> tuple[Array, Array]:
    """Probability of buying when contacted, and how steeply it answers to the shift.

    Args:
        logit: log-odds of buying when not contacted.
        shift: the effect.

    Returns:
        `E[expit(logit + delta)]` and `E[expit'(logit + delta)]` over delta, by Gauss-Hermite quadrature.
    """
    buying, slope = np.zeros_like(logit), np.zeros_like(logit)
    for node, weight in zip(_NODES, _WEIGHTS / np.sqrt(np.pi), strict=True):
        p = expit(logit + shift.mu + np.sqrt(2) * node * shift.sd)
        buying += weight * p
        slope += weight * p * (1 - p)
    return buying, slope
