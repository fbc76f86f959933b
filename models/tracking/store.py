"""Where runs and models are kept, and how to reach it without noise or a half-made database."""

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from features.errors import WinbackError
from models.options import MlflowOptions

if TYPE_CHECKING:
    from mlflow import MlflowClient

# What the names of all registered models begin with.
MODEL = "winback-churn"
_SQLITE = "sqlite:///"
_SERVED = ("http://", "https://", "databricks")
# Said before the first import of mlflow, which reads them then. A choice of the user's own stays, but for
# telemetry, which is off whatever else is set.
_CHOICES = {
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # the default of 7 is silent for minutes when a server is down
    "GIT_PYTHON_REFRESH": "quiet",
}
# MLflow 3.17 causes these itself, with SQLAlchemy 2.1, pandas 3.1 and its own types; none is about our data.
_WARNINGS = (
    "The ``noload`` loader strategy is deprecated",
    "Operation with range is deprecated",
    ".*Any type hint is inferred as AnyType",
)


@dataclass(frozen=True, slots=True)
class Store:
    """A tracking store, and the registered model in it whose versions answer one question.

    Attributes:
        uri: what MLflow calls the tracking URI.
        artifacts: URI of the folder for artifacts; None where a server decides.
        model: name of the registered model; its aliases say who decides on that question.
    """

    uri: str
    artifacts: str | None
    model: str = MODEL

    @property
    def label(self) -> str:
        """The URI without a password, fit for messages."""
        return without_password(self.uri)

    @property
    def database(self) -> Path | None:
        """The SQLite file, if that is what it is."""
        return Path(self.uri.removeprefix(_SQLITE)) if self.uri.startswith(_SQLITE) else None


def experiment_name(horizon_days: int) -> str:
    """The experiment with the runs of one horizon."""
    return f"churn-{horizon_days}d"


def store_of(options: MlflowOptions, workspace: Path, model: str = MODEL) -> Store:
    """The configured store, or `mlflow.db` and `mlartifacts/` in the workspace, for one registered model."""
    uri = store_uri(options, workspace)
    if uri.startswith(_SERVED):
        return Store(uri, None, model)
    return Store(uri, (workspace.absolute() / "mlartifacts").as_uri(), model)


def store_uri(options: MlflowOptions, workspace: Path) -> str:
    """The tracking URI: the configured one (its secrets already put in), or SQLite in the workspace."""
    return options.tracking_uri or f"{_SQLITE}{workspace.absolute() / 'mlflow.db'}"


def exists(store: Store) -> bool:
    """Whether anything can have been recorded; cheap, MLflow is not even imported."""
    return store.database is None or store.database.is_file()


def without_password(text: str) -> str:
    """Text in which no URI says who signs in."""
    return re.sub(r"//[^/@\s]+@", "//***@", text)


@contextmanager
def connected(store: Store) -> Iterator["MlflowClient"]:
    """A client of the store, which is also MLflow's current one inside the block.

    Raises:
        WinbackError: when the store cannot be reached or refuses, in plain words.
    """
    with _quiet():
        import mlflow
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        try:
            _create(store)
            mlflow.set_tracking_uri(store.uri)
            yield mlflow.MlflowClient(store.uri, registry_uri=store.uri)
        except (MlflowException, SQLAlchemyError, ModuleNotFoundError) as error:  # the last: a driver
            raise WinbackError(
                f"The MLflow store {store.label} did not do as asked: {_first_words(error)} "
                "Check that it is reachable (mlflow.tracking_uri in the config) and not from another version."
            ) from error
        finally:
            mlflow.set_tracking_uri(before)


def _first_words(error: Exception) -> str:
    return without_password(" ".join(str(error).split()))[:300].rstrip(".") + "."


def _create(store: Store) -> None:
    """Make the SQLite database aside and link it into place: a kill leaves none rather than half a one.

    MLflow creates and migrates its tables in many transactions; a database left between two of them is
    refused for ever after.
    """
    database = store.database
    if database is None or database.is_file():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    database.parent.mkdir(parents=True, exist_ok=True)
    aside = database.with_name(f".{database.name}.{uuid4().hex}")
    try:
        SqlAlchemyStore(f"{_SQLITE}{aside}", store.artifacts).engine.dispose()
        try:
            database.hardlink_to(aside)
        except FileExistsError:
            logging.getLogger(__name__).debug("another process made %s first", database.name)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow without telemetry, log lines, progress bars and the warnings its own dependencies cause."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name, value in _CHOICES.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        for message in _WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        from mlflow.utils import logging_utils

        shown = logging_utils.MLFLOW_LOGGING_STREAM.enabled
        logging_utils.disable_logging()  # what it prints past the loggers
        try:
            yield
        finally:
            logging_utils.MLFLOW_LOGGING_STREAM.enabled = shown
