"""The flow that puts a model in use because a person says so."""

from datetime import UTC, datetime
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from features.errors import ConfigError
from flows import inputs
from flows.artifacts import summarise
from flows.horizon import resolved
from flows.lock import hold
from flows.recipe import refuse_other_question
from flows.settings import Settings, load
from models.tracking import Champion, appoint, champion, model_of

_LONGEST_REASON = 500


@flow(name="winback-promote", validate_parameters=False)
def promote(config: str, version: str, reason: str, overrides: list[str] | None = None) -> dict[str, Any]:
    """Put a registered model in use, whatever the rule says. Later trainings are judged against it.

    Args:
        config: path of the config file.
        version: of the registered model.
        reason: why; kept with the model.
        overrides: `key.path=value`.
    """
    settings = resolved(load(config, overrides or []))
    why = one_line(reason)
    with hold(settings.root, "winback promote"):
        summary = put_in_use(settings, version, why)
    return summarise("promote", summary)


@task(name="put a model in use", cache_policy=NO_CACHE)
def put_in_use(settings: Settings, version: str, reason: str) -> dict[str, Any]:
    """Make a version the champion, unless it is so already.

    Raises:
        ConfigError: when there is no such version, or it answers another question than the config asks.
    """
    store, cache = inputs.store(settings), inputs.workspace(settings).models
    wanted, present = model_of(store, version, cache), champion(store, cache)
    refuse_other_question(f"Model {version}", wanted.tags, settings)
    if present is not None and present.version == version:
        return told(
            settings, wanted, "unchanged", f"Model {version} was in use already: nothing was changed."
        )
    appoint(store, version, reason, datetime.now(UTC))
    instead = "" if present is None else f", in place of model {present.version}"
    said = f"Model {version} is in use now{instead}, until a later one beats it by the rule. Reason: {reason}"
    return told(settings, wanted, "promoted", said)


def told(settings: Settings, model: Champion, status: str, sentence: str) -> dict[str, Any]:
    """The summary of a change of champions."""
    known = f"It was trained on everything up to {model.tags['data.as_of']}."
    return {
        "status": status,
        "paths": {"mlflow": inputs.store(settings).label},
        "run_ids": {"model_run": model.run_id, "model_version": model.version},
        "sentences": [sentence, known],
    }


def one_line(reason: str) -> str:
    """A reason as it is kept.

    Raises:
        ConfigError: when it says nothing, or too much.
    """
    words = " ".join(reason.split())
    if not 1 <= len(words) <= _LONGEST_REASON:
        raise ConfigError(
            f"--reason takes 1 to {_LONGEST_REASON} characters, got {len(words)}: say why in a sentence."
        )
    return words
