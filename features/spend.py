"""How much is a customer's typical order worth, given the few that were seen.

Gamma-Gamma (Fader, Hardie and Lee 2005, JMR 42; Fader and Hardie 2013, "The Gamma-Gamma Model of Monetary
Value"): a customer's order values are Gamma(p, nu), and nu is Gamma(q, gamma) over customers. The expected
value of their next orders is the own mean, drawn towards the shop's mean, the more so the fewer orders they
have.

Amounts are integer minor units, of net purchases: all positive.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from features.condensed import Whole
from features.gamma import digamma, log_beta
from features.likelihood import Floats, Likelihood, maximise

# Features of the whole history that the model reads.
ORDERS = "orders"
AMOUNT = "net_amount"
EXPECTED = "expected_order_amount"

# Orders and the bin of the mean order, in one number, so that counting and adding up counts is quick.
KIND = "kind"
KEYS = (KIND,)
CUSTOMERS = "customers"
AMOUNT_SUM = "amount_sum"
# A bin is the sign, the exponent and so many bits of the fraction of a mean order, as a float: at most a
# thousandth wide, the same on every machine and however the customers are split. The fit keeps its mean.
_FRACTION_BITS = 10
_DROPPED_BITS = 52 - _FRACTION_BITS
_BIN_BITS = 12 + _FRACTION_BITS

MIN_CUSTOMERS = 50
# More groups than this are put together in wider bins before the fit.
MAX_GROUPS = 12_000
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


def count(orders: pl.Series, amount: pl.Series) -> pl.DataFrame:
    """How many customers there are of each kind, for `fit`.

    Args:
        orders: net purchases of each customer.
        amount: their sum, minor units. Customers without a positive one are left out.

    Returns:
        `kind`; `customers` and `amount_sum` (Int64); sorted. The counts of parts of a shop add up to those of
        the shop.
    """
    seen = (orders > 0) & (amount > 0)
    n, total = (values.filter(seen).to_numpy().astype(np.int64) for values in (orders, amount))
    kind = (n << _BIN_BITS) | ((total / n).view(np.int64) >> _DROPPED_BITS)
    order = np.argsort(kind)
    ones = np.ones_like(kind)
    return _added(pl.DataFrame({KIND: kind[order], CUSTOMERS: ones, AMOUNT_SUM: total[order]}))


def fit(counts: pl.DataFrame) -> SpendParameters | None:
    """The parameters that make the mean order values most likely.

    Args:
        counts: from `count`, of all customers of the shop, sorted by kind.

    Returns:
        None when there are too few customers, or the search found no maximum.
    """
    customers = int(counts[CUSTOMERS].sum())
    if customers < MIN_CUSTOMERS:
        return None
    # The mean order as the unit of money: the search sees the same numbers in every currency.
    unit = int(counts[AMOUNT_SUM].sum()) / int((_orders(counts) * counts[CUSTOMERS].to_numpy()).sum())
    best = maximise(_likelihood(_few(counts), unit), START, BOUNDS)
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


def expected_order_amount(parameters: SpendParameters | None) -> pl.Expr:
    """The expected value of each customer's next orders, given that they buy; minor units.

    Reads `orders` and `net_amount` of the whole history; null without a positive amount.
    """
    if parameters is None:
        return pl.repeat(None, pl.len(), dtype=pl.Float64).alias(EXPECTED)
    n, amount = pl.col(ORDERS), pl.col(AMOUNT)
    expected = parameters.p * (parameters.gamma + amount) / (parameters.p * n + parameters.q - 1)
    return pl.when((n > 0) & (amount > 0)).then(expected).alias(EXPECTED)


def _few(counts: pl.DataFrame) -> pl.DataFrame:
    """The counts in ever wider bins until there are few enough groups; at last, one bin for all amounts."""
    wider = (_added(counts, bits) for bits in range(_BIN_BITS))
    return next((few for few in wider if few.height <= MAX_GROUPS), _added(counts, _BIN_BITS))


def _added(counts: pl.DataFrame, fewer_bits: int = 0) -> pl.DataFrame:
    """Customers and amounts of kinds that differ in the last bits alone added up; rows are sorted by kind."""
    kind, *sums = (counts[name].to_numpy() for name in (KIND, CUSTOMERS, AMOUNT_SUM))
    starts = np.flatnonzero(np.diff(kind >> fewer_bits, prepend=-1))
    customers, amount = (np.add.reduceat(values, starts) if len(starts) else values for values in sums)
    return pl.DataFrame({KIND: kind[starts], CUSTOMERS: customers, AMOUNT_SUM: amount})


def _orders(counts: pl.DataFrame) -> Whole:
    return np.asarray(counts[KIND].to_numpy() >> _BIN_BITS)


def _likelihood(groups: pl.DataFrame, unit: float) -> Likelihood:
    """Mean log-likelihood per customer, with its gradient, of (p, q - 1, gamma); money in `unit`s."""
    count = groups[CUSTOMERS].to_numpy().astype(np.float64)
    n = _orders(groups)
    amount = groups[AMOUNT_SUM].to_numpy() / count / unit
    weight = count / count.sum()
    log_amount = np.log(amount)
    log_mean = (weight * np.log(amount / n)).sum()
    # The gamma functions depend on n alone, which takes few values.
    levels, level_of = np.unique(n, return_inverse=True)
    share = np.bincount(level_of, weight)

    def likelihood(parameters: Floats) -> tuple[float, Floats]:
        p, q, gamma = parameters[0], parameters[1] + 1, parameters[2]
        pool = gamma + amount
        log_pool = np.log(pool)
        log_own = n * (log_amount - log_pool)
        log_shop = np.log(gamma) - log_pool
        value = (weight * (q * log_shop + p * log_own)).sum() - log_mean
        value -= (share * log_beta(p * levels, q)).sum()
        pooled = digamma(p * levels + q)
        slope = (
            (weight * log_own).sum() - (share * levels * (digamma(p * levels) - pooled)).sum(),
            (weight * log_shop).sum() - (share * (digamma(q) - pooled)).sum(),
            q / gamma - (weight * (q + p * n) / pool).sum(),
        )
        return float(value), np.array(slope)

    return likelihood
