"""What does one training do? Honest tests on the newest complete days, then a fit on everything.

The tests say how good the recipe is, and how far its level drifts in time. The model that is kept learns from
the newest complete days, as many as `train.snapshots` says.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from features.asof import AsOf
from features.contracts import check
from features.errors import DataRefused
from models import baselines
from models.boosting import importance
from models.bundle import Bundle
from models.churn import Regrow
from models.defence import compared, defended
from models.evaluate import evaluate
from models.fitting import Fitted, Recipe, fit
from models.lesson import learnable, newest_days, refuse_too_few
from models.log_odds import logit
from models.margin_interval import coverage
from models.metrics import Response, deciles
from models.profit import priced
from models.promotion import Comparison
from models.rolling import STABILITY, Judged, judge_recipe, test_days
from models.search import Searched, Trial, search
from models.splits import customer_fold
from models.stability import RANK_CORRELATION, agreement

_SCHEMA: Mapping[str, pl.DataType] = {
    "as_of": pl.Date(),
    "customer_id": pl.String(),
    "returned": pl.Boolean(),
    "in_gap": pl.Boolean(),
    "contacted": pl.Boolean(),
    "weight": pl.Float64(),
    "window_margin": pl.Int64(),
}
_NO_SEARCH = "The history is too short for a search of parameters: the configured ones are used."
_NO_TEST = (
    "The history is too short for a test in time: the figures are cross-validated over customers on the "
    "newest complete day, which is kinder."
)


@dataclass(frozen=True, slots=True)
class Trained:
    """A training's model and everything to judge it by.

    Attributes:
        bundle: the model, fitted on the newest complete days.
        metrics: `<split>.<measure>`; the split is `test`, or `cv` when the history is too short for that; and
            how well the importances of the test days' fits agree.
        snapshots: the same for each test day alone.
        params: what the training found and used, by name.
        judged: the rows of the test days with p0, churn_probability and expected_margin.
        deciles: the judged rows in tenths of the ranking by p0.
        curves: log loss after each boosting round, by kind of trees.
        importance: feature and its share of the total gain, greatest first.
        stability: feature, snapshot, gain_share in the fit of each test day.
        trials: sets of parameters that a search tried.
        comparison: with the champion on the same rows; None without a champion, or a test in time.
        response: by which profit was judged, an offer's share of the order priced.
        notes: sentences on what the data could not show.
    """

    bundle: Bundle
    metrics: dict[str, float]
    snapshots: dict[date, dict[str, float]]
    params: dict[str, str | int | float]
    judged: pl.DataFrame
    deciles: pl.DataFrame
    curves: Mapping[str, tuple[float, ...]]
    importance: pl.DataFrame
    stability: pl.DataFrame
    trials: tuple[Trial, ...]
    comparison: Comparison | None
    response: Response
    notes: tuple[str, ...]

    @property
    def days(self) -> list[date]:
        """Which days the model that is kept has learned from."""
        return [date.fromisoformat(day) for day in self.bundle.about["days"]]


def train(
    training: pl.DataFrame,
    as_of: AsOf,
    recipe: Recipe,
    *,
    regrow: Regrow | None = None,
    journal: Path | None = None,
    champion: Bundle | None = None,
) -> Trained:
    """Train on a feature frame joined with its labels.

    Args:
        training: one row per day and customer: features, facts and labels of complete days, any order. The
            model that is kept learns from the newest `train.snapshots` of the days; those before them are
            there for the fits of the test days, which know less (`models.splits.days_to_build`).
        as_of: the decision; nothing after its day is known.
        recipe: all settings.
        regrow: grows the trees of p0 that are kept, on more rows than these; by default on these.
        journal: file of the search's trials, when the recipe asks for a search.
        champion: the model in use, to be compared with.

    Raises:
        DataRefused: when a column is missing, a day's outcome is not complete, or too few came back.
    """
    check(training, _SCHEMA, "the training frame")
    refuse_incomplete(training, as_of)
    fold = customer_fold("customer_id", recipe.train.folds, recipe.seed)
    rows = learnable(training).with_columns(fold)
    taught = newest_days(rows, recipe.train.snapshots)
    refuse_too_few(taught, recipe.train.min_positives)
    recipe = replace(recipe, response=priced(recipe.response, rows))
    days = test_days(rows, as_of, recipe.train)
    searched = _searched(rows, as_of, recipe, days, journal)
    recipe = replace(recipe, found=searched.xgb) if searched.trials else recipe
    tested, comparison = _tested(rows, as_of, recipe, days, champion)
    fitted = fit(taught, as_of, recipe, regrow)
    split = "cv" if tested is None else "test"
    judged = _cross_validated(taught, as_of, recipe, fitted) if tested is None else tested.rows
    snapshots = _by_day(judged, recipe, split)
    notes = (*_missing(recipe, searched, tested), *fitted.notes)
    bundle = fitted.bundle.with_drift(_drift(snapshots, split), notes)
    return Trained(
        bundle=bundle,
        metrics=_figures(judged, recipe, split) | coverage(judged, split) | _agreement(tested),
        snapshots=snapshots,
        params={**_found(searched), **_params(bundle, fitted, taught)},
        judged=judged,
        deciles=_deciles(judged),
        curves=fitted.churn.curves,
        importance=_importance(bundle.returning.churn),
        stability=pl.DataFrame(schema=STABILITY) if tested is None else tested.stability,
        trials=searched.trials,
        comparison=comparison,
        response=recipe.response,
        notes=notes,
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


def _searched(
    rows: pl.DataFrame, as_of: AsOf, recipe: Recipe, days: list[date], journal: Path | None
) -> Searched:
    """The parameters that served best; the configured ones where the recipe asks for no search."""
    if not recipe.search.trials or journal is None:
        return Searched(recipe.xgb, ())
    return search(rows, as_of, recipe, days, journal)


def _tested(
    rows: pl.DataFrame, as_of: AsOf, recipe: Recipe, days: list[date], champion: Bundle | None
) -> tuple[Judged | None, Comparison | None]:
    """What the recipe said of the test days, and how the champion does on them; None without such days."""
    if not days:
        return None, None
    judged = judge_recipe(rows, as_of, recipe, days)
    if champion is None:
        return judged, None
    beside, same_recipe = defended(judged, rows, as_of, recipe, champion)
    return beside, compared(beside.rows, recipe, same_recipe=same_recipe)


def _missing(recipe: Recipe, searched: Searched, tested: Judged | None) -> Iterator[str]:
    """A sentence for each thing that the history was too short for."""
    if recipe.search.trials and not searched.trials:
        yield _NO_SEARCH
    if tested is None:
        yield _NO_TEST


def _cross_validated(rows: pl.DataFrame, as_of: AsOf, recipe: Recipe, fitted: Fitted) -> pl.DataFrame:
    """The newest day, scored by fits that never saw the customer, beside the baselines that need no past."""
    p0 = fitted.churn.cross_calibrated()
    scored = rows.with_columns(p0=p0, churn_probability=1 - p0)
    newest = scored.filter(pl.col("as_of") == pl.col("as_of").max())
    return baselines.fitted(rows.clear(), newest, as_of.horizon_days, recipe.seed)


def _figures(judged: pl.DataFrame, recipe: Recipe, split: str) -> dict[str, float]:
    """All measures of judged rows; those at list size count the list against the customers of a day."""
    customers = len(judged) / judged["as_of"].n_unique()
    share = None if recipe.capacity is None else min(recipe.capacity / customers, 1.0)
    return evaluate(judged, recipe.response, split=split, seed=recipe.seed, list_share=share)


def _by_day(judged: pl.DataFrame, recipe: Recipe, split: str) -> dict[date, dict[str, float]]:
    apart = judged.partition_by("as_of", as_dict=True, maintain_order=True)
    return {day: _figures(some, recipe, split) for (day,), some in apart.items()}


def _agreement(tested: Judged | None) -> dict[str, float]:
    """How well the importances of the test days' fits agree, where there are several."""
    agreed = None if tested is None else agreement(tested.stability)
    return {} if agreed is None else {RANK_CORRELATION: agreed}


def _drift(snapshots: Mapping[date, Mapping[str, float]], split: str) -> float:
    """How far whole test days were off, root mean square of the log-odds."""
    names = ("observed", "predicted")
    both = [[one[f"{split}.mean_{name}"] for name in names] for one in snapshots.values()]
    # Half a person of either kind: a day without any return is far off, but not without end.
    half = [[0.5 / (one[f"{split}.customers"] + 1)] for one in snapshots.values()]
    observed, predicted = np.clip(both, half, 1 - np.array(half)).T
    return float(np.sqrt(np.mean((logit(predicted) - logit(observed)) ** 2)))


def _found(searched: Searched) -> dict[str, float | int]:
    """Parameters of the trees that a search has put in place of the configured ones."""
    names = searched.trials[0].params if searched.trials else ()
    return {f"xgb.{name}": getattr(searched.xgb, name) for name in names}


def _params(bundle: Bundle, fitted: Fitted, rows: pl.DataFrame) -> dict[str, str | int | float]:
    returning = bundle.returning
    rounds = {f"{name}.rounds": count for name, count in fitted.churn.rounds.items()}
    return {
        **rounds,
        "churn.features": len(bundle.contract.names),
        "calibration.shape": returning.calibration.kind(),
        **{f"weight.{name}": count for name, count in returning.weights.items()},
        **{f"weight_of_gone.{name}": count for name, count in returning.weights_of_gone.items()},
        "train.rows": len(rows),
        "train.days": rows["as_of"].n_unique(),
        "value.months_seen_if_returned": bundle.returned.months,
        "value.months_seen_if_not_returned": bundle.stayed.months,
        "value.extrapolated_share_if_returned": round(bundle.returned.extrapolated_share, 4),
        "value.extrapolated_share_if_not_returned": round(bundle.stayed.extrapolated_share, 4),
    }


def _deciles(judged: pl.DataFrame) -> pl.DataFrame:
    p0 = judged["p0"].to_numpy()
    return deciles(p0, judged["returned"].to_numpy(), judged["window_margin"].to_numpy(), p0)


def _importance(raw: bytes) -> pl.DataFrame:
    shares = importance(raw)
    frame = pl.DataFrame({"feature": list(shares), "gain_share": list(shares.values())})
    return frame.sort(["gain_share", "feature"], descending=[True, False])
