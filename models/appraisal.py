"""What would contacting each customer add? Answered for some customers at a time.

An appraisal of some needs a few figures of all (`Common`); everything else is a matter of the own row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from features.errors import DataRefused
from features.table import KEYS
from models.assignment import stratum
from models.cause_table import CauseOptions
from models.causes import apart, matched
from models.contenders import contenders
from models.effects import Effects
from models.options import ConsentOptions, ContactOptions, EffectOptions, ListOptions, OfferOptions
from models.profit import ORDER_AMOUNTS, appraise, best, order_amounts
from models.reach import Refused, is_for_all, refused, suited
from models.tiers import HABITS, habit, limits, tier, with_tier, worth

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
    causes: CauseOptions = field(default_factory=CauseOptions)

    @property
    def reads(self) -> tuple[str, ...]:
        """Features that a decision reads, where the shop has them."""
        more = () if self.effects is None else self.effects.reads
        return (*READ, *(name for name in more if name not in READ))


@dataclass(frozen=True, slots=True)
class Common:
    """What an appraisal of some needs to know of all.

    Attributes:
        tiers: `models.tiers.limits` of everyone.
        usual_order: the median of what a customer's order amounts to, minor units; None where nobody's is
            known.
        refused: offers that are not made, since most of those they are meant for could not use them.
    """

    tiers: tuple[float, ...]
    usual_order: float | None
    refused: tuple[Refused, ...] = ()

    @classmethod
    def of(cls, figures: pl.DataFrame, rules: Rules | None = None) -> "Common":
        """From the `figures` of everyone, in any order; without rules no offer is refused."""
        # All are order statistics or counts: unlike a mean they are the same to the last bit in every run.
        median, edges = figures["order_amount"].median(), limits(figures["worth"])
        usual = median if isinstance(median, float) else None
        if rules is None or not _has_barrier(rules.offers):
            return cls(edges, usual)
        people = figures.with_columns(value_tier=tier(pl.col("worth"), pl.col("habit"), edges))
        return cls(edges, usual, refused(people, rules.offers, rules.currency, usual))

    def notes(self, currency: str) -> tuple[str, ...]:
        """What a person should be told."""
        return tuple(one.sentence(currency) for one in self.refused)


@dataclass(frozen=True, slots=True)
class Appraised:
    """Customers scored, with what each offer to them would earn; in memory, or in files that are scanned.

    Attributes:
        people: predictions, facts, `value_tier`, `stratum` and the appraisal of the best offer that suits
            a customer of whom nobody knows why they left (where none does, of the best offer there is).
        offers: appraisals (`models.profit.APPRAISALS`) of every offer that may turn out to be the one made;
            customers whom no offer suits are not in it.
        notes: what a person should be told.
    """

    people: pl.DataFrame | pl.LazyFrame
    offers: pl.DataFrame | pl.LazyFrame
    notes: tuple[str, ...] = ()


def figures(
    predictions: pl.DataFrame, facts: pl.DataFrame, offers: Sequence[OfferOptions] = ()
) -> pl.DataFrame:
    """The own figures of some customers that `Common` is made of: `worth` and `order_amount`, Float64.

    Where an offer has a minimum purchase also `stage` and `habit`, which tell for whom it is meant.
    """
    people = _joined(predictions, facts)
    own = {"worth": worth(), "order_amount": order_amounts(people)}
    if _has_barrier(offers):
        own |= {"stage": pl.col("stage").cast(pl.String), "habit": habit(people)}
    return people.select(**own)


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
    everyone = common or Common.of(figures(predictions, facts, rules.offers), rules)
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
    suiting = _suiting(offers, tiered, rules, everyone)
    nobody = tiered.select("customer_id", cause=pl.lit(None, pl.String))
    by_default = matched(suiting, nobody, rules.offers)
    firsts = pl.concat([best(by_default, rules.list.salt), best(offers, rules.list.salt)])
    top = firsts.unique("customer_id", keep="first", maintain_order=True)
    together = tiered.join(top, on="customer_id", validate="1:1").sort("customer_id")
    scarce = [offer.id for offer in rules.offers if offer.stock is not None]
    return Appraised(together, _contenders(suiting, rules, scarce), everyone.notes(rules.currency))


def _contenders(offers: pl.DataFrame, rules: Rules, scarce: Sequence[str]) -> pl.DataFrame:
    """Contenders for whatever cause: why people left is known only when everything comes together."""
    some = [offers.filter(pl.col("offer_id").is_in(ids)) for ids in apart(rules.offers)]
    found = [contenders(one, rules.list.salt, scarce) for one in some]
    return pl.concat(found).unique(["customer_id", "offer_id"]).sort("customer_id", "offer_id")


def _suiting(offers: pl.DataFrame, people: pl.DataFrame, rules: Rules, common: Common) -> pl.DataFrame:
    """The appraisals of offers that may be made to the customer."""
    if all(is_for_all(offer) for offer in rules.offers):
        return offers
    out = {one.offer for one in common.refused}
    made = [offer for offer in rules.offers if offer.id not in out]
    usual = people.with_columns(order_amounts(people))
    pairs = suited(usual, made, rules.currency, common.usual_order)
    return offers.join(pairs, on=["customer_id", "offer_id"], how="semi", maintain_order="left")


def _has_barrier(offers: Sequence[OfferOptions]) -> bool:
    return any(offer.min_purchase > 0 for offer in offers)


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
