"""What a training leaves in MLflow, and how the champion changes: a real SQLite store, a real server."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from features.errors import WinbackError
from models import tracking
from models.options import MlflowOptions
from models.promotion import Verdict
from models.tracking.store import Store, connected

STAGES = ["new", "active", "lapsed"]
YES = Verdict(promote=True, reason="First model: not worse than ranking by recency.")
NO = Verdict(promote=False, reason="Worse than the champion.")


@pytest.fixture(scope="session")
def features():
    rng = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "customer_id": [f"PERSON-{n:04d}" for n in range(200)],
            "days_since_last_order": rng.integers(0, 400, 200),
            "mean_gap_days": [None if n % 7 == 0 else float(n) for n in range(200)],
            "stage": pl.Series([STAGES[n % 3] for n in range(200)], dtype=pl.Enum(STAGES)),
        }
    )


@pytest.fixture(scope="session")
def bundle(features, tmp_path_factory):
    import xgboost as xgb

    folder = tmp_path_factory.mktemp("bundle")
    churned = features["days_since_last_order"] > 150
    rows = xgb.QuantileDMatrix(features.drop("customer_id"), label=churned, enable_categorical=True)
    options = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1, "seed": 1}
    xgb.train(options, rows, 8).save_model(folder / "churn.ubj")
    (folder / "calibrator.json").write_text('{"a": 1.0}')
    return folder


@pytest.fixture(scope="session")
def record(features, bundle):
    return tracking.TrainingRecord(
        as_of=date(2011, 6, 1),
        horizon_days=90,
        key="k1",
        lake_version="transactions@3",
        feature_digest="f00d",
        config_hash="c0ffee",
        recipe_hash="beef",
        params={"xgb.max_depth": 3, "label.horizon_days": 90},
        metrics={
            "test.auroc": 0.81,
            "test.recency.auroc": 0.77,
            "test.lost.auroc": float("nan"),
            "test.x": None,
        },
        config={"timezone": "UTC", "mlflow": {"tracking_uri": None}},
        sample=features,
        bundle=bundle,
        files={tracking.CALIBRATION: b"png", tracking.GAIN: b"png", tracking.DECILES: b"decile\n1\n"},
    )


@pytest.fixture(scope="session")
def recorded(record, tmp_path_factory):
    """A store with one training. Tests that change it make their own version of the model in it."""
    workspace = tmp_path_factory.mktemp("work space")
    store = tracking.store_of(MlflowOptions(), workspace)
    return store, tracking.record_training(store, record)


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


def test_a_run_holds_everything_under_its_agreed_name(recorded):
    store, made = recorded
    with connected(store) as client:
        run = client.get_run(made.run_id)
        experiment = client.get_experiment(run.info.experiment_id)
        dataset = run.inputs.dataset_inputs[0].dataset
        files = artifacts(client, made.run_id)
        config = client.download_artifacts(made.run_id, "config/config.yaml")
        version = client.get_model_version(tracking.MODEL, made.version)
    assert (experiment.name, run.info.run_name, run.info.status) == ("churn-90d", "2011-06-01", "FINISHED")
    assert run.data.params == {"xgb.max_depth": "3", "label.horizon_days": "90"}
    assert run.data.metrics == {"test.auroc": 0.81, "test.recency.auroc": 0.77}
    assert (dataset.name, dataset.digest) == ("features-2011-06-01", "transactions@3")
    assert files == [
        "bundle/calibrator.json",
        "bundle/churn.ubj",
        "config/config.yaml",
        "report/calibration.png",
        "report/deciles.csv",
        "report/gain.png",
    ]
    assert Path(config).read_text() == "timezone: UTC\nmlflow:\n  tracking_uri: null\n"
    identity = {
        "data.as_of": "2011-06-01",
        "data.lake_version": "transactions@3",
        "data.feature_digest": "f00d",
        "config.hash": "c0ffee",
        "recipe.hash": "beef",
        "training.key": "k1",
        "code.commit": tracking.code_commit(),
    }
    assert identity.items() <= run.data.tags.items()
    assert identity.items() <= version.tags.items()
    assert run.data.tags["metrics.not_defined"] == "test.lost.auroc, test.x"


def test_the_model_scores_alike_through_every_loader(recorded, features, bundle):
    import mlflow
    import xgboost as xgb

    store, made = recorded
    plain = xgb.Booster(model_file=bundle / "churn.ubj")
    expected = plain.inplace_predict(features.drop("customer_id"))
    with connected(store):
        uri = f"models:/{tracking.MODEL}/{made.version}"
        native = mlflow.xgboost.load_model(uri)
        scorer = mlflow.pyfunc.load_model(uri)
        sent = features.select(
            "customer_id",
            pl.col("stage").cast(pl.String),
            pl.col("mean_gap_days", "days_since_last_order").cast(pl.Float64),
        ).to_pandas()
        assert native.inplace_predict(features.drop("customer_id")).tolist() == expected.tolist()
        assert scorer.predict(sent).tolist() == expected.tolist()


def test_a_category_the_model_never_saw_counts_as_missing(recorded):
    import mlflow

    store, made = recorded
    rows = pl.DataFrame(
        {"days_since_last_order": [10.0] * 2, "mean_gap_days": [5.0] * 2, "stage": ["brand new", None]}
    )
    with connected(store):
        scorer = mlflow.pyfunc.load_model(f"models:/{tracking.MODEL}/{made.version}")
        unseen, missing = scorer.predict(rows.to_pandas())
    assert unseen == missing


def test_the_model_says_what_it_reads_and_shows_an_example(recorded):
    import mlflow

    store, made = recorded
    with connected(store):
        info = mlflow.models.get_model_info(f"models:/{tracking.MODEL}/{made.version}")
        model = mlflow.models.Model.load(f"models:/{tracking.MODEL}/{made.version}")
        example = model.load_input_example()
    assert [(one.name, one.type.name) for one in info.signature.inputs] == [
        ("days_since_last_order", "double"),
        ("mean_gap_days", "double"),
        ("stage", "string"),
    ]
    assert list(example.columns) == ["days_since_last_order", "mean_gap_days", "stage"]
    assert len(example) == 5
    assert info.flavors["xgboost"]["model_format"] == "ubj"


def test_no_customer_id_reaches_the_store(recorded):
    store, _ = recorded
    folder = store.database.parent
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path.name for path in files if b"PERSON-" in path.read_bytes()] == []


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
        experiment = client.get_experiment_by_name("churn-90d").experiment_id
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
    assert sorted(p.name for p in now.bundle.iterdir()) == ["calibrator.json", "churn.ubj"]
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


@pytest.fixture
def server(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--workers",
            "1",
        ),
        *("--backend-store-uri", f"sqlite:///{tmp_path}/served.db"),
        *("--artifacts-destination", str(tmp_path / "served")),
    ]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    log = tmp_path / "server.log"
    with log.open("wb") as target:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=target, stderr=target, start_new_session=True
        )
    try:
        uri = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=2).close()  # noqa: S310 - a fixed http address
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert process.poll() is None, log.read_text()
                time.sleep(0.2)
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.server
def test_a_real_server_records_and_gives_back(record, server, features, tmp_path):
    import mlflow
    import xgboost as xgb

    store = tracking.store_of(MlflowOptions(tracking_uri=server), tmp_path / "workspace")
    assert tracking.champion(store, tmp_path / "cache") is None
    made = tracking.record_training(store, record)
    assert tracking.find_training(store, "k1").version == made.version
    tracking.promote(store, made.version, YES)
    now = tracking.champion(store, tmp_path / "cache")
    assert (now.version, now.run_id) == (made.version, made.run_id)
    fetched = xgb.Booster(model_file=now.bundle / "churn.ubj")
    rows = features.drop("customer_id")
    with connected(store):
        native = mlflow.xgboost.load_model(f"models:/{tracking.MODEL}@champion")
    assert native.inplace_predict(rows).tolist() == fetched.inplace_predict(rows).tolist()
    assert not (tmp_path / "workspace").exists()
