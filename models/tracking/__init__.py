"""The memory of trainings and models. The only home of MLflow."""

from models.tracking.content import SNAPSHOT, TRAINING, TRIAL, NestedRun, TrainingRecord
from models.tracking.entries import Data, Facts
from models.tracking.record import (
    BOOSTER,
    BUNDLE,
    KEY,
    KIND,
    MODEL,
    PARENT,
    RegisteredModel,
    code_commit,
    find_training,
    record_training,
)
from models.tracking.registry import CHALLENGER, CHAMPION, Champion, champion, promote
from models.tracking.store import Store, store_of, store_uri

__all__ = [
    "BOOSTER",
    "BUNDLE",
    "CHALLENGER",
    "CHAMPION",
    "KEY",
    "KIND",
    "MODEL",
    "PARENT",
    "SNAPSHOT",
    "TRAINING",
    "TRIAL",
    "Champion",
    "Data",
    "Facts",
    "NestedRun",
    "RegisteredModel",
    "Store",
    "TrainingRecord",
    "champion",
    "code_commit",
    "find_training",
    "promote",
    "record_training",
    "store_of",
    "store_uri",
]
