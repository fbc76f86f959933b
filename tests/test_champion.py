"""The model in use answers the question that the config asks, or nothing is scored with it."""

import json
from pathlib import Path

import pytest

from features.errors import ConfigError, DataRefused
from flows import night, nightly, train
from flows.settings import Settings
from models.promotion import Verdict
from models.tracking import RegisteredModel
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
    tags = {**TAGS, "label.question": train._question(shop(tmp_path, 60))}
    metrics = {"test.auroc": 0.9, "test.recency.auroc": 0.8, "test.ece": 0.01}
    found = Champion("1", "run", tmp_path, metrics, tags)
    monkeypatch.setattr(train, "champion", lambda *_: found)
    monkeypatch.setattr(train, "promote", lambda *_: None)


@pytest.mark.usefixtures("sixty")
def test_a_model_for_another_horizon_does_not_score(tmp_path: Path) -> None:
    settings = shop(tmp_path, 30)
    with pytest.raises(ConfigError, match=r"within 60 days .* within 30 days .*winback train"):
        train.champion_for.fn(settings, settings.as_of("2024-07-31"))


@pytest.mark.usefixtures("sixty")
def test_models_of_different_questions_are_not_compared(tmp_path: Path) -> None:
    def considered(days: int) -> Verdict:
        worse = {"test.auroc": 0.85, "test.recency.auroc": 0.8, "test.ece": 0.01}
        return train.consider.fn(shop(tmp_path, days), RegisteredModel("run2", "2", worse, TAGS))

    assert not considered(60).promote
    assert considered(30).promote


@pytest.mark.usefixtures("sixty")
def test_a_night_before_the_model_was_made_is_refused_before_features_are_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[object] = []
    monkeypatch.setattr(nightly, "champion_for", train.champion_for.fn)
    for module, name in ((nightly, "take_in"), (nightly, "tidy"), (night, "check_feeds")):
        monkeypatch.setattr(module, name, lambda *_: None)
    monkeypatch.setattr(night, "build_features", lambda *given: built.append(given))
    config = tmp_path / "winback.yaml"
    config.write_text(json.dumps(shop(tmp_path, 60).resolved()))
    with pytest.raises(DataRefused, match=r"up to 2024-06-30, which lies after 2024-06-29"):
        nightly.nightly.fn(str(config), "2024-06-29")
    assert built == []
