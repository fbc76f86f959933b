"""Which column means what? Guesses from names and cells, each with its reason, for `winback init`.

Nothing here decides anything: a person reads the guesses in the proposed config and corrects them.
"""

import re

import polars as pl

from features.sources.cells import read_number, read_time
from flows.init.amounts import guess_amount, is_number
from flows.init.guesses import Guesses, quoted
from flows.init.names import named

_TIME_FORMATS = (
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d-%m-%Y",
    "%d-%m-%Y %H:%M",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%m/%d/%y %H:%M",
    "%d/%m/%y %H:%M",
    "%Y%m%d%H%M%S",
)
_READABLE = 0.95
_OFFSET = r"([zZ]|[+-][0-9]{2}:?[0-9]{2})$"


def guess(rows: pl.DataFrame, decimal: str) -> Guesses:
    """Propose which source column is which canonical one.

    Args:
        rows: the first rows of the source.
        decimal: decimal mark of numbers in texts.
    """
    found = Guesses()
    numbers = {c for c in rows.columns if is_number(rows[c], decimal)}
    _guess_time(rows, found)
    _guess_plain(rows, numbers, found)
    guess_amount(rows, numbers, decimal, found)
    _guess_returns(rows, decimal, found)
    _guess_fill_down(rows, found)
    return found


def _guess_time(rows: pl.DataFrame, found: Guesses) -> None:
    for name in named("ordered_at", rows.columns):
        column = rows[name]
        if not (column.dtype == pl.String or column.dtype.is_temporal()) or column.null_count() == len(
            column
        ):
            continue
        formats = _formats(column)
        if formats is None:
            continue
        shown = f"written as {formats[0]}" if formats else "written year first"
        found.add("ordered_at", name, f"named like a time of purchase, {shown}")
        if formats:
            found.options["time_formats"] = [formats[0]]
        if len(formats) > 1:
            found.notes.append(
                f"The dates of {name} can be read as {formats[0]} and as {formats[1]}. {formats[0]} was "
                "taken; check one that you know, and change time_formats if it is wrong."
            )
        if column.dtype == pl.String and column.drop_nulls().str.contains(_OFFSET).mean() == 1:
            found.notes.append(f"Times in {name} carry their offset, so they need no time zone of their own.")
        return


def _formats(column: pl.Series) -> list[str] | None:
    """Formats that read nearly every cell, best first; empty: ISO 8601; None: it holds no times."""
    cells = column.drop_nulls().head(5000)
    if _read_share(cells, ()) >= _READABLE:
        return []
    fitting = [layout for layout in _TIME_FORMATS if _read_share(cells, (layout,)) >= _READABLE]
    # The wrong order of day and month jumps back and forth; exports are mostly written in order of time.
    return sorted(fitting, key=lambda layout: _jumps(cells, layout)) or None


def _read_share(cells: pl.Series, formats: tuple[str, ...]) -> float:
    return 1 - float(read_time(cells, formats, "UTC").unreadable.mean() or 0)  # type: ignore[arg-type]  # of flags


def _jumps(cells: pl.Series, layout: str) -> int:
    days = read_time(cells, (layout,), "UTC").values
    return int(days.diff().dt.total_days().abs().sum() or 0)


def _guess_plain(rows: pl.DataFrame, numbers: set[str], found: Guesses) -> None:
    """Columns that a name alone gives away, with a look at their cells."""
    said = {
        "customer_id": "named like a customer",
        "order_id": "named like an order",
        "product_id": "named like a product's number",
        "product_name": "named like a product",
        "category": "named like a category",
        "channel": "named like a channel",
        "store_id": "named like a store",
        "line_id": "named like a line's number, and never the same twice",
    }
    for canonical, why in said.items():
        candidates = named(canonical, rows.columns)
        if canonical == "line_id":
            candidates = [c for c in candidates if rows[c].is_unique().all()]
        if canonical in ("product_name", "category"):
            candidates = [c for c in candidates if c not in numbers]
        free = [c for c in candidates if c not in found.columns.values() and rows[c].null_count() < len(rows)]
        if free:
            found.add(canonical, free[0], why)
    if "order_id" not in found.columns:
        _guess_order_by_mark(rows, found)
    _guess_currency(rows, found)
    consent = named("consent", rows.columns)
    found.consent = consent[0] if consent else None


def _guess_order_by_mark(rows: pl.DataFrame, found: Guesses) -> None:
    for name in rows.columns:
        column = rows[name].drop_nulls()
        if column.dtype == pl.String and len(column) and column.str.contains(r"^#[0-9]+$").all():
            found.add("order_id", name, "its cells look like #1001, as shop systems number orders")
            return


def _guess_currency(rows: pl.DataFrame, found: Guesses) -> None:
    for name in named("currency", rows.columns):
        codes = rows[name].drop_nulls().unique().sort().to_list()
        if not codes or not all(re.fullmatch(r"[A-Z]{3}", str(code)) for code in codes):
            continue
        found.currency = str(codes[0])
        if len(codes) > 1:
            found.add("currency", name, f"there are several currencies: {', '.join(codes[:5])}")
            found.notes.append(
                "Amounts in several currencies need a source fx_rates with the rates of each day."
            )
        return


def _guess_returns(rows: pl.DataFrame, decimal: str, found: Guesses) -> None:
    """Orders with negative amounts whose number begins with a letter, while the others' does not."""
    order = found.columns.get("order_id")
    signed = found.columns.get("quantity") or found.columns.get("net_amount")
    if order is None or signed not in rows.columns or rows[order].dtype != pl.String:
        return
    prefix = pl.col(order).str.extract(r"^([A-Za-z]{1,3})[0-9]")
    values = read_number(rows[signed], decimal).values
    judged = rows.select(prefix.alias("prefix"), (values < 0).alias("negative")).drop_nulls("negative")
    shares = judged.group_by("prefix").agg(pl.col("negative").mean(), pl.len().alias("rows")).sort("prefix")
    likely = shares.filter(pl.col("prefix").is_not_null(), pl.col("negative") > 0.9, pl.col("rows") >= 3)
    if len(likely) and bool((judged["prefix"].is_null()).any()):
        letters = likely["prefix"][0]
        text = f"STARTS_WITH({quoted(order)}, '{letters}')"
        found.add("is_return", text, f"orders that begin with {letters} have negative amounts: cancellations")
    elif bool((values < 0).any()):
        found.notes.append("There are negative amounts; they are read as returns.")


def _guess_fill_down(rows: pl.DataFrame, found: Guesses) -> None:
    """Cells that only the first line of an order has."""
    order = found.columns.get("order_id")
    if order is None:
        return
    mapped = [c for c in (*found.columns.values(), found.consent) if c in rows.columns and c != order]
    later = rows.filter(pl.col(order) == pl.col(order).shift(1))
    if later.is_empty():
        return
    blank = [
        c
        for c in dict.fromkeys(mapped)
        if later[c].null_count() == len(later) and _first_given(rows, order, c)
    ]
    if blank:
        found.options["fill_down"] = {"by": order, "columns": blank}
        found.notes.append(
            f"{', '.join(blank)} stand only on the first line of an order and are carried down."
        )


def _first_given(rows: pl.DataFrame, order: str, column: str) -> bool:
    first = rows.filter((pl.col(order) != pl.col(order).shift(1)).fill_null(value=True))
    return first[column].null_count() < len(first) / 2
