"""The flow that merges the lake's increments into its base."""

from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from features import parts
from features.contracts import TABLES
from features.wording import counted
from flows import inputs
from flows.artifacts import summarise
from flows.console import step
from flows.lock import hold
from flows.settings import Settings, load


@flow(name="winback-compact", validate_parameters=False)
def compact(config: str, overrides: list[str] | None = None) -> dict[str, Any]:
    """Merge the small increments of the lake into its base; what the lake says stays the same.

    Args:
        config: path of the config file.
        overrides: `key.path=value`.
    """
    settings = load(config, overrides or [])
    with hold(settings.root, "winback compact"):
        rows = {table: merge(settings, table) for table in TABLES if inputs.lake(settings).holds(table)}
    base = f"The base of {counted(len(rows), 'table')} holds {counted(sum(rows.values()), 'row')}"
    return summarise(
        "compact",
        {
            "status": "done",
            "counts": rows,
            "paths": {"lake": str(inputs.workspace(settings).lake)},
            "sentences": [f"{base}; no increment is left."],
        },
    )


@task(name="merge increments", cache_policy=NO_CACHE)
def merge(settings: Settings, table: str) -> int:
    """Write one table's merged rows as its new base; returns its rows."""
    with step(f"Compacting {table}"):
        rows = inputs.lake(settings).compact(table)
        parts.vacuum(inputs.workspace(settings).lake / table)
    return rows
