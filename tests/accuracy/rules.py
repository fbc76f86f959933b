"""What the figures must be, what they should be, and whether they are.

Must: against each baseline, on each measure that it defines and in each group, the mean paired difference
over cutoffs is at least 0 and no cutoff has a 95 % paired interval wholly below 0; the calibration error lies
at most so much above its mean under perfect calibration. Aims are the reference AUROCs (of final cutoffs) and
calibration errors, elsewhere the best baseline.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from models.comparison import ALL, MEAN, compare
from models.metrics import Response, ece, ece_noise
from models.scoring import LOSSES, other_scorings

GROUPS = (ALL, "bought_90d", "silent_90d")
MEASURES = (
    "auroc",
    "average_precision",
    "lift_at_5pct",
    "lift_at_10pct",
    "lift_at_20pct",
    "brier",
    "log_loss",
    "empc",
    "profit_at_10pct",
    "value_at_10pct",
    "spearman",
    "gini",
)
ECE = "ece_above_noise"
# Reference AUROCs, mean over cutoffs, by group in the order above.
AIMS: Mapping[str, tuple[float, float, float]] = {
    "cdnow": (0.840, 0.729, 0.762),
    "online_retail_ii": (0.828, 0.785, 0.747),
}
ECE_MUST: Mapping[str, float] = {"cdnow": 0.02, "online_retail_ii": 0.05}
ECE_AIM: Mapping[str, float] = {"cdnow": 0.01, "online_retail_ii": 0.03}
_DRAWS = 200
_NOISE_DRAWS = 400


@dataclass(frozen=True, slots=True)
class Figure:
    """One cell.

    Attributes:
        data: the shop.
        cutoff: the first day of the outcome window, or `mean` over all of them.
        group: who is looked at.
        measure: how.
        ours: the model's figure.
        best_baseline: that of the baseline that does best here; None when none defines it.
        baseline: its name.
        aim: what it should be.
        holds: whether it is what it must be.
    """

    data: str
    cutoff: str
    group: str
    measure: str
    ours: float
    best_baseline: float | None
    baseline: str | None
    aim: float
    holds: bool

    @property
    def reached(self) -> bool:
        """Whether it is what it should be."""
        return self.ours < self.aim if self.measure in LOSSES else self.ours > self.aim


def figures(
    data: str, judged: pl.DataFrame, response: Response, *, final: bool, seed: int = 0
) -> list[Figure]:
    """All cells of a shop whose cutoffs are judged together; the reference AUROCs are those of final ones."""
    cells = compare(
        judged,
        other_scorings(judged),
        response,
        groups=GROUPS,
        measures=MEASURES,
        draws=_DRAWS,
        seed=seed,
    )
    keys = ["group", "measure", "snapshot"]
    aims = dict(zip(GROUPS, AIMS[data], strict=True)) if final else {}
    found = [
        _paired(data, *map(str, key), cell, aims) for key, cell in cells.group_by(keys, maintain_order=True)
    ]
    found.sort(key=lambda one: (GROUPS.index(one.group), MEASURES.index(one.measure), one.cutoff))
    return [*found, *_calibration(data, judged, seed)]


def _paired(  # noqa: PLR0917 - a cell's place, then what is in it
    data: str, group: str, measure: str, snapshot: str, cells: pl.DataFrame, aims: Mapping[str, float]
) -> Figure:
    """A cell beside the baseline that is hardest to beat in it; it holds when it holds against all."""
    hardest = cells.sort("difference", "against").row(0, named=True)
    theirs, mean = float(hardest["theirs"]), snapshot == MEAN
    return Figure(
        data=data,
        cutoff=MEAN if mean else _cutoff(date.fromisoformat(snapshot)),
        group=group,
        measure=measure,
        ours=hardest["ours"],
        best_baseline=theirs,
        baseline=hardest["against"],
        aim=aims.get(group, theirs) if mean and measure == "auroc" else theirs,
        holds=hardest["difference"] >= 0 if mean else not bool((cells["high"] < 0).any()),
    )


def _cutoff(day: date) -> str:
    return str(day + timedelta(days=1))


def _calibration(data: str, judged: pl.DataFrame, seed: int) -> Iterator[Figure]:
    """Calibration error above chance, beside that of the baseline that has least."""
    days = judged.sort("as_of", "customer_id").partition_by("as_of", maintain_order=True, as_dict=True)
    theirs = {name: one.p0 for name, one in other_scorings(judged).items() if one.p0}
    said = {"": "p0", **theirs}
    above = {name: [_above(rows, p0, seed) for rows in days.values()] for name, p0 in said.items()}
    for number, cutoff in enumerate([*(_cutoff(day) for (day,) in days), MEAN]):
        values = {n: float(np.mean(v)) if cutoff == MEAN else v[number] for n, v in above.items()}
        ours = values.pop("")
        best = min(values, key=lambda name: values[name]) if values else None
        yield Figure(
            data, cutoff, ALL, ECE, ours, values[best] if best else None, best, ECE_AIM[data],
            ours <= ECE_MUST[data],
        )  # fmt: skip


def _above(rows: pl.DataFrame, p0: str, seed: int) -> float:
    said, happened, weight = (rows[name].to_numpy() for name in (p0, "returned", "weight"))
    return ece(happened, said, weight) - ece_noise(said, weight, draws=_NOISE_DRAWS, seed=seed)
