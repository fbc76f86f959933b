"""What is a person worth in the months ahead, if they buy in the outcome window (V1) and if they do not (V0)?

The margin of each month after `as_of`, discounted, summed over as many months as enough past days have seen
to the end, and learned apart for those who returned and those who did not. The months beyond are added by a
decay that all share, shrunk to a slow one; how much of the value is added so is written beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Self

import numpy as np
import polars as pl

from features.asof import AsOf
from features.labels import margin_month
from models.margin import MarginModel, MarginRows, fit_margin, stage_means
from models.matrix import FeatureContract
from models.metrics import Array
from models.options import ValueOptions, XgbOptions

_LEAST_DAYS = 3
_LEAST_ROWS = 200
# Monthly decay when nothing is known, what it weighs in months seen, and what is believable.
_DECAY, _DECAY_WEIGHT, _DECAY_RANGE = 0.95, 3.0, (0.7, 1.0)


@dataclass(frozen=True, slots=True)
class Worth:
    """Margin over all months, for one of the two outcomes.

    Attributes:
        model: mean discounted margin of the months seen.
        months: how many those are.
        tail: margin of the months beyond, as a share of the months seen.
    """

    model: MarginModel
    months: int
    tail: float

    @property
    def extrapolated_share(self) -> float:
        """Share of the whole value that lies beyond the months seen."""
        return self.tail / (1 + self.tail)

    def predict(self, matrix: pl.DataFrame, stage: pl.Series) -> tuple[Array, Array]:
        """Value and its standard error, minor units."""
        mean, error = self.model.predict(matrix, stage)
        return mean * (1 + self.tail), error * (1 + self.tail)

    def to_json(self) -> dict[str, Any]:
        """Everything but the trees as JSON values."""
        return {"months": self.months, "tail": self.tail, "model": self.model.to_json()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], level: bytes | None, hurdle: bytes | None) -> Self:
        """What `to_json` wrote, with its trees."""
        return cls(MarginModel.from_json(content["model"], level, hurdle), content["months"], content["tail"])


def fit_window(
    rows: pl.DataFrame, contract: FeatureContract, xgb: XgbOptions, seed: int
) -> tuple[MarginModel, list[str]]:
    """Mean margin inside the outcome window of those who return, with notes."""
    returned = rows.filter("returned")
    margin = returned["window_margin"].cast(pl.Float64).to_numpy()
    model = fit_margin(MarginRows(returned, margin), contract, xgb, seed)
    return model, _thin_note(model, "the margin of a return", len(returned))


def fit_worth(
    rows: pl.DataFrame,
    contract: FeatureContract,
    as_of: AsOf,
    *,
    xgb: XgbOptions,
    value: ValueOptions,
    seed: int,
) -> tuple[Worth, Worth, list[str]]:
    """V1 and V0, with notes on what the history could not show.

    Args:
        rows: learnable rows with `fold`, in their order.
        contract: the features.
        as_of: the windows.
        xgb: parameters of the trees.
        value: months and discount.
        seed: of the draws.
    """
    window = _window_months(as_of)
    fits, notes = [], []
    for outcome, name in ((True, "value if returned"), (False, "value if not returned")):
        group = rows.filter(pl.col("returned") == outcome)
        months = supported_months(group, value.horizon_months)
        seen = group.filter(pl.col(margin_month(months)).is_not_null()) if months else group.clear()
        margin = discounted(seen, months, value.discount_rate)
        data = MarginRows(seen, margin)
        model = fit_margin(data, contract, xgb, seed) if months else stage_means(data)
        tail = _tail(seen, months, window, value)
        worth = Worth(model, months, tail)
        fits.append(worth)
        notes += _thin_note(model, name, len(seen)) + _reach_notes(worth, name, window, value)
    return fits[0], fits[1], notes


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


def discounted(seen: pl.DataFrame, months: int, rate: float) -> Array:
    """Margin of months 1 to `months`, each divided by (1 + rate) ** (k / 12)."""
    total = np.zeros(len(seen))
    for k in range(1, months + 1):
        total += seen[margin_month(k)].cast(pl.Float64).to_numpy() / (1 + rate) ** (k / 12)
    return total


def _tail(seen: pl.DataFrame, months: int, window: int, value: ValueOptions) -> float:
    """Discounted margin beyond the months seen, as a share of that of the months seen, over all rows."""
    if months == value.horizon_months or months <= window or seen.is_empty():
        return 0.0
    monthly = np.array([float(seen[margin_month(k)].sum()) for k in range(1, months + 1)]) / len(seen)
    discount = (1 + value.discount_rate) ** (-np.arange(1, value.horizon_months + 1) / 12)
    decay = _decay(monthly[window:])
    level = monthly[window:][-3:].mean()
    beyond = level * decay ** np.arange(1, value.horizon_months - months + 1) * discount[months:]
    base = float(np.dot(monthly, discount[:months]))
    return float(beyond.sum() / base) if base > 0 and level > 0 else 0.0


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
