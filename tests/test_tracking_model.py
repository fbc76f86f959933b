"""The model in MLflow: every loader gives what the nightly run gives, with the installed package alone."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tracking_world import MARK, PEOPLE, features, record_of, trained

from features.errors import DataRefused
from models import tracking
from models.boosting import predict as grown
from models.bundle import predict
from models.matrix import to_matrix
from models.options import MlflowOptions
from models.tracking.store import connected


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The model's folder, as MLflow keeps it."""
    import mlflow

    record = record_of(tmp_path_factory.mktemp("training"))
    store = tracking.store_of(MlflowOptions(), tmp_path_factory.mktemp("work space"))
    made = tracking.record_training(store, record)
    with connected(store):
        uri = f"models:/{tracking.MODEL}/{made.version}"
        return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path_factory.mktemp("model"))))


@pytest.fixture
def scorer(model):
    import mlflow

    return mlflow.pyfunc.load_model(str(model))


@pytest.fixture(scope="module")
def expected():
    return predict(trained().bundle, features()).drop("customer_id", "as_of")


def test_a_feature_frame_scores_as_in_the_nightly_run(scorer, expected):
    assert_frame_equal(scorer.predict(features()), expected)
    assert expected["churn_probability"].is_between(0, 1).all()


def test_a_pandas_frame_scores_alike_and_keeps_its_index(scorer, expected):
    sent = features().to_pandas()
    sent.index = range(1000, 1000 + PEOPLE)
    answer = scorer.predict(sent)
    assert answer.index.tolist() == sent.index.tolist()
    assert_frame_equal(pl.from_pandas(answer), expected)


def test_a_frame_read_from_a_file_scores_alike_through_either_library(scorer, expected, tmp_path):
    import pandas as pd

    features().write_parquet(tmp_path / "part-0.parquet")
    assert_frame_equal(scorer.predict(pl.read_parquet(tmp_path / "part-0.parquet")), expected)
    assert_frame_equal(pl.from_pandas(scorer.predict(pd.read_parquet(tmp_path / "part-0.parquet"))), expected)


def test_ids_facts_and_columns_of_no_use_may_be_there_or_not(scorer, expected):
    contract = trained().bundle.contract
    assert contract.ignored == ("season_sin",)
    least = features().select(*contract.names, "stage")
    assert_frame_equal(scorer.predict(least), expected)
    assert_frame_equal(scorer.predict(features().with_columns(new_feature=1.5)), expected)


def test_a_column_without_any_value_counts_as_missing(scorer):
    none = features().with_columns(acquisition_channel=pl.lit(None), usual_gap_days=pl.lit(None))
    typed = none.with_columns(pl.col("acquisition_channel").cast(pl.String))
    assert_frame_equal(scorer.predict(none), scorer.predict(typed))
    assert len(scorer.predict(none.to_pandas())) == PEOPLE


def test_a_category_the_model_never_saw_counts_as_missing(scorer):
    unseen, missing = (
        scorer.predict(features().with_columns(acquisition_channel=pl.lit(value, pl.String)))
        for value in ("brand new", None)
    )
    assert_frame_equal(unseen, missing)


@pytest.mark.parametrize("lost", ["orders", "stage"])
def test_a_missing_feature_is_named(scorer, lost):
    with pytest.raises(DataRefused, match=f"1 missing: {lost}"):
        scorer.predict(features().drop(lost))


def test_a_number_that_came_as_text_is_refused(scorer):
    with pytest.raises(DataRefused, match="of another type: orders"):
        scorer.predict(features().with_columns(pl.col("orders").cast(pl.String)))


def test_the_plain_booster_is_there_for_mlflow_and_for_xgboost_alone(model):
    import mlflow
    import xgboost as xgb

    bundle = trained().bundle
    matrix = to_matrix(features(), bundle.contract)
    raw = (model / "bundle" / tracking.BOOSTER).read_bytes()
    expected = grown(raw, matrix).tolist()
    for booster in (
        mlflow.xgboost.load_model(str(model)),
        xgb.Booster(model_file=model / "bundle/churn.ubj"),
    ):
        assert booster.feature_names == list(bundle.contract.names)
        assert booster.inplace_predict(matrix).tolist() == pytest.approx(expected)
    assert not (model / "model.ubj").exists()


def test_the_model_says_what_it_reads_and_what_it_answers(model):
    import mlflow

    signature = mlflow.models.Model.load(str(model)).signature
    assert [(one.name, one.type.name, one.required) for one in signature.inputs] == [
        ("days_since_last_purchase", "double", True),
        ("margin_365d", "double", True),
        ("net_amount_365d", "double", True),
        ("orders", "double", True),
        ("usual_gap_days", "double", True),
        ("season_sin", "double", False),
        ("acquisition_channel", "string", True),
        ("stage", "string", True),
    ]
    answers = predict(trained().bundle, features()).columns[2:]
    assert [(one.name, one.type.name) for one in signature.outputs] == [(name, "double") for name in answers]


def test_the_input_example_names_nobody_and_scores(model, scorer):
    import mlflow

    example = mlflow.models.Model.load(str(model)).load_input_example()
    assert len(example) == 5
    assert not {"customer_id", "as_of"} & set(example.columns)
    assert scorer.predict(example)["churn_probability"].between(0, 1).all()
    assert [
        path.name for path in model.rglob("*") if path.is_file() and MARK.encode() in path.read_bytes()
    ] == []


def test_the_model_pins_what_it_needs(model):
    from importlib.metadata import version

    needed = (model / "requirements.txt").read_text().splitlines()
    assert f"winback=={version('winback')}" in needed
    assert f"polars=={version('polars')}" in needed
    assert any(line.startswith("xgboost") for line in needed)


def test_mlflows_scoring_server_answers_rows_sent_as_json(model, scorer):
    from mlflow.pyfunc.scoring_server import invocations

    sent = (model / "serving_input_example.json").read_text()
    answer = invocations(sent, "application/json", scorer, scorer.metadata.get_input_schema())
    assert answer.status == 200
    assert len(json.loads(answer.response)["predictions"]) == 5


def test_a_fresh_process_elsewhere_loads_and_scores(model, tmp_path, expected):
    features().write_parquet(tmp_path / "features.parquet")
    code = (
        "import sys, mlflow, polars as pl\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "model.predict(pl.read_parquet('features.parquet')).write_parquet('answer.parquet')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, model], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert_frame_equal(pl.read_parquet(tmp_path / "answer.parquet"), expected)
