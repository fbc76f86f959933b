"""What is a person worth in the months ahead: with a purchase in the outcome window (V1), and without (V0)?

Discounted margin, summed over the months after `as_of`. V1 is the margin of the outcome window of those who
return (`models.window`) plus what they bring later; V0 is what those who did not return bring later all the
same. What comes later is learned apart for the two from every past day that has seen any of it
(`models.followup`): a hurdle, then its size, negatives kept. The months that no past day has seen are added
by a decay that all share, shrunk to a slow one; how much of the value is added so is written beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Self

import numpy as np
import polars as pl

from features.asof import AsOf
from features.labels import margin_month
from models.followup import followup
from models.margin import MarginModel, MarginRows, fit_margin, stage_means
from models.matrix import FeatureContract
from models.metrics import Array
from models.options import ValueOptions, XgbOptions
from models.window import WindowMargin

_LEAST_DAYS = 3
_LEAST_ROWS = 200
# Monthly decay when nothing is known, what it weighs in months seen, and what is believable.
_DECAY, _DECAY_WEIGHT, _DECAY_RANGE = 0.95, 3.0, (0.7, 1.0)
# Standard error of the tail as a share of it: nobody has seen it.
_TAIL_DOUBT = 0.5


@dataclass(frozen=True, slots=True)
class Worth:
    """Margin over all months, for one of the two outcomes.

    Attributes:
        model: mean discounted margin of the months seen, less the window's where that is counted apart.
        months: how many months are seen.
        tail: margin of the months beyond, as a share of the model's.
        extrapolated_share: share of the whole value that lies beyond the months seen.
        discount: what the margin of the window counts, 0 where it is not counted apart.
        window: margin of the window; None with a discount of 0.
    """

    model: MarginModel
    months: int
    tail: float
    extrapolated_share: float
    discount: float = 0.0
    window: WindowMargin | None = None

    def predict(self, matrix: pl.DataFrame, stage: pl.Series) -> tuple[Array, Array]:
        """Value and its standard error, minor units.

        The error is that of the mean: of the window's, of the later months', and as much of the tail again as
        is not known of it.
        """
        later, error = self.later(matrix, stage)
        if self.window is None:
            return later, error
        first, doubt = self.first(matrix, stage)
        return later + first, np.sqrt(error**2 + doubt**2)

    def first(self, matrix: pl.DataFrame, stage: pl.Series) -> tuple[Array, Array]:
        """The part that is the margin of the window, where that is counted apart."""
        if self.window is None:
            return np.zeros(len(matrix)), np.zeros(len(matrix))
        first, doubt = self.window.predict(matrix, stage)
        return self.discount * first, self.discount * doubt

    def later(self, matrix: pl.DataFrame, stage: pl.Series) -> tuple[Array, Array]:
        """The other part."""
        later, error = self.model.predict(matrix, stage)
        variance = (error * (1 + self.tail)) ** 2 + (later * self.tail * _TAIL_DOUBT) ** 2
        return later * (1 + self.tail), np.sqrt(variance)

    def to_json(self) -> dict[str, Any]:
        """Everything but the trees and the window as JSON values."""
        names = ("months", "tail", "extrapolated_share", "discount")
        return {**{name: getattr(self, name) for name in names}, "model": self.model.to_json()}

    @classmethod
    def from_json(
        cls,
        content: Mapping[str, Any],
        level: bytes | None,
        hurdle: bytes | None,
        window: WindowMargin | None = None,
    ) -> Self:
        """What `to_json` wrote, with its trees and the window it was fitted with."""
        numbers = {name: content[name] for name in ("months", "tail", "extrapolated_share", "discount")}
        apart = window if content["discount"] else None
        return cls(MarginModel.from_json(content["model"], level, hurdle), **numbers, window=apart)


def fit_worth(
    rows: pl.DataFrame,
    contract: FeatureContract,
    as_of: AsOf,
    *,
    window: WindowMargin,
    xgb: XgbOptions,
    value: ValueOptions,
    seed: int,
) -> tuple[Worth, Worth, list[str]]:
    """V1 and V0, with notes on what the history could not show.

    Args:
        rows: learnable rows with `fold`, in their order.
        contract: the features.
        as_of: the windows.
        window: margin inside the outcome window, fitted on these rows.
        xgb: parameters of the trees.
        value: months and discount.
        seed: of the draws.
    """
    reached = _window_months(as_of)
    fits, notes = [], []
    for outcome, name in ((True, "value if returned"), (False, "value if not returned")):
        group = rows.filter(pl.col("returned") == outcome)
        months = supported_months(group, value.horizon_months)
        discount = discounts(value, min(reached, value.horizon_months)).mean() if outcome else 0.0
        first = group["window_margin"].cast(pl.Float64).to_numpy() * discount
        if months > reached:
            worth, taught = _later(group, contract, months, reached, first, xgb=xgb, value=value, seed=seed)
            notes += _thin_note(worth.model, name, taught)
        else:
            # Nobody has been seen after the window: of the returned nothing more is known than its margin.
            brought = np.zeros(len(group)) if outcome else group["window_margin"].cast(pl.Float64).to_numpy()
            worth = Worth(stage_means(MarginRows(group, brought)), months, 0.0, 0.0)
        fits.append(replace(worth, discount=float(discount), window=window if outcome else None))
        notes += _reach_notes(worth, name, reached, value)
    return fits[0], fits[1], notes


def _later(
    group: pl.DataFrame,
    contract: FeatureContract,
    months: int,
    reached: int,
    first: Array,
    *,
    xgb: XgbOptions,
    value: ValueOptions,
    seed: int,
) -> tuple[Worth, int]:
    """What a group brings in the months seen beyond `first`, which is counted apart, and of how many rows."""
    found = followup(group, reached, months, discounts(value, months), first)
    teaches = found.share > 0
    weight = group["weight"].cast(pl.Float64).to_numpy() * found.share
    taught = group.with_columns(weight=weight).filter(pl.Series(teaches))
    model = fit_margin(MarginRows(taught, found.whole[teaches]), contract, xgb, seed)
    mass = weight.sum()
    later = float((weight * found.whole).sum() / mass)
    tail = _tail(group, months, reached, value, later)
    whole = later * (1 + tail) + float((weight * first).sum() / mass)
    return Worth(model, months, tail, later * tail / whole if whole > 0 else 0.0), len(taught)


def discounts(value: ValueOptions, months: int) -> Array:
    """What the margin of each month counts today: 1 / (1 + rate) ** (k / 12)."""
    return np.array([(1 + value.discount_rate) ** (-k / 12) for k in range(1, months + 1)])


def supported_months(group: pl.DataFrame, most: int) -> int:
    """The most months after `as_of` that enough rows of enough days have seen to the end; 0 when none.

    First with full demands (3 days, 200 rows), then with any row at all.
    """
    columns = [margin_month(k) for k in range(1, most + 1) if margin_month(k) in group.columns]
    for days, rows in ((_LEAST_DAYS, _LEAST_ROWS), (1, 1)):
        for k in range(len(columns), 0, -1):
            seen = group.filter(pl.col(columns[k - 1]).is_not_null())
            if len(seen) >= rows and seen["as_of"].n_unique() >= days:
                return k
    return 0


def _tail(group: pl.DataFrame, months: int, window: int, value: ValueOptions, base: float) -> float:
    """Discounted margin beyond the months seen as a share of `base`, from rows that have seen them all."""
    if months == value.horizon_months or base <= 0:
        return 0.0
    seen = group.filter(pl.col(margin_month(months)).is_not_null())
    monthly = np.array([float(seen[margin_month(k)].sum()) for k in range(1, months + 1)]) / len(seen)
    decay, level = _decay(monthly[window:]), monthly[window:][-3:].mean()
    beyond = level * decay ** np.arange(1, value.horizon_months - months + 1)
    return max(float((beyond * discounts(value, value.horizon_months)[months:]).sum() / base), 0.0)


def _decay(monthly: Array) -> float:
    """Ratio of a month's margin to the month before: a line through the logarithms, shrunk."""
    if len(monthly) < 3 or (monthly <= 0).any():
        return _DECAY
    slope = float(np.polyfit(np.arange(len(monthly)), np.log(monthly), 1)[0])
    own = float(np.clip(np.exp(slope), *_DECAY_RANGE))
    return (len(monthly) * own + _DECAY_WEIGHT * _DECAY) / (len(monthly) + _DECAY_WEIGHT)


def _window_months(as_of: AsOf) -> int:
    """Months that the outcome window reaches into."""
    return next(k for k in count(1) if as_of.month(k)[1] >= as_of.outcome_end)


def _thin_note(model: MarginModel, name: str, rows: int) -> list[str]:
    if model.level is not None:
        return []
    return [f"Too few rows ({rows}) to learn {name} per person: the means of the stages stand in."]


def _reach_notes(worth: Worth, name: str, window: int, value: ValueOptions) -> list[str]:
    if worth.months == value.horizon_months:
        return []
    seen = f"the history shows {worth.months} months after a decision"
    if worth.months <= window:
        return [
            f"What {name} holds later is unknown and counted as 0: {seen}, not beyond the outcome window."
        ]
    return [f"{worth.extrapolated_share:.0%} of the {name} is extrapolated: {seen}."]
