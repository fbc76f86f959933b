"""Which offers of a customer can still turn out to be the one made? Only these come together on one machine.

Which channels are permitted, what is in stock and what money is worth is known only then. So of each channel
stay: the best ones for their profit, whatever is scarce; and, of those that pay, every one that no other of
the channel beats in profit *and* cost. An offer of limited stock beats nobody: it may be gone.
"""

from collections.abc import Collection

import polars as pl

from models.profit import best

_EIP, _COST = "expected_incremental_profit", "expected_cost"


def pays() -> pl.Expr:
    """Whether an offer does no harm and is credibly profitable: only such offers are made for profit."""
    return ~pl.col("harmful") & (pl.col(f"{_EIP}_low") > 0) & (pl.col(_EIP) > 0)


def by_merit(offers: pl.DataFrame) -> list[pl.DataFrame]:
    """Where an offer is taken from: first the safe and profitable ones, then the safe ones, then any."""
    return [offers.filter(pays()), offers.filter(~pl.col("harmful")), offers]


def contenders(offers: pl.DataFrame, salt: str, scarce: Collection[str] = ()) -> pl.DataFrame:
    """The offers that can be the one made: no other can.

    Args:
        offers: `models.profit.APPRAISALS` of the offers that may be made to each customer.
        salt: what ties are drawn with.
        scarce: ids of offers of limited stock.

    Returns:
        Rows of `offers`, sorted by customer and offer.
    """
    kept = [offers.clear()]
    for channel in offers.partition_by("channel", maintain_order=True):
        limited = pl.col("offer_id").is_in(list(scarce))
        # What is explored is never scarce, so the best of the others stay as well.
        for some in (channel, channel.filter(~limited)) if scarce else (channel,):
            kept += [best(one, salt) for one in by_merit(some)]
        paying = channel.filter(pays())
        kept += [paying.filter(limited), _unbeaten(paying.filter(~limited))]
    return pl.concat(kept).unique(["customer_id", "offer_id"]).sort("customer_id", "offer_id")


def _unbeaten(offers: pl.DataFrame) -> pl.DataFrame:
    """Offers than which no other of the customer is cheaper and as good, or as cheap and better."""
    ranked = offers.sort("customer_id", _COST, -pl.col(_EIP), "offer_id")
    before = ranked.select(
        bar=pl.col(_EIP).cum_max().shift(1).over("customer_id"),
        equal=(pl.col(_EIP) == pl.col(_EIP).shift(1)).over("customer_id")
        & (pl.col(_COST) == pl.col(_COST).shift(1)).over("customer_id"),
    )
    better = before["bar"].is_null() | (ranked[_EIP] > before["bar"])
    return ranked.filter(better | (before["equal"].fill_null(value=False) & (ranked[_EIP] == before["bar"])))
