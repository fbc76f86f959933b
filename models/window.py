"""What margin is to be expected of each person inside the outcome window, if nobody contacts them?

The margin of a return is learned from those who returned. What everybody is expected to bring is a blend of
four experts: p0 times the margin of a return, trees that learn the margin of the window at once, the spend
of the last 365 days, and the purchases that MBG/NBD expects times the expected order. The blend is fitted
on predictions for customers whom the fits had not seen, then mapped by bins to the plain mean of the
margin, so that sums over many people are right, returned goods included.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from models.blend import Blend, fit_blend
from models.boosting import Recipe, Sample, predict
from models.margin import MarginModel, MarginRows, brisk, crossed, crossed_margin, mean_map, through
from models.margin_interval import MarginInterval, fit_interval
from models.matrix import FeatureContract, to_matrix
from models.metrics import Array
from models.options import XgbOptions

_SPEND, _ORDER, _PURCHASES = "net_amount_365d", "expected_order_amount", "expected_purchases_"
# Below this part of the usual margin of a return an expert's differences stop to matter.
_FLOORS = {"by_return": 1e-3, "direct": 1e-3, "spend": 1.0, "attrition": 1e-2}
# Trees side by side: the ranking at the top hangs on few large margins, and one tree a round on the draws.
_TREES = 4
# Margins above this quantile of the returns' count as it while trees and blend are fitted.
_TAIL = 0.995
_LOSS_NOTE = (
    "Hardly any return brought a margin above 0: look at costs and the sign of amounts. The expected margin "
    "is p0 times that of a return."
)


@dataclass(frozen=True, slots=True)
class WindowMargin:
    """Margin inside the outcome window.

    Attributes:
        size: mean margin of those who return.
        direct: trees of the margin of everybody, UBJSON; None: p0 times `size` is all there is.
        unit: minor units of one unit of these trees.
        blend: what each expert says.
        knots: blended expectations where the map to the mean is pinned.
        means: mean margin there, minor units.
        interval: how far a person's margin strays from what is expected.
    """

    size: MarginModel
    direct: bytes | None
    unit: float
    blend: Blend | None
    knots: tuple[float, ...]
    means: tuple[float, ...]
    interval: MarginInterval

    def predict(self, matrix: pl.DataFrame, stage: pl.Series) -> tuple[Array, Array]:
        """Mean margin of a return and its standard error, minor units."""
        return self.size.predict(matrix, stage)

    def expected(self, matrix: pl.DataFrame, stage: pl.Series, p0: Array) -> Array:
        """Expected margin of everybody, minor units; p0 is the probability of a return."""
        if self.direct is None or self.blend is None:
            return p0 * self.size.predict(matrix, stage)[0]
        by_return = p0 * self.size.ranking(matrix)
        direct = self.unit * predict(self.direct, matrix)
        experts = np.column_stack(list(_experts(by_return, direct, matrix).values()))
        return through(self.blend.apply(experts, stage), self.knots, self.means)

    def to_json(self) -> dict[str, Any]:
        """Everything but the trees as JSON values."""
        return {
            "size": self.size.to_json(),
            "unit": self.unit,
            "blend": self.blend.to_json() if self.blend else None,
            "knots": list(self.knots),
            "means": list(self.means),
            "interval": self.interval.to_json(),
        }

    @classmethod
    def from_json(
        cls, content: Mapping[str, Any], level: bytes | None, hurdle: bytes | None, direct: bytes | None
    ) -> Self:
        """The model that `to_json` wrote, with its trees."""
        blend = content["blend"]
        return cls(
            MarginModel.from_json(content["size"], level, hurdle),
            direct,
            content["unit"],
            Blend.from_json(blend) if blend else None,
            tuple(content["knots"]),
            tuple(content["means"]),
            MarginInterval.from_json(content["interval"]),
        )


def fit_window(
    rows: pl.DataFrame, contract: FeatureContract, xgb: XgbOptions, seed: int, p0: Array
) -> tuple[WindowMargin, list[str]]:
    """Fit the margin inside the outcome window, with notes on what the history could not show.

    Args:
        rows: learnable rows with `fold`, in their order.
        contract: the features.
        xgb: parameters of the trees.
        seed: of the draws.
        p0: probability of a return of each row, by a model that never saw its customer.
    """
    everybody = MarginRows(rows, rows["window_margin"].cast(pl.Float64).to_numpy())
    data, chance = everybody.thinned(), p0[:: everybody.step()]
    returned = data.rows["returned"].to_numpy()
    size, of_return = crossed_margin(data, returned, contract, xgb, seed, _TREES)
    by_return = chance * of_return
    people, weight = data.rows["customer_id"].to_numpy(), data.rows["weight"].cast(pl.Float64).to_numpy()
    cap = float(np.quantile(data.margin[returned], _TAIL)) if returned.any() else 0.0
    if size.level is None or cap <= 0:
        interval = fit_interval(by_return, data.margin, weight, people)
        note = _LOSS_NOTE if size.level is not None else _thin_note(int(returned.sum()))
        return WindowMargin(size, None, 1.0, None, (), (), interval), [note]
    capped = np.clip(data.margin, 0.0, cap)
    matrix, fold = to_matrix(data.rows, contract), data.rows["fold"].to_numpy()
    sample = Sample(matrix, capped / size.scale, weight, fold)
    trees, found = crossed(sample, np.ones(len(fold), bool), Recipe("reg:tweedie", brisk(xgb), seed, _TREES))
    named = _experts(by_return, size.scale * found, matrix)
    experts, floors = np.column_stack(list(named.values())), tuple(size.scale * _FLOORS[n] for n in named)
    blend = fit_blend(experts, floors, capped, weight, people, data.rows["stage"])
    raw = blend.apply(experts, data.rows["stage"])
    repeats = len(people) / len(np.unique(people))
    knots, means, _ = mean_map(raw, data.margin, weight, repeats)
    interval = fit_interval(through(raw, knots, means), data.margin, weight, people)
    return WindowMargin(size, trees, size.scale, blend, knots, means, interval), []


def _thin_note(returns: int) -> str:
    return (
        f"Too few returns ({returns}) to learn the margin of a return per person: the means of the stages "
        "stand in."
    )


def _experts(by_return: Array, direct: Array, matrix: pl.DataFrame) -> dict[str, Array]:
    """What each expert expects, minor units; those whose features the shop has, unknown is nothing."""
    found = {"by_return": by_return, "direct": direct}
    if _SPEND in matrix.columns:
        found["spend"] = matrix[_SPEND].cast(pl.Float64).fill_null(0.0).to_numpy()
    purchases = [name for name in matrix.columns if name.startswith(_PURCHASES)]
    if purchases and _ORDER in matrix.columns:
        expected = matrix[purchases[0]].cast(pl.Float64) * matrix[_ORDER].cast(pl.Float64)
        found["attrition"] = expected.fill_null(0.0).to_numpy()
    return found
