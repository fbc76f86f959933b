"""What the own contacts say of the offer, until the product learns it itself: one shift, pooled (evidence B).

The difference between contacted and held out people on the log-odds, stage by stage, weighed by precision,
and put together with what was assumed as one Normal belief.
"""

import numpy as np
import polars as pl

from models.appraisal import Rules
from models.options import AssumedEffect, EffectOptions


def pooled(rows: pl.DataFrame, rules: Rules) -> EffectOptions:
    """The belief after some contacts.

    Args:
        rows: contacts with `stage`, `treated`, `returned`.
        rules: what was assumed before the first of them stands in `terms.RULES`.
    """
    from tests.proof.terms import RULES

    before = RULES.effect.assumed
    precision = 1 / before.sd**2
    total = precision * before.mu
    for _, some in rows.group_by("stage", maintain_order=True):
        counts = [some.filter(pl.col("treated") == arm)["returned"] for arm in (True, False)]
        difference, variance = _difference(*counts)
        precision, total = precision + 1 / variance, total + difference / variance
    belief = AssumedEffect(mu=float(total / precision), sd=float(precision**-0.5))
    return rules.effect.model_copy(update={"assumed": belief})


def _difference(treated: pl.Series, held: pl.Series) -> tuple[float, float]:
    """Difference of log-odds and its variance; half a person of each kind keeps both finite."""
    sides = [(int(one.sum()) + 0.5, int((~one).sum()) + 0.5) for one in (treated, held)]
    logs = [float(np.log(back / away)) for back, away in sides]
    return logs[0] - logs[1], float(sum(1 / back + 1 / away for back, away in sides))
