"""What contacts have taught, in MLflow: a run called `effects`, one step per day of the newest list in it.

When MLflow does not answer, the night goes on; the next one tells it.
"""

from prefect import task
from prefect.cache_policies import NO_CACHE

from features.asof import AsOf
from features.errors import WinbackError
from flows import inputs
from flows.effects import unrecorded
from flows.settings import Settings
from flows.workspace import publish_file
from models.tracking import record_effects

# Beside what was learned when MLflow has its figures.
RECORDED = "mlflow.recorded"


@task(name="record what contacts taught", cache_policy=NO_CACHE)
def record(settings: Settings, as_of: AsOf) -> tuple[str, ...]:
    """Tell MLflow what it has not been told; gives a sentence when that has to wait."""
    store = inputs.store(settings)
    for folder, until, told in unrecorded(settings, RECORDED):
        figures = {
            f"effect.{offer}.{name}": value
            for offer, one in told.items()
            for name, value in one.figures.items()
        }
        tags = {f"effect.{offer}.evidence": str(one.evidence) for offer, one in told.items()}
        tags["effects.digest"] = folder.name
        try:
            record_effects(store, as_of.horizon_days, until, figures, tags, as_of.day)
        except WinbackError as error:
            return (f"What contacts taught is not in MLflow yet; the next night tries again. {error}",)
        with publish_file(folder / RECORDED) as aside:
            aside.write_text("recorded\n", encoding="utf-8")
    return ()
