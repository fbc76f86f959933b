"""What `winback runs` shows: the last trainings side by side, and what changed between two of them."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from features.errors import ConfigError
from features.wording import counted
from flows import inputs
from flows.horizon import resolved
from flows.settings import Settings
from models.tracking import (
    CHAMPION,
    OVERRIDE,
    REASON,
    Changes,
    Training,
    changes,
    headline,
    training,
    trainings,
)

_BOUNDS = ("_low", "_high")
_SHORT = 7  # digits by which people tell hashes apart


def compared(settings: Settings, last: int) -> dict[str, Any]:
    """The last trainings, newest first.

    Raises:
        ConfigError: when the number is not positive.
    """
    if last < 1:
        raise ConfigError(f"--last should be 1 or more, got {last}.")
    store = inputs.store(resolved(settings))
    found = trainings(store, last)
    return {
        "status": "done",
        "runs": [headline(one) for one in found],
        "tables": {"trainings, newest first": [_row(headline(one)) for one in found]},
        "sentences": _sentences(found),
        "paths": {"mlflow": store.label},
    }


def differences(settings: Settings, a: str, b: str, *, whole: bool = False) -> dict[str, Any]:
    """What changed from training `a` to training `b`.

    Args:
        settings: the config.
        a: number of a model, or id of a run or its beginning.
        b: the same.
        whole: show people every figure, not only the important ones; programs always get all.

    Raises:
        ConfigError: when there is no such training, or both are the same.
    """
    store = inputs.store(resolved(settings))
    before, after = training(store, a), training(store, b)
    if before.run_id == after.run_id:
        raise ConfigError(f"{a} and {b} are the same training. Name two; winback runs shows them.")
    found, names = changes(store, before, after), (before.name, after.name)
    shown = {name: pair for name, pair in found.metrics.items() if whole or _important(name)}
    sets = {"added": found.added, "removed": found.removed}
    tables = {
        "data": _table(found.data, names),
        "code and recipe": _table(found.identity, names),
        "params": _table(found.params, names),
        "features": [{"change": word, "feature": one} for word, some in sets.items() for one in some or ()],
        "metrics": _figures(shown, names),
    }
    hidden = len(found.metrics) - len(shown)
    return {
        "status": "done",
        "a": headline(before),
        "b": headline(after),
        "changes": asdict(found),
        "tables": {title: rows for title, rows in tables.items() if rows},
        "sentences": [
            f"From {before.name} ({before.run_id[:8]}) to {after.name} ({after.run_id[:8]}).",
            *(
                f"{title.capitalize()}: {_why_not(title, found)}."
                for title, rows in tables.items()
                if not rows
            ),
            *([f"{hidden} more figures are shown with --all."] if hidden else []),
        ],
    }


def _sentences(found: tuple[Training, ...]) -> list[str]:
    if not found:
        return ["There is no training yet. Train a model: winback train."]
    used = [one for one in found if CHAMPION in one.aliases and one.is_own]
    said = [f"{one.name.capitalize()} is in use. {_why(one)}".strip() for one in used]
    newest = [one.version for one in found if one.version is not None][:2]
    if len(newest) == 2:
        said.append(f"What changed last: winback runs diff {newest[1]} {newest[0]}")
    return said


def _why(one: Training) -> str:
    own = one.tags.get(OVERRIDE)
    return f"It was {own}" if own else one.tags.get(REASON, "")


def _why_not(title: str, found: Changes) -> str:
    return "not kept by one of the two" if title == "features" and found.added is None else "no difference"


def _row(figures: Mapping[str, Any]) -> dict[str, str]:
    """One training as people read it."""
    best = figures["best_baseline"]
    auroc = _with_interval(*(figures[name] for name in ("auroc", "auroc_low", "auroc_high")))
    return {
        "as_of": figures["as_of"] or "",
        "model": figures["model_version"] or f"run {figures['run_id'][:_SHORT]}",
        "state": figures["state"],
        "recipe": (figures["recipe"] or "")[:_SHORT],
        "AUROC": f"{auroc} cv" if auroc and figures["split"] == "cv" else auroc,
        "best baseline": f"{best} {_figure(figures['best_baseline_auroc'])}" if best else "",
        "ECE": _figure(figures["ece"]),
        "profit @10 %": _figure(figures["profit_at_10pct"]),
        "value @10 %": _figure(figures["value_at_10pct"]),
        "learned from": _learned_from(figures["rows"], figures["snapshots"]),
    }


def _learned_from(rows: int | None, days: int | None) -> str:
    return "" if rows is None or days is None else f"{counted(rows, 'row')}, {counted(days, 'day')}"


def _important(name: str) -> bool:
    """Whether a metric is about everybody, or the AUROC of a part or of a baseline."""
    parts = name.removesuffix("_low").removesuffix("_high").split(".")
    return len(parts) == 2 or parts[-1] == "auroc"


def _table(pairs: Mapping[str, tuple[Any, Any]], names: tuple[str, str]) -> list[dict[str, str]]:
    return [
        {
            "": name,
            **{one: "" if value is None else str(value) for one, value in zip(names, pair, strict=True)},
        }
        for name, pair in pairs.items()
    ]


def _figures(pairs: Mapping[str, tuple[Any, Any]], names: tuple[str, str]) -> list[dict[str, str]]:
    """A row per metric; its interval, where there is one, stands beside it."""
    bounds = {f"{name}{bound}" for name in pairs for bound in _BOUNDS}
    rows = []
    for name in sorted(pairs.keys() - bounds):
        low, high = (pairs.get(f"{name}{bound}", (None, None)) for bound in _BOUNDS)
        cells = [_with_interval(*three) for three in zip(pairs[name], low, high, strict=True)]
        before, after = pairs[name]
        gain = "" if before is None or after is None else f"{after - before:+.4f}"
        rows.append({"": name, names[0]: cells[0], names[1]: cells[1], "difference": gain})
    return rows


def _with_interval(value: float | None, low: float | None, high: float | None) -> str:
    known = low is not None and high is not None
    return f"{_figure(value)} [{_figure(low)}, {_figure(high)}]" if known else _figure(value)


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.2f}"
