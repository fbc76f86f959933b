"""How the churn booster is stored as an MLflow model, and how it scores a frame that other tools send.

MLflow's own XGBoost format, but for one thing: its loader refuses categorical features. Ours takes them as
text, the way JSON and pandas carry them, and puts them back into the vocabulary that the booster was trained
with; a word it never saw becomes a missing value. `mlflow.xgboost.load_model` gives the plain booster.
"""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from models.boosting import library

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models.model import Model
    from xgboost import Booster


def save_model(path: str, mlflow_model: "Model", booster: "Booster", sample: pl.DataFrame) -> None:
    """Write the MLflow model to a folder; called by `mlflow.models.Model.log`.

    Args:
        path: folder to make.
        mlflow_model: description to complete.
        booster: `xgboost.Booster` with the names of its features.
        sample: rows from `as_served`, kept as the input example.
    """
    import mlflow.xgboost
    from mlflow.models import ModelSignature
    from mlflow.types import Schema
    from mlflow.types.schema import ColSpec

    inputs = Schema([ColSpec(_mlflow_type(kind), name) for name, kind in sample.schema.items()])
    mlflow.xgboost.save_model(
        booster,
        path,
        mlflow_model=mlflow_model,
        model_format="ubj",
        signature=ModelSignature(inputs, Schema([ColSpec("float")])),
        input_example=sample.to_pandas(),
        pip_requirements=_requirements(),
    )
    mlflow_model.flavors["python_function"]["loader_module"] = __name__
    mlflow_model.save(str(Path(path, "MLmodel")))


def as_served(frame: pl.DataFrame, booster: "Booster") -> pl.DataFrame:
    """The booster's features and nothing else: numbers as Float64, categories as text, in its order.

    Raises:
        ValueError: naming the features that the frame lacks.
    """
    lacking = [name for name in booster.feature_names if name not in frame.columns]
    if lacking:
        raise ValueError(f"the sample lacks features of the model: {', '.join(lacking)}")
    words = vocabulary(booster)
    return frame.select(
        pl.col(name).cast(pl.String if name in words else pl.Float64) for name in booster.feature_names
    )


def vocabulary(booster: "Booster") -> dict[str, list[str]]:
    """The words of each categorical feature, in the order of training."""
    pairs = booster.get_categories(export_to_arrow=True).to_arrow()
    return {name: words.to_pylist() for name, words in pairs if words is not None}


def _mlflow_type(kind: pl.DataType) -> str:
    return "string" if kind == pl.String else "double"


def _requirements() -> list[str]:
    """What scoring needs, pinned to what is installed here."""
    pinned = []
    for name in ("xgboost", "xgboost-cpu", "pandas", "polars", "winback"):
        try:
            pinned.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return pinned


class _Scorer:
    """What `mlflow.pyfunc.load_model` gives: the trees' P(a purchase in the window), before calibration."""

    def __init__(self, booster: "Booster") -> None:
        self._booster = booster
        self._words = vocabulary(booster)

    def get_raw_model(self) -> "Booster":
        return self._booster

    def predict(
        self,
        dataframe: "pd.DataFrame",
        params: Mapping[str, Any] | None = None,  # noqa: ARG002 - MLflow passes it
    ) -> np.ndarray:
        import pandas as pd

        xgb = library()

        frame = dataframe[self._booster.feature_names].copy()
        for name, words in self._words.items():
            known = frame[name].where(frame[name].isin(words))
            frame[name] = pd.Categorical(known, categories=words)
        scores: np.ndarray = self._booster.predict(xgb.DMatrix(frame, enable_categorical=True))
        return scores


def _load_pyfunc(path: str) -> _Scorer:
    """What MLflow calls to load the model for scoring."""
    xgb = library()

    return _Scorer(xgb.Booster(model_file=path))
