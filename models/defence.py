"""What would the champion have said of the test days? The challenger is judged beside it, on the same rows.

A recipe is settings, features and code. Other settings or features are fitted again on the same rolling
origins, so that two recipes are compared and not two ages. The same recipe could only come out the same, and
other code is not there any more to be run: then the stored model speaks for itself, on those test days that
lie on or after the last day it knew. Without one nothing tells the two apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

import polars as pl

from features.asof import AsOf
from features.options import Options
from models.bundle import Bundle, predict
from models.challenge import CHAMPION, GROUPS, MEASURES, challenge
from models.comparison import compare
from models.fitting import Recipe
from models.lesson import newest_days
from models.matrix import FeatureContract, is_feature
from models.options import TrainOptions, ValueOptions, XgbOptions
from models.promotion import Comparison
from models.rolling import Judged, judge_recipe
from models.scoring import other_scorings
from models.source_code import code_digest

_Kind = TypeVar("_Kind", bound=Options)
_SAID = {f"{CHAMPION}.score": "p0", f"{CHAMPION}.p0": "p0", f"{CHAMPION}.value": "expected_margin"}
_KEYS = ["as_of", "customer_id"]


def defended(
    judged: Judged, rows: pl.DataFrame, as_of: AsOf, recipe: Recipe, champion: Bundle
) -> tuple[Judged, bool]:
    """The judged rows with the champion's opinion beside: `champion.score`, `.p0`, `.value`; null for none.

    Args:
        judged: the challenger's test days.
        rows: learnable rows with their `fold`.
        as_of: the windows.
        recipe: the challenger's.
        champion: the model in use.

    Returns:
        The rows, and whether both are of the same recipe.
    """
    contract = FeatureContract.of(newest_days(rows, recipe.train.snapshots))  # of the model that is kept
    same_code = champion.about.get("code") == code_digest()
    alike = champion.about.get("recipe") == recipe.digest(contract)
    days = judged.rows["as_of"].unique().sort().to_list()
    if same_code and not alike:
        said = _refitted(rows, as_of, days, recipe, champion)
    else:
        said = _stored(rows, days, champion)
    beside = judged.rows.join(said, on=_KEYS, how="left", validate="1:1", maintain_order="left")
    return replace(judged, rows=beside), same_code and alike


def compared(judged: pl.DataFrame, recipe: Recipe, *, same_recipe: bool) -> Comparison:
    """What the rule of promotion reads of `defended` rows."""
    spoken = judged.filter(pl.col(f"{CHAMPION}.score").is_not_null())
    if spoken.is_empty():
        return Comparison(0, same_recipe=same_recipe)
    theirs = {CHAMPION: other_scorings(spoken)[CHAMPION]}
    found = compare(spoken, theirs, recipe.response, groups=GROUPS, measures=MEASURES, seed=recipe.seed)
    return challenge(found, same_recipe=same_recipe)


def _stored(rows: pl.DataFrame, days: Sequence[date], champion: Bundle) -> pl.DataFrame:
    """What the stored model says of the days that it cannot have learned from."""
    knew = date.fromisoformat(champion.about["as_of"])
    asked = pl.col("as_of").is_in([day for day in days if day >= knew])
    return _said(predict(champion, rows.filter(asked)))


def _refitted(
    rows: pl.DataFrame, as_of: AsOf, days: Sequence[date], recipe: Recipe, champion: Bundle
) -> pl.DataFrame:
    """What the champion's recipe says of the test days, fitted on what was known by each."""
    known = (*champion.contract.names, *champion.contract.ignored)
    theirs = rows.select(name for name in rows.columns if not is_feature(name) or name in known)
    return _said(judge_recipe(theirs, as_of, _recipe_of(champion.about, recipe), days).rows)


def _recipe_of(about: Mapping[str, Any], ours: Recipe) -> Recipe:
    """The champion's settings, but for what says on how little may be learned: the test days are ours."""
    train = _options(TrainOptions, about["train"])
    return replace(
        ours,
        found=None,
        xgb=_options(XgbOptions, about["xgb"]),
        train=train.model_copy(update={"min_positives": ours.train.min_positives}),
        value=_options(ValueOptions, about["value"]),
        seed=about["seed"],
    )


def _options(kind: type[_Kind], kept: Mapping[str, Any]) -> _Kind:
    """Settings that an earlier version kept; those that there are no longer change nothing."""
    return kind.model_validate({name: kept[name] for name in kind.model_fields if name in kept})


def _said(scored: pl.DataFrame) -> pl.DataFrame:
    return scored.select(*_KEYS, **{name: pl.col(column) for name, column in _SAID.items()})
