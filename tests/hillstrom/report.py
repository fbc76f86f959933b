"""One table for people, and the same figures as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its interval, what it must be, and whether it is."""

    name: str
    value: float
    low: float
    high: float
    goal: str
    holds: bool
    note: str = ""


def show(figures: Sequence[Figure]) -> None:
    """Print all figures."""
    table = Table(title="Hillstrom: areas per customer x 10,000; money per customer", title_justify="left")
    for column in ("figure", "value", "low", "high", "goal", "holds", "note"):
        table.add_column(column, overflow="fold")
    for one in figures:
        numbers = (f"{number:.4g}" for number in (one.value, one.low, one.high))
        table.add_row(one.name, *numbers, one.goal, "yes" if one.holds else "[bold]NO[/]", one.note)
    Console(width=None if Console().is_terminal else 200).print(table)


def write_json(path: Path, figures: Sequence[Figure]) -> None:
    """A list of `{name, value, low, high, goal, holds, note}`."""
    path.write_text(json.dumps([asdict(one) for one in figures], indent=1) + "\n", encoding="utf-8")
