"""Which deliveries the lake holds: one line per accepted delivery, written last, so that it switches it on.

A delivery that is not in the ledger does not exist for a reader, whatever files a killed run left behind. A
later delivery of the same name takes the place of the earlier one.
"""

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path

import polars as pl

from features import parts
from features.contracts import UTC
from features.digests import short_digest

_NAME = "deliveries"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one delivery. accepted + quarantined = delivered, always.

    Attributes:
        seq: order of arrival within the lake; later ones win.
        table: the table it belongs to.
        name: its name; the same name again replaces it.
        digest: hash of its content and of how it was read.
        rule: how its rows meet earlier ones: keep, replace_order, replace_period or key:a,b.
        columns: canonical columns it mapped, comma separated.
        delivered: records found.
        accepted: records in the lake.
        quarantined: records set aside, on purpose or because they break a rule.
        guests: accepted records without an owner.
        first_at: time of the earliest accepted row, if the table has times.
        last_at: time of the latest one.
        cursor: greatest value of a database source's cursor column.
        ingested_at: when it was accepted, UTC.
        assumed: JSON, rule -> accepted rows with a cell that could not be read and was taken for a value
            (`features.contracts.Unreadable`); None where there is none.
    """

    seq: int
    table: str
    name: str
    digest: str
    rule: str
    columns: str
    delivered: int
    accepted: int
    quarantined: int
    guests: int
    first_at: datetime | None
    last_at: datetime | None
    cursor: str | None
    ingested_at: datetime
    assumed: str | None = None


_TIMES = ("first_at", "last_at", "ingested_at")
_NUMBERS = ("seq", "delivered", "accepted", "quarantined", "guests")
_SCHEMA = pl.Schema(
    {
        name: UTC if name in _TIMES else pl.Int64() if name in _NUMBERS else pl.String()
        for name in (field.name for field in fields(Receipt))
    }
)


def receipts(lake: Path) -> pl.DataFrame:
    """Every delivery ever accepted, in order of arrival."""
    folder = lake / _NAME
    if not parts.exists(folder):
        return pl.DataFrame(schema=_SCHEMA)
    held = pl.read_parquet(parts.files(folder), schema=_SCHEMA, missing_columns="insert", glob=False)
    return held.sort("seq")


def last_seq(lake: Path) -> int:
    """Number of the newest delivery; 0 when there is none."""
    return int(receipts(lake)["seq"].max() or 0)  # type: ignore[arg-type]  # an integer column


def live(lake: Path, table: str | None = None) -> pl.DataFrame:
    """Deliveries whose rows count: the latest of each name."""
    found = receipts(lake)
    if table is not None:
        found = found.filter(pl.col("table") == table)
    return newest(found)


def newest(accepted: pl.DataFrame) -> pl.DataFrame:
    """The latest of each name among these deliveries, in order of arrival."""
    return accepted.filter(pl.col("seq") == pl.col("seq").max().over("table", "name")).sort("seq")


def record(lake: Path, accepted: list[Receipt]) -> None:
    """Switch deliveries on, all in one commit."""
    frame = pl.DataFrame([asdict(receipt) for receipt in accepted], schema=_SCHEMA)
    if frame["assumed"].null_count() == frame.height:  # a ledger without the column needs none yet
        frame = frame.drop("assumed")
    options = {"schema_mode": "merge"}
    frame.write_delta(str(lake / _NAME), mode="append", delta_write_options=options)


def version(lake: Path, table: str | None = None) -> str:
    """Hash of what the lake holds: 12 hex digits.

    It depends on the content of the live deliveries and their order, not on how often files were rewritten: a
    compaction, or a run that was killed and repeated, leaves it as it is.
    """
    held = live(lake, table).select("table", "name", "digest", "rule").rows()
    return short_digest(json.dumps(held))
