"""By how much do the log-odds of buying differ between people contacted and people held out?

People are compared only where the same draw treated them alike (a stratum): in each, given how many came back
in all, how many of these were contacted hangs on the shift alone (the non-central hypergeometric). So strata
with no return say nothing rather than something wrong, arms of very different size do no harm, and no
correction for empty cells is needed. Mean and variance are Cornfield's (1956): the mean solves
`a (n0 - r + a) / ((n1 - a) (r - a)) = exp(shift)`, the variance is the harmonic one of the four counts, times
n / (n - 1), so that at a shift of 0 both are exact.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from models.metrics import Array
from models.uplift.contacts import propensity

_CELL = ("offer_id", "stage", "value_tier")
# Other columns that tell draws apart, where contacts carry them.
_LIST, _STRATUM, _CHANCE = "list_id", "stratum", "_chance"
_DIGITS = 6
# Neighbouring strata of one chance are one until so many are expected in the smaller arm. What was drawn must
# not decide it: a stratum joined because nobody was held out there would lend its people to other controls.
_LEAST_EXPECTED = 2.0


@dataclass(frozen=True, slots=True)
class Strata:
    """Counts of strata, Float64.

    Attributes:
        contacted: people contacted.
        held: people held out.
        returned: of both, how many came back.
        among: of these, how many had been contacted.
    """

    contacted: Array
    held: Array
    returned: Array
    among: Array

    @classmethod
    def of(cls, counts: pl.DataFrame) -> "Strata":
        """From the rows of `stratified`."""
        names = ("contacted", "held", "returned", "among")
        return cls(*(counts[name].cast(pl.Float64).to_numpy() for name in names))

    def at(self, shift: Array | float) -> tuple[Array, Array]:
        """Slope and curvature of the log-likelihood of each stratum at a shift."""
        n1, n0, r = self.contacted, self.held, self.returned
        a = _mean(n1, n0, r, np.exp(shift))
        parts = np.stack([a, r - a, n1 - a, n0 - r + a])
        open_ = (parts > 1e-9).all(axis=0)
        harmonic = np.where(open_, 1 / np.where(open_, 1 / np.maximum(parts, 1e-9), 1.0).sum(axis=0), 0.0)
        people = n1 + n0
        return np.where(open_, self.among - a, 0.0), harmonic * people / np.maximum(people - 1, 1)


def stratified(rows: pl.DataFrame) -> pl.DataFrame:
    """Counts per offer, stage, tier and draw, of strata that hold both arms and a return; sorted.

    Strata with few people are counted with their neighbours of the same draw, offer, stage and tier.

    Args:
        rows: contacts: `treated`, `returned`, `assignment_probability`, `offer_id`, `stage`, `value_tier`;
            `list_id` and `stratum` tell draws apart where there are any; a stratum has the name of its first.
    """
    drawn = rows.with_columns(
        pl.col("stage", "value_tier").cast(pl.String),
        pl.Series(propensity(rows)).round(_DIGITS).alias(_CHANCE),
    )
    alike = [*_CELL, _LIST, _CHANCE] if _LIST in rows.columns else [*_CELL, _CHANCE]
    keys = alike
    if _STRATUM in rows.columns:
        drawn, keys = _joined(drawn, alike), [*alike, _STRATUM]
    treated, returned = pl.col("treated"), pl.col("returned").cast(pl.Boolean)
    return (
        drawn.group_by(keys)
        .agg(
            contacted=treated.sum(),
            held=(~treated).sum(),
            returned=returned.sum(),
            among=(treated & returned).sum(),
        )
        .filter(pl.col("contacted") > 0, pl.col("held") > 0, pl.col("returned") > 0)
        .filter(pl.col("returned") < pl.col("contacted") + pl.col("held"))
        .sort(keys)
    )


def _joined(drawn: pl.DataFrame, alike: list[str]) -> pl.DataFrame:
    """The rows, with every stratum under the name of the first of those that it is counted with."""
    rarer = pl.min_horizontal(_CHANCE, 1 - pl.col(_CHANCE))
    sizes = (
        drawn.group_by(*alike, _STRATUM)
        .agg(expected=(rarer.first() * pl.len()).round(_DIGITS))
        .sort(*alike, _STRATUM)
        .with_columns(
            left=pl.col("expected").cum_sum(reverse=True).over(alike), draw=pl.struct(alike).rle_id()
        )
    )
    named = sizes.select(*alike, _STRATUM, _first=sizes[_STRATUM].gather(_firsts(sizes)))
    on = [*alike, _STRATUM]
    joined = drawn.join(named, on=on, how="left", maintain_order="left", nulls_equal=True)
    return joined.with_columns(pl.col("_first").alias(_STRATUM)).drop("_first")


def _firsts(sizes: pl.DataFrame) -> list[int]:
    """The row that each stratum is counted with; what is left over at the end joins those before it."""
    firsts: list[int] = []
    draw_before, full = -1, 0.0
    for place, (expected, left, draw) in enumerate(sizes.select("expected", "left", "draw").iter_rows()):
        joins = draw == draw_before and min(full, left) < _LEAST_EXPECTED
        full = full + expected if joins else expected
        firsts.append(firsts[-1] if joins else place)
        draw_before = draw
    return firsts


def _mean(n1: Array, n0: Array, r: Array, odds: Array | float) -> Array:
    """The root of (odds - 1) a^2 - b a + odds n1 r = 0 that is possible, without cancellation."""
    more = odds - 1
    b = more * (n1 + r) + n1 + n0
    return np.asarray(
        2 * odds * n1 * r / (b + np.sqrt(np.maximum(b * b - 4 * more * odds * n1 * r, 0))), float
    )
