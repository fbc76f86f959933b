"""What a training leaves in MLflow, and how the champion changes: a real SQLite store."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tracking_world import DOCS, MARK, record_of, trained

from features.errors import WinbackError
from models import tracking
from models.options import MlflowOptions
from models.promotion import Verdict
from models.tracking.store import Store, connected

YES = Verdict(promote=True, reason="First model: not worse than ranking by recency.")
NO = Verdict(promote=False, reason="Worse than the champion.")


@pytest.fixture(scope="session")
def record(tmp_path_factory):
    return record_of(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="session")
def recorded(record, tmp_path_factory):
    """A store with one training. Tests that change it make their own version of the model in it."""
    workspace = tmp_path_factory.mktemp("work space")
    store = tracking.store_of(MlflowOptions(), workspace)
    return store, tracking.record_training(store, record)


def bundle_files():
    return sorted(trained().bundle.files())


def artifacts(client, run_id, folder=""):
    found = []
    for one in client.list_artifacts(run_id, folder):
        found += artifacts(client, run_id, one.path) if one.is_dir else [one.path]
    return sorted(found)


def test_the_store_is_the_workspace_unless_one_is_configured(tmp_path):
    assert tracking.store_of(MlflowOptions(), tmp_path) == Store(
        f"sqlite:///{tmp_path}/mlflow.db", f"{tmp_path.as_uri()}/mlartifacts"
    )
    elsewhere = MlflowOptions(tracking_uri="http://user:word@tracking:5000")
    assert tracking.store_of(elsewhere, tmp_path) == Store("http://user:word@tracking:5000", None)
    assert tracking.store_of(elsewhere, tmp_path).label == "http://***@tracking:5000"


def test_an_empty_workspace_has_no_champion_and_no_database(tmp_path):
    store = tracking.store_of(MlflowOptions(), tmp_path)
    assert tracking.champion(store, tmp_path / "cache") is None
    assert tracking.find_training(store, "k1") is None
    assert list(tmp_path.iterdir()) == []


def test_a_run_holds_everything_under_its_agreed_name(recorded, record):
    store, made = recorded
    with connected(store) as client:
        run = client.get_run(made.run_id)
        experiment = client.get_experiment(run.info.experiment_id)
        files = artifacts(client, made.run_id)
        config = client.download_artifacts(made.run_id, "config/config.yaml")
        version = client.get_model_version(tracking.MODEL, made.version)
    assert (experiment.name, run.info.run_name, run.info.status) == ("churn-60d", "2024-06-30", "FINISHED")
    assert run.data.params == {"xgb.max_depth": "3", "label.horizon_days": "60"}
    finite = {k: v for k, v in record.metrics.items() if v is not None and math.isfinite(v)}
    last = {"churn.log_loss": record.curves["churn.log_loss"][-1], "reactivation.log_loss": 0.4}
    assert run.data.metrics == finite | last
    assert files == sorted(
        ["config/config.yaml", *record.files, *(f"bundle/{name}" for name in bundle_files())]
    )
    assert Path(config).read_text() == "timezone: UTC\nmlflow:\n  tracking_uri: null\n"
    identity = {
        "data.as_of": "2024-06-30",
        "data.lake_version": "ab12cd34",
        "data.feature_digest": "f00d",
        "config.hash": "c0ffee",
        "recipe.hash": "beef",
        "training.key": "k1",
        "code.commit": tracking.code_commit(),
        "quality.data_docs": DOCS,
    }
    assert identity.items() <= run.data.tags.items()
    assert identity.items() <= version.tags.items()
    assert run.data.tags["run.kind"] == "training"
    assert run.data.tags["metrics.not_defined"] == "test.lost.auroc, test.x"


def test_the_data_set_of_a_run_says_which_lake_it_was_read_from(recorded):
    store, made = recorded
    with connected(store) as client:
        [read] = client.get_run(made.run_id).inputs.dataset_inputs
    lake = {"data.as_of": "2024-06-30", "data.lake_version": "ab12cd34", "data.feature_digest": "f00d"}
    assert (read.dataset.name, len(read.dataset.digest)) == ("features-2024-06-30", 12)
    assert {tag.key: tag.value for tag in read.tags} == {"mlflow.data.context": "training", **lake}
    assert json.loads(read.dataset.source) == {"tags": lake}
    assert json.loads(read.dataset.profile) == {"num_rows": 1800}
    assert {"type": "string", "name": "stage", "required": True} in json.loads(read.dataset.schema)[
        "mlflow_colspec"
    ]


def test_no_customer_id_reaches_the_store(recorded):
    store, _ = recorded
    folder = store.database.parent
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path.name for path in files if MARK.encode() in path.read_bytes()] == []


def test_nothing_is_pickled(recorded):
    store, _ = recorded
    assert [p for p in store.database.parent.rglob("*") if p.suffix in {".pkl", ".pickle", ".joblib"}] == []


def test_a_training_is_found_by_its_key_alone(recorded):
    store, made = recorded
    found = tracking.find_training(store, "k1")
    assert (found.run_id, found.version, found.metrics) == (made.run_id, made.version, made.metrics)
    assert found.tags["recipe.hash"] == "beef"
    assert tracking.find_training(store, "k2") is None


def test_a_training_that_fails_half_way_is_never_found(recorded, record, tmp_path):
    store, _ = recorded
    (tmp_path / "churn.ubj").write_text("no model")
    with pytest.raises(Exception, match=r"(?i)churn|model|json|ubj|input"):
        tracking.record_training(store, replace(record, key="half", bundle=tmp_path))
    assert tracking.find_training(store, "half") is None
    with connected(store) as client:
        ids = [one.experiment_id for one in client.search_experiments()]
        runs = client.search_runs(ids, "tags.`training.key` = 'half'")
    assert [run.info.status for run in runs] == ["FAILED"]


def test_a_killed_training_is_marked_failed_by_the_next_one(recorded, record):
    store, _ = recorded
    with connected(store) as client:
        experiment = client.get_experiment_by_name("churn-60d").experiment_id
        killed = client.create_run(experiment, tags={"training.key": "killed"}).info.run_id
    assert tracking.find_training(store, "killed") is None
    again = tracking.record_training(store, replace(record, key="killed"))
    with connected(store) as client:
        assert client.get_run(killed).info.status == "FAILED"
    assert tracking.find_training(store, "killed").run_id == again.run_id


def test_the_champion_moves_only_when_the_verdict_says_so(record, tmp_path, recorded):
    store, _ = recorded
    first = tracking.record_training(store, replace(record, key="c1"))
    second = tracking.record_training(store, replace(record, key="c2"))

    tracking.promote(store, first.version, YES)
    now = tracking.champion(store, tmp_path / "cache")
    assert (now.version, now.run_id, now.metrics) == (first.version, first.run_id, first.metrics)
    assert now.tags["promotion.verdict"] == "promoted"
    assert now.tags["promotion.reason"] == YES.reason
    assert sorted(p.name for p in now.bundle.iterdir()) == bundle_files()
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [first.run_id]

    tracking.promote(store, second.version, NO)
    assert tracking.champion(store, tmp_path / "cache") == now
    with connected(store) as client:
        refused = client.get_model_version_by_alias(tracking.MODEL, tracking.CHALLENGER)
    assert (str(refused.version), refused.tags["promotion.verdict"]) == (second.version, "refused")

    tracking.promote(store, second.version, YES)
    assert tracking.champion(store, tmp_path / "cache").version == second.version
    with connected(store) as client:
        aliases = client.get_registered_model(tracking.MODEL).aliases
    assert {name: str(version) for name, version in aliases.items()} == {"champion": second.version}


def test_a_champion_whose_files_are_gone_is_reported_and_nothing_is_cached(record, tmp_path, recorded):
    store, _ = recorded
    made = tracking.record_training(store, replace(record, key="gone"))
    tracking.promote(store, made.version, YES)
    (bundle,) = store.database.parent.rglob(f"{made.run_id}/artifacts/bundle")
    shutil.rmtree(bundle)
    with pytest.raises(WinbackError, match="train again"):
        tracking.champion(store, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_recording_is_silent_and_leaves_the_process_as_it_was(record, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = tracking.store_of(MlflowOptions(), tmp_path / "w")
    tracking.record_training(store, record)
    assert capfd.readouterr() == ("", "")
    assert [p.name for p in tmp_path.iterdir()] == ["w"]
    assert "MLFLOW_TRACKING_URI" not in os.environ
    from mlflow.telemetry import get_telemetry_client

    assert get_telemetry_client() is None


def test_a_database_is_whole_or_absent_when_its_making_is_killed(tmp_path):
    store = tracking.store_of(MlflowOptions(), tmp_path)
    code = (
        "import sys; from pathlib import Path; from models import tracking;"
        "from models.options import MlflowOptions; from models.tracking.store import connected\n"
        "with connected(tracking.store_of(MlflowOptions(), Path(sys.argv[1]))): pass"
    )
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path])
    while not [p for p in tmp_path.iterdir() if p.stat().st_size > 0]:  # tables are being made
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not store.database.exists()
    with connected(store) as client:
        assert [one.name for one in client.search_experiments()] == ["Default"]


def test_a_database_that_is_none_is_reported_in_words(tmp_path):
    store = tracking.store_of(MlflowOptions(), tmp_path)
    store.database.write_text("this is no database, however long one looks at it")
    with pytest.raises(WinbackError, match="did not do as asked") as caught:
        tracking.champion(store, tmp_path / "cache")
    assert "mlflow.tracking_uri" in str(caught.value)


def test_a_server_that_does_not_answer_is_reported_without_the_password(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    store = tracking.store_of(MlflowOptions(tracking_uri="http://user:word@127.0.0.1:9"), tmp_path)
    with pytest.raises(WinbackError, match=r"127\.0\.0\.1:9") as caught:
        tracking.champion(store, tmp_path)
    assert "word@" not in str(caught.value)
