"""How good was a model on a day it never saw, as a whole and for each stage, beside the simple rules?

The event of every measure is a return (a net purchase in the outcome window): AUROC is the same for churn,
the precision and the lift are about finding those who come back. Names follow `<split>.<measure>`,
`<split>.<baseline>.<measure>` and `<split>.<stage>.<measure>`; what is undefined is left out.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from features.contracts import Stage
from models import metrics
from models.baselines import baseline_scores
from models.metrics import Array

# What a customer brought in the last year: the V of the profit measure, the same for every ranking.
YEAR_MARGIN = "margin_365d"
_TOP = 0.1
_DRAWS = 100


@dataclass(frozen=True, slots=True)
class Response:
    """The response that `profit_at_10pct` assumes; it is assumed, never measured. Money in minor units.

    Attributes:
        accept_share: gamma, share of churners whom a contact brings back.
        offer_cost: d, paid to those who come back and to those who never meant to leave.
        contact_cost: f, paid for everyone.
        minor_units: how many make one unit of the reporting currency, in which the profit is told.
    """

    accept_share: float = 0.1
    offer_cost: float = 0.0
    contact_cost: float = 5.0
    minor_units: float = 100.0


def evaluate(
    scored: pl.DataFrame, response: Response, *, split: str = "test", seed: int = 0
) -> dict[str, float]:
    """Measures of one test day.

    Args:
        scored: feature rows with `stage`, `p0`, `returned`, `window_margin`, `weight`, and `expected_margin`
            if it is to be judged.
        response: assumed response of the profit measure.
        split: first part of the names.
        seed: of the redraws behind the intervals.
    """
    found = _measures(scored) | _interval(scored, seed)
    found |= _profit(scored, _believed_profit(scored, response), response)
    for name, score in baseline_scores(scored).items():
        own = _ranking(scored, score, score) | _profit(scored, -score, response)
        found |= {f"{name}.{measure}": value for measure, value in own.items()}
    for stage in Stage:
        rows = scored.filter(pl.col("stage").cast(pl.String) == stage.value)
        own = _measures(rows) if len(rows) else {}
        found |= {f"{stage.value}.{measure}": value for measure, value in own.items()}
    return {f"{split}.{name}": value for name, value in found.items() if math.isfinite(value)}


def _measures(rows: pl.DataFrame) -> dict[str, float]:
    worth = rows["expected_margin"].to_numpy() if "expected_margin" in rows.columns else None
    return _ranking(rows, rows["p0"].to_numpy(), worth) | _probability(rows)


def _ranking(rows: pl.DataFrame, score: Array, worth: Array | None) -> dict[str, float]:
    returned, margin, weight = (rows[name].to_numpy() for name in ("returned", "window_margin", "weight"))
    held = {} if worth is None else {"value_at_10pct": metrics.value_at(margin, worth, _TOP, weight)}
    return {
        **held,
        "auroc": metrics.auroc(returned, score, weight),
        "average_precision": metrics.average_precision(returned, score, weight),
        "lift_at_10pct": metrics.lift_at(returned, score, _TOP, weight),
    }


def _probability(rows: pl.DataFrame) -> dict[str, float]:
    returned, p0, weight = (rows[name].to_numpy() for name in ("returned", "p0", "weight"))
    return {
        "customers": float(len(rows)),
        "brier": metrics.brier(returned, p0, weight),
        "log_loss": metrics.log_loss(returned, p0, weight),
        "ece": metrics.ece(returned, p0, weight),
        "mean_predicted": float(np.average(p0, weights=weight)),
        "mean_observed": float(np.average(returned, weights=weight)),
    }


def _interval(rows: pl.DataFrame, seed: int) -> dict[str, float]:
    """95 % interval of the AUROC, whole customers redrawn."""
    measure = partial(metrics.auroc, rows["returned"].to_numpy(), rows["p0"].to_numpy())
    people, weight = rows["customer_id"].to_numpy(), rows["weight"].to_numpy()
    found = metrics.bootstrap({"auroc": measure}, people, draws=_DRAWS, seed=seed, weight=weight)
    low, high = found["auroc"]
    return {"auroc_low": low, "auroc_high": high}


def _believed_profit(rows: pl.DataFrame, response: Response) -> Array:
    if YEAR_MARGIN not in rows.columns:
        return 1 - rows["p0"].to_numpy()
    return expected_gain(1 - rows["p0"].to_numpy(), _year_margin(rows), response)


def _profit(rows: pl.DataFrame, score: Array, response: Response) -> dict[str, float]:
    """Mean assumed profit per contact among the top tenth, units of the reporting currency."""
    if YEAR_MARGIN not in rows.columns:
        return {}
    gain = expected_gain((~rows["returned"]).cast(pl.Float64).to_numpy(), _year_margin(rows), response)
    mean = metrics.mean_at(gain, score, _TOP, rows["weight"].to_numpy())
    return {"profit_at_10pct": mean / response.minor_units}


def expected_gain(churned: Array, worth: Array, response: Response) -> Array:
    """`y * gamma * (V - d) - (1 - y) * d - f`, with y 1 for a churner."""
    won = churned * response.accept_share * (worth - response.offer_cost)
    return np.asarray(won - (1 - churned) * response.offer_cost - response.contact_cost, float)


def _year_margin(rows: pl.DataFrame) -> Array:
    return rows[YEAR_MARGIN].cast(pl.Float64).fill_null(0.0).to_numpy()
