"""The runs of a training in MLflow: its parts beside it, step by step; all of it, or a failed run."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tracking_world import record_of, trained

from features.errors import WinbackError
from models import tracking
from models.options import MlflowOptions
from models.tracking import Facts, NestedRun, entries, runs
from models.tracking import record as recording
from models.tracking.store import connected

TRIAL = NestedRun(
    "trial 3", Facts({"xgb.max_depth": 5}, {"cv.log_loss": 0.41}, {"churn.log_loss": (0.6, 0.41)}), {"x": "y"}
)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return record_of(tmp_path_factory.mktemp("training"), nested=(TRIAL,))


@pytest.fixture(scope="module")
def recorded(record, tmp_path_factory):
    store = tracking.store_of(MlflowOptions(), tmp_path_factory.mktemp("workspace"))
    return store, tracking.record_training(store, record)


def all_runs(store, key):
    """Parent first, then its parts by name."""
    with connected(store) as client:
        ids = [one.experiment_id for one in client.search_experiments()]
        found = client.search_runs(ids, f"tags.`training.key` = '{key}'")
    return sorted(found, key=lambda run: (tracking.PARENT in run.data.tags, run.info.run_name))


def statuses(store, key):
    return [run.info.status for run in all_runs(store, key)]


def test_each_test_day_and_each_trial_is_a_run_below_the_training(recorded, record):
    store, made = recorded
    parent, *parts = all_runs(store, "k1")
    assert parent.info.run_id == made.run_id
    assert [
        (run.info.run_name, run.info.status, run.data.tags["run.kind"], run.data.tags["data.as_of"])
        for run in parts
    ] == [
        ("2024-04-01", "FINISHED", "snapshot", "2024-04-01"),
        ("2024-05-01", "FINISHED", "snapshot", "2024-05-01"),
        ("trial 3", "FINISHED", "trial", "2024-06-30"),
    ]
    assert {run.data.tags["mlflow.parentRunId"] for run in parts} == {made.run_id}
    assert {run.data.tags["data.lake_version"] for run in parts} == {"ab12cd34"}
    april, may, trial = parts
    assert april.data.metrics == {"test.auroc": 0.7}
    assert april.data.tags["metrics.not_defined"] == "test.brier"
    assert may.data.metrics == record.snapshots[date(2024, 5, 1)]
    assert may.data.metrics.keys() <= parent.data.metrics.keys()
    assert (trial.data.params, trial.data.metrics) == (
        {"xgb.max_depth": "5"},
        {"cv.log_loss": 0.41, "churn.log_loss": 0.41},
    )
    assert trial.data.tags["x"] == "y"


def test_a_test_day_says_what_it_was_judged_on(recorded):
    store, _ = recorded
    [read] = all_runs(store, "k1")[1].inputs.dataset_inputs
    tags = {tag.key: tag.value for tag in read.tags}
    assert (read.dataset.name, tags["mlflow.data.context"]) == ("features-2024-04-01", "test")
    assert tags["data.lake_version"] == "ab12cd34"


def test_learning_curves_go_step_by_step(recorded, record):
    store, made = recorded
    with connected(store) as client:
        churn = client.get_metric_history(made.run_id, "churn.log_loss")
        reactivation = client.get_metric_history(made.run_id, "reactivation.log_loss")
    curve = record.curves["churn.log_loss"]
    assert len(curve) > 3
    assert [(point.step, point.value) for point in churn] == list(enumerate(curve, 1))
    assert [(point.step, point.value) for point in reactivation] == [(1, 0.5), (2, 0.4)]


def test_figures_belong_to_the_logged_model_too(recorded, record):
    import mlflow

    store, made = recorded
    with connected(store) as client:
        source = client.get_model_version(tracking.MODEL, made.version).source
        model = mlflow.get_logged_model(source.removeprefix("models:/"))
    auroc = [metric.value for metric in model.metrics if metric.key == "test.auroc"]
    assert auroc == [record.metrics["test.auroc"]]


def test_many_figures_take_few_calls():
    calls = []

    class Client:
        def log_batch(self, _run_id, metrics=(), params=(), tags=()):
            calls.append((len(metrics), len(params), len(tags)))

    params = {f"xgb.p{n}": n for n in range(250)}
    metrics = {f"test.m{n}": float(n) for n in range(700)}
    entries.log_facts(Client(), "r", Facts(params, metrics, {"churn.log_loss": [0.5] * 1500}))
    assert calls == [(0, 100, 0), (0, 100, 0), (0, 50, 0), (1000, 0, 0), (1000, 0, 0), (200, 0, 0)]


def test_the_same_rows_have_the_same_digest_and_another_lake_another(record):
    day = date(2024, 5, 1)
    one = record.data(day, "test", {})
    assert one.digest == replace(record, key="k9").data(day, "training", {"num_rows": 3}).digest
    others = [replace(record, lake_version="ff").data(day, "test", {}), record.data(record.as_of, "test", {})]
    assert len({one.digest, *(other.digest for other in others)}) == 3


def test_a_recording_that_breaks_off_leaves_failed_runs_only(record, tmp_path, monkeypatch):
    store = tracking.store_of(MlflowOptions(), tmp_path)

    def refuse(*_):
        raise WinbackError("the registry is full")

    with monkeypatch.context() as broken:
        broken.setattr(recording, "_register", refuse)
        with pytest.raises(WinbackError, match="full"):
            tracking.record_training(store, record)
    assert statuses(store, "k1") == ["FAILED"] * 4
    assert tracking.find_training(store, "k1") is None
    tracking.record_training(store, record)
    assert sorted(statuses(store, "k1")) == ["FAILED"] * 4 + ["FINISHED"] * 4


KILLED = """
import os, sys
from dataclasses import replace
from pathlib import Path
import tracking_world
from models import tracking
from models.options import MlflowOptions
from models.tracking import record as recording

when, folder = sys.argv[1], Path(sys.argv[2])
register = recording._register

def stop(*given):
    if when == "after":
        register(*given)
    os._exit(9)

recording._register = stop
store = tracking.store_of(MlflowOptions(), folder / "workspace")
tracking.record_training(store, tracking_world.record_of(folder))
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_leaves_a_whole_training_or_one_that_is_failed_by_the_next(record, tmp_path, when):
    """Registering is what makes it count: killed before it, nothing is found; killed after it, all of it."""
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r})\n{KILLED}"
    done = subprocess.run([sys.executable, "-c", code, when, tmp_path], capture_output=True, check=False)
    assert done.returncode == 9, done.stderr.decode()
    store = tracking.store_of(MlflowOptions(), tmp_path / "workspace")
    assert statuses(store, "k1") == ["RUNNING"] * 3
    found = tracking.find_training(store, "k1")
    if when == "after":
        assert found.run_id == all_runs(store, "k1")[0].info.run_id
        assert statuses(store, "k1") == ["FINISHED"] * 3
    else:
        assert found is None
        tracking.record_training(store, record)
        assert sorted(statuses(store, "k1")) == ["FAILED"] * 3 + ["FINISHED"] * 4


def test_a_recorded_training_is_listed_once_with_its_figures_and_compared_by_its_features(recorded, record):
    store, made = recorded
    (one,) = [one for one in tracking.trainings(store, 50) if one.run_id == made.run_id]
    shown = tracking.headline(one)
    assert (shown["as_of"], shown["model_version"]) == ("2024-06-30", made.version)
    assert shown["auroc"] == made.metrics["test.auroc"]
    assert shown["best_baseline"] is not None
    assert not [name for name in ("ece", "value_at_10pct") if shown[name] is None]
    assert {runs.ROWS, runs.SNAPSHOTS} <= trained().params.keys()
    tracking.record_training(store, replace(record, key="again"))
    newest, *_ = tracking.trainings(store, 1)
    found = tracking.changes(store, one, newest)
    assert (found.params, found.added, found.removed) == ({}, (), ())
