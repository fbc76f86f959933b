"""What a workspace holds, read at a glance: rows, newest order, model, last list, and who is writing."""

from typing import Any

import polars as pl

from features import ledger, quarantine
from flows import inputs
from flows.effects import standing_now
from flows.enrolments import delivered, read_manifest
from flows.horizon import in_words, resolved
from flows.lock import holder
from flows.settings import Settings
from models.tracking import champion


def workspace_state(settings: Settings) -> dict[str, Any]:
    """Everything that `winback status` says; nothing is written."""
    places = inputs.workspace(settings)
    held = ledger.live(places.lake)
    rows = held.group_by("table").agg(pl.col("accepted").sum()).sort("table")
    rejected = quarantine.summary(places.quarantine)
    return {
        "status": "done",
        "counts": {f"{table} rows": count for table, count in rows.iter_rows()},
        "paths": {"workspace": str(settings.root)},
        "sentences": [
            *_lake_sentences(held, int(rejected["rows"].sum())),
            in_words(settings),
            _model_sentence(resolved(settings)),
            _list_sentence(settings),
            *standing_now(settings),
            _writer_sentence(settings),
        ],
    }


def _lake_sentences(held: pl.DataFrame, rejected: int) -> list[str]:
    orders = held.filter(pl.col("table") == "transactions")
    if orders.is_empty():
        return ["The lake holds no transactions yet. Run winback ingest or winback nightly."]
    newest, arrived = (
        orders.select(pl.col(name).max().dt.strftime("%Y-%m-%d %H:%M")).item()
        for name in ("last_at", "ingested_at")
    )
    return [
        f"The newest order is of {newest} UTC; the newest delivery came {arrived} UTC.",
        f"{rejected:,} rows are set aside in the quarantine.",
    ]


def _model_sentence(settings: Settings) -> str:
    found = champion(inputs.store(settings), inputs.workspace(settings).models)
    if found is None:
        days = settings.churn.horizon_days
        asked = "" if days is None else f" for a horizon of {days} days"
        return f"There is no model{asked} yet. The first night trains one."
    auroc = found.metrics.get("test.auroc")
    judged = "" if auroc is None else f", AUROC {auroc:.3f} on its test day"
    return f"Model {found.version} is in use: trained on everything up to {found.tags['data.as_of']}{judged}."


def _list_sentence(settings: Settings) -> str:
    places = inputs.workspace(settings)
    days = places.days("lists")
    if not days:
        return "There is no list yet."
    folder = places.list(days[-1])
    manifest = read_manifest(folder)
    if manifest is None:
        return f"The folder {folder} holds no list."
    done = delivered(folder)
    state = "not delivered yet" if done is None else f"delivered on {done.acknowledged_on}"
    return f"The last list is of {manifest.as_of}: {manifest.counts['listed']:,} people, {state}."


def _writer_sentence(settings: Settings) -> str:
    who = holder(settings.root)
    return "No run holds the workspace." if who is None else f"{who} holds the workspace."
