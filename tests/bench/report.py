"""One table for people, `bench.json` for machines."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.families import STEPS, TOGETHER
from tests.bench.figures import Figure, describe, million
from tests.bench.measure import Measured


def write_json(path: Path, figures: Sequence[Figure]) -> None:
    """A list of `{name, ours, reference, ratio, limit, holds}`."""
    rows = [
        {name: getattr(one, name) for name in ("name", "ours", "reference", "ratio", "limit", "holds")}
        for one in figures
    ]
    path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def show(figures: Sequence[Figure], measured: Measured, scales: Sequence[int]) -> None:
    """Print the figures, then where the time and the memory go."""
    table = Table(title="winback bench", caption=_caption(measured), title_justify="left")
    table.add_column("figure, against what")
    for column in ("ours", "reference", "ratio", "limit"):
        table.add_column(column, justify="right")
    table.add_column("holds")
    table.add_column("note")
    for one in figures:
        table.add_row(
            one.name, _number(one.ours), _number(one.reference), _number(one.ratio), f"{one.limit:g}",
            "yes" if one.holds else "[bold]NO[/]", one.note,
        )  # fmt: skip
    for lines in scales:
        _add_breakdown(table, measured, lines)
    Console(width=None if Console().is_terminal else 180).print(table)


def _add_breakdown(table: Table, measured: Measured, lines: int) -> None:
    """Rows without a limit: seconds of each family, and what share of the whole build it is."""
    laps = measured.laps("families", lines)
    if laps:
        table.add_section()
        whole = sum(laps[name] for name in STEPS)
        for name, seconds in laps.items():
            note = "against all steps on one thread" if name in STEPS else f"a part of {TOGETHER}"
            title = f"time: {name}, {million(lines)} (s)"
            table.add_row(title, _number(seconds), _number(whole), _number(seconds / whole), "", "", note)
    table.add_section()
    for case in ("bare", "common", "all", "duckdb", "pandas", "load", "night", "gate", "one", "twelve"):
        peak = measured.peak_gib(case, lines)
        if peak is not None:
            table.add_row(f"peak memory: {case}, {million(lines)} (GiB)", _number(peak), "", "", "", "", "")


def _caption(measured: Measured) -> str:
    loads = [run.load for runs in measured.runs.values() for run in runs]
    load = f"load {min(loads):.1f} to {max(loads):.1f}" if loads else ""
    return f"{describe()}; {os.cpu_count()} cores, {load}: above the cores, others were at work"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
