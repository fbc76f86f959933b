"""A person puts a model in use, or goes back to the one before; the night and later trainings follow."""

import math
from datetime import date
from pathlib import Path

import pytest
from registry_world import METRICS, copied, recorded
from workspace_world import shop

from features.errors import ConfigError
from flows import champion, horizon, inputs, runs, succession
from flows.promote import one_line, put_in_use
from flows.recipe import question, registered_model
from flows.rollback import go_back
from flows.settings import Settings
from flows.status import workspace_state
from models import tracking
from models.promotion import Comparison
from models.tracking import Champion, RegisteredModel

BETTER = Comparison(3, 0.01, 0.005, 0.015, ece=0.01, ece_champion=0.01).to_metrics()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Three trainings: the first is promoted, the second takes over, the third is no better."""
    settings = shop(tmp_path_factory.mktemp("made"))
    add(settings, 0, {}, {})
    add(settings, 1, BETTER, {tracking.AGAINST: "1"})
    add(settings, 2, Comparison(3, -0.1, -0.2, 0.0).to_metrics(), {tracking.AGAINST: "2"})
    return settings


@pytest.fixture
def settings(made: Settings, tmp_path: Path) -> Settings:
    own = shop(tmp_path)
    copied(inputs.store(made), inputs.store(own))
    return own


def add(settings: Settings, number: int, metrics: dict[str, float], tags: dict[str, str]) -> RegisteredModel:
    """A training that was recorded and put before the rule."""
    told = {"label.question": question(settings), "recipe.hash": f"recipe {number}", **tags}
    found = {name: value for name, value in metrics.items() if math.isfinite(value)}
    made = recorded(inputs.store(settings), number, metrics={**METRICS, **found}, tags=told)
    succession.consider.fn(settings, made)
    return made


def in_use(settings: Settings) -> Champion:
    found = tracking.champion(inputs.store(settings), inputs.workspace(settings).runs / "models")
    assert found is not None
    return found


def test_a_refused_model_is_put_in_use_and_the_change_is_told(settings: Settings):
    assert in_use(settings).version == "2"
    told = put_in_use.fn(settings, "3", "by eye")
    assert in_use(settings).version == "3"
    assert told["status"] == "promoted"
    assert told["run_ids"] == {"model_run": in_use(settings).run_id, "model_version": "3"}
    assert told["sentences"] == [
        "Model 3 is in use now, in place of model 2, until a later one beats it by the rule. Reason: by eye",
        "It was trained on everything up to 2011-06-15.",
    ]


def test_the_same_again_changes_nothing(settings: Settings):
    put_in_use.fn(settings, "3", "checked")
    before = in_use(settings)
    told = put_in_use.fn(settings, "3", "checked again")
    assert (told["status"], in_use(settings)) == ("unchanged", before)


def test_what_was_put_in_use_stays_until_a_challenger_beats_it_by_the_rule(settings: Settings):
    put_in_use.fn(settings, "1", "the newer one lists too many")
    equal = Comparison(0, same_recipe=True).to_metrics()
    add(settings, 3, equal, {tracking.AGAINST: "1"})
    assert in_use(settings).version == "1"
    add(settings, 4, BETTER, {tracking.AGAINST: "1"})
    assert in_use(settings).version == "5"


def test_a_repeated_training_does_not_undo_a_rollback(settings: Settings):
    go_back.fn(settings, "too many people")
    known = tracking.find_training(inputs.store(settings), "k1")
    assert known is not None
    verdict = succession.consider.fn(settings, known)
    assert not verdict.promote
    assert "A person took this model out of use" in verdict.reason
    assert in_use(settings).version == "1"


def test_going_back_is_told_and_ends_where_there_is_nothing_before(settings: Settings):
    told = go_back.fn(settings, "too many people")
    assert told["sentences"][0] == ("Model 1 is in use again, in place of model 2. Reason: too many people")
    assert in_use(settings).version == "1"
    with pytest.raises(ConfigError, match=r"No model decided before model 1.*winback promote VERSION"):
        go_back.fn(settings, "more")


def test_without_a_model_there_is_nothing_to_choose_from(tmp_path: Path):
    empty = shop(tmp_path)
    with pytest.raises(ConfigError, match="no model in use"):
        go_back.fn(empty, "why not")
    with pytest.raises(ConfigError, match="winback train"):
        put_in_use.fn(empty, "1", "why not")


def asking(settings: Settings, days: int) -> Settings:
    """The same shop, asked about another horizon."""
    return settings.model_copy(update={"churn": settings.churn.model_copy(update={"horizon_days": days})})


def test_a_model_for_another_question_is_not_put_in_use(settings: Settings):
    other = asking(settings, 45)
    with pytest.raises(ConfigError, match=r"no model 1 in winback-churn-45d, .* There is none yet"):
        put_in_use.fn(other, "1", "a try")
    with pytest.raises(ConfigError, match="no model in use"):
        go_back.fn(other, "a try")
    assert in_use(settings).version == "2"


def test_a_training_for_another_question_takes_the_place_of_no_model_but_its_own(settings: Settings):
    before, other = in_use(settings), asking(settings, 45)
    assert champion.champion_for.fn(other, other.as_of("2011-08-01")) is None
    worse = {"test.auroc": 0.77, "test.recency.auroc": 0.76}
    add(other, 5, worse, {})
    assert in_use(settings) == before
    assert in_use(other).tags["label.question"] == question(other)
    add(other, 6, Comparison(3, -0.1, -0.2, 0.0).to_metrics(), {tracking.AGAINST: "1"})
    assert (in_use(other).version, in_use(settings).version) == ("1", "2")
    shown = {one["model_version"]: one["state"] for one in runs.compared(settings, 9)["runs"]}
    assert shown["2"] == "promoted, champion"
    assert shown["winback-churn-45d/1"] == "promoted, champion"
    said = runs.compared(settings, 9)["sentences"]
    assert [one for one in said if "is in use" in one] == [said[0]]
    assert said[0].startswith("Model 2 is in use")
    both = runs.differences(settings, "1", "winback-churn-45d/1")["changes"]["identity"]["question"]
    assert both == (question(settings), question(other))


def test_what_is_asked_is_in_the_name_of_the_registered_model(settings: Settings):
    asked = settings.model_copy(
        update={
            "churn": settings.churn.model_copy(update={"gap_days": 7, "lookback_days": 730}),
            "value": settings.value.model_copy(update={"horizon_months": 24}),
        }
    )
    assert registered_model(settings) == "winback-churn-90d"
    assert registered_model(asked) == "winback-churn-90d-gap-7d-lookback-730d-value-24m"


@pytest.mark.parametrize("reason", ["", " \n ", "x" * 501])
def test_a_reason_says_something_and_not_everything(reason: str):
    with pytest.raises(ConfigError, match="--reason takes 1 to 500 characters"):
        one_line(reason)


def test_a_reason_is_kept_on_one_line():
    assert one_line(" too many\n people ") == "too many people"


def test_what_happened_once_is_not_shown_as_what_is(settings: Settings):
    go_back.fn(settings, "too many people")
    put_in_use.fn(settings, "2", "it was the feed, not the model")
    store = inputs.store(settings)
    states = [tracking.training(store, version).state for version in ("1", "2")]
    assert states == ["promoted, withdrawn", "promoted, champion, by hand"]


def test_where_the_data_chose_the_horizon_its_models_are_called_by_their_number(settings: Settings):
    chosen = horizon.Kept(horizon_days=90, chosen_as_of=date(2011, 6, 1))
    horizon.keep(settings.root, chosen)
    unset = settings.model_copy(update={"churn": settings.churn.model_copy(update={"horizon_days": None})})
    assert any(one.startswith("Model 2 is in use") for one in workspace_state(unset)["sentences"])
    assert [one["model_version"] for one in runs.compared(unset, 9)["runs"]] == ["3", "2", "1"]
    assert runs.differences(unset, "1", "2")["status"] == "done"
