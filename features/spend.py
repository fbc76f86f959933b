"""How much is a customer's typical order worth, given the few that were seen.

Gamma-Gamma (Fader, Hardie and Lee 2005, JMR 42; Fader and Hardie 2013, "The Gamma-Gamma Model of Monetary
Value"): a customer's order values are Gamma(p, nu), and nu is Gamma(q, gamma) over customers. The expected
value of their next orders is the own mean, drawn towards the shop's mean, the more so the fewer orders they
have.

Amounts are integer minor units. Only orders with a positive amount say something about a typical order.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from features.likelihood import Floats, Likelihood, maximise

ORDERS = "spend_orders"
AMOUNT = "spend_amount"
EXPECTED = "expected_order_amount"

MIN_CUSTOMERS = 50
MAX_GROUPS = 50_000
# First width of a bin of mean values, when there are too many different ones: one part in a thousand.
FIRST_WIDTH = 1e-3
# p, q - 1 (the shop's mean exists only for q > 1), gamma (in mean order values).
BOUNDS = ((1e-3, 1e4), (1e-3, 1e4), (1e-4, 1e5))
START = (2.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class SpendParameters:
    """A fitted shop.

    Attributes:
        p: shape of one customer's order values.
        q: shape of the customers' scales; above 1.
        gamma: their scale, in minor units; the shop's mean order value is p * gamma / (q - 1).
        log_likelihood: of all customers, amounts in minor units.
        customers: how many the fit has seen.
        iterations: steps of the search.
        converged: False when the search stopped early on flat ground.
    """

    p: float
    q: float
    gamma: float
    log_likelihood: float
    customers: int
    iterations: int
    converged: bool


def summarise(orders: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """What the model needs to know of each customer, at the end of `as_of`.

    Args:
        orders: `customer_id`, `ordered_on`, `net_amount` (minor units); one row per order.
        as_of: the last day that is known.

    Returns:
        `customer_id`; `spend_orders`: orders of a positive amount; `spend_amount`: their sum, minor units.
        Customers without such an order are left out.
    """
    return (
        orders.filter(pl.col("ordered_on") <= as_of, pl.col("net_amount") > 0)
        .group_by("customer_id")
        .agg(pl.len().cast(pl.Int64).alias(ORDERS), pl.col("net_amount").sum().alias(AMOUNT))
    )


def fit(summary: pl.DataFrame) -> SpendParameters | None:
    """The parameters that make the mean order values most likely.

    Returns:
        None when there are too few customers, or the search found no maximum.
    """
    groups = _groups(summary)
    customers = int(groups["customers"].sum())
    if customers < MIN_CUSTOMERS:
        return None
    # The mean order as the unit of money: the search sees the same numbers in every currency.
    unit = int(groups[AMOUNT].sum()) / int((groups[ORDERS] * groups["customers"]).sum())
    best = maximise(_likelihood(groups, unit), START, BOUNDS)
    if best is None:
        return None
    p, q_less_one, gamma = best.parameters
    return SpendParameters(
        p=p,
        q=q_less_one + 1,
        gamma=gamma * unit,
        log_likelihood=(best.log_likelihood - float(np.log(unit))) * customers,
        customers=customers,
        iterations=best.iterations,
        converged=best.converged,
    )


def expected_order_amount(parameters: SpendParameters | None, summary: pl.DataFrame) -> pl.DataFrame:
    """The expected value of each customer's next orders, given that they buy.

    Returns:
        `customer_id`, in the order of `summary`; `expected_order_amount` (f64, minor units), finite or null.
    """
    if parameters is None:
        return summary.select("customer_id", pl.lit(None, pl.Float64).alias(EXPECTED))
    n, amount = pl.col(ORDERS), pl.col(AMOUNT)
    expected = parameters.p * (parameters.gamma + amount) / (parameters.p * n + parameters.q - 1)
    seen = (n > 0) & (amount > 0)
    return summary.select("customer_id", pl.when(seen).then(expected).alias(EXPECTED))


def _groups(summary: pl.DataFrame) -> pl.DataFrame:
    """Customers counted by orders and mean value; in ever wider bins until there are few enough groups."""
    n, amount = pl.col(ORDERS), pl.col(AMOUNT)
    seen = summary.select(ORDERS, AMOUNT).filter(n > 0, amount > 0)
    counted = (pl.len().cast(pl.Int64).alias("customers"), amount.sum().alias("amount_sum"))
    groups = seen.group_by(ORDERS, amount.alias("bin")).agg(counted)
    width = FIRST_WIDTH
    while groups.height > MAX_GROUPS:
        mean_bin = ((amount / n).log() * (1 / width)).floor().cast(pl.Int64).alias("bin")
        groups = seen.group_by(ORDERS, mean_bin).agg(counted)
        width *= 2
    return groups.sort(ORDERS, "bin").select(ORDERS, pl.col("amount_sum").alias(AMOUNT), "customers")


def _likelihood(groups: pl.DataFrame, unit: float) -> Likelihood:
    """Mean log-likelihood per customer, with its gradient, of (p, q - 1, gamma); money in `unit`s."""
    from scipy.special import betaln, psi

    count = groups["customers"].cast(pl.Float64).to_numpy()
    n = groups[ORDERS].cast(pl.Float64).to_numpy()
    amount = groups[AMOUNT].to_numpy() / count / unit
    weight = count / count.sum()
    log_amount = np.log(amount)
    log_mean = (weight * np.log(amount / n)).sum()
    # The gamma functions depend on n alone, which takes few values.
    levels, level_of = np.unique(n, return_inverse=True)
    share = np.bincount(level_of, weight)

    def likelihood(parameters: Floats) -> tuple[float, Floats]:
        p, q, gamma = parameters[0], parameters[1] + 1, parameters[2]
        log_pool = np.log(gamma + amount)
        log_own = n * (log_amount - log_pool)
        log_shop = np.log(gamma) - log_pool
        value = (weight * (q * log_shop + p * log_own)).sum() - log_mean
        value -= (share * betaln(p * levels, q)).sum()
        pooled = psi(p * levels + q)
        slope = (
            (weight * log_own).sum() - (share * levels * (psi(p * levels) - pooled)).sum(),
            (weight * log_shop).sum() - (share * (psi(q) - pooled)).sum(),
            q / gamma - (weight * (q + p * n) / (gamma + amount)).sum(),
        )
        return float(value), np.array(slope)

    return likelihood
