"""How delivered rows become accepted ones: read, mapped, priced, judged, then added to the lake or set aside.

Nothing is accepted before every new delivery of the run has passed the gate, and then all of them at once: the
ledger is written last. accepted + quarantined = delivered for each of them.
"""

import hashlib
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from features import ledger
from features.contracts import TABLES, Kind, Table
from features.lake import Lake
from features.ledger import Receipt
from features.money import converted, to_minor
from features.options import SourceOptions
from features.quality import Gate, Suite, Verdict, count_broken, first_broken_rule, load_suite, refuse
from features.quarantine import QUARANTINED, as_quarantined, set_aside
from features.sources import Delivery, find_deliveries, map_chunk, read_delivery

_log = logging.getLogger(__name__)

Progress = Callable[[str, int], None]
ROW_KEY = ("source_file", "source_line")


@dataclass(frozen=True, slots=True)
class Shop:
    """What reading needs to know of the shop."""

    timezone: str
    currency: str
    erased: frozenset[str] = frozenset()


@dataclass(slots=True)
class Staged:
    """A delivery that was read, and not yet accepted."""

    seq: int
    delivery: Delivery
    source: SourceOptions
    good: Path
    bad: Path
    columns: frozenset[str] = frozenset()
    delivered: int = 0
    accepted: int = 0
    guests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    first_at: datetime | None = None
    last_at: datetime | None = None
    cursor: str | None = None
    block: int = 0
    sample: list[pl.DataFrame] = field(default_factory=list)

    @property
    def table(self) -> Table:
        """The canonical table it belongs to."""
        return TABLES[self.delivery.table]

    def rows(self) -> pl.LazyFrame:
        """The rows that passed."""
        return pl.scan_parquet(sorted(self.good.glob("*.parquet")))


def ingest(
    sources: Mapping[str, SourceOptions],
    lake: Lake,
    gate: Gate,
    folders: tuple[Path, Path],
    shop: Shop,
    progress: Progress = lambda _name, _rows: None,
) -> list[Receipt]:
    """Accept every delivery that the lake does not hold yet.

    Args:
        sources: table: where it comes from; secrets already filled in.
        lake: where accepted rows go.
        gate: judges every delivery.
        folders: for rows being read (emptied first), and for rows set aside.
        shop: time zone, reporting currency, erased people.
        progress: told the delivery and its rows so far.

    Returns:
        One receipt per new delivery, in the order of arrival; empty when nothing is new.

    Raises:
        DataRefused: a delivery is unreadable or breaks the gate; nothing was accepted.
    """
    staging, quarantine = folders
    shutil.rmtree(staging, ignore_errors=True)
    staged: list[Staged] = []
    seq = _last(lake)
    for name in (table for table in TABLES if table in sources):
        rates = _rates(lake, staged) if name == "transactions" else None
        suite = load_suite(name, gate.suites)
        for delivery in _new(name, sources[name], lake):
            seq += 1
            one = Staged(seq, delivery, sources[name], staging / f"{seq}/good", staging / f"{seq}/bad")
            _stage(one, suite, gate.options.sample_rows, shop, rates, progress)
            staged.append(one)
    for one in staged:
        set_aside(one.bad, quarantine / one.delivery.table, one.delivery)
    refuse([_judge(gate, one) for one in staged])
    now = datetime.now(UTC)
    for one in staged:
        if one.accepted:
            lake.add(one.table, one.seq, one.rows().with_columns(ingested_at=pl.lit(now, pl.Datetime("us", "UTC"))))
    accepted = [_receipt(one, now) for one in staged]
    if accepted:
        ledger.record(lake.root, accepted)
    shutil.rmtree(staging, ignore_errors=True)
    return accepted


def _new(name: str, source: SourceOptions, lake: Lake) -> Iterator[Delivery]:
    held = ledger.live(lake.root, name)
    cursors = held["cursor"].drop_nulls()
    after = None if cursors.is_empty() else str(cursors.max())
    seen = set(held.select("name", "digest").rows())
    for delivery in find_deliveries(TABLES[name], source, after):
        if (delivery.name, delivery.digest) in seen:
            _log.info("%s: %s is known already", name, delivery.name)
        else:
            yield delivery


def _stage(
    one: Staged, suite: Suite, sample_rows: int, shop: Shop, rates: pl.LazyFrame | None, progress: Progress
) -> None:
    one.good.mkdir(parents=True)
    one.bad.mkdir(parents=True)
    last_time: datetime | None = None
    for number, raw in enumerate(read_delivery(one.delivery, one.source)):
        chunk = _judged(raw, one, suite, shop, rates)
        chunk, last_time = _blocks(chunk, one, last_time)
        good = chunk.filter(pl.col("fault").is_null()).drop("fault", "raw", "_reader")
        bad = chunk.filter(pl.col("fault").is_not_null())
        good.write_parquet(one.good / f"{number:06d}.parquet")
        if not bad.is_empty():
            as_quarantined(bad, raw, one.delivery).write_parquet(one.bad / f"{number:06d}.parquet")
        _count(one, raw, good, bad)
        if sum(frame.height for frame in one.sample) < sample_rows:
            one.sample.append(chunk.drop("raw").head(sample_rows))
        progress(one.delivery.name, one.delivered)


def _judged(
    raw: pl.DataFrame, one: Staged, suite: Suite, shop: Shop, rates: pl.LazyFrame | None
) -> pl.DataFrame:
    """The mapped rows with money in minor units and the first fault of each."""
    table = one.table
    mapped = map_chunk(raw, table, one.source, shop.timezone)
    one.columns = frozenset(c for c in mapped.columns if c in table.index)
    money = [c for c in mapped.columns if c in table.index and table.index[c].kind is Kind.MONEY]
    rows = mapped.lazy().with_columns(source_file=pl.lit(one.delivery.name))
    fault = pl.col("fault")
    if "currency" in one.columns and table.time is not None:
        local = pl.col(table.time).dt.convert_time_zone(shop.timezone).dt.date()
        rows = converted(shop.currency, rates, rows.with_columns(ordered_on=local), money).drop("ordered_on")
        fault = pl.coalesce(fault, pl.when(pl.col("fx_missing")).then(pl.lit("missing_rate")))
    rows = rows.with_columns(fault=pl.coalesce(fault, _erased(table, shop.erased)))
    rows = rows.with_columns(to_minor(pl.col(c), shop.currency).alias(c) for c in money).drop(
        "fx_missing", strict=False
    )
    clean = pl.col("fault").is_null()
    broken = rows.filter(clean).select(count_broken(suite, one.columns)).collect()
    one.faults.update({rule: int(broken[rule][0] or 0) for rule in broken.columns})
    return rows.with_columns(
        fault=pl.coalesce("fault", first_broken_rule(suite, one.columns)),
        _reader=pl.col("fault"),
    ).collect()


def _erased(table: Table, erased: frozenset[str]) -> pl.Expr:
    if table.owner is None or not erased:
        return pl.lit(None, pl.String)
    gone = pl.col(table.owner).map_elements(fingerprint, return_dtype=pl.String).is_in(list(erased))
    return pl.when(gone).then(pl.lit("erased"))


def fingerprint(customer_id: str) -> str:
    """What is kept of an erased person: enough to keep them out, not enough to name them."""
    return hashlib.sha256(customer_id.encode()).hexdigest()


def _blocks(chunk: pl.DataFrame, one: Staged, last: datetime | None) -> tuple[pl.DataFrame, datetime | None]:
    """Number the parts of a file glued from several exports; the number goes on from chunk to chunk."""
    time, days = one.table.time, one.source.restart_days
    if time is None or days is None:
        return chunk.with_columns(block=pl.lit(0, pl.Int64)), last
    known = pl.col(time).forward_fill().fill_null(last)
    fell = (known.shift(fill_value=last) - known) > pl.duration(days=days)
    numbered = chunk.with_columns(block=one.block + fell.fill_null(value=False).cum_sum().cast(pl.Int64))
    if not numbered.is_empty():
        one.block = int(numbered["block"][-1])
        last = numbered.select(known.last()).item()
    return numbered, last


def _count(one: Staged, raw: pl.DataFrame, good: pl.DataFrame, bad: pl.DataFrame) -> None:
    one.delivered += raw.height
    one.accepted += good.height
    table = one.table
    reader = bad["_reader"].drop_nulls()
    one.faults.update(dict(reader.value_counts().rows()))
    if table.owner is not None and table.index[table.owner].nullable:
        one.guests += good[table.owner].null_count()
    if table.time is not None and not good.is_empty():
        first, last = good[table.time].min(), good[table.time].max()
        one.first_at = min(t for t in (one.first_at, first) if t is not None)  # type: ignore[type-var]
        one.last_at = max(t for t in (one.last_at, last) if t is not None)  # type: ignore[type-var]
    if one.source.cursor is not None and not raw.is_empty():
        seen = raw[one.source.cursor].cast(pl.String).max()
        one.cursor = max(c for c in (one.cursor, seen) if c is not None)  # type: ignore[type-var]


def _judge(gate: Gate, one: Staged) -> Verdict:
    sample = pl.concat(one.sample) if one.sample else pl.DataFrame(schema=one.table.schema)
    return gate.check_rows(
        load_suite(one.delivery.table, gate.suites),
        sample.filter(pl.col("_reader").is_null()) if "_reader" in sample.columns else sample,
        dict(sorted(one.faults.items())),
        one.delivered,
        ROW_KEY,
        one.table.personal,
        label=f"{one.delivery.table}: {one.delivery.name}",
    )


def _receipt(one: Staged, now: datetime) -> Receipt:
    source, table = one.source, one.table
    keys: Sequence[str] = source.key or (table.key if source.overlap == "keep" else ())
    return Receipt(
        seq=one.seq,
        table=table.name,
        name=one.delivery.name,
        digest=one.delivery.digest,
        rule=f"key:{','.join(keys)}" if keys else source.overlap,
        columns=",".join(sorted(one.columns)),
        delivered=one.delivered,
        accepted=one.accepted,
        quarantined=one.delivered - one.accepted,
        guests=one.guests,
        first_at=one.first_at,
        last_at=one.last_at,
        cursor=one.cursor,
        ingested_at=now,
    )


def _last(lake: Lake) -> int:
    held = ledger.receipts(lake.root)
    return 0 if held.is_empty() else int(held["seq"][-1])


def _rates(lake: Lake, staged: list[Staged]) -> pl.LazyFrame | None:
    """Rates of the lake and of this run's own deliveries, the later one where both name a day."""
    fresh = [one.rows() for one in staged if one.delivery.table == "fx_rates" and one.accepted]
    if not fresh and not lake.holds("fx_rates"):
        return None
    columns = ["date", "currency", "rate"]
    held = lake.scan("fx_rates").select(columns)
    frames = [held, *(frame.select(columns) for frame in fresh)]
    return pl.concat(frames).unique(subset=["date", "currency"], keep="last", maintain_order=True)


__all__ = ["QUARANTINED", "Shop", "Staged", "fingerprint", "ingest"]
