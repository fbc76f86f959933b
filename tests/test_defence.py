"""The champion is heard on the challenger's test days, but not on days whose outcome it has learned from."""

from dataclasses import replace
from datetime import date

import polars as pl
import pytest
from training_world import AS_OF, training_frame

from features.options import StageOptions
from models import matrix
from models.bundle import predict
from models.fitting import Recipe
from models.options import SearchOptions, TrainOptions, ValueOptions, XgbOptions
from models.training import Trained, train

XGB = XgbOptions(rounds=10, early_stopping=5, learning_rate=0.3, min_child_weight=5)
RECIPE = Recipe(XGB, TrainOptions(folds=2), ValueOptions(), seed=7)
EARLIER = AS_OF.at(date(2024, 4, 1))


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return training_frame(people=300, snapshots=9)


@pytest.fixture(scope="module")
def champion(frame: pl.DataFrame) -> Trained:
    """Trained three months before, on what was known then."""
    return train(frame.filter(pl.col("as_of") <= date(2024, 2, 1)), EARLIER, RECIPE)


def test_the_same_recipe_speaks_for_itself_on_days_it_cannot_have_learned_from(
    frame: pl.DataFrame, champion: Trained
):
    found = train(frame, AS_OF, RECIPE, champion=champion.bundle)
    spoken = found.judged.filter(pl.col("champion.score").is_not_null())
    asked = frame.join(spoken.select("as_of", "customer_id"), on=["as_of", "customer_id"], how="semi")
    assert spoken["as_of"].unique().sort().to_list() == [date(2024, 4, 1), date(2024, 5, 1)]
    assert spoken["champion.p0"].to_list() == predict(champion.bundle, asked)["p0"].to_list()
    assert found.comparison is not None
    assert (found.comparison.snapshots, found.comparison.same_recipe) == (2, True)
    assert found.comparison.low < found.comparison.difference < found.comparison.high
    assert "test.champion.auroc" in found.metrics


def test_a_champion_that_has_learned_from_all_test_days_leaves_nothing_to_compare(
    frame: pl.DataFrame, champion: Trained
):
    newer = replace(champion.bundle, about={**champion.bundle.about, "as_of": "2024-06-29"})
    found = train(frame, AS_OF, RECIPE, champion=newer)
    assert found.comparison is not None
    assert (found.comparison.snapshots, found.comparison.same_recipe) == (0, True)
    assert "test.champion.auroc" not in found.metrics


def test_another_recipe_is_fitted_again_on_the_same_days(frame: pl.DataFrame, champion: Trained):
    other = replace(RECIPE, xgb=XGB.model_copy(update={"max_depth": 2}))
    found, alone = train(frame, AS_OF, other, champion=champion.bundle), train(frame, AS_OF, RECIPE)
    assert found.comparison is not None
    assert (found.comparison.snapshots, found.comparison.same_recipe) == (3, False)
    assert found.judged["champion.p0"].to_list() == alone.judged["p0"].to_list()


def test_a_champion_without_a_feature_is_fitted_again_without_it(frame: pl.DataFrame):
    before = train(frame.drop("margin_365d"), AS_OF, RECIPE)
    found = train(frame, AS_OF, RECIPE, champion=before.bundle)
    assert found.comparison is not None
    assert not found.comparison.same_recipe
    assert found.judged["champion.p0"].to_list() == before.judged["p0"].to_list()


@pytest.mark.parametrize("depth", [XGB.max_depth, 2])
def test_other_code_cannot_be_fitted_again_and_its_stored_model_speaks(
    frame: pl.DataFrame, champion: Trained, depth: int
):
    old = replace(champion.bundle, about={**champion.bundle.about, "code": "an earlier version"})
    ours = replace(RECIPE, xgb=XGB.model_copy(update={"max_depth": depth}))
    found, same = (
        train(frame, AS_OF, ours, champion=old),
        train(frame, AS_OF, RECIPE, champion=champion.bundle),
    )
    assert found.comparison is not None
    assert (found.comparison.snapshots, found.comparison.same_recipe) == (2, False)
    assert found.judged["champion.p0"].equals(same.judged["champion.p0"])
    known_all = replace(old, about={**old.about, "as_of": "2024-06-29"})
    nothing = train(frame, AS_OF, ours, champion=known_all).comparison
    assert nothing is not None
    assert (nothing.snapshots, nothing.same_recipe) == (0, False)


def test_what_a_search_found_is_no_other_recipe_and_its_settings_are(frame: pl.DataFrame):
    past = frame.filter(pl.col("as_of") <= date(2024, 2, 1))
    asked = replace(RECIPE, search=SearchOptions(trials=5))
    before = train(past, EARLIER, replace(asked, found=XGB.model_copy(update={"max_depth": 2})))
    assert before.bundle.about["xgb"]["max_depth"] == 2
    same, other = (train(frame, AS_OF, one, champion=before.bundle).comparison for one in (asked, RECIPE))
    assert same is not None
    assert other is not None
    assert (same.same_recipe, other.same_recipe) == (True, False)


def test_what_changes_no_model_makes_no_other_recipe(champion: Trained):
    here = replace(
        RECIPE,
        xgb=XGB.model_copy(update={"threads": 1}),
        train=RECIPE.train.model_copy(update={"promote_tolerance": 0.1, "even_if_unfit": True}),
    )
    contract = champion.bundle.contract
    assert here.digest(contract) == champion.bundle.about["recipe"] == RECIPE.digest(contract)
    assert replace(RECIPE, stages=StageOptions(lapse_floor_days=20)).digest(contract) != here.digest(contract)


def test_features_that_only_older_days_would_bring_make_no_other_recipe(
    frame: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(matrix, "_SEASON_DAYS", 200)
    few = replace(RECIPE, train=TrainOptions(folds=2, snapshots=4, tests=1))
    before = train(frame.filter(pl.col("as_of") <= date(2024, 2, 1)), EARLIER, few)
    found = train(frame, AS_OF, few, champion=before.bundle)
    assert "season_sin" in matrix.FeatureContract.of(frame).names
    assert found.comparison is not None
    assert found.comparison.same_recipe


def _about(champion: Trained, **train: object) -> dict[str, object]:
    """What a champion with other settings of training says of itself."""
    about = champion.bundle.about
    return {**about, "train": {**about["train"], **train}, "recipe": "another"}


def test_a_feature_that_is_newer_than_the_champion_and_says_nothing_yet_stops_no_training(
    frame: pl.DataFrame, champion: Trained
):
    more = frame.with_columns(first_category=pl.lit(None, pl.String))
    found = train(more, AS_OF, RECIPE, champion=champion.bundle)
    assert found.comparison is not None
    assert (found.comparison.snapshots, found.comparison.same_recipe) == (2, True)


@pytest.mark.parametrize("kept", [{"min_positives": 5000}, {"gone_with_an_earlier_version": 5}])
def test_settings_of_the_champion_that_could_not_be_fitted_today_stop_no_training(
    frame: pl.DataFrame, champion: Trained, kept: dict[str, object]
):
    found = train(frame, AS_OF, RECIPE, champion=replace(champion.bundle, about=_about(champion, **kept)))
    assert found.comparison is not None
    assert (found.comparison.snapshots, found.comparison.difference) == (3, 0.0)
