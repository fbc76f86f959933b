"""How trees are grown, stored and read. The only module that knows XGBoost.

Models travel as bytes in XGBoost's own format (UBJSON). The same rows in the same order with the same recipe
give the same bytes.
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from models.metrics import Array
from models.options import XgbOptions

if TYPE_CHECKING:
    import xgboost

Mask = npt.NDArray[np.bool_]
Objective = Literal["binary:logistic", "reg:squarederror"]
_FEW_ROWS = 10_000
_PASSED_THROUGH = (
    "device",
    "max_depth",
    "learning_rate",
    "min_child_weight",
    "subsample",
    "colsample_bytree",
    "reg_lambda",
    "max_bin",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows to learn from: features, what to learn, how much each row counts, and each row's customer fold."""

    matrix: pl.DataFrame
    label: Array
    weight: Array
    fold: npt.NDArray[np.int32]

    def where(self, rows: Mask) -> "Sample":
        """Only the rows for which the mask holds."""
        return Sample(
            self.matrix.filter(pl.Series(rows)), self.label[rows], self.weight[rows], self.fold[rows]
        )


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to grow: the loss, the parameters of the trees, the seed of the row and column draws."""

    objective: Objective
    options: XgbOptions
    seed: int


@dataclass(frozen=True, slots=True)
class Validated:
    """What validation found.

    Attributes:
        rounds: boosting rounds for a fit on all rows.
        out_of_fold: prediction for each row by the model that never saw its customer.
        curve: loss on the judged rows after each round.
    """

    rounds: int
    out_of_fold: Array
    curve: tuple[float, ...]


def library() -> Any:  # noqa: ANN401 - a module without types
    """XGBoost, told before its first import that waiting threads sleep instead of spinning.

    Spinning threads hold each other up where cores are shared with other work: on two busy cores the same
    training took 27 s instead of 0.7 s.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import xgboost

    return xgboost


def grow(sample: Sample, recipe: Recipe, rounds: int) -> bytes:
    """Fit on all rows for a fixed number of rounds."""
    xgb = library()
    data = _quantiles(sample, recipe)
    booster = xgb.train(_parameters(recipe, len(sample.label)), data, num_boost_round=rounds)
    return bytes(booster.save_raw("ubj"))


def validate_forward(sample: Sample, past: Mask, judged: Mask, recipe: Recipe) -> Validated:
    """Find the number of rounds forward in time; predict every row by a model that never saw its customer.

    Args:
        sample: the rows.
        past: rows whose outcome was known before the judged ones.
        judged: rows that stop the boosting.
        recipe: how to grow.
    """
    raw, curve = _stopped(sample.where(past), sample.where(judged), recipe)
    rounds = int(np.argmin(curve)) + 1
    out_of_fold = np.zeros(len(sample.label))
    for fold in np.unique(sample.fold):
        held = sample.fold == fold
        raw = grow(sample.where(~held), recipe, rounds)
        out_of_fold[held] = predict(raw, sample.matrix.filter(pl.Series(held)))
    return Validated(rounds, out_of_fold, tuple(curve))


def validate(sample: Sample, judged: Mask, recipe: Recipe) -> Validated:
    """Find the number of rounds over customers, and predict every row by a model that never saw its customer.

    Args:
        sample: the rows.
        judged: which rows stop the boosting; the others of a fold are only predicted.
        recipe: how to grow.
    """
    curves, out_of_fold = [], np.zeros(len(sample.label))
    for fold in np.unique(sample.fold):
        held = sample.fold == fold
        stops = held & judged if (held & judged).any() else held
        raw, curve = _stopped(sample.where(~held), sample.where(stops), recipe)
        out_of_fold[held] = predict(raw, sample.matrix.filter(pl.Series(held)))
        curves.append(curve)
    best = float(np.mean([np.argmin(curve) + 1 for curve in curves]))
    # Each fold's model saw one fold less than the final one will see; more rows bear a few more rounds.
    rounds = max(round(best * len(curves) / (len(curves) - 0.5)), 1)
    shortest = min(len(curve) for curve in curves)
    mean = np.mean([curve[:shortest] for curve in curves], axis=0)
    return Validated(rounds, out_of_fold, tuple(float(loss) for loss in mean))


def predict(raw: bytes, matrix: pl.DataFrame) -> Array:
    """Predictions of a stored model, one per row: a probability or a mean."""
    xgb = library()
    if matrix.is_empty():
        return np.zeros(0)
    threads = _threads(len(matrix), 0)
    booster = xgb.Booster({"nthread": threads}, model_file=bytearray(raw))
    data = xgb.DMatrix(matrix, enable_categorical=True, nthread=threads or None)
    return np.asarray(booster.predict(data), dtype=np.float64)


def importance(raw: bytes) -> dict[str, float]:
    """Total gain of each feature that a stored model uses, as a share of all."""
    xgb = library()
    gains: dict[str, Any] = xgb.Booster(model_file=bytearray(raw)).get_score(importance_type="total_gain")
    total = sum(gains.values()) or 1.0
    return {name: float(gain) / total for name, gain in sorted(gains.items())}


def _stopped(taught: Sample, judged: Sample, recipe: Recipe) -> tuple[bytes, list[float]]:
    xgb = library()
    train = _quantiles(taught, recipe)
    history: dict[str, dict[str, list[float]]] = {}
    booster = xgb.train(
        _parameters(recipe, len(taught.label)),
        train,
        num_boost_round=recipe.options.rounds,
        evals=[(_quantiles(judged, recipe, like=train), "judged")],
        evals_result=history,
        callbacks=[xgb.callback.EarlyStopping(rounds=recipe.options.early_stopping, save_best=True)],
        verbose_eval=False,
    )
    (curve,) = history["judged"].values()
    return bytes(booster.save_raw("ubj")), curve


def _quantiles(
    sample: Sample, recipe: Recipe, like: "xgboost.QuantileDMatrix | None" = None
) -> "xgboost.QuantileDMatrix":
    xgb = library()
    return xgb.QuantileDMatrix(
        sample.matrix,
        sample.label,
        weight=sample.weight,
        max_bin=recipe.options.max_bin,
        enable_categorical=True,
        ref=like,
        nthread=_threads(len(sample.label), recipe.options.threads) or None,
    )


def _parameters(recipe: Recipe, rows: int) -> dict[str, Any]:
    own = {name: getattr(recipe.options, name) for name in _PASSED_THROUGH}
    threads = _threads(rows, recipe.options.threads)
    fixed = {"objective": recipe.objective, "tree_method": "hist", "verbosity": 0}
    return {**own, **fixed, "seed": recipe.seed, "nthread": threads}


def _threads(rows: int, wanted: int) -> int:
    """Threads to use, 0 is all: on few rows they wait for each other longer than they work."""
    return wanted or int(rows < _FEW_ROWS)
