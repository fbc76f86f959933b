"""How delivered rows become accepted ones: read, mapped, priced, judged, then added to the lake or set aside.

Nothing is accepted before every new delivery of the run has passed the gate, and then all of them at once:
the ledger is written last. accepted + quarantined = delivered for each of them.
"""

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import polars as pl

from features import ledger, quarantine
from features.contracts import TABLES, Table
from features.engine import Engine
from features.errors import WinbackError
from features.lake import Lake
from features.ledger import Receipt
from features.options import QualityOptions, SourceOptions
from features.parts import Piece
from features.pricing import Shop, in_minor_units
from features.quality import Gate, Tally, Verdict, load_suite, refuse
from features.sources import Delivery, find_deliveries, map_chunk, read_delivery

_log = logging.getLogger(__name__)

Progress = Callable[[str, int], None]
_LEAST_SAMPLE = 1000
# Columns of a chunk that say what was found out about a row; they are not kept with it.
_FOUND = ("fault", "raw", "rule")


@dataclass(frozen=True, slots=True)
class Folders:
    """Where rows are while a run reads them, and where rejected ones go."""

    staging: Path
    quarantine: Path


@dataclass(slots=True)
class Staged:
    """A delivery that was read, and not yet accepted."""

    seq: int
    delivery: Delivery
    source: SourceOptions
    folder: Path
    tally: Tally
    columns: frozenset[str] = frozenset()
    accepted: int = 0
    guests: int = 0
    times: list[datetime] = field(default_factory=list)
    block: int = 0
    last_time: datetime | None = None

    @property
    def table(self) -> Table:
        """The canonical table it belongs to."""
        return TABLES[self.delivery.table]

    @property
    def good(self) -> Path:
        """Where its accepted rows wait."""
        return self.folder / "good"

    @property
    def bad(self) -> Path:
        """Where its rejected rows wait."""
        return self.folder / "bad"

    def rows(self) -> pl.LazyFrame:
        """The rows that passed."""
        return pl.scan_parquet(sorted(self.good.glob("*.parquet")))


def ingest(
    sources: Mapping[str, SourceOptions],
    lake: Lake,
    gate: Gate,
    folders: Folders,
    *,
    shop: Shop,
    quality: QualityOptions,
    progress: Progress = lambda _name, _rows: None,
    engine: Engine | None = None,
) -> list[Receipt]:
    """Accept every delivery that the lake does not hold yet.

    Args:
        sources: table: where it comes from; secrets already filled in.
        lake: where accepted rows go.
        gate: judges every delivery.
        folders: for rows being read (emptied first), and for rows set aside.
        shop: time zone, reporting currency, erased people.
        quality: sizes of samples, and the user's own suites.
        progress: told the delivery and how many more of its rows were read.
        engine: where files are read and increments written, which lie on a disk that all share; default
            here, one after the other.

    Returns:
        One receipt per new delivery, in the order of arrival; empty when nothing is new.

    Raises:
        DataRefused: a delivery is unreadable or breaks the gate; nothing was accepted.
    """
    shutil.rmtree(folders.staging, ignore_errors=True)
    reading = _Reading(folders.staging, shop, quality, progress, engine)
    staged = _stage_all(sources, lake, reading)
    for one in staged:
        quarantine.set_aside(one.bad, folders.quarantine / one.table.name, one.delivery)
    refuse(_judged(gate, staged))
    now = datetime.now(UTC)
    filled = [one for one in staged if one.accepted]
    write = partial(_written, lake=lake, now=now)
    written = map(write, filled) if engine is None else engine.gather(engine.map(write, filled))
    for one, pieces in zip(filled, written, strict=True):
        lake.switch_in(one.table, one.seq, pieces)
    accepted = [_receipt(one, now) for one in staged]
    if accepted:
        ledger.record(lake.root, accepted)
    shutil.rmtree(folders.staging, ignore_errors=True)
    return accepted


@dataclass(frozen=True, slots=True)
class _Reading:
    """What it takes to read deliveries; see `ingest`."""

    staging: Path
    shop: Shop
    quality: QualityOptions
    progress: Progress
    engine: Engine | None

    def tally(self, name: str, deliveries: int) -> Callable[[], Tally]:
        """What makes an empty tally for each of so many deliveries of a table."""
        own = Path(self.quality.suites) if self.quality.suites else None
        suite = load_suite(name, own, today=datetime.now(UTC).date())
        # All samples are held until they are judged together.
        sample = max(_LEAST_SAMPLE, self.quality.sample_rows // max(deliveries, 1))
        return partial(Tally, suite, sample_rows=sample, keys_shown=self.quality.row_keys_shown)


def _stage_all(sources: Mapping[str, SourceOptions], lake: Lake, reading: _Reading) -> list[Staged]:
    staged: list[Staged] = []
    first = ledger.last_seq(lake.root) + 1
    for name in (table for table in TABLES if table in sources):
        rates = _rates(lake, staged) if name == "transactions" else None
        fresh = list(_new(name, sources[name], lake))
        stage = partial(
            _stage,
            source=sources[name],
            staging=reading.staging,
            tally=reading.tally(name, len(fresh)),
            shop=reading.shop,
            rates=rates,
        )
        read = _read_all(range(first, first + len(fresh)), fresh, stage, reading)
        # A pull without rows says nothing.
        staged += [one for one in read if one.tally.rows or one.delivery.after is None]
        first += len(fresh)
    return staged


def _read_all(
    seqs: Sequence[int], deliveries: Sequence[Delivery], stage: Callable[..., Staged], reading: _Reading
) -> Iterator[Staged]:
    """Read deliveries in order; files on the engine, while what was pulled from a database lies here only."""
    if reading.engine is None or any(one.path is None or one.path.is_dir() for one in deliveries):
        yield from (stage(*one, progress=reading.progress) for one in zip(seqs, deliveries, strict=True))
        return
    attempts = reading.engine.map(partial(_attempted, stage=stage), seqs, deliveries)
    for done in reading.engine.gather(attempts):
        if isinstance(done, WinbackError):  # that of the first delivery, as if they were read in turn
            raise done
        reading.progress(done.delivery.name, done.tally.rows)
        yield done


def _attempted(seq: int, delivery: Delivery, stage: Callable[..., Staged]) -> Staged | WinbackError:
    try:
        return stage(seq, delivery)
    except WinbackError as error:
        return error


def _new(name: str, source: SourceOptions, lake: Lake) -> Iterator[Delivery]:
    held = ledger.live(lake.root, name)
    cursors = held["cursor"].drop_nulls()
    after = None if cursors.is_empty() else str(cursors[-1])
    seen = set(held.select("name", "digest").iter_rows())
    for found in find_deliveries(TABLES[name], source, after):
        # A pull of newer rows stands beside the earlier ones; a whole query replaces the last one.
        since = f"{found.name} after {after or source.cursor_start}"
        delivery = found if found.after is None else replace(found, name=since)
        if (delivery.name, delivery.digest) in seen:
            _log.info("%s: %s is known already", name, delivery.name)
        else:
            yield delivery


def _stage(
    seq: int,
    delivery: Delivery,
    *,
    source: SourceOptions,
    staging: Path,
    tally: Callable[[], Tally],
    shop: Shop,
    rates: pl.LazyFrame | None,
    progress: Progress = lambda _name, _rows: None,
) -> Staged:
    """Read one delivery. It may be read again, after a worker was lost with a first attempt."""
    one = Staged(seq, delivery, source, staging / str(seq), tally())
    shutil.rmtree(one.folder, ignore_errors=True)
    one.good.mkdir(parents=True)
    one.bad.mkdir(parents=True)
    for number, raw in enumerate(read_delivery(one.delivery, one.source)):
        mapped = map_chunk(raw, one.table, one.source, shop.timezone)
        one.columns = frozenset(c for c in mapped.columns if c in one.table.index)
        priced = in_minor_units(mapped, one.table, shop, rates)
        judged = one.tally.add(_in_blocks(priced.with_columns(source_file=pl.lit(one.delivery.name)), one))
        good = judged.filter(pl.col("rule").is_null()).drop(_FOUND)
        bad = judged.filter(pl.col("rule").is_not_null())
        if good.height:
            good.write_parquet(one.good / f"{number:06d}.parquet", compression="lz4")
        if bad.height:
            rejected = quarantine.rejected(bad, raw, one.delivery, shop.erased)
            rejected.write_parquet(one.bad / f"{number:06d}.parquet")
        _count(one, good)
        progress(one.delivery.name, raw.height)
    return one


def _written(one: Staged, lake: Lake, now: datetime) -> list[Piece]:
    arrived = pl.lit(now, pl.Datetime("us", "UTC")).alias("ingested_at")
    return lake.write(one.table, one.seq, one.rows().with_columns(arrived, delivery=pl.lit(one.seq)))


def _in_blocks(chunk: pl.DataFrame, one: Staged) -> pl.DataFrame:
    """Number the parts of a file glued from several exports; the number goes on from chunk to chunk."""
    time, days = one.table.time, one.source.restart_days
    if time is None or days is None:
        return chunk.with_columns(block=pl.lit(0, pl.Int64))
    before = pl.lit(one.last_time, one.table.index[time].dtype)
    known = pl.col(time).forward_fill().fill_null(before)
    fell = (known.shift(fill_value=before) - known) > pl.duration(days=days)
    starts = fell.fill_null(value=False).cum_sum().cast(pl.Int64)
    numbered = chunk.with_columns(block=one.block + starts)
    if numbered.height:
        one.block = int(numbered["block"][-1])
        one.last_time = numbered.select(known.last()).item()
    return numbered


def _count(one: Staged, good: pl.DataFrame) -> None:
    table = one.table
    one.accepted += good.height
    if table.owner is not None and table.index[table.owner].nullable:
        one.guests += good[table.owner].null_count()
    if table.time is not None and good.height:
        found = good.select(first=pl.col(table.time).min(), last=pl.col(table.time).max()).row(0)
        one.times = [min([*one.times, *found]), max([*one.times, *found])]


def _judged(gate: Gate, staged: list[Staged]) -> list[Verdict]:
    """Deliveries of one table with the same columns are judged in one go."""
    verdicts = []
    kinds = {(one.table.name, one.columns): one.table for one in staged}
    for (name, columns), table in kinds.items():
        alike = {o.delivery.name: o.tally for o in staged if (o.table.name, o.columns) == (name, columns)}
        suite = next(iter(alike.values())).suite
        verdicts += gate.check_deliveries(suite, alike, personal=table.personal, label=name)
    return verdicts


def _receipt(one: Staged, now: datetime) -> Receipt:
    source, table = one.source, one.table
    keys = source.key or (table.key if source.overlap == "keep" else ())
    return Receipt(
        seq=one.seq,
        table=table.name,
        name=one.delivery.name,
        digest=one.delivery.digest,
        rule=f"key:{','.join(keys)}" if keys else source.overlap,
        columns=",".join(sorted(one.columns)),
        delivered=one.tally.rows,
        accepted=one.accepted,
        quarantined=one.tally.rows - one.accepted,
        guests=one.guests,
        first_at=one.times[0] if one.times else None,
        last_at=one.times[1] if one.times else None,
        cursor=one.delivery.after,
        ingested_at=now,
        assumed=json.dumps(one.tally.assumed, sort_keys=True) if one.tally.assumed else None,
    )


def _rates(lake: Lake, staged: list[Staged]) -> pl.LazyFrame | None:
    """Rates of the lake and of this run's own deliveries, the later one where both name a day."""
    columns = ["date", "currency", "rate"]
    fresh = [one.rows().select(columns) for one in staged if one.table.name == "fx_rates" and one.accepted]
    if not fresh and not lake.holds("fx_rates"):
        return None
    frames = [lake.scan("fx_rates").select(columns), *fresh]
    return pl.concat(frames).unique(subset=["date", "currency"], keep="last", maintain_order=True)
