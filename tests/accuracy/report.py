"""One table for people; for a final run `accuracy.json`, and a line in the log of all final runs."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from models.comparison import MEAN
from tests.accuracy.cutoffs import ROOT
from tests.accuracy.rules import Figure

JSON = ROOT / "accuracy.json"
LOG = Path(__file__).parent / "log.jsonl"


def show(figures: Sequence[Figure], *, final: bool) -> None:
    """Print the figures: means over cutoffs, and each cutoff that is not what it must be."""
    kind = "final" if final else "development"
    failed = sum(not one.holds for one in figures)
    caption = f"{len(figures)} figures, {failed} are not what they must be; cutoffs that hold are left out"
    table = Table(title=f"winback accuracy, {kind} cutoffs", caption=caption, title_justify="left")
    for column in ("data", "cutoff", "group", "measure"):
        table.add_column(column)
    for column in ("ours", "hardest baseline", "aim"):
        table.add_column(column, justify="right")
    for column in ("baseline", "must", "aim reached"):
        table.add_column(column)
    for one in (one for one in figures if one.cutoff == MEAN or not one.holds):
        table.add_row(
            one.data, one.cutoff, one.group, one.measure, f"{one.ours:.4f}", _number(one.best_baseline),
            f"{one.aim:.4f}", one.baseline or "", "holds" if one.holds else "[bold]NO[/]",
            "yes" if one.reached else "no",
        )  # fmt: skip
    Console(width=None if Console().is_terminal else 160).print(table)


def write_json(path: Path, figures: Sequence[Figure]) -> None:
    """A list of `{data, cutoff, group, measure, ours, best_baseline, baseline, aim, holds}`."""
    path.write_text(json.dumps([asdict(one) for one in figures], indent=1) + "\n", encoding="utf-8")


def append_log(path: Path, figures: Sequence[Figure], commit: str) -> None:
    """One line: the commit, and the means over cutoffs."""
    means = [asdict(one) for one in figures if one.cutoff == MEAN]
    failed = sum(not one.holds for one in figures)
    line = {"commit": commit, "figures": len(figures), "not_as_they_must_be": failed, "means": means}
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def commit() -> str:
    """The commit that is measured, marked when files differ from it."""
    head, changed = (
        subprocess.run(["git", *words], capture_output=True, text=True, cwd=ROOT, check=True).stdout.strip()
        for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
    )
    return f"{head}-changed" if changed else head


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
