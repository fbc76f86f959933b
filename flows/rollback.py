"""The flow that puts the model back in use that decided before the present one."""

from datetime import UTC, datetime
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from features.errors import ConfigError
from flows import inputs
from flows.artifacts import summarise
from flows.horizon import resolved
from flows.lock import hold
from flows.promote import one_line, told
from flows.recipe import refuse_other_question
from flows.settings import Settings, load
from models.tracking import champion, former, model_of, roll_back


@flow(name="winback-rollback", validate_parameters=False)
def rollback(config: str, reason: str, overrides: list[str] | None = None) -> dict[str, Any]:
    """Go back to the champion before the present one; once more goes one further back.

    Args:
        config: path of the config file.
        reason: why; kept with the model.
        overrides: `key.path=value`.
    """
    settings = resolved(load(config, overrides or []))
    why = one_line(reason)
    with hold(settings.root, "winback rollback"):
        summary = go_back(settings, why)
    return summarise("rollback", summary)


@task(name="go back to the model before", cache_policy=NO_CACHE)
def go_back(settings: Settings, reason: str) -> dict[str, Any]:
    """Make the former champion the champion again.

    Raises:
        ConfigError: when there is none, or it answers another question than the config asks.
    """
    store, cache = inputs.store(settings), inputs.workspace(settings).models
    present, earlier = champion(store, cache), former(store)
    if present is None:
        raise ConfigError("There is no model in use, so there is nothing to go back from.")
    if not earlier:
        raise ConfigError(
            f"No model decided before model {present.version}: there is nothing to go back to. winback runs "
            "shows what there is; winback promote VERSION puts any of them in use."
        )
    before = model_of(store, earlier[0], cache)
    refuse_other_question(f"Model {before.version}, the one before,", before.tags, settings)
    roll_back(store, reason, datetime.now(UTC))
    said = f"Model {before.version} is in use again, in place of model {present.version}. Reason: {reason}"
    return told(settings, before, "rolled back", said)
