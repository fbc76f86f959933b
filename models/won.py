"""Of what a return brings later, how much follows when a contact has won it?

V1 - V0 sets people who buy in the window against people who do not. Some of that difference is what a
purchase changes: somebody gone is a customer again. The rest is only who they are: of two who look alike the
buyer is more often the one who was never gone, and that one's later purchases come with or without a
contact. So

    S = margin of the window + share * (what follows if they buy - what follows if they do not)

The share comes from a latent two-state view. With P(a) that somebody is still there, q and d the chances of
a purchase in the window of those who are there and of those who are gone:

    p = a q + (1 - a) d
    share = [(1 - a) d (1 - d) / (a q (1 - q) + (1 - a) d (1 - d))] / [(1 - a) (1 - d) / (1 - p)]

The upper part: who is gone among those whom a contact moves. It shifts the log-odds of both alike (the
assumption that all of this rests on), so it moves them as q (1 - q) to d (1 - d). Somebody gone who is won
brings what a customer brings later; somebody who was there does so anyhow, and adds the margin of the window
alone. The lower part: who is gone among those who do not buy; V1 - V0 is thinned by the others among them.

q is what MBG/NBD expects of somebody alive. Its P(alive) takes all who ever buy again for alive, as it knows
no return of the gone; so a = expit(level + steepness * logit(P(alive))) and d = c * q are fitted to who
bought in the windows of past days. A shop without MBG/NBD counts everything that follows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from features.attrition import probability_columns
from models.log_odds import expit
from models.metrics import Array

_EDGE = 1e-4
# What is believed before any row: MBG/NBD is right about who is there, and of those who are gone few return.
# Each belief is a Normal, of the level, of the logarithm of the steepness, and of the log-odds of c.
_BELIEF, _DOUBT = np.array([0.0, 0.0, -2.5]), np.array([1.5, 0.5, 1.5])
_STEPS, _STILL, _LONGEST = 100, 1e-9, 1.0
_NUDGE = 1e-4


@dataclass(frozen=True, slots=True)
class Won:
    """What counts as won.

    Attributes:
        parameters: level, logarithm of the steepness, log-odds of c; empty: everything that follows counts.
        covariance: of their errors, row by row.
        alive: the feature that holds P(alive).
        silent: the feature that holds P(no purchase in the window).
    """

    parameters: tuple[float, ...] = ()
    covariance: tuple[tuple[float, ...], ...] = ()
    alive: str = ""
    silent: str = ""

    def share(self, matrix: pl.DataFrame) -> tuple[Array, Array]:
        """The share of each row and its standard error; 1 where nothing is known of P(alive)."""
        if not self.parameters:
            return np.ones(len(matrix)), np.zeros(len(matrix))
        alive, buys, known = _told(matrix, self.alive, self.silent)
        middle = np.array(self.parameters)
        share = _share(middle, alive, buys)
        steps = np.eye(len(middle)) * _NUDGE
        slopes = [
            (_share(middle + step, alive, buys) - _share(middle - step, alive, buys)) / (2 * _NUDGE)
            for step in steps
        ]
        variance = np.zeros(len(matrix))
        for one, row in zip(slopes, self.covariance, strict=True):
            for other, covariance in zip(slopes, row, strict=True):
                variance += one * other * covariance
        error = np.sqrt(np.maximum(variance, 0.0))
        return np.where(known, share, 1.0), np.where(known, error, 0.0)

    def still_there(self, matrix: pl.DataFrame) -> Array:
        """P(a) of each row; NaN where nothing is known."""
        alive, _, known = _told(matrix, self.alive, self.silent)
        return np.where(known, _there(np.array(self.parameters), alive), np.nan)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "parameters": list(self.parameters),
            "covariance": [list(row) for row in self.covariance],
            "alive": self.alive,
            "silent": self.silent,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        rows = tuple(tuple(row) for row in content["covariance"])
        return cls(tuple(content["parameters"]), rows, content["alive"], content["silent"])


def fit_won(rows: pl.DataFrame, horizon_days: int) -> Won:
    """Who is still there, and how likely the gone come back, by who bought in the windows of past days.

    The most likely parameters under the belief, by Fisher scoring.

    Args:
        rows: learnable rows: `returned`, `weight`, `customer_id`, and MBG/NBD's features where known.
        horizon_days: of the window.
    """
    alive_name, silent_name, _ = probability_columns(horizon_days)
    if not {alive_name, silent_name} <= set(rows.columns):
        return Won()
    alive, buys, known = _told(rows, alive_name, silent_name)
    if not known.any():
        return Won()
    some = rows.filter(pl.Series(known))
    bought = some["returned"].cast(pl.Float64).to_numpy()
    # Rows of one customer repeat each other: together they say what one of them says.
    weight = some["weight"].cast(pl.Float64).to_numpy() * (some["customer_id"].n_unique() / len(some))
    found, information = _most_likely(alive[known], buys[known], bought, weight)
    inverse = np.linalg.inv(information)
    covariance = tuple(tuple(float(value) for value in row) for row in (inverse + inverse.T) / 2)
    return Won(tuple(float(value) for value in found), covariance, alive_name, silent_name)


def won_notes(won: Won, rows: pl.DataFrame) -> list[str]:
    """How much counts, stage by stage, for the newest day of the rows."""
    if not won.parameters:
        return []
    newest = rows.filter(pl.col("as_of") == rows["as_of"].max())
    share, _ = won.share(newest)
    means = (
        newest.select(pl.col("stage").cast(pl.String), share=pl.Series(share))
        .group_by("stage")
        .agg(pl.col("share").median())
        .sort("stage")
    )
    told = ", ".join(f"{share:.0%} of the {stage}" for stage, share in means.iter_rows())
    note = (
        f"Of what follows a return, this counts as won by a contact (the rest would come anyhow): {told}; "
        "assumed is that a contact moves those who are still there and those who are gone alike."
    )
    return [note]


def _most_likely(alive: Array, buys: Array, bought: Array, weight: Array) -> tuple[Array, Array]:
    place, precision = _BELIEF.copy(), np.diag(_DOUBT**-2)
    information = precision
    for _ in range(_STEPS):
        chance, slopes = _chance(place, alive, buys)
        spread = np.maximum(chance * (1 - chance), _EDGE**2)
        score = np.array([(weight * (bought - chance) / spread * one).sum() for one in slopes])
        information = precision + np.array(
            [[(weight / spread * one * other).sum() for other in slopes] for one in slopes]
        )
        step = np.linalg.solve(information, score - precision.diagonal() * (place - _BELIEF))
        place = place + step / max(1.0, float(np.abs(step).max()) / _LONGEST)
        if float(np.abs(step).max()) < _STILL:
            break
    return place, information


def _told(rows: pl.DataFrame, alive: str, silent: str) -> tuple[Array, Array, np.ndarray[Any, Any]]:
    """Log-odds of MBG/NBD's P(alive), its chance of a purchase if alive, and where both are known."""
    there, quiet = (rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in (alive, silent))
    known = np.isfinite(there) & np.isfinite(quiet)
    chance = np.clip(np.where(known, there, 0.5), _EDGE, 1 - _EDGE)
    buys = np.clip((1 - np.where(known, quiet, 0.5)) / chance, _EDGE, 1 - _EDGE)
    return np.log(chance / (1 - chance)), buys, known


def _there(parameters: Array, alive: Array) -> Array:
    return expit(parameters[0] + np.exp(parameters[1]) * alive)


def _chance(parameters: Array, alive: Array, buys: Array) -> tuple[Array, tuple[Array, ...]]:
    """Chance of a purchase in the window, and how it answers to each parameter."""
    a, c = _there(parameters, alive), float(expit(parameters[2]))
    chance = buys * (a + c * (1 - a))
    of_a = buys * (1 - c) * a * (1 - a)
    return chance, (of_a, of_a * np.exp(parameters[1]) * alive, buys * (1 - a) * c * (1 - c))


def _share(parameters: Array, alive: Array, buys: Array) -> Array:
    a, d = _there(parameters, alive), float(expit(parameters[2])) * buys
    stay = 1 - a * buys - (1 - a) * d
    return np.asarray(d * stay / (a * buys * (1 - buys) + (1 - a) * d * (1 - d)), float)
