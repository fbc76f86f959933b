"""Is one scoring better than another on the same people, and could chance have made the difference?

Both are measured on the same judged rows under the same redraws of whole customers (all their snapshots with
them), so what both find hard cancels out. A difference is always told as how much better ours is: ours less
theirs, or theirs less ours for losses (Brier, log loss, ECE).
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from models.groups import recent_and_silent, stages
from models.metrics import Array, Response, interval, redraw
from models.profit import priced
from models.scoring import LOSSES, Scoring, Terms, in_order, model_scoring, on_snapshot

ALL = "all"
MEAN = "mean"
SCHEMA: Mapping[str, pl.DataType] = {
    "against": pl.String(),
    "group": pl.String(),
    "measure": pl.String(),
    "snapshot": pl.String(),
    "ours": pl.Float64(),
    "theirs": pl.Float64(),
    "difference": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
}
_OURS = ""
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two figures, and ours less theirs under each redraw."""

    ours: float
    theirs: float
    drawn: Array

    @classmethod
    def mean(cls, pairs: Sequence[Self]) -> Self:
        """The mean over snapshots; a redraw counts those that it defines."""
        drawn = np.array([one.drawn for one in pairs])
        defined = np.isfinite(drawn)
        total, count = np.where(defined, drawn, 0).sum(axis=0), defined.sum(axis=0)
        mean = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
        ours, theirs = (float(np.mean([getattr(one, name) for one in pairs])) for name in ("ours", "theirs"))
        return cls(ours, theirs, mean)

    def told(self, measure: str) -> dict[str, float]:
        """How much better ours is, with its interval."""
        sign = -1.0 if measure in LOSSES else 1.0
        low, high = interval(sign * self.drawn)
        better = sign * (self.ours - self.theirs)
        return {"ours": self.ours, "theirs": self.theirs, "difference": better, "low": low, "high": high}


def compare(
    judged: pl.DataFrame,
    theirs: Mapping[str, Scoring],
    response: Response | None = None,
    *,
    ours: Scoring | None = None,
    groups: Collection[str] | None = None,
    measures: Collection[str] | None = None,
    draws: int = 200,
    seed: int = 0,
) -> pl.DataFrame:
    """Our scoring against others, for everybody, each stage, and those who bought lately or not.

    Args:
        judged: rows as `models.evaluate.evaluate` takes them, with the columns of all scorings.
        theirs: the others by name, such as `models.scoring.other_scorings` finds.
        response: assumed response of the profit measures.
        ours: our scoring; default the model's own columns.
        groups: which to look at; default `all`, each stage, `bought_90d` and `silent_90d`.
        measures: which to compare; default all that both define.
        draws: redraws behind an interval.
        seed: of the redraws.

    Returns:
        One row per other, group, snapshot (its day, then `mean` over those that both define) and measure:
        against, group, measure, snapshot, ours, theirs, difference (how much better ours is), and its 95 %
        interval low, high.
    """
    rows = in_order(judged)
    terms = Terms(priced(response or Response(), rows), wanted=measures)
    scorings = {_OURS: ours or model_scoring(rows), **theirs}
    people = {ALL: rows, **stages(rows), **recent_and_silent(rows)}
    found = [
        {"against": name, "group": group, "measure": measure, "snapshot": day, **cell}
        for group, members in people.items()
        if groups is None or group in groups
        for (name, measure, day), cell in _cells(members, scorings, terms, draws, seed).items()
        if measures is None or measure in measures
    ]
    order = {name: n for n, name in enumerate(scorings)}
    found.sort(key=lambda row: order[str(row["against"])])
    return pl.DataFrame(found, schema=SCHEMA)


def _cells(
    rows: pl.DataFrame, scorings: Mapping[str, Scoring], terms: Terms, draws: int, seed: int
) -> dict[_Key, dict[str, float]]:
    """The comparisons of one group by other, measure and snapshot; means are over those that both define."""
    weight = rows["weight"].to_numpy()
    together = _together(rows, scorings, terms)
    seen = together(weight)
    drawn = redraw(together, rows["customer_id"].to_numpy(), draws=draws, seed=seed, weight=weight)
    cells: dict[_Key, dict[str, float]] = {}
    pairs: dict[tuple[str, str], list[_Pair]] = {}
    for key, value in seen.items():
        name, measure, day = key
        mine = (_OURS, measure, day)
        if name == _OURS or mine not in seen or not math.isfinite(seen[mine] - value):
            continue
        pair = _Pair(seen[mine], value, drawn[mine] - drawn[key])
        pairs.setdefault((name, measure), []).append(pair)
        cells[key] = pair.told(measure)
    return cells | {(*key, MEAN): _Pair.mean(of).told(key[1]) for key, of in pairs.items()}


def _together(
    rows: pl.DataFrame, scorings: Mapping[str, Scoring], terms: Terms
) -> Callable[[Array], dict[_Key, float]]:
    """Every measure of every scoring on every snapshot, as a function of the rows' weights."""
    parts = rows.partition_by("as_of", maintain_order=True)
    days = [str(part["as_of"][0]) for part in parts]
    ends = np.cumsum([len(part) for part in parts])[:-1]
    each = {name: [on_snapshot(part, one, terms) for part in parts] for name, one in scorings.items()}

    def measures(weight: Array) -> dict[_Key, float]:
        weights = np.split(weight, ends)
        found: dict[_Key, float] = {}
        for name, snapshots in each.items():
            for day, one, w in zip(days, snapshots, weights, strict=True):
                found |= {(name, measure, day): value for measure, value in one(w).items()}
        return found

    return measures
