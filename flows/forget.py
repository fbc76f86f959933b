"""The flow that erases a person everywhere in a workspace, and keeps them from coming back."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from features.contracts import TABLES
from features.pricing import fingerprint
from flows import inputs
from flows.artifacts import summarise
from flows.forgotten import add_forgotten
from flows.lists import erase_from_list
from flows.lock import hold
from flows.settings import Settings, load
from flows.workspace import publish_file

_DAILY = ("features", "scores")


@flow(name="winback-forget", flow_run_name="forget", validate_parameters=False, log_prints=False)
def forget(config: str, customer_id: str, overrides: list[str] | None = None) -> dict[str, Any]:
    """Erase a person from the lake, the quarantine, features, scores and lists.

    Models keep what they learned from many people together; nothing of one person can be read from them. Train
    again if the law asks for it: the next training no longer sees the person.

    Args:
        config: path of the config file.
        customer_id: whom to erase, as the shop's own files name them.
        overrides: `key.path=value`.
    """
    settings = load(config, overrides or [])
    with hold(settings.root, "winback forget"):
        add_forgotten(settings.root, fingerprint(customer_id))
        counts = erase(settings, customer_id)
    gone = sum(counts.values())
    said = f"Erased: {gone:,} rows in {sum(1 for n in counts.values() if n)} places."
    again = "Rows of this person that are delivered again will be set aside without their content."
    return summarise("forget", {"status": "done", "counts": counts, "sentences": [said, again]})


@task(name="erase", cache_policy=NO_CACHE)
def erase(settings: Settings, customer_id: str) -> dict[str, int]:
    """Take the person out of every file; returns rows per place."""
    places, held = inputs.workspace(settings), inputs.lake(settings)
    counts = {f"lake {name}": held.rewrite_without(name, [customer_id]) for name in TABLES}
    for kind in _DAILY:
        files = sorted((places.root / kind).glob("as_of=*/*.parquet"))
        counts[kind] = sum(_without(file, pl.col("customer_id") == customer_id) for file in files)
    counts["lists"] = sum(erase_from_list(places.list(day), customer_id) for day in places.days("lists"))
    rejected = sorted(places.quarantine.glob("*/*.parquet"))
    named = pl.col("row").str.contains(customer_id, literal=True)
    counts["quarantine"] = sum(_without(file, named, private=True) for file in rejected)
    shutil.rmtree(places.runs / "predictions", ignore_errors=True)
    return counts


def _without(file: Path, theirs: pl.Expr, *, private: bool = False) -> int:
    frame = pl.read_parquet(file)
    kept = frame.filter(~theirs.fill_null(value=False))
    if kept.height < frame.height:
        with publish_file(file, private=private) as aside:
            kept.write_parquet(aside)
    return frame.height - kept.height
