"""Which model scores, and which one does a new model have to beat?"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from features.asof import AsOf
from features.errors import DataRefused
from flows import inputs
from flows.recipe import answers, refuse_other_question
from flows.retrying import ON_IO
from flows.settings import Settings
from flows.survey import said
from models.bundle import is_outdated, load_bundle
from models.tracking import Champion, champion


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can score.

    Attributes:
        digest: of its content; what `model_version` says in the outputs.
        version: of the registered model.
        run_id: the run that made it.
        bundle: local folder of the saved model.
        known_until: the last day it was trained on.
        metrics: as measured at training.
        said: sentences on the shop and the horizon at training.
    """

    digest: str
    version: str
    run_id: str
    bundle: Path
    known_until: date
    metrics: dict[str, float]
    said: tuple[str, ...] = ()


@task(name="find the champion", cache_policy=NO_CACHE, **ON_IO)
def champion_for(settings: Settings, as_of: AsOf) -> Model | None:
    """The promoted model, or None when there is none yet.

    Raises:
        ConfigError: when it answers another question than the config asks.
        DataRefused: when it was trained on days after the as_of.
    """
    found = champion(inputs.store(settings), inputs.workspace(settings).models)
    if found is None:
        return None
    refuse_other_question("The model in use", found.tags, settings)
    known_until = date.fromisoformat(found.tags["data.as_of"])
    if known_until > as_of.day:
        raise DataRefused(
            f"The model in use was trained on everything up to {known_until}, which lies after {as_of.day}: "
            "its scores would know the future. Use a workspace of its own for past days (--set "
            "workspace=FOLDER)."
        )
    digest = load_bundle(found.bundle).digest
    told = said(dict(found.tags))
    return Model(digest, found.version, found.run_id, found.bundle, known_until, dict(found.metrics), told)


def rival(settings: Settings) -> Champion | None:
    """The model in use, where a new one has to be compared with it."""
    found = champion(inputs.store(settings), inputs.workspace(settings).models)
    return found if found is not None and can_defend(found, settings) else None


def can_defend(found: Champion, settings: Settings) -> bool:
    """Whether a model answers what the config asks, in a format that this version reads."""
    return answers(found.tags, settings) and not is_outdated(found.bundle)
