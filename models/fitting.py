"""What is fitted on a set of past days: p0 of everyone, and what a return and no return are worth."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from features.asof import AsOf
from features.digests import short_digest
from features.options import StageOptions
from models.bundle import Bundle
from models.churn import ChurnFit, Regrow, fit_churn
from models.matrix import FeatureContract
from models.metrics import Response
from models.options import SearchOptions, TrainOptions, ValueOptions, XgbOptions
from models.source_code import code_digest
from models.timing import fit_timing
from models.value import fit_worth
from models.window import WindowMargin, fit_window
from models.won import fit_won, won_notes

_LEARNED_WITH = ("xgb", "train", "search", "value", "stages")
_WITHOUT_EFFECT = (("xgb", "threads"), ("train", "even_if_unfit"), ("train", "promote_tolerance"))


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
        stages: where the lines between stages lay when features were made.
        found: parameters of the trees that a search has put in place of `xgb`.
    """

    xgb: XgbOptions
    train: TrainOptions
    value: ValueOptions
    seed: int
    response: Response = field(default_factory=Response)
    search: SearchOptions = field(default_factory=SearchOptions)
    capacity: int | None = None
    stages: StageOptions = field(default_factory=StageOptions)
    found: XgbOptions | None = None

    @property
    def trees(self) -> XgbOptions:
        """Parameters that trees are grown with."""
        return self.found or self.xgb

    def digest(self, contract: FeatureContract) -> str:
        """12 hex digits of what is learned with: features and settings.

        Of a search its settings count and not what it found, which differs with the data. What changes no
        model is left out, and the code, of which `models.source_code` has a digest of its own.
        """
        parts = {name: getattr(self, name).model_dump(mode="json") for name in _LEARNED_WITH}
        for name, setting in _WITHOUT_EFFECT:
            del parts[name][setting]
        content = json.dumps([parts, sorted(contract.names)], sort_keys=True)
        return short_digest(content)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model, how its trees came about, and sentences on what the data could not show."""

    bundle: Bundle
    churn: ChurnFit
    notes: tuple[str, ...]


def fit(rows: pl.DataFrame, as_of: AsOf, recipe: Recipe, regrow: Regrow | None = None) -> Fitted:
    """Fit everything on learnable rows with their `fold`.

    Args:
        rows: of complete days, see `models.lesson.learnable`.
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
        rows, contract, as_of, window=window, xgb=recipe.trees, value=recipe.value, seed=recipe.seed
    )
    timing = fit_timing(rows, contract, as_of, recipe.trees, recipe.seed)
    follows = fit_won(rows, as_of.horizon_days)
    notes = (*window_notes, *worth_notes, *won_notes(follows, rows))
    about = {**_about(rows, as_of, recipe, notes), "recipe": recipe.digest(contract), "code": code_digest()}
    bundle = Bundle(contract, churn.model, window, won, left, follows, timing, about)
    return Fitted(bundle, churn, notes)


def fit_p0(
    rows: pl.DataFrame, contract: FeatureContract, as_of: AsOf, recipe: Recipe, regrow: Regrow | None = None
) -> ChurnFit:
    """P(net purchase in the outcome window), not contacted."""
    return fit_churn(
        rows, contract, as_of, xgb=recipe.trees, options=recipe.train, seed=recipe.seed, regrow=regrow
    )


def fit_expected(
    rows: pl.DataFrame, contract: FeatureContract, recipe: Recipe, churn: ChurnFit
) -> tuple[WindowMargin, list[str]]:
    """Margin inside the outcome window, beside the p0 that was fitted on the same rows, with notes."""
    return fit_window(rows, contract, recipe.trees, recipe.seed, churn.out_of_fold)


def _about(rows: pl.DataFrame, as_of: AsOf, recipe: Recipe, notes: tuple[str, ...]) -> Mapping[str, Any]:
    return {
        "as_of": str(as_of.day),
        "horizon_days": as_of.horizon_days,
        "gap_days": as_of.gap_days,
        "lookback_days": as_of.lookback_days,
        "days": [str(day) for day in rows["as_of"].unique().sort()],
        "rows": len(rows),
        "seed": recipe.seed,
        "xgb": recipe.trees.model_dump(mode="json"),
        "train": recipe.train.model_dump(mode="json"),
        "value": recipe.value.model_dump(mode="json"),
        "notes": list(notes),
    }
