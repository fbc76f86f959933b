"""A search ends with no worse parameters than it began with, goes on after a kill, and sees no test."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from training_world import AS_OF, training_frame

from models import search as searching
from models.fitting import Recipe
from models.lesson import learnable
from models.options import SearchOptions, TrainOptions, ValueOptions, XgbOptions
from models.search import Searched, search
from models.splits import customer_fold
from models.training import train

XGB = XgbOptions(rounds=12, early_stopping=5, learning_rate=0.2, min_child_weight=5)
TESTS = [date(2024, 5, 1)]


def recipe(trials: int) -> Recipe:
    return Recipe(XGB, TrainOptions(folds=2), ValueOptions(), 7, search=SearchOptions(trials=trials))


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return learnable(training_frame(people=300)).with_columns(customer_fold("customer_id", 2, 7))


def searched(rows: pl.DataFrame, trials: int, journal: Path) -> Searched:
    return search(rows, AS_OF, recipe(trials), TESTS, journal)


def test_a_search_begins_with_the_configured_parameters_and_ends_no_worse(rows: pl.DataFrame, tmp_path: Path):
    found = searched(rows, 12, tmp_path / "a.journal")
    assert len(found.trials) == 12
    assert found.trials[0].params["max_depth"] == XGB.max_depth
    losses = [one.loss for one in found.trials if one.loss is not None]
    best = min((one for one in found.trials if one.loss is not None), key=lambda one: one.loss or 0.0)
    assert found.trials[0].loss is not None
    assert min(losses) <= found.trials[0].loss
    assert found.xgb == XGB.model_copy(update=dict(best.params))


@pytest.mark.parametrize(
    "own", [{"max_depth": 9}, {"learning_rate": 0.5}, {"reg_lambda": 0}, {"min_child_weight": 0}]
)
def test_configured_parameters_beyond_the_usual_ranges_are_where_a_search_begins(
    rows: pl.DataFrame, tmp_path: Path, own: dict[str, float]
):
    start = replace(recipe(10), xgb=XGB.model_copy(update=own))
    found = search(rows, AS_OF, start, TESTS, tmp_path / "a.journal")
    assert {name: found.trials[0].params[name] for name in own} == own
    assert len(found.trials) == 10


def test_a_search_that_was_killed_ends_where_it_would_have_ended(
    rows: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    undisturbed = searched(rows, 10, tmp_path / "a.journal")
    real, calls = searching.forward_loss, 0

    def killed(*arguments: object) -> float:
        nonlocal calls
        calls += 1
        if calls == 8:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(searching, "forward_loss", killed)
    with pytest.raises(KeyboardInterrupt):
        searched(rows, 10, tmp_path / "b.journal")
    assert searched(rows, 10, tmp_path / "b.journal") == undisturbed


def test_what_happened_after_the_first_test_day_does_not_move_the_search(rows: pl.DataFrame, tmp_path: Path):
    unknown = pl.col("as_of") > date(2024, 3, 2)
    other = rows.with_columns(returned=pl.when(unknown).then(~pl.col("returned")).otherwise("returned"))
    assert searched(rows, 3, tmp_path / "a.journal") == searched(other, 3, tmp_path / "b.journal")


def test_a_training_with_trials_uses_what_the_search_found(tmp_path: Path):
    frame = training_frame(people=300, snapshots=10)
    trained = train(frame, AS_OF, recipe(4), journal=tmp_path / "a.journal")
    assert len(trained.trials) == 4
    best = min((one for one in trained.trials if one.loss is not None), key=lambda one: one.loss or 0.0)
    assert trained.bundle.about["xgb"]["max_depth"] == best.params["max_depth"]
    assert trained.params["xgb.max_depth"] == best.params["max_depth"]
    assert trained.bundle.about["recipe"] == recipe(4).digest(trained.bundle.contract)
    assert train(frame, AS_OF, recipe(0)).trials == ()


def test_a_history_too_short_for_a_search_is_told(tmp_path: Path):
    trained = train(training_frame(people=300), AS_OF, recipe(4), journal=tmp_path / "a.journal")
    assert trained.trials == ()
    assert any("too short for a search" in note for note in trained.notes)
