"""What is fitted on a set of past days: p0 of everyone, and what a return and no return are worth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from features.asof import AsOf
from models.bundle import Bundle
from models.churn import ChurnFit, Regrow, fit_churn
from models.evaluate import Response
from models.matrix import FeatureContract
from models.options import SearchOptions, TrainOptions, ValueOptions, XgbOptions
from models.timing import fit_timing
from models.value import fit_worth
from models.window import WindowMargin, fit_window
from models.won import fit_won, won_notes


@dataclass(frozen=True, slots=True)
class Recipe:
    """All settings of a training.

    Attributes:
        xgb: of the trees.
        train: days, folds, tests.
        value: months and discount.
        seed: of all draws.
        response: assumed when rankings are judged by profit.
        search: of the trees' parameters.
        capacity: most people on a list, for figures at that size; None has no such size.
    """

    xgb: XgbOptions
    train: TrainOptions
    value: ValueOptions
    seed: int
    response: Response = field(default_factory=Response)
    search: SearchOptions = field(default_factory=SearchOptions)
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model, how its trees came about, and sentences on what the data could not show."""

    bundle: Bundle
    churn: ChurnFit
    notes: tuple[str, ...]


def fit(rows: pl.DataFrame, as_of: AsOf, recipe: Recipe, regrow: Regrow | None = None) -> Fitted:
    """Fit everything on learnable rows with their `fold`.

    Args:
        rows: of complete days, see `models.churn.learnable`.
        as_of: the decision; nothing after its day is known.
        recipe: all settings.
        regrow: grows the trees of p0 that are kept, on more rows than these; by default on these.

    Raises:
        DataRefused: when too few customers came back, or too few stayed away, to learn from.
    """
    contract = FeatureContract.of(rows)
    churn = fit_p0(rows, contract, as_of, recipe, regrow)
    window, window_notes = fit_expected(rows, contract, recipe, churn)
    won, left, worth_notes = fit_worth(
        rows, contract, as_of, window=window, xgb=recipe.xgb, value=recipe.value, seed=recipe.seed
    )
    timing = fit_timing(rows, contract, as_of, recipe.xgb, recipe.seed)
    follows = fit_won(rows, as_of.horizon_days)
    notes = (*window_notes, *worth_notes, *won_notes(follows, rows))
    about = _about(rows, as_of, recipe, notes)
    bundle = Bundle(contract, churn.model, window, won, left, follows, timing, about)
    return Fitted(bundle, churn, notes)


def fit_p0(
    rows: pl.DataFrame, contract: FeatureContract, as_of: AsOf, recipe: Recipe, regrow: Regrow | None = None
) -> ChurnFit:
    """P(net purchase in the outcome window), not contacted."""
    return fit_churn(
        rows, contract, as_of, xgb=recipe.xgb, options=recipe.train, seed=recipe.seed, regrow=regrow
    )


def fit_expected(
    rows: pl.DataFrame, contract: FeatureContract, recipe: Recipe, churn: ChurnFit
) -> tuple[WindowMargin, list[str]]:
    """Margin inside the outcome window, beside the p0 that was fitted on the same rows, with notes."""
    return fit_window(rows, contract, recipe.xgb, recipe.seed, churn.out_of_fold)


def _about(rows: pl.DataFrame, as_of: AsOf, recipe: Recipe, notes: tuple[str, ...]) -> Mapping[str, Any]:
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
        "notes": list(notes),
    }
