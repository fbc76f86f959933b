"""The flow that trains a model on what was known, records it, and promotes it if it is good enough."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from features import ledger
from features.asof import AsOf
from features.errors import DataRefused
from flows import inputs
from flows.artifacts import summarise
from flows.console import step
from flows.days import name_of_run
from flows.lock import hold
from flows.settings import Settings


@flow(name="winback-train", flow_run_name=name_of_run, validate_parameters=False)
def train(
    config: str,
    as_of: str | None = None,
    overrides: list[str] | None = None,
    force: bool = False,  # noqa: FBT001, FBT002 - a parameter of deployments, given by name
) -> dict[str, Any]:
    """Train on everything known at the end of a day, and promote the model if it is good enough.

    Args:
        config: path of the config file.
        as_of: the last day that is known, YYYY-MM-DD; default the last complete day.
        overrides: `key.path=value`.
        force: train even when the same data and settings were trained on before.
    """
    settings, day = inputs.opened(config, overrides or [], as_of)
    with hold(settings.root, "winback train"):
        model = learn(settings, day, force=force)
    return summarise("train", {"status": "done", "as_of": day.day.isoformat(), **model})
