"""The flow that reads what is new, checks it and puts it into the lake."""

from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from features import ledger, quarantine
from features.assumptions import assumptions
from features.contracts import TABLES
from features.ingest import Folders
from features.ingest import ingest as accept
from features.wording import counted
from flows import inputs
from flows.artifacts import summarise
from flows.console import step
from flows.layout import fix_layout
from flows.lock import hold
from flows.retrying import ON_IO
from flows.settings import Settings, load


@flow(name="winback-ingest", validate_parameters=False)
def ingest(config: str, overrides: list[str] | None = None) -> dict[str, Any]:
    """Read what is new in the sources, check it and put it into the lake.

    Args:
        config: path of the config file.
        overrides: `key.path=value`.
    """
    settings = load(config, overrides or [])
    with hold(settings.root, "winback ingest"):
        summary = take_in(settings)
        tidy(settings)
    return summarise("ingest", summary)


@task(name="take in deliveries", cache_policy=NO_CACHE, **ON_IO)
def take_in(settings: Settings) -> dict[str, Any]:
    """Accept every delivery that the lake does not hold yet; nothing when one of them is refused."""
    places, held = inputs.workspace(settings), inputs.lake(settings)
    fix_layout(settings, places.lake)
    quarantine.recover(places.quarantine)
    folders = Folders(places.runs / "staging", places.quarantine)
    with (
        inputs.gate(settings, "ingest") as gate,
        inputs.cluster(settings) as workers,
        step("Reading what is new in the sources") as more,
    ):
        receipts = accept(
            inputs.sources(settings),
            held,
            gate,
            folders,
            shop=inputs.shop(settings),
            quality=settings.quality,
            progress=lambda _name, rows: more(rows),
            engine=workers,
        )
    totals = {
        name: sum(getattr(one, name) for one in receipts)
        for name in ("delivered", "accepted", "quarantined", "guests")
    }
    deliveries = counted(len(receipts), "new delivery", "new deliveries")
    said = f"{deliveries}: {totals['accepted']:,} of {counted(totals['delivered'], 'row')} accepted"
    return {
        "status": "done",
        "counts": {"deliveries": len(receipts), **totals},
        "paths": {"lake": str(places.lake), "quarantine": str(places.quarantine)},
        "versions": {"lake": ledger.version(places.lake)},
        "sentences": [said if receipts else "Nothing new in the sources.", *assumptions(receipts)],
    }


@task(name="tidy the lake", cache_policy=NO_CACHE)
def tidy(settings: Settings) -> list[str]:
    """Compact tables whose increments have grown too many, and delete old quarantine; returns the tables."""
    held, options = inputs.lake(settings), settings.lake
    grown = [t for t in TABLES if held.needs_compaction(t, options.compact_share, options.compact_parts)]
    if grown:
        with inputs.cluster(settings) as workers:
            for table in grown:
                with step(f"Compacting {table}"):
                    held.compact(table, workers)
    quarantine.clean(inputs.workspace(settings).quarantine, settings.quality.quarantine_days)
    return grown
