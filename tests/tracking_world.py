"""A tiny training and its record, to be kept in stores."""

from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
from training_world import AS_OF, feature_frame, training_frame

from features.contracts import Stage
from models import tracking
from models.dossier import files_of, findings_of
from models.evaluate import Response
from models.fitting import Recipe
from models.options import TrainOptions, ValueOptions, XgbOptions
from models.training import Trained, train

PEOPLE = 300
# What no file, table or message of a store may hold.
MARK = "PERSON-"
RECIPE = Recipe(
    XgbOptions(rounds=15, early_stopping=5, learning_rate=0.3), TrainOptions(folds=3), ValueOptions(), seed=7
)
DOCS = "file:///shop/quality/index.html"


def _marked(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.format(f"{MARK}{{}}", "customer_id").alias("customer_id"))


@cache
def rows() -> pl.DataFrame:
    """What is learned from."""
    return _marked(training_frame(PEOPLE))


@cache
def features() -> pl.DataFrame:
    """A feature frame as the nightly run writes it: ids, facts, categories, whole numbers, flags."""
    return _marked(feature_frame(PEOPLE)).with_columns(
        pl.col("stage").cast(pl.Enum([stage.value for stage in Stage])),
        pl.col("acquisition_channel").cast(pl.Categorical),
        favourite_product=pl.lit(None, pl.String),
    )


@cache
def trained() -> Trained:
    """The training."""
    return train(rows(), AS_OF, RECIPE)


@cache
def files() -> dict[str, bytes]:
    """What it leaves for people."""
    known = {"lake_version": "ab12cd34", "currency": "GBP", "docs": DOCS}
    return files_of(findings_of(trained(), Response(offer_cost=200.0), **known))


def record_of(folder: Path, **others: Any) -> tracking.TrainingRecord:
    """The record of the training; its bundle is saved in the folder."""
    trained().bundle.save(folder / "bundle")
    made = tracking.TrainingRecord(
        as_of=AS_OF.day,
        horizon_days=AS_OF.horizon_days,
        key="k1",
        lake_version="ab12cd34",
        feature_digest="f00d",
        config_hash="c0ffee",
        recipe_hash="beef",
        params={"xgb.max_depth": 3, "label.horizon_days": 60},
        metrics={**trained().metrics, "test.lost.auroc": float("nan"), "test.x": None},
        config={"timezone": "UTC", "mlflow": {"tracking_uri": None}},
        sample=rows().tail(100),
        bundle=folder / "bundle",
        curves={
            "churn.log_loss": trained().curves["churn"],
            "reactivation.log_loss": (0.5, 0.4, float("nan")),
        },
        snapshots={
            date(2024, 5, 1): trained().metrics,
            date(2024, 4, 1): {"test.auroc": 0.7, "test.brier": None},
        },
        files=files(),
        profile={"num_rows": 1800},
        tags={"quality.data_docs": DOCS},
    )
    return replace(made, **others)
