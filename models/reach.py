"""May a person be made an offer: is it meant for people like them, and could they use it?

An entry barrier keeps out most of those whom an offer should win: one that starts only at a big purchase is
no offer to people who spend little. So each offer's minimum purchase is checked against what a customer's
order usually amounts to. A person is not made an offer beyond their reach; and an offer that more than half
of those it is meant for could not use is not made at all, with a warning.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from features.money import units
from features.wording import counted
from models.options import OfferOptions

_MOST = 0.5


@dataclass(frozen=True, slots=True)
class Refused:
    """An offer that is not made, since most could not use it.

    Attributes:
        offer: its id.
        least: its minimum purchase, reporting currency.
        meant: people it is meant for.
        beyond: how many of them usually order for less.
    """

    offer: str
    least: float
    meant: int
    beyond: int

    def sentence(self, currency: str) -> str:
        """What to tell the person who wrote the config."""
        return (
            f"Offer {self.offer} is not made to anybody: of the {counted(self.meant, 'customer')} it is "
            f"meant for, {self.beyond:,} ({self.beyond / self.meant:.0%}) usually order for less than its "
            f"min_purchase of {self.least:,.2f} {currency}. Lower min_purchase, or narrow its stages or "
            "tiers."
        )


def refused(
    people: pl.DataFrame, offers: Sequence[OfferOptions], currency: str, usual_order: float | None
) -> tuple[Refused, ...]:
    """The offers whose minimum purchase is more than what most of those they are meant for usually spend.

    Args:
        people: everyone: `stage`, `value_tier`, `order_amount` (minor units; null counts as `usual_order`).
        offers: the offers of the config.
        currency: reporting currency.
        usual_order: what an order counts as where nothing is known.
    """
    found = []
    for offer in (one for one in offers if one.min_purchase > 0):
        meant = people.filter(_meant(offer))
        beyond = meant.filter(~_within(offer, currency, usual_order)).height
        if beyond > meant.height * _MOST:
            found.append(Refused(offer.id, offer.min_purchase, meant.height, beyond))
    return tuple(found)


def suited(
    people: pl.DataFrame, offers: Sequence[OfferOptions], currency: str, usual_order: float | None
) -> pl.DataFrame:
    """Who may be made which offer.

    Args:
        people: `customer_id` and the columns that `refused` reads.
        offers: the offers that are made.
        currency: reporting currency.
        usual_order: what an order counts as where nothing is known.

    Returns:
        `customer_id`, `offer_id`: one row per customer and offer that suits them.
    """
    pairs = [
        people.filter(_meant(offer), _within(offer, currency, usual_order)).select(
            "customer_id", offer_id=pl.lit(offer.id)
        )
        for offer in offers
    ]
    return pl.concat([people.select("customer_id", offer_id=pl.lit("")).clear(), *pairs])


def is_for_all(offer: OfferOptions) -> bool:
    """Whether an offer asks nothing of the person."""
    return not offer.stages and not offer.tiers and offer.min_purchase == 0


def _meant(offer: OfferOptions) -> pl.Expr:
    stages, tiers = [str(stage) for stage in offer.stages], list(offer.tiers)
    stage = pl.col("stage").cast(pl.String).is_in(stages) if stages else pl.lit(value=True)
    return stage & (pl.col("value_tier").is_in(tiers) if tiers else pl.lit(value=True))


def _within(offer: OfferOptions, currency: str, usual_order: float | None) -> pl.Expr:
    usual = pl.col("order_amount").fill_null(usual_order or 0.0)
    return usual >= offer.min_purchase * units(currency)
