"""Which canonical row does a delivered row become, and which rule does it break?

A row that breaks a rule keeps its place with the rule's name in `fault`: as many rows come out as went in.
The first of these counts: what the reader found; `excluded_<name>` in the order of the config;
`unreadable_<column>` in the order of the canonical columns (for an expression, the source column under
`numbers` that could not be read, else the canonical column); `missing_<column>`.

A cell that cannot be read breaks no rule where its column says what it is taken for
(`features.contracts.Unreadable`): `assumed` then lists `unreadable_<canonical column>`.
"""

import operator
import re
from dataclasses import dataclass, field
from functools import reduce
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from features.contracts import UNREADABLE, Column, Kind, Table, Unreadable
from features.errors import ConfigError
from features.hashing import stable_hash
from features.options import SourceOptions
from features.sources.cells import (
    Cells,
    read_day,
    read_flag,
    read_number,
    read_text,
    read_time,
    says_no_time,
    tidy,
)
from features.sources.chunks import CONTROL, LINE, as_json
from features.sources.columns import Mention, check_columns, exclusions_of, mapping_of
from features.sources.expressions import adds_texts, evaluate


@dataclass(frozen=True, slots=True)
class _Rows:
    """One chunk while it is mapped.

    Attributes:
        texts: its source columns, tidied.
        values: the same, those listed under `numbers` as numbers.
        unreadable: source columns under `numbers`: where they hold something else.
        faults: each rule with the rows that break it, in the order that counts.
        assumed: the same for cells that are taken for a value: their rows are kept.
    """

    texts: pl.DataFrame
    values: pl.DataFrame
    unreadable: dict[str, pl.Series]
    faults: list[tuple[str, pl.Series]] = field(default_factory=list)
    assumed: list[tuple[str, pl.Series]] = field(default_factory=list)


def map_chunk(raw: pl.DataFrame, table: Table, source: SourceOptions, timezone: str) -> pl.DataFrame:
    """Canonical columns of a raw chunk, row by row.

    Args:
        raw: what `read_delivery` yields.
        table: the canonical table.
        source: its mapping.
        timezone: zone of times without an offset, unless the source has its own.

    Returns:
        The mapped canonical columns in the table's order (money as Float64 in major units; `order_id` also
        when the source has none), then `source_line`, `fault` and `raw`; rows in the order of `raw`. Where
        mapped columns take unreadable cells for a value, also `assumed`: the rules of such cells.

    Raises:
        DataRefused: when mapped source columns are missing.
        ConfigError: when an expression does not fit the columns.
    """
    zone = _zone(source.timezone or timezone, table.name)
    present = [name for name in raw.columns if name not in CONTROL]
    check_columns(present, table.name, source, f"The source of {table.name}")
    mapping = mapping_of(present, table.name, source)
    exclusions = exclusions_of(present, table.name, source)
    rows = _rows(raw, [*mapping.values(), *exclusions.values()], source)
    for name, mention in exclusions.items():
        rows.faults.append((f"excluded_{name}", _excluded(rows, mention)))
    columns = [column for column in table.columns if column.name in mapping]
    mapped = pl.DataFrame([_mapped(rows, column, mapping[column.name], source, zone) for column in columns])
    for column in columns:
        if not column.nullable:
            rows.faults.append((f"missing_{column.name}", mapped[column.name].is_null()))
    mapped = mapped.with_columns(raw[LINE])
    if table.name == "transactions":
        mapped = mapped.with_columns(_order_ids(mapped))
    names = [name for name in table.index if name in mapped.columns]
    found = [*_judged(raw, rows.faults, present), *_assumed(rows.assumed)]
    return mapped.select(*names, LINE).with_columns(found)


def _order_ids(mapped: pl.DataFrame) -> pl.Series:
    """The order of each row; where the source names none, all that a customer buys at one time is an order.

    A guest's line without an order is an order of its own. The derived id does not show the customer.
    """
    named = mapped["order_id"] if "order_id" in mapped else pl.Series([None], dtype=pl.String)
    if len(named) == len(mapped) and not named.has_nulls():
        return named
    who = pl.coalesce(pl.lit("c:") + pl.col("customer_id"), pl.format("g:{}", LINE))
    when = pl.col("ordered_at")
    facts = mapped.select(when, pl.format("{}|{}", who, when.dt.epoch("us")).alias("key"))
    derived = facts.select(pl.format("{}-{}", when.dt.strftime("%Y%m%d"), stable_hash("key", "order_id")))
    return derived.select(pl.coalesce(named, pl.all()).alias("order_id")).to_series()


def _zone(name: str, table: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"sources.{table}.timezone: {name!r} is not a time zone; write one like Europe/Berlin."
        ) from None
    return name


def _rows(raw: pl.DataFrame, mentions: list[Mention], source: SourceOptions) -> _Rows:
    read = sorted({name for mention in mentions for name in mention.meaning.columns})
    texts = raw.select(*(tidy(raw[name]) for name in read), LINE)
    numbers = {name: read_number(texts[name], source.decimal) for name in source.numbers if name in texts}
    values = texts.with_columns(cells.values.alias(name) for name, cells in numbers.items())
    return _Rows(texts, values, {name: cells.unreadable for name, cells in numbers.items()})


def _excluded(rows: _Rows, mention: Mention) -> pl.Series:
    holds = evaluate(mention.meaning, rows.values, mention.text, mention.where)
    if holds.dtype not in (pl.Boolean, pl.Null):
        raise ConfigError(f"{mention.where}: {mention.text!r} is not a condition: it gives {holds.dtype}.")
    return holds.cast(pl.Boolean).fill_null(value=False)


def _mapped(rows: _Rows, column: Column, mention: Mention, source: SourceOptions, zone: str) -> pl.Series:
    """The values of one canonical column; what cannot be read is noted in the faults."""
    text, where, meaning = mention
    value = evaluate(meaning, rows.texts if meaning.is_column else rows.values, text, where)
    if value.dtype.is_nested():
        raise ConfigError(f"{where}: {text!r} gives {value.dtype}, which is no single value per row.")
    if column.kind in (Kind.MONEY, Kind.NUMBER) and not meaning.is_column and adds_texts(text, value):
        raise ConfigError(
            f"{where}: {text!r} adds texts, which joins them (1 + 2 gives 12). List the columns that it adds "
            "under `numbers` of the source."
        )
    broken = [] if meaning.is_column else sorted(meaning.columns & rows.unreadable.keys())
    if column.unreadable != Unreadable.SET_ASIDE:
        cells = _read(value, column.kind, source, zone)
        return _taken(rows, column, value, cells, [rows.unreadable[name] for name in broken])
    rows.faults.extend((f"{UNREADABLE}{_plain(name)}", rows.unreadable[name]) for name in broken)
    if column.kind is Kind.TEXT and meaning.is_column and value.dtype == pl.String:
        return value.alias(column.name)  # tidied, and every text can be read
    cells = _read(value, column.kind, source, zone)
    rows.faults.append((f"{UNREADABLE}{column.name}", cells.unreadable))
    return cells.values.alias(column.name)


def _taken(rows: _Rows, column: Column, value: pl.Series, cells: Cells, broken: list[pl.Series]) -> pl.Series:
    """The values of a column that takes unreadable cells for a value; those cells are noted.

    Args:
        rows: the chunk.
        column: the canonical column.
        value: its cells as delivered.
        cells: the same as read.
        broken: where source columns of its expression could not be read.
    """
    unreadable = reduce(operator.or_, broken, cells.unreadable)
    values = cells.values.set(unreadable, column.unreadable.value_of_cell)
    told = unreadable & ~says_no_time(value) if column.kind is Kind.TIME else unreadable
    rows.assumed.append((f"{UNREADABLE}{column.name}", told))
    return values.alias(column.name)


def _read(value: pl.Series, kind: Kind, source: SourceOptions, zone: str) -> Cells:
    match kind:
        case Kind.TEXT:
            return read_text(value)
        case Kind.MONEY | Kind.NUMBER:
            return read_number(value, source.decimal)
        case Kind.TIME:
            return read_time(value, source.time_formats, zone)
        case Kind.DAY:
            return read_day(value, source.time_formats, zone)
        case Kind.FLAG:
            return read_flag(value)


def _judged(raw: pl.DataFrame, faults: list[tuple[str, pl.Series]], present: list[str]) -> list[pl.Series]:
    """The first fault of each row, and the text of each row that has one."""
    rules = [pl.when(broken).then(pl.lit(rule)) for rule, broken in faults]
    fault = raw.select(pl.coalesce("fault", *rules).alias("fault"))["fault"]
    texts = as_json(raw.select(present), fault.is_not_null() & raw["raw"].is_null())
    return [fault, raw["raw"].zip_with(raw["raw"].is_not_null(), texts)]


def _assumed(assumed: list[tuple[str, pl.Series]]) -> list[pl.Series]:
    """The rules of cells that were taken for a value, row by row; null where there is none."""
    if not assumed:
        return []
    rules = pl.concat_list(pl.when(cells).then(pl.lit(rule)) for rule, cells in assumed).list.drop_nulls()
    found = pl.select(rules.alias("assumed"))["assumed"]
    return [found.set(found.list.len() == 0, None)]


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", name.lower()).strip("_")
