"""Does the model look at the same things whenever it is fitted? Importance of features over test snapshots.

Each test snapshot has a fit of its own, on what was known before it. A feature that carries one of them and
none of the others is a find of the moment; so is an order of features that changes from fit to fit.
"""

from itertools import combinations

import numpy as np
import polars as pl

from models.metrics import Array

# The agreement of the importances, as a metric of a run.
RANK_CORRELATION = "importance.rank_correlation"
_COLUMNS = {
    "feature": pl.String,
    "mean_share": pl.Float64,
    "spread": pl.Float64,
    "lowest": pl.Float64,
    "highest": pl.Float64,
    "used_in": pl.Int64,
}


def stability(shares: pl.DataFrame) -> pl.DataFrame:
    """How much each feature brings on average, and how far that moves.

    Args:
        shares: `feature`, `snapshot`, `gain_share`; a feature that a fit does not use may be missing there.

    Returns:
        feature, mean_share, spread (standard deviation over snapshots), lowest, highest, used_in (number of
        snapshots whose fit uses it); greatest mean first.
    """
    if shares.is_empty():
        return pl.DataFrame(schema=_COLUMNS)
    wide, table = _table(shares)
    numbers = (table.mean(1), table.std(1), table.min(1), table.max(1), (table > 0).sum(1))
    found = dict(zip(_COLUMNS, (wide["feature"], *numbers), strict=True))
    return pl.DataFrame(found, schema=_COLUMNS).sort(["mean_share", "feature"], descending=[True, False])


def agreement(shares: pl.DataFrame) -> float | None:
    """Spearman's rank correlation of the importances of two snapshots, the mean over all pairs.

    None with fewer than two snapshots, or where the features of one are all alike.
    """
    if shares.is_empty():
        return None
    _, table = _table(shares)
    ranks = [pl.Series(column).rank().to_numpy() for column in table.T]
    if len(ranks) < 2 or any(np.ptp(one) == 0 for one in ranks):
        return None
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in combinations(ranks, 2)]))


def _table(shares: pl.DataFrame) -> tuple[pl.DataFrame, Array]:
    """A row per feature and a column per snapshot, both in order; what is not there is 0."""
    days = shares["snapshot"].unique().sort()
    wide = shares.pivot("snapshot", index="feature", values="gain_share").fill_null(0.0).sort("feature")
    return wide, wide.select(str(day) for day in days).to_numpy().astype(float)
