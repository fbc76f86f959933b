"""The model in use answers the question that the config asks, or nothing is scored with it."""

import json
import math
from pathlib import Path

import pytest

from features.errors import ConfigError, DataRefused
from flows import champion as using
from flows import nightly, succession, train
from flows.recipe import question
from flows.settings import Settings
from flows.survey import Settled
from models.promotion import Comparison, Verdict
from models.tracking import AGAINST, OVERRIDE, WITHDRAWN, RegisteredModel
from models.tracking.registry import Champion

COLUMNS = {"customer_id": "who", "ordered_at": "when", "net_amount": "paid"}
TAGS = {"data.as_of": "2024-06-30", "data.tested_on": "2024-03-31", "recipe.hash": "r"}


def shop(root: Path, days: int) -> Settings:
    return Settings.model_validate(
        {
            "workspace": str(root),
            "sources": {"transactions": {"path": "orders.csv", "columns": COLUMNS}},
            "consent": {"basis": "assumed"},
            "churn": {"horizon_days": days},
        }
    )


@pytest.fixture
def sixty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A champion for 60 days, and nothing that is really promoted."""
    tags = {**TAGS, "label.question": question(shop(tmp_path, 60))}
    metrics = {"test.auroc": 0.9, "test.recency.auroc": 0.8, "test.ece": 0.01}
    found = Champion("1", "run", tmp_path, metrics, tags)
    for module in (using, succession):
        monkeypatch.setattr(module, "champion", lambda *_: found)
    monkeypatch.setattr(succession, "promote", lambda *_: None)


@pytest.mark.usefixtures("sixty")
def test_a_model_for_another_horizon_does_not_score(tmp_path: Path) -> None:
    settings = shop(tmp_path, 30)
    with pytest.raises(ConfigError, match=r"within 60 days .* within 30 days .*winback train"):
        using.champion_for.fn(settings, settings.as_of("2024-07-31"))


@pytest.mark.usefixtures("sixty")
def test_models_of_different_questions_are_not_compared(tmp_path: Path) -> None:
    def considered(days: int) -> Verdict:
        worse = {"test.auroc": 0.85, "test.recency.auroc": 0.8, "test.ece": 0.01}
        return succession.consider.fn(shop(tmp_path, days), RegisteredModel("run2", "2", worse, TAGS))

    assert considered(60).reason.startswith("Worse than the champion")
    another = considered(30)
    assert not another.promote
    assert "which is another question" in another.reason
    assert "winback promote 2" in another.reason


@pytest.mark.usefixtures("sixty")
def test_a_champion_that_this_version_cannot_read_gives_way(tmp_path: Path) -> None:
    settings = shop(tmp_path, 60)
    assert using.rival(settings) is not None
    assert not considered(tmp_path, {}, {}).promote
    (tmp_path / "bundle.json").write_text('{"schema": 1}')
    assert using.rival(settings) is None
    assert considered(tmp_path, {}, {}).promote


CLEARLY_BETTER = Comparison(3, 0.01, 0.005, 0.015, ece=0.01, ece_champion=0.01).to_metrics()
WORSE_ALONE = {"test.auroc": 0.85, "test.recency.auroc": 0.8, "test.ece": 0.01}


def considered(root: Path, metrics: dict[str, float], tags: dict[str, str]) -> Verdict:
    made = RegisteredModel("run2", "2", {**WORSE_ALONE, **metrics}, {**TAGS, **tags})
    return succession.consider.fn(shop(root, 60), made)


@pytest.mark.usefixtures("sixty")
def test_a_verdict_is_repeated_from_the_comparison_that_was_recorded(tmp_path: Path) -> None:
    assert not considered(tmp_path, {}, {}).promote
    assert considered(tmp_path, CLEARLY_BETTER, {AGAINST: "1"}).promote
    worse = Comparison(3, -0.1, -0.2, -0.05, ece=0.01, ece_champion=0.01).to_metrics()
    assert "-0.1000 [-0.2000, -0.0500]" in considered(tmp_path, worse, {AGAINST: "1"}).reason


@pytest.mark.usefixtures("sixty")
def test_a_comparison_with_another_champion_promotes_nobody(tmp_path: Path) -> None:
    verdict = considered(tmp_path, CLEARLY_BETTER, {AGAINST: "7"})
    assert not verdict.promote
    assert "compared with model 7, but model 1 is in use since" in verdict.reason
    assert "winback train --force" in verdict.reason


@pytest.mark.usefixtures("sixty")
def test_a_model_that_a_person_took_out_of_use_does_not_come_back_by_itself(tmp_path: Path) -> None:
    verdict = considered(tmp_path, CLEARLY_BETTER, {AGAINST: "1", WITHDRAWN: "replaced by 1: bad lists"})
    expected = "A person took this model out of use: replaced by 1: bad lists"
    assert verdict == Verdict(promote=False, reason=expected)


def test_newer_data_alone_does_not_replace_what_a_person_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = {k: v for k, v in Comparison(0, same_recipe=True).to_metrics().items() if math.isfinite(v)}
    for tags, promoted in (({}, True), ({OVERRIDE: "promoted by hand"}, False)):
        found = Champion("1", "run", tmp_path, WORSE_ALONE, {**TAGS, **tags})
        monkeypatch.setattr(succession, "champion", lambda *_, found=found: found)
        monkeypatch.setattr(succession, "promote", lambda *_: None)
        assert considered(tmp_path, nothing, {AGAINST: "1"}).promote is promoted


@pytest.mark.usefixtures("sixty")
def test_a_night_before_the_model_was_made_is_refused_before_features_are_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[object] = []
    monkeypatch.setattr(nightly, "champion_for", using.champion_for.fn)
    for module, name in ((nightly, "take_in"), (nightly, "tidy"), (nightly, "check_feeds")):
        monkeypatch.setattr(module, name, lambda *_: None)
    monkeypatch.setattr(nightly, "build_features", lambda *given: built.append(given))
    config = tmp_path / "winback.yaml"
    config.write_text(json.dumps(shop(tmp_path, 60).resolved()))
    with pytest.raises(DataRefused, match=r"up to 2024-06-30, which lies after 2024-06-29"):
        nightly.nightly.fn(str(config), "2024-06-29")
    assert built == []


def test_a_night_whose_first_model_is_refused_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Verdict(promote=False, reason="First model: worse than ranking by recency (AUROC 0.5).")
    found = {"learned": None, "consider": refused, "champion_for": None}
    for name, answer in found.items():
        monkeypatch.setattr(train, name, lambda *_, answer=answer: answer)
    settings = shop(tmp_path, 60)
    with pytest.raises(DataRefused) as told:
        train.first_model(Settled(settings, settings.as_of("2024-06-30"), []))
    assert str(told.value) == (
        "There is no model to score with: the one that was trained was refused. First model: worse than "
        "ranking by recency (AUROC 0.5). Look at its run in MLflow; a longer history or another "
        "churn.horizon_days may help."
    )
