"""Which figures of a model are told to people, and how are they written? From metric names to table cells.

Names are `<split>.<measure>` for the model, `<split>.<group>.<measure>` for a baseline, a stage or a segment;
`<measure>_low` and `_high` are the ends of an interval. A group may hold dots of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from features.contracts import Stage

Cells = tuple[Sequence[str], Sequence[Sequence[str]]]
Groups = Mapping[str, Mapping[str, float]]

_MODEL = ""
_SPLITS = ("test", "cv")  # a test in time is more honest
# What people call the baselines; any that was measured is shown.
BASELINES: Mapping[str, str] = {
    "recency": "recency rule",
    "spend_365d": "spend of 365 days",
    "rfm": "RFM cells",
    "mbg_nbd": "MBG/NBD",
    "xgb_rfm": "XGBoost on RFM",
    "champion": "last champion",
}
_STAGES: Mapping[str, str] = {
    **{stage.value: stage.value.replace("_", " ") for stage in Stage},
    "one_order": "one order",
}


@dataclass(frozen=True, slots=True)
class _Measure:
    """How a measure is told."""

    label: str
    shown: Callable[[float], str]


def _plain(value: float) -> str:
    return f"{value:.3f}"


def _share(value: float) -> str:
    return f"{value:.1%}"


def _times(value: float) -> str:
    return f"{value:.2f} times"


def _money(value: float) -> str:
    return f"{value:,.2f}"


_MEASURES: Mapping[str, _Measure] = {
    "auroc": _Measure("AUROC: order of return; 0.5 is chance", _plain),
    "average_precision": _Measure("average precision of returns", _plain),
    "lift_at_10pct": _Measure("returns among the top 10 % against the average", _times),
    "profit_at_10pct": _Measure("profit per contact among the top 10 %, assumed response", _money),
    "value_at_10pct": _Measure("share of all margin held by the top 10 %", _share),
    "spearman": _Measure("rank correlation of value", _plain),
    "gini": _Measure("normalised Gini of value", _plain),
    "brier": _Measure("Brier score, lower is better", _plain),
    "log_loss": _Measure("log loss, lower is better", _plain),
    "ece": _Measure("calibration error (ECE), lower is better", _plain),
    "ece_above_noise": _Measure("ECE above that of perfect probabilities", _plain),
}


def figures(metrics: Mapping[str, float], currency: str = "") -> Cells:
    """The model's figures with their intervals, and those of every baseline beside them."""
    groups = grouped(metrics)
    there = [name for name in BASELINES if name in groups]
    names = [name for name in _MEASURES if name in groups.get(_MODEL, {})]
    rows = [
        (
            _label(name, currency),
            _with_interval(groups[_MODEL], name),
            *(_with_interval(groups[one], name) for one in there),
        )
        for name in names
    ]
    return ("", "model", *(BASELINES[name] for name in there)), rows


def calibration(metrics: Mapping[str, float]) -> Cells:
    """Predicted and observed share of returns per stage."""
    groups = grouped(metrics)
    there = {label: groups[name] for name, label in _STAGES.items() if name in groups}
    return _levels("stage", {"everyone": groups.get(_MODEL, {}), **there})


def segments(metrics: Mapping[str, float]) -> Cells:
    """The same per segment: every group that is neither a baseline nor a stage."""
    others = {
        name: one for name, one in grouped(metrics).items() if name not in (_MODEL, *BASELINES, *_STAGES)
    }
    return _levels("segment", dict(sorted(others.items())))


def grouped(metrics: Mapping[str, float]) -> Groups:
    """Group: its measures; the model's own have no name. Of several splits the most honest one is told."""
    parted = [(name.partition("."), value) for name, value in metrics.items()]
    there = {split for (split, _, _), _ in parted}
    told = next((split for split in _SPLITS if split in there), None)
    found: dict[str, dict[str, float]] = {}
    for (split, _, rest), value in parted:
        group, _, measure = rest.rpartition(".")
        if split == told:
            found.setdefault(group, {})[measure] = value
    return found


def _levels(kind: str, groups: Groups) -> Cells:
    head = (kind, "customers", "predicted", "observed", "difference", "ECE", "AUROC")
    rows = [
        (
            name,
            f"{one['customers']:,.0f}" if "customers" in one else "",
            _share(one["mean_predicted"]),
            _share(one["mean_observed"]),
            f"{one['mean_predicted'] - one['mean_observed']:+.1%}",
            _plain(one["ece"]) if "ece" in one else "",
            _with_interval(one, "auroc"),
        )
        for name, one in groups.items()
        if {"mean_predicted", "mean_observed"} <= one.keys()
    ]
    return head, rows


def _with_interval(measures: Mapping[str, float], name: str) -> str:
    if name not in measures:
        return ""
    shown = _MEASURES[name].shown
    ends = [measures[f"{name}_{end}"] for end in ("low", "high") if f"{name}_{end}" in measures]
    between = f" ({shown(ends[0])} to {shown(ends[1])})" if len(ends) == 2 else ""
    return shown(measures[name]) + between


def _label(name: str, currency: str) -> str:
    measure = _MEASURES[name]
    return f"{measure.label}, {currency}" if currency and measure.shown is _money else measure.label
