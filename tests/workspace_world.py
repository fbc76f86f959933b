"""A tiny workspace made by hand: a config, order lines in the lake, and lists that were written."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from features import ledger
from features.contracts import TABLES
from features.ledger import Receipt
from flows import inputs
from flows.lists import Written, write_list
from flows.settings import Settings, load
from models.decision import Decision
from models.outputs import EXCLUDED, HOLDOUT, WINBACK, Manifest, contact_by

CONFIG = """
workspace: {root}
lake: {{buckets: 2}}
sources:
  transactions:
    path: {orders}
    columns: {{customer_id: who, ordered_at: at, net_amount: paid, order_id: order}}
churn: {{horizon_days: 90}}
offers:
  - {{id: message}}
  - {{id: gift, kind: gift, cost: 2.5, redeem_share: 0.4}}
consent: {{basis: assumed}}
"""
# Rows of a list that differ from this one in what is given.
ENROLLED: Mapping[str, Any] = {
    "rank": 1,
    "selection": "profit",
    "stratum": "lapsed.gold.05-10",
    "assignment_probability": 0.5,
    "offer_id": "message",
    "offer_cost": 0.0,
    "contact_cost": 0.05,
    "channel": "email",
}


def shop(folder: Path, *overrides: str) -> Settings:
    """The settings of a workspace under a folder; its config is `winback.yaml` there."""
    path = folder / "winback.yaml"
    path.write_text(CONFIG.format(root=folder / "workspace", orders=folder / "orders.csv"))
    return load(path, overrides)


def order(customer: str, on: date, cents: int, name: str, **more: Any) -> dict[str, Any]:
    """One order of one line, at noon; it cost nothing, so all of it is margin."""
    at = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
    cost = {"cost_amount": 0}
    return {"customer_id": customer, "ordered_at": at, "net_amount": cents, "order_id": name, **cost, **more}


def deliver(
    settings: Settings, table: str, rows: Sequence[Mapping[str, Any]], name: str = "made.csv"
) -> None:
    """Put rows of a table into the lake; there is at least one."""
    lake, kind = inputs.lake(settings), TABLES[table]
    seq, now = ledger.last_seq(lake.root) + 1, datetime(2024, 1, 1, tzinfo=UTC)
    origin = {"delivery": seq, "block": 0, "source_file": name, "ingested_at": now}
    frame = pl.LazyFrame([dict(row) for row in rows], schema=kind.schema).with_row_index("source_line")
    lake.add(kind, seq, frame.with_columns(**{key: pl.lit(value) for key, value in origin.items()}))
    count, columns = len(rows), ",".join(kind.schema.names())
    times = [row[kind.time] for row in rows] if kind.time else [None]
    accepted = Receipt(
        seq, table, name, f"d{seq}", "keep", columns, count, count, 0, 0, min(times), max(times), None, now
    )  # fmt: skip
    ledger.record(lake.root, [accepted])


def write(
    settings: Settings,
    day: date,
    rows: Sequence[Mapping[str, Any]],
    *,
    revision: bool = False,
    **changes: Any,
) -> Written:
    """Write the list of a day; rows without an arm are excluded."""
    content: dict[str, Any] = {
        "list_id": f"list-{day}",
        "as_of": day,
        "currency": "EUR",
        "config_hash": "abc",
        "lake_versions": {},
        "model_version": "7",
        "model_run_id": "run",
        "seed": 7,
        "consent_basis": "assumed",
        "exportable": True,
        "acknowledge": "on_write",
        "gap_days": 0,
        "horizon_days": 30,
        "contact_by": contact_by(day, 7),
        "counts": {"listed": len(rows)},
        "totals": {},
        **changes,
    }
    arms = {"winback": ("treatment", "explore"), "holdout": ("control", "universal"), "excluded": (None,)}
    shapes = {"winback": WINBACK, "holdout": HOLDOUT, "excluded": EXCLUDED}
    frames = {
        name: _shaped([row for row in rows if row.get("arm") in arms[name]], shape, content)
        for name, shape in shapes.items()
    }
    manifest = Manifest.model_validate(content)
    decision = Decision(content["list_id"], day, **frames, counts={}, totals={}, notes=())
    folder = inputs.workspace(settings).list(day)
    return write_list(folder, decision, manifest, revision=revision)


def after(day: date, days: int) -> date:
    """So many days later."""
    return day + timedelta(days=days)


def _shaped(rows: Sequence[Mapping[str, Any]], shape: pl.Schema, content: Mapping[str, Any]) -> pl.DataFrame:
    fixed = {"list_id": content["list_id"], "as_of": content["as_of"]}
    whole = [
        {**ENROLLED, **fixed, "enrolment_id": f"{content['list_id']}-{row['customer_id']}", **row}
        for row in rows
    ]
    return pl.DataFrame([{name: row.get(name) for name in shape} for row in whole], schema=shape)
