"""What does one training do? An honest test on the newest complete day, then a refit on everything.

The test: fit on the days whose outcome was known by the newest complete day, judge on that day. It says how
good the recipe is, and how far its level drifts in time. The model that is kept learns from all days.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from features.asof import AsOf
from features.contracts import check
from features.errors import DataRefused
from models.boosting import importance
from models.bundle import Bundle
from models.calibration import logit
from models.churn import ChurnFit, Regrow, fit_churn, learnable, past_rows, refuse_too_few
from models.evaluate import Response, evaluate
from models.margin_interval import coverage
from models.matrix import FeatureContract, to_matrix
from models.metrics import deciles
from models.options import TrainOptions, ValueOptions, XgbOptions
from models.splits import customer_fold
from models.timing import fit_timing
from models.value import fit_worth
from models.window import fit_window

_SCHEMA: Mapping[str, pl.DataType] = {
    "as_of": pl.Date(),
    "customer_id": pl.String(),
    "returned": pl.Boolean(),
    "in_gap": pl.Boolean(),
    "contacted": pl.Boolean(),
    "weight": pl.Float64(),
    "window_margin": pl.Int64(),
}
_NO_TEST = (
    "The history is too short for a test in time: the figures are cross-validated over customers on the "
    "newest complete day, which is kinder."
)
_SHOWN = ("as_of", "customer_id", "stage", "days_since_last_purchase", "returned", "window_margin", "weight")


@dataclass(frozen=True, slots=True)
class Trained:
    """A training's model and everything to judge it by.

    Attributes:
        bundle: the model, refitted on all complete days.
        metrics: `<split>.<measure>`; the split is `test`, or `cv` when the history is too short for that.
        params: what the training found and used, by name.
        test: the judged rows with p0, churn_probability and expected_margin.
        deciles: the judged rows in tenths of the ranking by p0.
        curve: cross-validated log loss after each boosting round.
        importance: feature and its share of the total gain, greatest first.
        notes: sentences on what the data could not show.
    """

    bundle: Bundle
    metrics: dict[str, float]
    params: dict[str, str | int | float]
    test: pl.DataFrame
    deciles: pl.DataFrame
    curve: tuple[float, ...]
    importance: pl.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """All settings of a training."""

    xgb: XgbOptions
    train: TrainOptions
    value: ValueOptions
    seed: int
    response: Response = field(default_factory=Response)


def train(training: pl.DataFrame, as_of: AsOf, recipe: Recipe, regrow: Regrow | None = None) -> Trained:
    """Train on a feature frame joined with its labels.

    Args:
        training: one row per day and customer: features, facts and labels of complete days, any order.
        as_of: the decision; nothing after its day is known.
        recipe: all settings.
        regrow: grows the trees that are kept, on more rows than these; by default on these.

    Raises:
        DataRefused: when a column is missing, a day's outcome is not complete, or too few came back.
    """
    check(training, _SCHEMA, "the training frame")
    refuse_incomplete(training, as_of)
    fold = customer_fold("customer_id", recipe.train.folds, recipe.seed)
    rows = learnable(training).with_columns(fold)
    refuse_too_few(rows, recipe.train.min_positives)
    contract = FeatureContract.of(rows)
    judged = _judged(rows, as_of, contract, recipe)
    churn = _churn(rows, contract, as_of, recipe, regrow)
    split, notes = "test", []
    if judged is None:
        split, notes = "cv", [_NO_TEST]
        judged = _newest(rows.with_columns(p0=churn.out_of_fold))
    metrics = evaluate(judged, recipe.response, split=split, seed=recipe.seed) | coverage(judged, split)
    drift = float(
        np.diff(logit(np.array([metrics[f"{split}.mean_{n}"] for n in ("observed", "predicted")])))[0]
    )
    window, window_notes = fit_window(rows, contract, recipe.xgb, recipe.seed, churn.out_of_fold)
    won, left, worth_notes = fit_worth(
        rows, contract, as_of, window=window, xgb=recipe.xgb, value=recipe.value, seed=recipe.seed
    )
    timing = fit_timing(rows, contract, as_of, recipe.xgb, recipe.seed)
    notes += window_notes + worth_notes
    calibrator = churn.calibrator.with_drift(abs(drift))
    about = _about(rows, as_of, recipe, notes)
    bundle = Bundle(contract, churn.raw, calibrator, window, won, left, timing, about)
    return Trained(
        bundle,
        metrics,
        _params(bundle, churn, rows),
        _shown(judged),
        _deciles(judged),
        churn.curve,
        _importance(churn.raw),
        tuple(notes),
    )


def refuse_incomplete(training: pl.DataFrame, as_of: AsOf) -> None:
    """Refuse days whose outcome window is not over at the end of the decision's day."""
    days = training["as_of"].unique().sort().to_list()
    early = [str(day) for day in days if not as_of.at(day).is_complete(as_of.day)]
    if early:
        raise DataRefused(
            f"The outcome windows of {', '.join(early)} are not complete by {as_of.day}: such days teach "
            "nothing. Leave them out of the training frame."
        )


def _judged(
    rows: pl.DataFrame, as_of: AsOf, contract: FeatureContract, recipe: Recipe
) -> pl.DataFrame | None:
    """The newest day, scored by a fit on the days before it; None when these are too few."""
    past = rows.filter(pl.Series(past_rows(rows, as_of)[0]))
    try:
        refuse_too_few(past, recipe.train.min_positives)
    except DataRefused:
        return None
    test = _newest(rows)
    matrix = to_matrix(test, contract)
    churn = _churn(past, contract, as_of, recipe)
    p0 = churn.p0(matrix)
    window, _ = fit_window(past, contract, recipe.xgb, recipe.seed, churn.out_of_fold)
    expected = window.expected(matrix, test["stage"], p0)
    low, high = window.interval.bounds(expected)
    return test.with_columns(p0=p0, expected_margin=expected, margin_low=low, margin_high=high)


def _churn(
    rows: pl.DataFrame, contract: FeatureContract, as_of: AsOf, recipe: Recipe, regrow: Regrow | None = None
) -> ChurnFit:
    return fit_churn(
        rows, contract, as_of, xgb=recipe.xgb, options=recipe.train, seed=recipe.seed, regrow=regrow
    )


def _newest(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("as_of") == pl.col("as_of").max())


def _about(rows: pl.DataFrame, as_of: AsOf, recipe: Recipe, notes: list[str]) -> dict[str, Any]:
    return {
        "as_of": str(as_of.day),
        "horizon_days": as_of.horizon_days,
        "gap_days": as_of.gap_days,
        "lookback_days": as_of.lookback_days,
        "days": [str(day) for day in rows["as_of"].unique().sort()],
        "rows": len(rows),
        "seed": recipe.seed,
        "xgb": recipe.xgb.model_dump(mode="json"),
        "train": recipe.train.model_dump(mode="json"),
        "value": recipe.value.model_dump(mode="json"),
        "notes": notes,
    }


def _params(bundle: Bundle, churn: ChurnFit, rows: pl.DataFrame) -> dict[str, str | int | float]:
    return {
        "churn.rounds": churn.rounds,
        "churn.calibration": churn.calibrator.kind,
        "churn.features": len(bundle.contract.names),
        "train.rows": len(rows),
        "train.days": rows["as_of"].n_unique(),
        "value.months_seen_if_returned": bundle.returned.months,
        "value.months_seen_if_not_returned": bundle.stayed.months,
        "value.extrapolated_share_if_returned": round(bundle.returned.extrapolated_share, 4),
        "value.extrapolated_share_if_not_returned": round(bundle.stayed.extrapolated_share, 4),
    }


def _shown(judged: pl.DataFrame) -> pl.DataFrame:
    names = [*_SHOWN, "p0", "expected_margin"]
    kept = judged.select(name for name in names if name in judged.columns)
    return kept.with_columns(churn_probability=1 - pl.col("p0"))


def _deciles(judged: pl.DataFrame) -> pl.DataFrame:
    p0 = judged["p0"].to_numpy()
    return deciles(p0, judged["returned"].to_numpy(), judged["window_margin"].to_numpy(), p0)


def _importance(raw: bytes) -> pl.DataFrame:
    shares = importance(raw)
    frame = pl.DataFrame({"feature": list(shares), "gain_share": list(shares.values())})
    return frame.sort(["gain_share", "feature"], descending=[True, False])
