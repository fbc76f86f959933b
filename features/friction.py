"""What went wrong, and what a customer was told: returns, complaints, scores, contacts, points.

Each part needs a table of its own; where the table is absent its features are absent.
"""

import polars as pl

from features.asof import AsOf

COMPLAINTS = ("complaint", "ticket")


def returns(lines: pl.LazyFrame, as_of: AsOf) -> pl.LazyFrame:
    """Per customer: lines given back, and the amount given back as a share of the amount bought."""
    known = lines.filter(as_of.history(pl.col("ordered_on")))
    amount, back = pl.col("net_amount"), pl.col("returns")
    given, bought = -amount.filter(back).sum(), amount.filter(~back).sum()
    return known.group_by("customer_id").agg(
        return_lines=back.sum().cast(pl.Int32),
        returned_share=pl.when(bought > 0).then(given / bought),
    )


def feedback(feedback: pl.LazyFrame, as_of: AsOf) -> pl.LazyFrame:
    """Per customer: complaints, how fresh the last is, the last score and its change."""
    on = pl.col("occurred_on")
    known = feedback.filter(as_of.history(on))
    complained = pl.col("kind").is_in(COMPLAINTS)
    scored = pl.col("score").is_not_null()
    score = (
        pl.col("score")
        .filter(scored)
        .sort_by(pl.col("occurred_at").filter(scored), pl.col("score").filter(scored))
    )
    return known.group_by("customer_id").agg(
        complaints=complained.sum().cast(pl.Int32),
        complaints_90d=(complained & as_of.last_days(on, 90)).sum().cast(pl.Int32),
        days_since_last_complaint=(pl.lit(as_of.day) - on.filter(complained).max())
        .dt.total_days()
        .cast(pl.Int32),
        score_last=score.last(),
        score_change=score.last() - score.first(),
    )


def contacts(contacts: pl.LazyFrame, as_of: AsOf) -> pl.LazyFrame:
    """Per customer: contacts received, and days since the last."""
    on = pl.col("contacted_on")
    reached = contacts.filter(as_of.history(on), pl.col("arm").is_in(("treatment", "explore")))
    return reached.group_by("customer_id").agg(
        contacts_received=pl.len().cast(pl.Int32),
        contacts_received_90d=as_of.last_days(on, 90).sum().cast(pl.Int32),
        days_since_last_contact=(pl.lit(as_of.day) - on.max()).dt.total_days().cast(pl.Int32),
    )
