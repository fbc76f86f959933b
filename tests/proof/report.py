"""One table for people, `proof.json` for machines, and the regret over the weeks as a picture."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from tests.accuracy.report import commit
from tests.proof.figures import Figure, mean_interval
from tests.proof.loop import Course
from tests.proof.policies import MEASURING, NOBODY, ORACLE, RANDOM, WINBACK
from tests.proof.worlds import WEEKS, World

_TITLES = {
    World.NOTHING: "a: contact has no effect",
    World.SAME_FOR_ALL: "b: the same effect for all",
    World.FROM_TRAITS: "c: effect from traits and noise",
    World.FALLING_WITH_RISK: "d: effect falls with churn risk",
}
_COLOURS = {
    WINBACK: "#0b69a3",
    "churn": "#ab091e",
    "value": "#2f8132",
    "churn x value": "#de7c00",
    RANDOM: "#8d2b9c",
    NOBODY: "#9aa5b1",
    MEASURING: "#52606d",
}
_UNIT = 100
PICTURE = "regret.png"
_HERE = Path(__file__).parent
LOG = _HERE / "log.jsonl"


def write_json(path: Path, figures: Sequence[Figure]) -> None:
    """A list of `{name, value, low, high, goal, holds}`."""
    rows = [asdict(one) for one in figures]
    path.write_text(json.dumps(rows, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def keep(figures: Sequence[Figure], folder: Path, about: Mapping[str, int]) -> None:
    """Add a line to the log, and lay the picture beside it.

    Args:
        figures: of the run.
        folder: where its picture lies.
        about: the run: how many seeds and people, how long it took.
    """
    line = {"commit": commit(), **about, "figures": [asdict(one) for one in figures]}
    with LOG.open("a", encoding="utf-8") as log:
        log.write(json.dumps(line, allow_nan=False) + "\n")
    (_HERE / PICTURE).write_bytes((folder / PICTURE).read_bytes())


def write_courses(path: Path, courses: Sequence[Course]) -> None:
    """Every world, policy and seed, with the weeks as lists: what the figures and the picture are made of."""
    pl.DataFrame([asdict(one) | {"world": str(one.world)} for one in courses]).write_parquet(path)


def show(figures: Sequence[Figure]) -> None:
    """Print the figures."""
    failed = sum(not one.holds for one in figures if one.must)
    caption = f"{len(figures)} figures; {failed} that must hold do not"
    table = Table(title="winback proof", caption=caption, title_justify="left")
    table.add_column("figure")
    for column in ("value", "90 % interval", "goal"):
        table.add_column(column, justify="right")
    table.add_column("holds")
    for one in figures:
        bounds = "" if one.low is None or one.high is None else f"{_number(one.low)} to {_number(one.high)}"
        judged = "" if one.goal is None else "yes" if one.holds else "[bold]NO[/]"
        goal = one.goal if isinstance(one.goal, str) else "" if one.goal is None else _number(one.goal)
        table.add_row(one.name, _number(one.value), bounds, goal, judged)
    Console(width=None if Console().is_terminal else 160).print(table)


def regret(courses: Sequence[Course], world: World, policy: str) -> np.ndarray:
    """Per seed and week: by how much the lists so far were to add less than the oracle's, major units."""
    weeks = {
        name: np.array(
            [
                one.gains
                for one in sorted(courses, key=lambda one: one.seed)
                if (one.world, one.policy) == (world, name)
            ]
        )
        for name in (policy, ORACLE)
    }
    return np.cumsum(weeks[ORACLE] - weeks[policy], axis=1) / _UNIT


def regret_png(courses: Sequence[Course]) -> bytes:
    """What each policy gave away against the oracle, week by week: mean over seeds with its 90 % interval."""
    from matplotlib.figure import Figure as Picture

    worlds = [world for world in World if any(one.world is world for one in courses)]
    figure = Picture(figsize=(10.5, 3.2 * ((len(worlds) + 1) // 2)), layout="constrained")
    panels = figure.subplots((len(worlds) + 1) // 2, min(2, len(worlds)), squeeze=False, sharex=True)
    weeks = np.arange(1, WEEKS + 1)
    for world, axes in zip(worlds, panels.ravel(), strict=False):
        here = {one.policy for one in courses if one.world is world}
        for policy in (name for name in _COLOURS if name in here):
            paths = regret(courses, world, policy)
            mean, low, high = np.array([mean_interval(week) for week in paths.T]).T
            axes.plot(weeks, mean, color=_COLOURS[policy], label=policy, lw=2.4 if policy == WINBACK else 1.4)
            if len(paths) > 1:
                axes.fill_between(weeks, low, high, color=_COLOURS[policy], alpha=0.15, lw=0)
        axes.set_title(_TITLES[world], loc="left", fontsize=10)
        axes.set(xlabel="weekly list", ylabel="regret, EUR")
        axes.axhline(0, color="#1f2933", lw=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    handles = {
        text: line
        for axes in panels.ravel()
        for line, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=110, metadata={"Software": None})
    return target.getvalue()


def _number(value: float) -> str:
    return f"{value:,.3f}" if abs(value) < 10 else f"{value:,.0f}"
