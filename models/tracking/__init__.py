"""The memory of trainings and models. The only home of MLflow."""

from models.tracking.changes import CONTRACT, Changes, changes
from models.tracking.content import SNAPSHOT, TRAINING, TRIAL, NestedRun, TrainingRecord
from models.tracking.earned import LISTS, record_lists
from models.tracking.entries import Data, Facts
from models.tracking.record import (
    BOOSTER,
    BUNDLE,
    KEY,
    KIND,
    PARENT,
    RegisteredModel,
    code_commit,
    find_training,
    record_training,
)
from models.tracking.registry import (
    AGAINST,
    CHALLENGER,
    CHAMPION,
    OVERRIDE,
    REASON,
    WITHDRAWN,
    Champion,
    appoint,
    champion,
    former,
    model_of,
    promote,
    roll_back,
)
from models.tracking.runs import Training, headline, training, trainings
from models.tracking.store import MODEL, Store, store_of, store_uri
from models.tracking.watched import promised, record_matured, record_night

__all__ = [
    "AGAINST",
    "BOOSTER",
    "BUNDLE",
    "CHALLENGER",
    "CHAMPION",
    "CONTRACT",
    "KEY",
    "KIND",
    "LISTS",
    "MODEL",
    "OVERRIDE",
    "PARENT",
    "REASON",
    "SNAPSHOT",
    "TRAINING",
    "TRIAL",
    "WITHDRAWN",
    "Champion",
    "Changes",
    "Data",
    "Facts",
    "NestedRun",
    "RegisteredModel",
    "Store",
    "Training",
    "TrainingRecord",
    "appoint",
    "champion",
    "changes",
    "code_commit",
    "find_training",
    "former",
    "headline",
    "model_of",
    "promised",
    "promote",
    "record_lists",
    "record_matured",
    "record_night",
    "record_training",
    "roll_back",
    "store_of",
    "store_uri",
    "training",
    "trainings",
]
