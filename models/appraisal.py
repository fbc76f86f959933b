"""What would contacting each customer add? Answered for some customers at a time.

An appraisal of some needs a few figures of all (`Common`); everything else is a matter of the own row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from features.errors import DataRefused
from features.table import KEYS
from models.assignment import stratum
from models.effects import Effects
from models.options import ConsentOptions, ContactOptions, EffectOptions, ListOptions, OfferOptions
from models.profit import ORDER_AMOUNTS, appraise, best, order_amounts
from models.tiers import HABITS, limits, with_tier, worth

# Features that a decision reads, where the shop has them.
READ = (
    *KEYS,
    "stage",
    "last_purchase_on",
    "days_since_last_purchase",
    "usual_gap_days",
    "overdue_ratio",
    "favourite_product",
    "favourite_category",
    "orders",
    *HABITS,
    *ORDER_AMOUNTS,
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a decision follows: sections of the config, and what is known of the effects of offers.

    Without `effects` they are what `effect` assumes.
    """

    offers: Sequence[OfferOptions]
    effect: EffectOptions
    contact: ContactOptions
    consent: ConsentOptions
    list: ListOptions
    currency: str
    value_months: int
    effects: Effects | None = None


@dataclass(frozen=True, slots=True)
class Common:
    """What an appraisal of some needs to know of all.

    Attributes:
        tiers: `models.tiers.limits` of everyone.
        usual_order: the median of what a customer's order amounts to, minor units; None where nobody's is
            known.
    """

    tiers: tuple[float, ...]
    usual_order: float | None

    @classmethod
    def of(cls, figures: pl.DataFrame) -> "Common":
        """From the `figures` of everyone, in any order."""
        # Both are order statistics: unlike a mean they are the same to the last bit in every run.
        usual = figures["order_amount"].median()
        return cls(limits(figures["worth"]), usual if isinstance(usual, float) else None)


@dataclass(frozen=True, slots=True)
class Appraised:
    """Customers scored, with what each offer to them would earn; in memory, or in files that are scanned.

    Attributes:
        people: predictions, facts, `value_tier`, `stratum` and the best offer's appraisal.
        offers: appraisals (`models.profit.APPRAISALS`) of every offer that may turn out to be the one made.
    """

    people: pl.DataFrame | pl.LazyFrame
    offers: pl.DataFrame | pl.LazyFrame


def figures(predictions: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """The own figures of some customers that `Common` is made of: `worth` and `order_amount`, Float64."""
    people = _joined(predictions, facts)
    return people.select(worth=worth(), order_amount=order_amounts(people))


def appraised(
    predictions: pl.DataFrame, facts: pl.DataFrame, rules: Rules, common: Common | None = None
) -> Appraised:
    """Put a value on contacting each customer.

    Args:
        predictions: `models.profit.PREDICTIONS`, one row per customer.
        facts: the feature frame of the same day and customers.
        rules: offers, effects, costs.
        common: figures of everyone; default, these customers are everyone.

    Returns:
        People sorted by customer, and their contenders.

    Raises:
        DataRefused: when the two frames do not hold the same customers.
    """
    people = _joined(predictions, facts)
    everyone = common or Common.of(figures(predictions, facts))
    tiered = with_tier(people, everyone.tiers).with_columns(stratum())
    offers = appraise(
        tiered,
        rules.offers,
        rules.effect,
        rules.contact,
        rules.currency,
        usual_order=everyone.usual_order,
        effects=rules.effects,
    )
    top = best(offers, rules.list.salt)
    together = tiered.join(top, on="customer_id", validate="1:1").sort("customer_id")
    return Appraised(together, _contenders(offers, rules.list.salt))


def by_merit(offers: pl.DataFrame) -> list[pl.DataFrame]:
    """Where an offer is taken from: first the safe and profitable ones, then the safe ones, then any."""
    safe = offers.filter(~pl.col("harmful"))
    return [safe.filter(pl.col("expected_incremental_profit_low") > 0), safe, offers]


def _contenders(offers: pl.DataFrame, salt: str) -> pl.DataFrame:
    """The best offers of each channel: whichever channels are permitted, no other can be the one made."""
    apart = offers.partition_by("channel", maintain_order=True)
    firsts = [best(some, salt) for channel in apart for some in by_merit(channel)]
    return (
        pl.concat([offers.clear(), *firsts])
        .unique(["customer_id", "offer_id"])
        .sort("customer_id", "offer_id")
    )


def _joined(predictions: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    shared = [name for name in facts.columns if name in predictions.columns and name != "customer_id"]
    people = predictions.join(_with_favourites(facts.drop(shared)), on="customer_id", validate="1:1")
    if not people.height == predictions.height == facts.height:
        raise DataRefused(
            f"There are predictions for {predictions.height} customers and features for {facts.height}; "
            f"{people.height} of them are the same. Make the features and the scores of the day again."
        )
    return people


def _with_favourites(facts: pl.DataFrame) -> pl.DataFrame:
    """A shop without products has no favourites: then null for all."""
    absent = [name for name in ("favourite_product", "favourite_category") if name not in facts.columns]
    return facts.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)
