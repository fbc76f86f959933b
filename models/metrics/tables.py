"""The ranking in tenths: what was predicted in each, and what happened."""

import numpy as np
import polars as pl

from models.metrics.arrays import ArrayLike


def deciles(p: ArrayLike, event: ArrayLike, amount: ArrayLike, score: ArrayLike) -> pl.DataFrame:
    """One row per tenth of the ranking by `score`, best first.

    Args:
        p: probability of the event.
        event: whether it happened.
        amount: what each row brought.
        score: what ranks; equal scores keep the order of the rows.

    Returns:
        decile, rows, predicted (mean), observed (mean), amount (sum), amount_share_so_far.
    """
    order = np.lexsort((np.arange(len(score)), -np.asarray(score, float)))
    tenth = np.arange(len(order)) * 10 // max(len(order), 1)
    rows = np.bincount(tenth, minlength=10)
    sums = [np.bincount(tenth, np.asarray(part, float)[order], 10) for part in (p, event, amount)]
    count, total = np.maximum(rows, 1), sums[2].sum()
    return pl.DataFrame(
        {
            "decile": np.arange(1, 11),
            "rows": rows,
            "predicted": sums[0] / count,
            "observed": sums[1] / count,
            "amount": sums[2],
            "amount_share_so_far": np.cumsum(sums[2]) / total if total else np.full(10, np.nan),
        }
    )
