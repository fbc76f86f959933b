"""How the model is stored in MLflow, and how it scores a frame that other tools send.

The stored model is the whole bundle. `mlflow.pyfunc.load_model` gives what the nightly run gives: calibrated
probabilities and values of everyone. `mlflow.xgboost.load_model` gives the plain booster of the churn model,
which lies there as XGBoost's own file and needs nothing of ours.

Feature frames come as Polars or pandas, columns that the model does not read among them; whole numbers and
flags serve as numbers, text or any categorical type as categories, a category never seen counts as missing.
MLflow's own check of a signature refuses most of that (a column of whole numbers for one of numbers, say),
so the model checks its input itself, as MLflow lets models with type hints do. For `mlflow models serve` the
rows are sent as `{"inputs": [{column: value}, ...]}`, or as CSV.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from features.errors import DataRefused
from features.table import FACTS, KEYS
from models.boosting import library
from models.bundle import Bundle, load_bundle, predict
from models.matrix import FeatureContract
from models.tracking.record import BOOSTER, BUNDLE

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.models.model import Model

    Frame = pl.DataFrame | pd.DataFrame | Sequence[Mapping[str, Any]]

_STAGE = "stage"
_PYFUNC, _XGBOOST = "python_function", "xgboost"
_REQUIRED = ("xgboost", "xgboost-cpu", "numpy", "pandas", "polars", "pyarrow", "scikit-learn", "winback")


def save_model(path: str, mlflow_model: "Model", bundle: Path, sample: pl.DataFrame) -> None:
    """Write the MLflow model to a folder; called by `mlflow.models.Model.log`.

    Args:
        path: folder to make.
        mlflow_model: description to complete.
        bundle: folder of the saved bundle.
        sample: feature rows, kept as the input example without any column that the model does not read.
    """
    import mlflow.xgboost

    scorer, folder = Scorer(load_bundle(bundle)), Path(path)
    example = as_served(sample, scorer.contract)
    mlflow.xgboost.save_model(
        library().Booster(model_file=bundle / BOOSTER),
        path,
        mlflow_model=mlflow_model,
        model_format="ubj",
        signature=signature(scorer.contract, scorer.answer(example)),
        input_example=example.to_pandas(),
        pip_requirements=requirements(),
    )
    shutil.copytree(bundle, folder / BUNDLE)
    (folder / mlflow_model.flavors[_XGBOOST]["data"]).unlink()  # the bundle holds the same booster
    mlflow_model.flavors[_XGBOOST]["data"] = f"{BUNDLE}/{BOOSTER}"
    mlflow_model.flavors[_PYFUNC] |= {"loader_module": __name__, "data": BUNDLE}
    mlflow_model.save(str(folder / "MLmodel"))
    (folder / "serving_input_example.json").write_text(json.dumps({"inputs": example.to_dicts()}))


def as_served(frame: pl.DataFrame, contract: FeatureContract) -> pl.DataFrame:
    """What the model reads of a frame and nothing else: numbers as Float64, categories as text.

    Raises:
        ValueError: naming the features that the frame lacks.
    """
    lacking = [name for name in (*contract.names, _STAGE) if name not in frame.columns]
    if lacking:
        raise ValueError(f"the sample lacks features of the model: {', '.join(lacking)}")
    ignored = [name for name in contract.ignored if name in frame.columns]
    numbers = [pl.col(name).cast(pl.Float64).fill_nan(None) for name in (*contract.numbers, *ignored)]
    words = [pl.col(name).cast(pl.String) for name in (*contract.categories, _STAGE)]
    return frame.select(*numbers, *words)


def signature(contract: FeatureContract, answers: pl.DataFrame) -> "ModelSignature":
    """The columns of a feature frame that the model reads, and those it answers with."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema
    from mlflow.types.schema import ColSpec

    numbers = [ColSpec("double", name) for name in contract.numbers]
    ignored = [ColSpec("double", name, required=False) for name in contract.ignored]
    words = [ColSpec("string", name) for name in (*contract.categories, _STAGE)]
    told = [
        ColSpec("datetime" if dtype.is_temporal() else "double", n) for n, dtype in answers.schema.items()
    ]
    made = ModelSignature(Schema([*numbers, *ignored, *words]), Schema(told))
    made._is_signature_from_type_hint = True  # noqa: SLF001 - the model checks its input, see above
    return made


def requirements() -> list[str]:
    """What scoring needs, pinned to what is installed here."""
    pinned = []
    for name in _REQUIRED:
        try:
            pinned.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return pinned


class Scorer:
    """What `mlflow.pyfunc.load_model` gives."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    @property
    def contract(self) -> FeatureContract:
        """The features that the model reads."""
        return self._bundle.contract

    def predict(
        self,
        features: "Frame",
        params: Mapping[str, Any] | None = None,  # noqa: ARG002 - MLflow passes it
    ) -> "pl.DataFrame | pd.DataFrame":
        """What the model believes of each row, in the order of the rows.

        Args:
            features: a feature frame, Polars or pandas, or a list of rows; ids are not needed.
            params: none.

        Returns:
            The columns of `models.bundle.predict` but the ids: a Polars frame for a Polars frame, else a
            pandas one with the same index.

        Raises:
            DataRefused: naming the features that are missing or of another type.
        """
        if isinstance(features, pl.DataFrame):
            return self.answer(features)
        import pandas as pd

        frame = features if isinstance(features, pd.DataFrame) else pd.DataFrame(list(features))
        read = [name for name in _read(self.contract) if name in frame.columns]
        return self.answer(pl.from_pandas(frame[read])).to_pandas().set_index(frame.index)

    def answer(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The same for a Polars frame."""
        known = frame.select(name for name in _read(self.contract) if name in frame.columns)
        if _STAGE not in known.columns:
            raise DataRefused(f"The features do not fit the model: 1 missing: {_STAGE}.")
        keyed = known.with_columns(pl.lit(None).alias(name) for name in KEYS if name not in known.columns)
        return predict(self._bundle, _typed(keyed, self.contract)).drop(KEYS)

    def get_raw_model(self) -> Bundle:
        """The bundle."""
        return self._bundle


def _read(contract: FeatureContract) -> tuple[str, ...]:
    return (*KEYS, *FACTS, *contract.names, *contract.ignored)


def _typed(frame: pl.DataFrame, contract: FeatureContract) -> pl.DataFrame:
    """A column without any value has no type of its own; it takes that of its feature."""
    empty = {one.name for one in frame if one.null_count() == len(frame)}
    numbers = [pl.col(name).cast(pl.Float64) for name in contract.numbers if name in empty]
    words = [pl.col(name).cast(pl.String) for name in contract.categories if name in empty]
    return frame.with_columns(*numbers, *words)


def _load_pyfunc(path: str) -> Scorer:
    """What MLflow calls to load the model for scoring."""
    return Scorer(load_bundle(Path(path)))
