"""Predictions for everyone, part by part, where the parts are."""

from functools import partial
from pathlib import Path

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from features.asof import AsOf
from flows import inputs
from flows.champion import Model
from flows.console import step
from flows.lists import write_parquet
from flows.settings import Settings
from flows.workspace import publish_folder
from models.bundle import load_bundle, predict

SCORES = "scores.parquet"


@task(name="score", cache_policy=NO_CACHE)
def score(settings: Settings, as_of: AsOf, features: Path, model: Model) -> Path:
    """Predict for everyone, part by part; returns the folder of predictions."""
    folder = inputs.workspace(settings).runs / f"predictions/as_of={as_of.day}"
    with step("Scoring customers"):
        predict_parts(settings, folder, features, model.bundle)
    return folder


def predict_parts(settings: Settings, folder: Path, features: Path, bundle: Path) -> None:
    """Predict for everyone, part by part, into a folder that appears whole."""
    with publish_folder(folder) as aside, inputs.engine(settings) as engine:
        engine.gather(engine.map(partial(_predict_part, bundle, aside), sorted(features.iterdir())))


def _predict_part(bundle: Path, folder: Path, features: Path) -> None:
    write_parquet(predict(load_bundle(bundle), pl.read_parquet(features)), folder / features.name)
