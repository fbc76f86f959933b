"""What would another budget have bought? The Lagrangian path of a list, so that any cut can be read off it.

The path counts contacted people who are chosen for profit; exploration comes on top. Other limits are priced
as they were on the night: where they have slack, each row is the list that this budget would have made; where
they bind, rows away from the budget are close to it, and `within_limits` says whether they keep to them.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from features.money import exponent, units
from models.allocation import Allocation
from models.choices import Choices, Floats, Ints
from models.hull import NONE
from models.limits import FINE, Group

PATH = pl.Schema(
    {
        "expected_cost": pl.Float64(),
        "people": pl.Int64(),
        "expected_profit": pl.Float64(),
        "price_of_money": pl.Float64(),
        "marginal_return": pl.Float64(),
        "within_limits": pl.Boolean(),
        "chosen": pl.Boolean(),
    }
)

_POINTS, _DIGITS = 100, 6


def path(choices: Choices, allocation: Allocation, currency: str) -> pl.DataFrame:
    """The path at some 200 points, from nobody to everybody who pays (`PATH`, major units).

    `price_of_money` is the lambda of the point: the return of the last step taken, less what scarce places
    cost; null at the start and where steps cost nothing. `marginal_return` is the profit that one more unit
    of cost brought since the row before. `chosen` marks the point that was taken.
    """
    walked, unit = allocation.walked, float(units(currency))
    cost = _summed(choices, choices.cost, allocation) / (FINE * unit)
    profit = _summed(choices, choices.eip, allocation) / unit
    people = _summed(choices, np.ones_like(choices.cost), allocation)
    at = _points(cost, allocation.fits)
    money = np.concatenate([[np.inf], walked.price])[at] * FINE
    digits = exponent(currency)
    rows = pl.DataFrame(
        {
            "expected_cost": cost[at],
            "people": people[at],
            "expected_profit": profit[at],
            "price_of_money": np.where(np.isfinite(money), money, np.nan),
            "within_limits": _within(choices, allocation)[at],
            "chosen": at == allocation.fits,
        }
    ).with_columns(pl.col("price_of_money").fill_nan(None))
    more, gain = pl.col("expected_cost").diff(), pl.col("expected_profit").diff()
    return rows.with_columns(
        pl.col("expected_cost", "expected_profit").round(digits),
        pl.col("price_of_money").round(_DIGITS),
        marginal_return=pl.when(more > 0).then(gain / more).round(_DIGITS),
    ).select(pl.col(name).cast(dtype) for name, dtype in PATH.items())


def at_budget(rows: pl.DataFrame, budget: float) -> dict[str, object]:
    """The last row of a path that a budget (major units) pays for.

    Args:
        rows: a `PATH`.
        budget: most expected cost, without exploration.
    """
    return rows.filter(pl.col("expected_cost") <= budget).row(-1, named=True)


def _summed(choices: Choices, amount: Floats, allocation: Allocation) -> Floats:
    """What contacted people have of something after each number of steps, none first."""
    walked = allocation.walked
    before = np.where(walked.before == NONE, 0.0, amount[walked.before])
    more = np.where(choices.contacted[walked.person], amount[walked.entry] - before, 0.0)
    return np.concatenate([[0.0], np.cumsum(more)])


def _points(cost: Floats, fits: int) -> Ints:
    """Numbers of steps: evenly spread, evenly spread in cost, and the one that was taken."""
    by_steps = np.linspace(0, len(cost) - 1, _POINTS).round().astype(np.int64)
    by_cost = np.searchsorted(cost, np.linspace(0, cost[-1], _POINTS), side="right") - 1
    return np.unique(np.concatenate([by_steps, by_cost, [fits, 0]]))


def _within(choices: Choices, allocation: Allocation) -> np.ndarray:
    groups: Sequence[Group] = allocation.groups
    holds = np.ones(len(allocation.walked) + 1, dtype=np.bool_)
    for group in groups:
        holds &= _summed(choices, group.offers[choices.offer].astype(np.float64), allocation) <= group.limit
    return holds
