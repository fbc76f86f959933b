"""How much of the margin of the months ahead has a past day already seen?

A past day has seen the months up to today. Each further month adds a factor to what a person had brought by
then; the factor of a month is learned from everybody who has seen it, for each stage and shrunk to all
(chain ladder, Mack 1993, "Distribution-free calculation of the standard error of chain ladder reserve
estimates"). So a day that has seen five months teaches five, brought up to as many as the longest.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from features.labels import margin_month
from models.boosting import Mask
from models.metrics import Array

# A stage's own factor counts against that of all as if all held so many average people more.
_SHRINKAGE = 300.0


@dataclass(frozen=True, slots=True)
class Followup:
    """Margin that rows have brought so far, discounted.

    Attributes:
        before: margin of the months that the outcome window reaches into, less what is counted elsewhere.
        later: margin of the months after them, as far as they are seen.
        share: which part of the margin of all supported later months that is, 0 to 1, by stage.
    """

    before: Array
    later: Array
    share: Array

    @property
    def whole(self) -> Array:
        """Margin of all supported months, estimated where not all are seen; 0 later where none is."""
        return self.before + self.later / np.where(self.share > 0, self.share, 1.0)


def followup(rows: pl.DataFrame, start: int, months: int, discount: Array, left_out: Array) -> Followup:
    """What each row has brought in months 1 to `months`, as far as it has seen them.

    Args:
        rows: labelled rows with `stage`.
        start: months that a purchase in the outcome window may reach into; no shares are told before.
        months: the most that are supported, above `start`.
        discount: of months 1 to `months`.
        left_out: part of each row's margin that is counted elsewhere.
    """
    monthly = np.column_stack(
        [rows[margin_month(k)].cast(pl.Float64).fill_null(np.nan).to_numpy() for k in range(1, months + 1)]
    )
    seen = (~np.isnan(monthly)).cumprod(axis=1).sum(axis=1)
    brought = np.cumsum(np.nan_to_num(monthly) * discount, axis=1) - left_out[:, None]
    before = brought[:, start - 1]
    later = brought - before[:, None]
    weight = rows["weight"].cast(pl.Float64).to_numpy()
    stage = rows["stage"].cast(pl.String).to_numpy()
    shares = _shares(later[:, start:] * weight[:, None], seen - start, stage)
    place = np.maximum(seen - start, 0)
    share = np.zeros(len(rows))
    for name, steps in shares.items():
        share[stage == name] = steps[place[stage == name]]
    return Followup(before, np.take_along_axis(later, start + place[:, None] - 1, axis=1)[:, 0], share)


def _shares(later: Array, seen: Array, stage: Array) -> Mapping[str, Array]:
    """For each stage, the share of the whole after 0, 1, 2... months beyond the start."""
    factors = _factors(later, seen, np.ones(len(later), bool), None)
    found = {}
    for name in sorted(set(stage)):
        own = _factors(later, seen, stage == name, factors)
        grown = np.concatenate([[0.0, 1.0], np.cumprod(1 + own)])
        found[str(name)] = grown / grown[-1]
    return found


def _factors(later: Array, seen: Array, rows: Mask, prior: Array | None) -> Array:
    """What each month adds to all before it, from the rows that have seen it."""
    factors = []
    for k in range(1, later.shape[1]):
        known, everybody = rows & (seen > k), seen > k
        added, before = (later[known, k] - later[known, k - 1]).sum(), later[known, k - 1].sum()
        if prior is None:
            factors.append(max(added / before, 0.0) if before > 0 else 1 / k)
        else:
            held = _SHRINKAGE * max(later[everybody, k - 1].mean(), 0.0) if everybody.any() else 0.0
            total = before + held
            factors.append(max((added + held * prior[k - 1]) / total, 0.0) if total > 0 else prior[k - 1])
    return np.array(factors)
