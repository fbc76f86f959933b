"""Where does a person stand, as the models see it: who is asked which question, and calibrated with whom?

Those who are gone (lapsed or lost) behave otherwise than the rest: what they do unaided is the *reactivation*
model's question, the churn model speaks for the others. A person with one order has no rhythm to be judged
by, and stands apart from those of the same stage who have more.
"""

import polars as pl

from features.contracts import Stage

GONE = (Stage.LAPSED.value, Stage.LOST.value)
ONCE, ONCE_GONE, MANY_GONE = "one_order", "one_order_gone", "gone"
# Standing: whether the reactivation model speaks for it.
STANDINGS = {
    ONCE: False,
    Stage.ACTIVE.value: False,
    Stage.AT_RISK.value: False,
    ONCE_GONE: True,
    MANY_GONE: True,
}


def is_gone() -> pl.Expr:
    """Whether a person is lapsed or lost."""
    return pl.col("stage").cast(pl.String).is_in(GONE).alias("gone")


def standing() -> pl.Expr:
    """The standing of each row, one of `STANDINGS`, from `stage` and `orders`."""
    stage, once = pl.col("stage").cast(pl.String), pl.col("orders") <= 1
    return (
        pl.when(is_gone() & once)
        .then(pl.lit(ONCE_GONE))
        .when(is_gone())
        .then(pl.lit(MANY_GONE))
        .when(once | (stage == Stage.NEW.value))
        .then(pl.lit(ONCE))
        .otherwise(stage)
        .alias("standing")
    )
