"""What a person sees on the terminal: steps while a flow runs, and a closing table in plain words.

Steps and messages go to standard error, results to standard output. Customer ids are shown in the closing
table on a terminal only; they are no part of the JSON result, which schedulers keep.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

# Keys of a summary that need other words than their own.
_WORDS = {
    "listed": "people to contact",
    "held_out": "people held out to measure the effect",
    "excluded": "people left out, each with a reason",
    "scored": "customers scored",
    "eligible": "customers who may be contacted",
    "accepted": "rows accepted",
    "quarantined": "rows set aside",
    "delivered": "rows delivered",
    "cost": "what it costs",
    "expected_profit": "what it should earn",
    "expected_profit_low": "what it should earn, cautiously",
}
# Of a list's many columns, those that an operator looks at first, and what they are called there.
_ROW_COLUMNS = {
    "rank": "rank",
    "customer_id": "customer",
    "stage": "stage",
    "expected_incremental_profit": "adds",
    "offer_id": "offer",
    "reason_1": "why",
}
# Made for people: rows hold personal data, tables say in words what other keys hold as figures.
_NOT_JSON = ("rows", "tables")
# Where nobody looks at a terminal, tables are as wide as this, so that one line stays one row.
_PIPED_WIDTH = 200
_GAP = 2  # between columns

_live: "Progress | None" = None


@contextmanager
def steps_shown(console: "Console") -> Iterator[None]:
    """Show every `step` of the block on a console. Without it, steps are silent."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    global _live  # noqa: PLW0603 - one terminal, one display
    bars = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        Elapsed(),
        console=console,
        transient=True,
    )
    with bars:
        _live = bars
        try:
            yield
        finally:
            _live = None


@contextmanager
def step(title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a long step while the block runs, and how long it took when it ends well.

    Args:
        title: what is being done, in plain words.
        total: how many units there are, when that is known.

    Yields:
        A function that is told how many more units are done.
    """
    shown = _live
    if shown is None:
        yield lambda _: None
        return
    began = time.monotonic()
    task = shown.add_task(title, total=total)
    try:
        yield lambda units: shown.update(task, advance=units)
    finally:
        shown.remove_task(task)
    shown.console.print(f"[green]done[/]  {title} [dim]{time.monotonic() - began:.1f} s[/]", highlight=False)


def closing(console: "Console", summary: Mapping[str, Any]) -> None:
    """Print the result of a command for people.

    Args:
        console: where to.
        summary: what flows return: `sentences`, `checks`, `tables`, `counts`, `metrics`, `rows`, `paths`, all
            optional.
    """
    for sentence in summary.get("sentences", ()):
        console.print(str(sentence), markup=False, highlight=False)
    if summary.get("checks"):
        console.print(_checks(summary["checks"]))
    tables = summary.get("tables", {})
    if tables and not console.is_terminal:
        console.width = max(console.width, _PIPED_WIDTH)
    for title, rows in tables.items():
        console.print(_titled(title, rows, console.width))
    figures = {**summary.get("counts", {}), **summary.get("metrics", {})}
    if figures:
        console.print(_pairs({_WORDS.get(k, k.replace("_", " ")): _plain(v) for k, v in figures.items()}))
    if summary.get("rows"):
        console.print(_rows(summary["rows"]))
    if summary.get("paths"):
        console.print(_pairs({k.replace("_", " "): str(v) for k, v in summary["paths"].items()}))


def as_json(summary: Mapping[str, Any]) -> None:
    """Print the result of a command for programs: one line, without rows of people."""
    kept = {key: value for key, value in summary.items() if key not in _NOT_JSON}
    sys.stdout.write(json.dumps(kept, default=str, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def problem(console: "Console", message: str) -> None:
    """Print what went wrong, as it is written: no markup, no wrapping that would break a path."""
    console.print("[bold red]winback:[/] ", end="")
    console.print(message, markup=False, highlight=False, soft_wrap=True)


def _pairs(values: Mapping[str, str]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in values.items():
        table.add_row(name, Text(value))
    return table


def _checks(checks: Sequence[Mapping[str, str]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    table = Table(box=None, show_header=False, pad_edge=False)
    for _ in ("level", "what", "found"):
        table.add_column(overflow="fold")
    for check in checks:
        found = Text(check["found"])
        if check["fix"]:
            found.append(f"\n{check['fix']}", style="italic")
        table.add_row(Text(check["level"], style=colours[check["level"]]), check["what"], found)
    return table


def _titled(title: str, rows: Sequence[Mapping[str, str]], width: int) -> "Table":
    """Rows that are words already, under their own names; cells break between words where there is room."""
    from rich.table import Table
    from rich.text import Text

    names = list(rows[0]) if rows else []
    longest = {
        name: max(len(word) for text in (name, "-", *(row[name] for row in rows)) for word in text.split())
        for name in names
    }
    fits = sum(longest.values()) + _GAP * len(names) <= width
    table = Table(title=title, title_justify="left", title_style="dim", box=None, padding=(0, _GAP, 0, 0))
    for name in names:
        table.add_column(name, overflow="fold", min_width=longest[name] if fits else None)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row.values()))
    return table


def _rows(rows: Sequence[Mapping[str, Any]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    shown = {name: word for name, word in _ROW_COLUMNS.items() if name in rows[0]}
    columns = shown or {name: name.replace("_", " ") for name in rows[0]}
    table = Table(title="the first rows of the list", title_justify="left", title_style="dim")
    for name, word in columns.items():
        number = isinstance(rows[0][name], int | float)
        table.add_column(word, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(Text(_plain(row[name])) for name in columns))
    return table


def _plain(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
    return str(value)
