"""Who is probably still a customer, and how often would they buy: two models of silent attrition.

A customer buys at a rate of their own, Gamma(r, alpha) over customers, and may leave for good after a
purchase with a probability of their own, Beta(a, b) over customers. BG/NBD (Fader, Hardie and Lee 2005,
Marketing Science 24) lets only repeat buyers leave, so it is sure that every one-time buyer is still there;
MBG/NBD (Batislam, Denizel and Filiztekin 2007, IJRM 24; Hoppe and Wagner 2007, Marketing ZFP 29) lets people
leave after the first purchase too and gives one-time buyers an honest probability. One set of formulas serves
both; they differ in the number of chances to leave: x for BG/NBD, x + 1 for MBG/NBD.

Time is in days. A customer enters with three whole numbers only, so equal customers are counted once: fitting
costs about the same for thousands and for millions of them.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import polars as pl

from features.likelihood import Floats, Likelihood, maximise

Model = Literal["mbg", "bg"]

# The summary: x, t_x and T of the papers.
REPEATS = "repeats"
SPAN_DAYS = "span_days"
AGE_DAYS = "age_days"

MIN_CUSTOMERS = 50
MIN_REPEATERS = 10
MAX_GROUPS = 50_000
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


def summarise(order_days: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """What the models need to know of each customer, at the end of `as_of`.

    Args:
        order_days: `customer_id`, `ordered_on`; one row per customer and day with a purchase, in any order.
        as_of: the last day that is known.

    Returns:
        `customer_id`; `repeats`: order days after the first; `span_days`: from the first to the last;
        `age_days`: from the first to `as_of`.
    """
    on = pl.col("ordered_on")
    return (
        order_days.filter(on <= as_of)
        .group_by("customer_id")
        .agg(
            (pl.len().cast(pl.Int64) - 1).alias(REPEATS),
            (on.max() - on.min()).dt.total_days().alias(SPAN_DAYS),
            (as_of - on.min()).dt.total_days().alias(AGE_DAYS),
        )
    )


def fit(summary: pl.DataFrame, model: Model = "mbg") -> AttritionParameters | None:
    """The parameters that make the summaries most likely.

    Returns:
        None when there are too few customers (or repeat buyers) to tell, or the search found no maximum.
    """
    groups = _groups(summary)
    customers = int(groups["customers"].sum())
    repeaters = int(groups.filter(pl.col(REPEATS) > 0)["customers"].sum())
    if customers < MIN_CUSTOMERS or repeaters < MIN_REPEATERS:
        return None
    # Ages as the unit of time: the search sees the same numbers whatever the length of a shop's history.
    unit = float(groups["age_sum"].sum()) / customers
    if unit == 0:
        return None
    best = maximise(_likelihood(groups, unit, model), START, BOUNDS)
    if best is None:
        return None
    r, alpha, a, b = best.parameters
    repeats = int((groups[REPEATS] * groups["customers"]).sum())
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
    """Names of what `probabilities` adds."""
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
        `customer_id`, in the order of `summary`, with `p_alive`, `p_no_purchase_<H>d` and
        `expected_purchases_<H>d` (order days); each finite or null.
    """
    names = probability_columns(horizon_days)
    if parameters is None:
        return summary.select("customer_id", *(pl.lit(None, pl.Float64).alias(name) for name in names))
    keys = (REPEATS, SPAN_DAYS, AGE_DAYS)
    kinds = summary.select(keys).drop_nulls().unique().sort(keys)
    x, span, age = (kinds[key].cast(pl.Float64).to_numpy() for key in keys)
    with np.errstate(all="ignore"):
        alive = p_alive(parameters, x, span, age)
        columns = (
            alive,
            1 - alive * _buys_if_alive(parameters, x, age, horizon_days),
            alive * _purchases_if_alive(parameters, x, age, horizon_days),
        )
    believed = kinds.with_columns(
        pl.when(series.is_finite()).then(series).alias(name)
        for name, series in zip(names, map(pl.Series, columns), strict=True)
    )
    return summary.join(believed, on=keys, how="left", maintain_order="left").select("customer_id", *names)


def p_alive(parameters: AttritionParameters, x: Floats, span: Floats, age: Floats) -> Floats:
    """Probability that a customer with `x` repeats over `span` days, seen for `age` days, has not left."""
    from scipy import special

    log_odds = _log_odds_left(
        parameters.r + x,
        _chances(x, parameters.model),
        np.log((parameters.alpha + age) / (parameters.alpha + span)),
        parameters.a,
        parameters.b,
    )
    return np.asarray(special.expit(-log_odds))


def _chances(x: Floats, model: Model) -> Floats:
    """How often a customer could have left so far."""
    return x + 1 if model == "mbg" else x


def _log_odds_left(shape: Floats, chances: Floats, log_silence: Floats, a: float, b: float) -> Floats:
    """Log-odds of having left at the last purchase against being there still; -inf without a chance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.log(a) - np.log(b + chances - 1) + shape * log_silence
    return np.where(chances > 0, odds, -np.inf)


def _buys_if_alive(parameters: AttritionParameters, x: Floats, age: Floats, horizon_days: int) -> Floats:
    """Probability of a purchase in the horizon: nobody leaves before they buy, so the rate alone decides."""
    return np.asarray(-np.expm1(-(parameters.r + x) * np.log1p(horizon_days / (parameters.alpha + age))))


def _purchases_if_alive(parameters: AttritionParameters, x: Floats, age: Floats, horizon_days: int) -> Floats:
    """Expected purchases in the horizon of someone still there (Fader, Hardie and Lee 2005, equation 10).

    After Euler's transformation of their hypergeometric function the first two parameters no longer grow with
    x: it stays exact for customers with hundreds of purchases, where the printed form overflows.
    """
    from scipy import special

    r, a = parameters.r, _apart(np.asarray(parameters.a - 1))
    ahead = parameters.alpha + age + horizon_days
    c = _apart(a + parameters.b + _chances(x, parameters.model))
    series = special.hyp2f1(c - r - x, a, c, horizon_days / ahead)
    purchases = c / a * (1 - np.exp(a * np.log1p(-horizon_days / ahead)) * series)
    return np.asarray(np.clip(purchases, 0, (r + x) * horizon_days / (parameters.alpha + age)))


def _apart(value: Floats) -> Floats:
    """Away from zero, where the formula is 0 / 0 although its limit is smooth."""
    tiny = 1e-6
    return np.where(np.abs(value) < tiny, tiny, value)


def _groups(summary: pl.DataFrame) -> pl.DataFrame:
    """Customers counted by their summary; in ever wider bins of days until there are few enough groups."""
    keys = (REPEATS, SPAN_DAYS, AGE_DAYS)
    sums = (pl.col("customers", "span_sum", "age_sum").sum(),)
    groups = (
        summary.select(keys)
        .drop_nulls()
        .with_columns(
            pl.lit(1, pl.Int64).alias("customers"),
            pl.col(SPAN_DAYS).cast(pl.Int64).alias("span_sum"),
            pl.col(AGE_DAYS).cast(pl.Int64).alias("age_sum"),
        )
        .group_by(keys)
        .agg(*sums)
    )
    while groups.height > MAX_GROUPS:
        groups = groups.with_columns(pl.col(SPAN_DAYS, AGE_DAYS) // 2).group_by(keys).agg(*sums)
    return groups.sort(keys)


def _likelihood(groups: pl.DataFrame, unit: float, model: Model) -> Likelihood:
    """Mean log-likelihood per customer, with its gradient, of (r, alpha, a, b); time in `unit` days."""
    from scipy.special import expit, gammaln, psi

    count = groups["customers"].cast(pl.Float64).to_numpy()
    x = groups[REPEATS].cast(pl.Float64).to_numpy()
    span = groups["span_sum"].to_numpy() / count / unit
    age = groups["age_sum"].to_numpy() / count / unit
    chances = _chances(x, model)
    weight = count / count.sum()
    # The gamma functions depend on x alone, which takes few values.
    levels, level_of = np.unique(x, return_inverse=True)
    share = np.bincount(level_of, weight)
    level_chances = _chances(levels, model)

    def likelihood(parameters: Floats) -> tuple[float, Floats]:
        r, alpha, a, b = parameters
        log_age, log_span = np.log(alpha + age), np.log(alpha + span)
        odds = _log_odds_left(r + x, chances, log_age - log_span, a, b)
        left = weight * expit(odds)
        by_level = gammaln(r + levels) - gammaln(r) + gammaln(b + level_chances) - gammaln(b)
        by_level += gammaln(a + b) - gammaln(a + b + level_chances)
        rows = weight * (np.logaddexp(0, odds) - (r + x) * log_age)
        value = (share * by_level).sum() + rows.sum() + r * np.log(alpha)
        both = psi(a + b) - psi(a + b + level_chances)
        could_leave = chances > 0
        slope = (
            (share * (psi(r + levels) - psi(r))).sum()
            + np.log(alpha)
            + (left * (log_age - log_span) - weight * log_age).sum(),
            r / alpha + ((r + x) * ((left - weight) / (alpha + age) - left / (alpha + span))).sum(),
            (share * both).sum() + left.sum() / a,
            (share * (psi(b + level_chances) - psi(b) + both)).sum()
            - (left[could_leave] / (b + chances[could_leave] - 1)).sum(),
        )
        return float(value), np.array(slope)

    return likelihood
