"""Order lines of the demo shop's generator, put into a lake the way `winback ingest` does it."""

import json
import os
import shutil
from datetime import date
from pathlib import Path

import polars as pl

from features.contracts import TRANSACTIONS
from features.ingest import Folders, ingest
from features.lake import Lake
from features.ledger import Receipt
from features.options import LakeOptions, QualityOptions, SourceOptions
from features.pricing import Shop, in_minor_units
from features.quality import Gate, Tally, load_suite
from features.sources import find_deliveries, map_chunk, read_delivery
from flows.demo_shop.bench import write_lines
from tests.bench.places import CURRENCY, ZONE, Clock, Place

_SEED = 20_250_630
_SHOP = Shop(ZONE, CURRENCY)
_QUALITY = QualityOptions()
_NAME = TRANSACTIONS.name


def write_raw(place: Place, clock: Clock) -> None:
    """The deliveries: all lines, and those of one more day."""
    with clock.lap():
        write_lines(place.raw, place.lines, _SEED)
        [drawn] = write_lines(place.extra.parent / "drawn", place.lines // 1000, _SEED + 1)
        next_day = pl.datetime(2025, 7, 1, time_unit="us", time_zone="UTC")
        day = pl.read_parquet(drawn).with_columns(
            ordered_at=next_day + (pl.col("ordered_at") - pl.col("ordered_at").dt.truncate("1d")),
            order_id=pl.format("{}-later", "order_id"),
        )
        day.sort("ordered_at", "order_id", maintain_order=True).write_parquet(place.extra)


def load(place: Place, clock: Clock) -> None:
    """The first night: everything is ingested, checked and sorted into the base."""
    _remove(place.folder / "lake", place.made)
    with clock.lap():
        _take_in(place, place.lake, [place.raw / "*.parquet"])
    files = [str(file.relative_to(place.folder)) for file in _base(place.lake)]
    place.made.write_text(json.dumps(files))


def night(place: Place, clock: Clock) -> pl.DataFrame:
    """One more night: 0.1 % new lines come into a copy of the lake.

    Returns:
        How many files of the base the night rewrote.
    """
    copy = Lake(place.folder / "night", place.lake.buckets)
    _remove(copy.root)
    # Files of the lake are never changed in place, so links to them are as good as copies.
    shutil.copytree(place.lake.root, copy.root, copy_function=os.link)
    with clock.lap():
        receipts = _take_in(place, copy, [place.raw / "*.parquet", place.extra])
    assert [one.accepted for one in receipts] == [place.lines // 1000], receipts
    kept = {file.name for file in _base(copy)}
    rewritten = [file for file in _base(place.lake) if file.name not in kept]
    _remove(copy.root)
    return pl.DataFrame({"rewritten": [len(rewritten)]})


def gate(place: Place, clock: Clock) -> None:
    """The quality gate alone, with its Data Docs; reading and mapping the lines is not counted."""
    suite = load_suite(_NAME, today=date(2025, 7, 2))
    source = _source([place.raw / "*.parquet"])
    deliveries = find_deliveries(TRANSACTIONS, source)
    tallies = {}
    for one in deliveries:
        tally = tallies[one.name] = Tally(
            suite,
            sample_rows=max(1000, _QUALITY.sample_rows // len(deliveries)),
            keys_shown=_QUALITY.row_keys_shown,
        )
        for raw in read_delivery(one, source):
            chunk = in_minor_units(map_chunk(raw, TRANSACTIONS, source, ZONE), TRANSACTIONS, _SHOP, None)
            with clock.lap():
                tally.add(chunk)
    docs = place.folder / "docs"
    with clock.lap(), Gate(docs, _QUALITY) as judge:
        verdicts = judge.check_deliveries(suite, tallies, personal=TRANSACTIONS.personal, label=_NAME)
    assert all(verdict.passed for verdict in verdicts), verdicts
    _remove(docs)


def _take_in(place: Place, lake: Lake, paths: list[Path]) -> list[Receipt]:
    """What `winback ingest` does: accept what is new, then compact what has grown too much."""
    docs, folders = place.folder / "docs", Folders(place.folder / "staging", place.folder / "quarantine")
    with Gate(docs, _QUALITY) as judge:
        receipts = ingest({_NAME: _source(paths)}, lake, judge, folders, shop=_SHOP, quality=_QUALITY)
    grown = LakeOptions()
    if lake.needs_compaction(_NAME, grown.compact_share, grown.compact_parts):
        lake.compact(_NAME)
    _remove(docs, folders.staging, folders.quarantine)
    return receipts


def _source(paths: list[Path]) -> SourceOptions:
    columns = (
        "customer_id", "order_id", "ordered_at", "product_id", "category", "quantity", "net_amount",
        "discount_amount", "cost_amount", "channel",
    )  # fmt: skip
    return SourceOptions(path=tuple(map(str, paths)), columns={column: column for column in columns})


def _base(lake: Lake) -> list[Path]:
    from deltalake import DeltaTable

    held = pl.DataFrame(DeltaTable(lake.root / _NAME).get_add_actions(flatten=True))
    base = held.filter(pl.col("partition.part").str.starts_with("base")).sort("partition.part")
    return [lake.root / _NAME / path for path in base["path"]]


def _remove(*paths: Path) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
