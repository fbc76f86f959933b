"""Who is probably still a customer, and how often would they buy: two models of silent attrition.

A customer buys at a rate of their own, Gamma(r, alpha) over customers, and may leave for good after a
purchase with a probability of their own, Beta(a, b) over customers. BG/NBD (Fader, Hardie and Lee 2005,
Marketing Science 24) lets only repeat buyers leave, so it is sure that every one-time buyer is still there;
MBG/NBD (Batislam, Denizel and Filiztekin 2007, IJRM 24; Hoppe and Wagner 2007, Marketing ZFP 29) lets people
leave after the first purchase too and gives one-time buyers an honest probability. One set of formulas serves
both; they differ in the number of chances to leave: x for BG/NBD, x + 1 for MBG/NBD.

Time is in days. A customer enters with three whole numbers only (x, t_x and T of the papers), so equal
customers are counted once; a large shop is fitted on few points that say nearly the same.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import polars as pl

from features.condensed import Points, Whole, condensed
from features.likelihood import Floats, Likelihood, maximise
from features.purchases_ahead import purchases_if_alive
from features.runs import Runs, day_number

Model = Literal["mbg", "bg"]

REPEATS = "repeats"
SPAN_DAYS = "span_days"
AGE_DAYS = "age_days"
# The three in one number, so that counting kinds of customers and adding up counts is quick.
KIND = "kind"
KEYS = (KIND,)
CUSTOMERS = "customers"
_DAY_BITS = 20
_DAYS = (1 << _DAY_BITS) - 1

MIN_CUSTOMERS = 50
MIN_REPEATERS = 10
# More kinds of customers than this are condensed before the fit.
MAX_GROUPS = 8_000
# r, alpha (in mean ages), a, b. Beyond them the likelihood is flat: everybody buys, or leaves, alike.
BOUNDS = ((1e-3, 1e3), (1e-3, 1e4), (1e-3, 1e2), (1e-3, 1e4))
START = (0.5, 0.2, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class AttritionParameters:
    """A fitted shop.

    Attributes:
        model: which of the two models.
        r: shape of the buying rates over customers.
        alpha: their scale, in days: the mean rate is r / alpha orders per day.
        a: with `b`, the chance of leaving after a purchase: a / (a + b) in the mean.
        b: see `a`.
        log_likelihood: of all customers, time in days.
        customers: how many the fit has seen.
        iterations: steps of the search.
        converged: False when the search stopped early on flat ground.
    """

    model: Model
    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    customers: int
    iterations: int
    converged: bool


def summarise(days: Runs, as_of: date) -> pl.DataFrame:
    """What the models need to know of each customer, at the end of `as_of`.

    Args:
        days: rows with `ordered_on`, one per day with a purchase, sorted within each run; none after `as_of`.
        as_of: the last day that is known.

    Returns:
        One row per run, Int64: `repeats`: order days after the first; `span_days`: from the first to the
        last; `age_days`: from the first to `as_of`.
    """
    on = days.rows["ordered_on"].to_physical().to_numpy()
    first, last = (on[rows].astype(np.int64) for rows in (days.starts, days.ends - 1))
    today = day_number(as_of)
    return pl.DataFrame({REPEATS: days.lengths - 1, SPAN_DAYS: last - first, AGE_DAYS: today - first})


def count(summary: pl.DataFrame) -> pl.DataFrame:
    """How many customers there are of each kind, for `fit`.

    Args:
        summary: from `summarise`.

    Returns:
        `kind`, `customers` (Int64), sorted. The counts of parts of a shop add up to those of the shop.
    """
    x, span, age = (summary[key].to_numpy() for key in (REPEATS, SPAN_DAYS, AGE_DAYS))
    packed = (x << (2 * _DAY_BITS)) | (span << _DAY_BITS) | age
    kinds, customers = np.unique(packed, return_counts=True)
    return pl.DataFrame(
        {KIND: kinds, CUSTOMERS: customers}, schema=dict.fromkeys((KIND, CUSTOMERS), pl.Int64)
    )


def fit(counts: pl.DataFrame, model: Model = "mbg") -> AttritionParameters | None:
    """The parameters that make the customers most likely.

    Args:
        counts: from `count`, of all customers of the shop, sorted by kind.
        model: which of the two.

    Returns:
        None when there are too few customers (or repeat buyers) to tell, or the search found no maximum.
    """
    points = _points(counts)
    customers = int(points.customers.sum())
    if customers < MIN_CUSTOMERS or int(points.customers[points.level > 0].sum()) < MIN_REPEATERS:
        return None
    # Ages as the unit of time: the search sees the same numbers whatever the length of a shop's history.
    unit = float((points.second * points.customers).sum()) / customers
    if unit == 0:
        return None
    best = maximise(_likelihood(condensed(points, MAX_GROUPS), unit, model), START, BOUNDS)
    if best is None:
        return None
    r, alpha, a, b = best.parameters
    repeats = int((points.level * points.customers).sum())
    return AttritionParameters(
        model=model,
        r=r,
        alpha=alpha * unit,
        a=a,
        b=b,
        log_likelihood=best.log_likelihood * customers - repeats * float(np.log(unit)),
        customers=customers,
        iterations=best.iterations,
        converged=best.converged,
    )


def probability_columns(horizon_days: int) -> tuple[str, str, str]:
    """Names of what `probabilities` gives."""
    return "p_alive", f"p_no_purchase_{horizon_days}d", f"expected_purchases_{horizon_days}d"


def probabilities(
    parameters: AttritionParameters | None, summary: pl.DataFrame, horizon_days: int
) -> pl.DataFrame:
    """What the model believes of each customer, about the days `(as_of, as_of + horizon_days]`.

    Args:
        parameters: from `fit`; None makes every column null.
        summary: from `summarise`.
        horizon_days: how far to look ahead, days.

    Returns:
        One row per row of `summary`: `p_alive`, `p_no_purchase_<H>d` and `expected_purchases_<H>d` (order
        days); each finite or null.
    """
    names = probability_columns(horizon_days)
    if parameters is None:
        return summary.select(pl.repeat(None, pl.len(), dtype=pl.Float64).alias(name) for name in names)
    x, span, age = (summary[key].to_numpy() for key in (REPEATS, SPAN_DAYS, AGE_DAYS))
    # What they do if they are still there hangs on two of the three numbers, which take few values.
    kinds, kind = np.unique((x << _DAY_BITS) | age, return_inverse=True)
    with np.errstate(all="ignore"):
        alive = p_alive(parameters, x, span, age)
        buys, purchases = _if_alive(parameters, kinds >> _DAY_BITS, kinds & _DAYS, horizon_days)
        columns = (alive, 1 - alive * buys[kind], alive * purchases[kind])
    finite = (np.where(np.isfinite(values), values, np.nan) for values in columns)
    return pl.DataFrame(
        [pl.Series(name, values, nan_to_null=True) for name, values in zip(names, finite, strict=True)]
    )


def p_alive(parameters: AttritionParameters, x: Whole, span: Whole, age: Whole) -> Floats:
    """Probability that a customer with `x` repeats over `span` days, seen for `age` days, has not left."""
    log_silence = np.log((parameters.alpha + age) / (parameters.alpha + span))
    log_odds = _log_odds_left(_chances(x, parameters.model), parameters.a, parameters.b)
    return np.asarray(1 / (1 + np.exp(log_odds + (parameters.r + x) * log_silence)))


def _if_alive(
    parameters: AttritionParameters, x: Whole, age: Whole, horizon_days: int
) -> tuple[Floats, Floats]:
    """Of someone still there: the probability of a purchase in the horizon, and how many are expected."""
    rate = np.asarray(parameters.r + x, np.float64)
    ratio = np.asarray(horizon_days / (parameters.alpha + age), np.float64)
    stayed = np.asarray(parameters.b + _chances(x, parameters.model), np.float64)
    # Nobody leaves before they buy, so the rate alone decides whether they do.
    buys = -np.expm1(-rate * np.log1p(ratio))
    return np.asarray(buys), purchases_if_alive(rate, ratio, parameters.a, stayed)


def _chances(x: Whole, model: Model) -> Whole:
    """How often a customer could have left so far."""
    return x + 1 if model == "mbg" else x


def _log_odds_left(chances: Whole, a: float, b: float) -> Floats:
    """Log-odds of having left at the last purchase against not, before the silence; -inf without a chance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(chances > 0, np.log(a) - np.log(b + chances - 1), -np.inf)


def _points(counts: pl.DataFrame) -> Points:
    """Kinds of customers: repeats as the level, days of span and of age as the plane."""
    kind = counts[KIND].to_numpy()
    span, age = ((kind >> bits) & _DAYS for bits in (_DAY_BITS, 0))
    weights = counts[CUSTOMERS].to_numpy()
    return Points(kind >> (2 * _DAY_BITS), *(part.astype(np.float64) for part in (span, age, weights)))


def _likelihood(points: Points, unit: float, model: Model) -> Likelihood:
    """Mean log-likelihood per customer, with its gradient, of (r, alpha, a, b); time in `unit` days."""
    x, span, age = points.level, points.first / unit, points.second / unit
    weight = points.customers / points.customers.sum()
    # Log-gammas of whole steps are sums of logarithms, by x alone, which takes few values.
    steps = np.arange(x.max() + 1.0)
    share = np.bincount(x, weight)
    chances = _chances(np.arange(len(share)), model)
    could_leave = chances > 0

    def likelihood(parameters: Floats) -> tuple[float, Floats]:
        r, alpha, a, b = parameters
        stay = steps + b
        either = stay + a
        to_age, to_span = alpha + age, alpha + span
        log_age = np.log(to_age)
        silence = log_age - np.log(to_span)
        rate = r + x
        odds = _log_odds_left(chances, a, b)[x] + rate * silence
        log_both = np.maximum(odds, 0) + np.log1p(np.exp(-np.abs(odds)))
        left = weight * np.exp(odds - log_both)
        by_level = _running(np.log(r + steps))[:-1] + _running(np.log(stay / either))[chances]
        value = (share * by_level).sum() + (weight * (log_both - rate * log_age)).sum() + r * np.log(alpha)
        both = _running(1 / either)[chances]
        left_by_level = np.bincount(x, left)
        slope = (
            (share * _running(1 / (r + steps))[:-1]).sum()
            + np.log(alpha)
            + (left * silence - weight * log_age).sum(),
            r / alpha + (rate * ((left - weight) / to_age - left / to_span)).sum(),
            left.sum() / a - (share * both).sum(),
            (share * (_running(1 / stay)[chances] - both)).sum()
            - (left_by_level[could_leave] / (b + chances[could_leave] - 1)).sum(),
        )
        return float(value), np.array(slope)

    return likelihood


def _running(values: Floats) -> Floats:
    """Sums of the first 0, 1, 2, ... values."""
    return np.concatenate(([0.0], np.cumsum(values)))
