"""What profit does contacting a customer add, offer by offer, and how sure are we that it adds any?

All money here is in minor units, as Float64.

With p1 = E[expit(logit(p0) + delta)], S what a won return is worth (`models.won`), c the offer's cost when
redeemed, q the share of buyers who redeem it and k the cost of the contact:

    EIP = p1 * (S - q * c) - p0 * S - k

The cautious EIP is a percentile of the uncertainty of that *expectation*, not of one person's outcome.
By the delta method over three independent errors (of the effect, of p0, of mean S), with p1' = E[expit'(...)]
and z the Normal quantile of the percentile:

    variance = (p1' * (S - q * c) * sd)^2
             + ((p1' / (p0 * (1 - p0)) * (S - q * c) - S) * p0_se)^2
             + ((p1 - p0) * value_se)^2
    cautious EIP = EIP + z * sqrt(variance)

It is at most that of the same offer for nothing. Whatever the truth is, a cost takes away; the delta method
forgets that where p0 is hardly known. Since the formula is concave in the cost (for percentiles up to a
half), this is enough for an offer never to look safer because it costs more.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import polars as pl

from features.contracts import check
from features.errors import ConfigError, DataRefused
from features.hashing import uniform
from features.money import units
from features.wording import counted
from models.effects import Assumption, Effects, Evidence, Shift, response
from models.metrics import Array, Response
from models.options import ContactOptions, EffectOptions, OfferOptions

# Features that tell what a customer's next order will probably amount to (minor units), the better one first.
ORDER_AMOUNTS = ("expected_order_amount", "order_value_mean")

PREDICTIONS = pl.Schema(
    {
        "customer_id": pl.String(),
        "as_of": pl.Date(),
        "p0": pl.Float64(),
        "p0_se": pl.Float64(),
        "expected_margin": pl.Float64(),
        "value_if_returned": pl.Float64(),
        "value_if_not_returned": pl.Float64(),
        "value_se": pl.Float64(),
        "expected_worth": pl.Float64(),
    }
)

APPRAISALS = pl.Schema(
    {
        "customer_id": pl.String(),
        "offer_id": pl.String(),
        "channel": pl.String(),
        "offer_cost": pl.Float64(),
        "contact_cost": pl.Float64(),
        "expected_cost": pl.Float64(),
        "uplift": pl.Float64(),
        "evidence": pl.String(),
        "expected_incremental_profit": pl.Float64(),
        "expected_incremental_profit_low": pl.Float64(),
        "harmful": pl.Boolean(),
    }
)

_P_EDGE = 1e-6


def appraise(
    people: pl.DataFrame,
    offers: Sequence[OfferOptions],
    effect: EffectOptions,
    contact: ContactOptions,
    currency: str,
    *,
    usual_order: float | None = None,
    effects: Effects | None = None,
) -> pl.DataFrame:
    """The expected incremental profit (EIP) of every offer to every customer, and the cautious one.

    Args:
        people: `PREDICTIONS` columns, `stage`, and one of `ORDER_AMOUNTS` where an offer costs a share of
            the order; money in minor units; one row per customer.
        offers: what can be offered.
        effect: what is assumed about contacts.
        contact: cost of a contact per channel.
        currency: reporting currency, for the costs in the config.
        usual_order: what an order counts as where nothing is known, minor units; default the median of these
            people's.
        effects: what is known of the effects of offers; default what is assumed.

    Returns:
        One row per customer and offer (`APPRAISALS`), sorted by customer, offers in the order given.

    Raises:
        DataRefused: when a prediction is missing or not finite.
        ConfigError: when an offer costs a share of the order and the order amount is not known.
    """
    _check(people, offers)
    unit, orders = units(currency), _orders(people, usual_order)
    known = effects or Assumption(effect)
    parts = [
        _one(
            people,
            offer,
            known.shift(people, offer),
            effect.cautious_percentile,
            contact_cost=contact.cost[offer.channel] * unit,
            cost=_offer_cost(orders, offer, unit),
        ).with_columns(_order=pl.lit(place))
        for place, offer in enumerate(offers)
    ]
    return pl.concat(parts).sort("customer_id", "_order").drop("_order")


def order_amounts(people: pl.DataFrame) -> pl.Expr:
    """What each customer's next order will probably amount to, minor units; null where nothing is known."""
    known = [pl.col(name).cast(pl.Float64) for name in ORDER_AMOUNTS if name in people.columns]
    return pl.coalesce(*known, pl.lit(None, pl.Float64)).alias("order_amount")


def priced(terms: Response, people: pl.DataFrame) -> Response:
    """The same response with d in money: a share of the order is a share of these people's mean order.

    One d for everybody, so that rankings differ by whom they choose. Where nothing is known of the amounts,
    the share counts as nothing.
    """
    mean = people.select(order_amounts(people)).to_series().mean() if terms.offer_rate else None
    more = terms.offer_rate * mean if isinstance(mean, float) else 0.0
    return replace(terms, offer_cost=terms.offer_cost + more, offer_rate=0.0)


def best(appraisals: pl.DataFrame, salt: str) -> pl.DataFrame:
    """The offer with the highest EIP of each customer; a salted hash decides between equals.

    Args:
        appraisals: rows of `APPRAISALS`.
        salt: the salt of the draws.

    Returns:
        One row per customer that has any, sorted by customer.
    """
    eip = pl.col("expected_incremental_profit")
    top = appraisals.filter(eip == eip.max().over("customer_id"))
    tied = top.with_columns(_tie=pl.concat_str("customer_id", "offer_id", separator="\x1f"))
    return (
        tied.with_columns(uniform("_tie", f"{salt}|offer"))
        .sort("customer_id", "_tie", "offer_id")
        .unique("customer_id", keep="first", maintain_order=True)
        .drop("_tie")
    )


def _one(
    people: pl.DataFrame,
    offer: OfferOptions,
    told: tuple[Shift, Evidence],
    percentile: float,
    *,
    contact_cost: float,
    cost: Array,
) -> pl.DataFrame:
    p0 = np.clip(people["p0"].to_numpy(), _P_EDGE, 1 - _P_EDGE)
    worth, worth_se = people["value_if_returned"].to_numpy(), people["value_se"].to_numpy()
    shift, evidence = told
    p1, slope = response(np.log(p0 / (1 - p0)), shift)
    gain = worth - offer.redeem_share * cost
    z, p0_se = NormalDist().inv_cdf(percentile), people["p0_se"].to_numpy()

    def expected(gained: Array) -> Array:
        found: Array = p1 * gained - p0 * worth - contact_cost
        return found

    def cautious(gained: Array) -> Array:
        by_p0 = slope / (p0 * (1 - p0)) * gained - worth
        variance = (slope * gained * shift.sd) ** 2 + (by_p0 * p0_se) ** 2 + ((p1 - p0) * worth_se) ** 2
        low: Array = expected(gained) + z * np.sqrt(variance)
        return low

    eip = expected(gain)
    return pl.DataFrame(
        {
            "customer_id": people["customer_id"],
            "offer_id": offer.id,
            "channel": offer.channel,
            "offer_cost": cost,
            "contact_cost": np.full_like(p0, contact_cost),
            "expected_cost": contact_cost + p1 * offer.redeem_share * cost,
            "uplift": p1 - p0,
            "evidence": str(evidence),
            "expected_incremental_profit": eip,
            "expected_incremental_profit_low": np.minimum(cautious(gain), cautious(worth)),
            "harmful": shift.is_harmful(percentile),
        },
        schema=APPRAISALS,
    )


def _orders(people: pl.DataFrame, usual_order: float | None) -> Array:
    amounts = people.with_columns(order_amounts(people))["order_amount"]
    usual = amounts.median() if usual_order is None else usual_order
    return amounts.fill_null(usual if isinstance(usual, float) else 0.0).to_numpy()


def _offer_cost(orders: Array, offer: OfferOptions, unit: int) -> Array:
    fixed = np.full_like(orders, offer.cost * unit)
    return fixed if offer.cost_rate == 0 else fixed + offer.cost_rate * orders


def _check(people: pl.DataFrame, offers: Sequence[OfferOptions]) -> None:
    check(people, PREDICTIONS, "predictions")
    rated = [offer.id for offer in offers if offer.cost_rate > 0]
    if rated and not set(ORDER_AMOUNTS) & set(people.columns):
        raise ConfigError(
            f"Offers {rated} cost a share of the next order, but what an order usually amounts to is not "
            f"known (none of the features {ORDER_AMOUNTS}). Give them a fixed cost."
        )
    numbers = [name for name, dtype in PREDICTIONS.items() if dtype == pl.Float64()]
    missing = people.select((~pl.col(numbers).is_finite()).fill_null(value=True).sum()).row(0, named=True)
    faults = [f"{name}: {counted(count, 'row')}" for name, count in missing.items() if count]
    if faults:
        raise DataRefused(
            f"predictions are not numbers in {counted(len(faults), 'column')}: {'; '.join(faults)}. "
            "Train the model again."
        )
