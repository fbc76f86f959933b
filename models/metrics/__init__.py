"""How good a ranking, a probability or an expected amount is, in one number each.

Plain NumPy on equally long arrays. `event` is 0/1 or Boolean, `score` and `p` are higher where the event is
likelier, `weight` counts a row more or less often (1 everywhere by default). Ties are never broken by row
order: tied rows share what they hold, so a shuffled input gives the same number. What is undefined is NaN.

A score that is measured under many weights (a bootstrap) is sorted once: give a `Ranking` in its place.
"""

from models.metrics.arrays import Array, ArrayLike, Flags, Metric
from models.metrics.chance import Bins, binned, brier, ece, ece_noise, log_loss
from models.metrics.profit import Campaign, Response, empc, expected_gain
from models.metrics.ranking import (
    Gains,
    Held,
    Ranking,
    auroc,
    average_precision,
    gini,
    lift_at,
    mean_at,
    spearman,
    value_at,
)
from models.metrics.redraws import Measures, bootstrap, interval, redraw
from models.metrics.tables import deciles

__all__ = [
    "Array",
    "ArrayLike",
    "Bins",
    "Campaign",
    "Flags",
    "Gains",
    "Held",
    "Measures",
    "Metric",
    "Ranking",
    "Response",
    "auroc",
    "average_precision",
    "binned",
    "bootstrap",
    "brier",
    "deciles",
    "ece",
    "ece_noise",
    "empc",
    "expected_gain",
    "gini",
    "interval",
    "lift_at",
    "log_loss",
    "mean_at",
    "redraw",
    "spearman",
    "value_at",
]
