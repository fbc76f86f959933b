"""What does the rule of promotion need to know of a comparison with the champion?"""

import math

import polars as pl

from features.contracts import Stage
from models.comparison import ALL, MEAN
from models.promotion import Comparison

CHAMPION = "champion"
MEASURES = ("auroc", "ece")
GROUPS = (ALL, *(stage.value for stage in Stage))


def challenge(found: pl.DataFrame, *, same_recipe: bool) -> Comparison:
    """The challenger beside the champion.

    Args:
        found: of `models.comparison.compare`, with the champion's scoring among the others under that name;
            `MEASURES` and `GROUPS` are all that is read.
        same_recipe: features, parameters and code of both are the same.
    """
    rows = found.filter(pl.col("against") == CHAMPION)
    days = rows.filter(group=ALL, measure="auroc").filter(pl.col("snapshot") != MEAN)
    means = {(row["group"], row["measure"]): row for row in rows.filter(snapshot=MEAN).to_dicts()}
    calibration = means.get((ALL, "ece"), {})
    return Comparison(
        len(days),
        *_interval(means, ALL),
        by_stage={one.value: _interval(means, one.value) for one in Stage if (one.value, "auroc") in means},
        ece=calibration.get("ours", math.nan),
        ece_champion=calibration.get("theirs", math.nan),
        same_recipe=same_recipe,
    )


def _interval(means: dict[tuple[str, str], dict[str, float]], group: str) -> tuple[float, float, float]:
    row = means.get((group, "auroc"), {})
    mean, low, high = (row.get(name, math.nan) for name in ("difference", "low", "high"))
    return mean, low, high
