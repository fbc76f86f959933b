"""How trees are grown, stored and read. The only module that knows XGBoost.

Models travel as bytes in XGBoost's own format (UBJSON). The same rows in the same order with the same recipe
give the same bytes.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from features.errors import WinbackError
from models.metrics import Array
from models.options import XgbOptions

if TYPE_CHECKING:
    import xgboost

Mask = npt.NDArray[np.bool_]
Objective = Literal["binary:logistic", "reg:squarederror", "reg:tweedie"]
# Between counts (1) and sizes (2) of what is mostly nothing: near 1 the large sums weigh more.
_TWEEDIE_POWER = 1.3
# How a worker finds the tracker of a meeting, and the others there.
Seat = dict[str, int | str]
_FEW_ROWS = 10_000
# How long workers that grow together wait for the slowest at each step.
_WAIT_SECONDS = 900
# A leaf may be as light as this part of the rows, whatever min_child_weight says.
_LEAVES = 100
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
    """Rows to learn from.

    Attributes:
        matrix: features.
        label: what to learn.
        weight: how much each row counts.
        fold: customer fold of each row.
        offset: what is known of each row before the trees say anything, on the scale they add up on (log-odds
            for a probability); None: nothing. Predictions of rows without an offset start from `level`.
        level: see `offset`, on the scale of the label.
    """

    matrix: pl.DataFrame
    label: Array
    weight: Array
    fold: npt.NDArray[np.int32]
    offset: Array | None = None
    level: float | None = None

    def where(self, rows: Mask) -> "Sample":
        """Only the rows for which the mask holds."""
        offset = None if self.offset is None else self.offset[rows]
        own = (self.label[rows], self.weight[rows], self.fold[rows])
        return Sample(self.matrix.filter(pl.Series(rows)), *own, offset, self.level)

    @classmethod
    def of(cls, parts: Sequence["Sample"]) -> "Sample":
        """The rows of several samples, one after the other."""
        label, weight, fold = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("label", "weight", "fold")
        )
        offsets = [part.offset for part in parts if part.offset is not None]
        offset = np.concatenate(offsets) if offsets else None
        return cls(pl.concat([part.matrix for part in parts]), label, weight, fold, offset, parts[0].level)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to grow.

    Attributes:
        objective: the loss.
        options: parameters of the trees.
        seed: of the row and column draws.
        trees: grown side by side in each round and averaged, which steadies what is learned from noise.
    """

    objective: Objective
    options: XgbOptions
    seed: int
    trees: int = 1


@dataclass(frozen=True, slots=True)
class Validated:
    """What validation found.

    Attributes:
        rounds: boosting rounds for a fit on all rows.
        out_of_fold: prediction for each row by the model that never saw its customer.
        curve: loss on the judged rows after each round.
        forward: prediction of the judged rows by a model of the past ones alone; None without such a past.
    """

    rounds: int
    out_of_fold: Array
    curve: tuple[float, ...]
    forward: Array | None = None


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
    return _grown(sample, recipe, rounds, len(sample.label))


def grow_together(parts: list[Sample], seat: Seat | None, recipe: Recipe, rounds: int) -> bytes:
    """Fit on the rows of all workers at a `meeting`, each of which calls this with its own.

    The model hangs on which rows lie together: another split of the rows gives another model, as good.

    Args:
        parts: this worker's rows.
        seat: this worker's seat; None when there are no others.
        recipe: how to grow.
        rounds: boosting rounds.

    Returns:
        The model, the same bytes on every worker.

    Raises:
        WinbackError: when a worker failed, or fell silent.
    """
    xgb = library()
    sample = Sample.of(parts)
    try:
        with _seated(seat):
            rows = xgb.collective.allreduce(np.array([len(sample.label)]), xgb.collective.Op.SUM)
            return _grown(sample if len(sample.label) else _nobody(sample), recipe, rounds, int(rows[0]))
    except xgb.core.XGBoostError as error:
        if seat is None:
            raise
        reason = str(error).partition("Stack trace")[0].strip()
        raise WinbackError(f"Training on several workers broke off: {reason}") from None


@contextmanager
def meeting(workers: int, host: str) -> Iterator[list[Seat]]:
    """A place where workers find each other to grow one model; whoever still waits at its end is sent away.

    Args:
        workers: how many come.
        host: address of this machine that they can reach.
    """
    xgb = library()
    tracker = xgb.tracker.RabitTracker(n_workers=workers, host_ip=host, sortby="task")
    tracker.start()
    try:
        there = {**tracker.worker_args(), "dmlc_timeout": _WAIT_SECONDS}
        yield [{**there, "dmlc_task_id": f"{number:08}"} for number in range(workers)]
    finally:
        with suppress(xgb.core.XGBoostError):  # it says that some have not come, or have gone
            tracker.free()


def forward_loss(sample: Sample, past: Mask, judged: Mask, recipe: Recipe) -> float:
    """The least loss on the judged rows that trees of the past ones come to, whatever their number."""
    _, curve = _stopped(sample.where(past), sample.where(judged), recipe)
    return min(curve)


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
    forward = predict(raw, sample.matrix.filter(pl.Series(judged)))
    out_of_fold = np.zeros(len(sample.label))
    for fold in np.unique(sample.fold):
        held = sample.fold == fold
        raw = grow(sample.where(~held), recipe, rounds)
        out_of_fold[held] = predict(raw, sample.matrix.filter(pl.Series(held)))
    return Validated(rounds, out_of_fold, tuple(curve), forward)


def validate(sample: Sample, judged: Mask, recipe: Recipe, taught: Mask | None = None) -> Validated:
    """Find the number of rounds over customers, and predict every row by a model that never saw its customer.

    Args:
        sample: the rows.
        judged: which rows stop the boosting; the others of a fold are only predicted.
        recipe: how to grow.
        taught: rows that teach and stop, the others are only predicted; default all.
    """
    teaching = np.ones(len(sample.label), bool) if taught is None else taught
    curves, out_of_fold = [], np.zeros(len(sample.label))
    for fold in np.unique(sample.fold):
        held = sample.fold == fold
        stops = held & teaching
        stops = stops & judged if (stops & judged).any() else stops
        raw, curve = _stopped(sample.where(~held & teaching), sample.where(stops), recipe)
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


def contributions(raw: bytes, matrix: pl.DataFrame) -> Array:
    """What each feature adds to each row's prediction before the link (TreeSHAP by XGBoost itself).

    Returns:
        One row per row, one column per feature and a last one for the model's mean; a row's sum is its
        prediction: log-odds, or a mean.
    """
    xgb = library()
    if matrix.is_empty():
        return np.zeros((0, matrix.width + 1))
    threads = _threads(len(matrix), 0)
    booster = xgb.Booster({"nthread": threads}, model_file=bytearray(raw))
    data = xgb.DMatrix(matrix, enable_categorical=True, nthread=threads or None)
    return np.asarray(booster.predict(data, pred_contribs=True), dtype=np.float64)


def importance(raw: bytes) -> dict[str, float]:
    """Total gain of each feature that a stored model uses, as a share of all."""
    xgb = library()
    gains: dict[str, Any] = xgb.Booster(model_file=bytearray(raw)).get_score(importance_type="total_gain")
    total = sum(gains.values()) or 1.0
    return {name: float(gain) / total for name, gain in sorted(gains.items())}


@contextmanager
def _seated(seat: Seat | None) -> Iterator[None]:
    """Join a meeting; what XGBoost prints about it on the way is no news, or comes as an error too."""
    if seat is None:
        yield
        return
    xgb = library()
    with xgb.config_context(verbosity=0), ExitStack() as stack:
        with redirect_stdout(StringIO()):
            stack.enter_context(xgb.collective.CommunicatorContext(**seat))
        yield


def _nobody(empty: Sample) -> Sample:
    """A row that says nothing and counts for nothing: XGBoost refuses workers without rows."""
    none, zero = empty.matrix.clear(n=1), np.zeros(1)
    offset = None if empty.offset is None else zero
    return Sample(none, zero, zero, np.zeros(1, np.int32), offset, empty.level)


def _grown(sample: Sample, recipe: Recipe, rounds: int, rows: int) -> bytes:
    data = _quantiles(sample, recipe)
    booster = library().train(_parameters(recipe, rows, sample), data, num_boost_round=rounds)
    return bytes(booster.save_raw("ubj"))


def _stopped(taught: Sample, judged: Sample, recipe: Recipe) -> tuple[bytes, list[float]]:
    xgb = library()
    train = _quantiles(taught, recipe)
    history: dict[str, dict[str, list[float]]] = {}
    booster = xgb.train(
        _parameters(recipe, len(taught.label), taught),
        train,
        num_boost_round=recipe.options.rounds,
        evals=[(_judged(judged, recipe), "judged")],
        evals_result=history,
        callbacks=[xgb.callback.EarlyStopping(rounds=recipe.options.early_stopping, save_best=True)],
        verbose_eval=False,
    )
    (curve,) = history["judged"].values()
    return bytes(booster.save_raw("ubj")), curve


def _quantiles(sample: Sample, recipe: Recipe) -> "xgboost.QuantileDMatrix":
    return library().QuantileDMatrix(
        sample.matrix, max_bin=recipe.options.max_bin, **_beside_the_matrix(sample, recipe)
    )


def _judged(sample: Sample, recipe: Recipe) -> "xgboost.DMatrix":
    """Rows as they are: trees part at the edges of bins, so binned ones are judged the same, but slower."""
    return library().DMatrix(sample.matrix, **_beside_the_matrix(sample, recipe))


def _beside_the_matrix(sample: Sample, recipe: Recipe) -> dict[str, Any]:
    return {
        "label": sample.label,
        "weight": sample.weight,
        "base_margin": sample.offset,
        "enable_categorical": True,
        "nthread": _threads(len(sample.label), recipe.options.threads) or None,
    }


def _parameters(recipe: Recipe, rows: int, sample: Sample) -> dict[str, Any]:
    own = {name: getattr(recipe.options, name) for name in _PASSED_THROUGH}
    # A small shop has no leaves as heavy as a large one's; without this its trees would not grow at all.
    own["min_child_weight"] = min(own["min_child_weight"], rows / _LEAVES)
    threads = _threads(rows, recipe.options.threads)
    fixed: dict[str, Any] = {"objective": recipe.objective, "tree_method": "hist", "verbosity": 0}
    if recipe.objective == "reg:tweedie":
        fixed["tweedie_variance_power"] = _TWEEDIE_POWER
    if recipe.trees > 1:
        fixed["num_parallel_tree"] = recipe.trees
    if sample.level is not None:
        fixed["base_score"] = sample.level
    return {**own, **fixed, "seed": recipe.seed, "nthread": threads}


def _threads(rows: int, wanted: int) -> int:
    """Threads to use, 0 is all: on few rows they wait for each other longer than they work."""
    return wanted or int(rows < _FEW_ROWS)
