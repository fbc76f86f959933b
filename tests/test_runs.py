"""What a data scientist reads with `winback runs` and `winback runs diff`."""

import json
from pathlib import Path

import pytest
from registry_world import copied, recorded

from features.errors import ConfigError
from flows import cli, inputs, runs
from flows.settings import Settings, load
from models import tracking
from models.promotion import Verdict
from models.tracking.store import Store, connected

CONFIG = """
workspace: {workspace}
sources:
  transactions:
    path: orders.csv
    columns: {{customer_id: who, ordered_at: at, net_amount: paid}}
churn: {{horizon_days: 90}}
consent: {{basis: assumed}}
"""
FIRST = {
    "test.auroc": 0.81,
    "test.auroc_low": 0.80,
    "test.auroc_high": 0.82,
    "test.recency.auroc": 0.77,
    "test.mbg_nbd.auroc": 0.79,
    "test.lapsed.auroc": 0.70,
    "test.lapsed.ece": 0.02,
    "test.ece": 0.0123,
    "test.profit_at_10pct": -1.5,
    "test.value_at_10pct": 0.31,
}
SECOND = {**FIRST, "test.auroc": 0.82, "test.auroc_low": 0.81, "test.auroc_high": 0.83}
PARAMS = {"train.rows": 123456, "train.days": 12, "xgb.max_depth": 4}


def written(folder: Path) -> str:
    path = folder / "winback.yaml"
    path.write_text(CONFIG.format(workspace=folder / "workspace"))
    return str(path)


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = inputs.store(load(written(tmp_path_factory.mktemp("blank")), ()))
    with connected(store):
        return store


@pytest.fixture(scope="module")
def config(blank: Store, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two trainings with models, one that failed, and a run nested in the second."""
    path = written(tmp_path_factory.mktemp("shop"))
    store = copied(blank, inputs.store(load(path, ())))
    first = recorded(store, 0, metrics=FIRST, params=PARAMS, features=("orders", "recency"))
    second = recorded(
        store,
        1,
        metrics=SECOND,
        params={**PARAMS, "train.days": 13, "churn.rounds": 80},
        features=("orders", "usual_gap_days"),
        tags={"data.lake_version": "a1b2", "code.commit": "c0de", "recipe.hash": "f00d"},
    )
    recorded(store, 2, metrics={}, registered=False)
    recorded(store, 9, parent=second.run_id)
    tracking.promote(store, first.version, Verdict(promote=True, reason="First model: fine."))
    tracking.promote(store, second.version, Verdict(promote=False, reason="Worse than the champion."))
    return path


@pytest.fixture(scope="module")
def settings(config: str) -> Settings:
    return load(config, ())


def test_trainings_stand_side_by_side_newest_first_without_nested_runs(settings: Settings):
    shown = runs.compared(settings, 10)["runs"]
    assert [(one["as_of"], one["model_version"], one["state"]) for one in shown] == [
        ("2011-06-15", None, "failed"),
        ("2011-06-08", "2", "refused, challenger"),
        ("2011-06-01", "1", "promoted, champion"),
    ]
    assert {**shown[2], "run_id": ""} == {
        "as_of": "2011-06-01",
        "model_version": "1",
        "run_id": "",
        "state": "promoted, champion",
        "recipe": "beef",
        "split": "test",
        "auroc": 0.81,
        "auroc_low": 0.80,
        "auroc_high": 0.82,
        "ece": 0.0123,
        "profit_at_10pct": -1.5,
        "value_at_10pct": 0.31,
        "best_baseline": "mbg_nbd",
        "best_baseline_auroc": 0.79,
        "rows": 123456,
        "snapshots": 12,
    }
    assert [one["as_of"] for one in runs.compared(settings, 1)["runs"]] == ["2011-06-15"]


def test_people_read_figures_with_their_intervals(settings: Settings):
    (rows,) = runs.compared(settings, 10)["tables"].values()
    assert rows[2] == {
        "as_of": "2011-06-01",
        "model": "1",
        "state": "promoted, champion",
        "recipe": "beef",
        "AUROC": "0.8100 [0.8000, 0.8200]",
        "best baseline": "mbg_nbd 0.7900",
        "ECE": "0.0123",
        "profit @10 %": "-1.5000",
        "value @10 %": "0.3100",
        "learned from": "123,456 rows, 12 days",
    }
    assert rows[0]["AUROC"] == rows[0]["best baseline"] == ""


def test_figures_of_a_history_too_short_for_a_test_are_marked(blank: Store, tmp_path: Path):
    settings = load(written(tmp_path), ())
    recorded(
        copied(blank, inputs.store(settings)),
        0,
        metrics={"cv.auroc": 0.7, "cv.recency.auroc": 0.6, "cv.ece": 0.1},
    )
    found = runs.compared(settings, 10)
    (row,) = found["tables"]["trainings, newest first"]
    assert (row["AUROC"], row["best baseline"], row["ECE"]) == ("0.7000 cv", "recency 0.6000", "0.1000")
    assert (row["state"], row["learned from"]) == ("not judged", "")
    assert found["sentences"] == []


def test_what_changed_between_two_trainings(settings: Settings):
    found = runs.differences(settings, "1", "2")["changes"]
    assert found["data"] == {
        "as_of": ("2011-06-01", "2011-06-08"),
        "lake_version": (None, "a1b2"),
        "snapshots": ("12", "13"),
    }
    assert found["identity"] == {"code": (None, "c0de"), "recipe": ("beef", "f00d")}
    assert found["params"] == {"train.days": ("12", "13"), "churn.rounds": (None, "80")}
    assert (found["added"], found["removed"]) == (("usual_gap_days",), ("recency",))
    assert found["metrics"]["test.auroc"] == (0.81, 0.82)
    assert found["metrics"]["test.ece"] == (0.0123, 0.0123)


def test_people_read_metrics_side_by_side(settings: Settings):
    rows = {one[""]: one for one in runs.differences(settings, "1", "2")["tables"]["metrics"]}
    assert rows["test.auroc"] == {
        "": "test.auroc",
        "model 1": "0.8100 [0.8000, 0.8200]",
        "model 2": "0.8200 [0.8100, 0.8300]",
        "difference": "+0.0100",
    }
    assert "test.lapsed.auroc" in rows
    assert "test.lapsed.ece" not in rows
    whole = runs.differences(settings, "1", "2", whole=True)
    assert "test.lapsed.ece" in {one[""] for one in whole["tables"]["metrics"]}
    assert not [one for one in whole["sentences"] if "--all" in one]


def test_a_run_is_found_by_the_beginning_of_its_id(settings: Settings):
    failed, second, _ = (one["run_id"] for one in runs.compared(settings, 10)["runs"])
    found = runs.differences(settings, "2", failed[:12])
    assert (found["a"]["run_id"], found["b"]["run_id"]) == (second, failed)
    assert found["changes"]["metrics"]["test.auroc"] == (0.82, None)


def test_a_contract_that_was_not_kept_is_no_change(blank: Store, tmp_path: Path):
    own = load(written(tmp_path), ())
    store = copied(blank, inputs.store(own))
    recorded(store, 0, features=None)
    recorded(store, 1)
    found = runs.differences(own, "1", "2")
    assert (found["changes"]["added"], found["changes"]["removed"]) == (None, None)
    assert "Features: not kept by one of the two." in found["sentences"]


@pytest.mark.parametrize("name", ["7", "9" * 30, "ffffffffffff", "x' OR 1=1 --", "", "ab", "model 1"])
def test_a_training_that_is_none_is_told_with_those_there_are(settings: Settings, name: str):
    with pytest.raises(ConfigError, match=r"There is no training .*model 2 \(.*model 1 \("):
        runs.differences(settings, "1", name)


def test_a_nested_run_is_no_training(settings: Settings):
    with connected(inputs.store(settings)) as client:
        ids = [one.experiment_id for one in client.search_experiments()]
        (nested,) = client.search_runs(ids, "tags.`mlflow.parentRunId` LIKE '%'")
    with pytest.raises(ConfigError, match="There is no training"):
        runs.differences(settings, "1", nested.info.run_id)


def test_a_training_is_not_compared_with_itself(settings: Settings):
    with pytest.raises(ConfigError, match="the same training"):
        runs.differences(settings, "1", "1")


def test_the_commands_answer_people_and_programs(config: str, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["runs", "-c", config]) == 0
    out = capsys.readouterr().out
    assert "0.8100 [0.8000, 0.8200]" in out
    assert "Model 1 is in use. First model: fine." in out
    assert "What changed last: winback runs diff 1 2" in out
    assert cli.main(["runs", "--last", "2", "-c", config, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [one["model_version"] for one in answer["runs"]] == [None, "2"]
    assert "tables" not in answer
    assert cli.main(["runs", "diff", "1", "2", "-c", config]) == 0
    out = capsys.readouterr().out
    for words in ("usual_gap_days", "churn.rounds", "+0.0100", "a1b2"):
        assert words in out
    assert "xgb.max_depth" not in out
    assert cli.main(["runs", "diff", "1", "2", "-c", config, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["changes"]["added"] == ["usual_gap_days"]


def test_an_empty_workspace_is_told_and_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = written(tmp_path)
    assert cli.main(["runs", "-c", path]) == 0
    assert "Train a model: winback train." in capsys.readouterr().out
    assert cli.main(["runs", "diff", "1", "2", "-c", path]) == 2
    assert cli.main(["runs", "--last", "0", "-c", path]) == 2
    assert not (tmp_path / "workspace").exists()
