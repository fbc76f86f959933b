"""Silent attrition: published numbers, brute-force integrals, simulation and laws."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from features import attrition, purchases_ahead
from features.attrition import AttritionParameters, Model, count, fit, probabilities, summarise
from features.runs import Runs

CDNOW = Path(__file__).parents[1].parent / "shared" / "data" / "cdnow" / "CDNOW_master.txt"
# Fader, Hardie and Lee (2005), CDNOW sample; alpha in weeks there, in days here.
PUBLISHED = AttritionParameters("bg", 0.243, 4.414 * 7, 0.793, 2.426, -9582.4, 2357, 0, converged=True)
MODELS = get_args(Model)


def summary(*rows: tuple[int, int, int]) -> pl.DataFrame:
    x, span, age = zip(*rows, strict=True)
    return pl.DataFrame({"repeats": x, "span_days": span, "age_days": age})


def simulated(model: Model, customers: int, horizon: int) -> pl.DataFrame:
    """Customers bought into being over a year and watched for two, with what they did afterwards."""
    rng = np.random.default_rng(7)
    r, alpha, a, b = 0.8, 60.0, 0.9, 2.5
    rate, leaves = rng.gamma(r, 1 / alpha, customers), rng.beta(a, b, customers)
    age = rng.integers(365, 730, customers)
    here = rng.random(customers) >= leaves if model == "mbg" else np.ones(customers, dtype=bool)
    clock, span = np.zeros(customers), np.zeros(customers)
    repeats, later = np.zeros(customers, dtype=int), np.zeros(customers, dtype=int)
    while here.any():
        clock = clock + rng.exponential(1 / rate)
        past = here & (clock <= age)
        repeats += past
        span = np.where(past, clock, span)
        here &= clock <= age + horizon
        later += here & ~past
        here &= rng.random(customers) >= leaves
    return pl.DataFrame(
        {
            "repeats": repeats,
            "span_days": np.minimum(np.round(span).astype(int), age),
            "age_days": age,
            "later": later,
        }
    )


def integrated(p: AttritionParameters, x: int, span: int, age: int, horizon: int) -> tuple[float, ...]:
    """The three beliefs by Bayes' rule on a grid of rates and leaving probabilities; no closed form."""
    chances = x + 1 if p.model == "mbg" else x
    shape = p.r + x
    slowest = np.log(shape / (p.alpha + age)) - 40 / min(shape, shape**0.5)
    fastest = np.log((shape + 12 * shape**0.5 + 60) / (p.alpha + span))
    log_rate = np.linspace(slowest, fastest, 1500)[:, None]
    logit = np.linspace(np.log(p.a / (p.b + chances)) - 30 / min(p.a, p.a**0.5), 30, 1200)[None, :]
    rate = np.exp(log_rate)
    log_leave, log_stay = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
    prior = p.r * log_rate - p.alpha * rate + p.a * log_leave + p.b * log_stay
    stayed = prior + x * log_rate - rate * age + chances * log_stay
    left = np.full_like(stayed, -np.inf)
    if chances:
        left = prior + x * log_rate - rate * span + (chances - 1) * log_stay + log_leave
    most = max(stayed.max(), left.max())
    here, gone = np.exp(stayed - most), np.exp(left - most)
    whole = here.sum() + gone.sum()
    leave = np.exp(log_leave)
    purchases = -np.expm1(-rate * leave * horizon) / leave
    no_purchase = gone.sum() + (here * np.exp(-rate * horizon)).sum()
    return here.sum() / whole, no_purchase / whole, (here * purchases).sum() / whole


def test_a_summary_counts_the_order_days_after_the_first():
    days = Runs.of(
        pl.DataFrame({"customer": [0, 0, 1], "ordered_on": [date(2024, 1, day) for day in (1, 5, 9)]})
    )
    assert_frame_equal(summarise(days, date(2024, 1, 10)), summary((1, 4, 9), (0, 0, 1)))


def test_a_shop_without_customers_has_an_empty_summary():
    none = pl.DataFrame(schema={"customer": pl.UInt32, "ordered_on": pl.Date})
    empty = summarise(Runs.of(none), date(2024, 1, 10))
    assert_frame_equal(empty, summary((0, 0, 5)).clear())
    assert count(empty).rows() == []
    assert probabilities(PUBLISHED, empty, 90).rows() == []


def test_equal_customers_are_counted_once_and_parts_add_up_to_the_shop():
    shop = pl.concat([simulated("mbg", 300, 90).drop("later"), summary((2, 7, 9), (2, 7, 9))])
    whole = count(shop)
    assert whole["customers"].sum() == 302
    assert whole.height == shop.n_unique()
    parts = pl.concat(count(part) for part in (shop[:100], shop[100:101], shop[101:]))
    assert_frame_equal(parts.group_by(*attrition.KEYS).sum().sort(*attrition.KEYS), whole)


def test_the_published_customer_is_expected_to_buy_as_often_as_published():
    row = probabilities(PUBLISHED, summary((2, 213, 272)), 273)
    assert row.columns == ["p_alive", "p_no_purchase_273d", "expected_purchases_273d"]
    assert row["expected_purchases_273d"].item() == pytest.approx(1.226, abs=5e-4)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", [(0, 0, 200), (0, 0, 0), (1, 40, 200), (7, 190, 200), (60, 300, 310)])
def test_beliefs_are_those_of_brute_force_integration(model: Model, kind: tuple[int, int, int]):
    parameters = replace(PUBLISHED, model=model)
    believed = probabilities(parameters, summary(kind), 90).row(0)
    assert believed == pytest.approx(integrated(parameters, *kind, horizon=90), rel=1e-6)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("a", [0.05, 0.999999999, 1.0, 1.0001, 4.0, 60.0])
def test_beliefs_stay_exact_for_a_thousand_purchases(model: Model, a: float):
    parameters = replace(PUBLISHED, model=model, a=a, b=900.0)
    kind = (1000, 2990, 3000)
    believed = probabilities(parameters, summary(kind), 365).row(0)
    assert believed == pytest.approx(integrated(parameters, *kind, horizon=365), rel=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_the_slope_is_that_of_the_likelihood(model: Model):
    from scipy.optimize import approx_fprime

    points = attrition._points(count(simulated(model, 300, 90)))
    likelihood = attrition._likelihood(points, 500.0, model)
    at = np.array([0.7, 0.3, 0.8, 2.1])
    slope = approx_fprime(at, lambda values: likelihood(values)[0], 1e-7)
    assert likelihood(at)[1] == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_the_likelihood_is_the_papers_summed_over_customers(model: Model):
    from scipy.special import beta, gamma

    frame = simulated(model, 300, 90).filter(pl.col("repeats") < 50)
    found = fit(count(frame), model)
    assert found is not None
    x, span, age = (frame[name].cast(float).to_numpy() for name in ("repeats", "span_days", "age_days"))
    r, alpha, a, b = found.r, found.alpha, found.a, found.b
    m = x + 1 if model == "mbg" else x
    rate = gamma(r + x) * alpha**r / gamma(r)
    here = beta(a, b + m) / beta(a, b) * rate / (alpha + age) ** (r + x)
    gone = beta(a + 1, b + np.maximum(m, 1) - 1) / beta(a, b) * rate / (alpha + span) ** (r + x)
    total = np.log(here + np.where(m > 0, gone, 0)).sum()
    assert found.log_likelihood == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_a_simulated_shop_is_recovered_and_its_future_foretold(model: Model):
    shop = simulated(model, 40_000, 90)
    found = fit(count(shop), model)
    assert found is not None
    assert found.converged
    assert (found.r, found.alpha) == pytest.approx((0.8, 60.0), rel=0.1)
    assert found.a / (found.a + found.b) == pytest.approx(0.9 / 3.4, rel=0.1)
    told = shop.hstack(probabilities(found, shop, 90)).with_columns(
        (pl.col("p_no_purchase_90d") * 10).floor().alias("tenth")
    )
    share = told.group_by("tenth").agg(
        pl.col("p_no_purchase_90d").mean().alias("told"),
        (pl.col("later") == 0).mean().alias("seen"),
        pl.len().alias("n"),
    )
    assert (
        share.filter(pl.col("n") > 500).select((pl.col("told") - pl.col("seen")).abs().max())
    ).item() < 0.04
    assert told["expected_purchases_90d"].sum() == pytest.approx(told["later"].sum(), rel=0.05)


def purchases_by_integration(rate: float, ratio: float, a: float, stayed: float) -> float:
    """Over the chance of leaving on a grid of its logit: Beta's density times (1 - P(none)) / chance."""
    logit = np.arange(-40 / min(a, 1), 40 / min(stayed, 1), 0.05)
    log_leave, log_stay = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
    log_weight = a * log_leave + stayed * log_stay
    weight, leave = np.exp(log_weight - log_weight.max()), np.exp(log_leave)
    several = leave > 1e-200
    made = -np.expm1(-rate * np.log1p(leave * ratio)) / np.where(several, leave, 1)
    return float((weight * np.where(several, made, rate * ratio)).sum() / weight.sum())


@pytest.mark.parametrize("a", [0.01, 0.7, 1.0, 4.0, 60.0])
@pytest.mark.parametrize("stayed", [0.3, 2.0, 40.0, 900.0])
def test_purchases_summed_one_by_one_are_those_of_integration(a: float, stayed: float):
    kinds = list(product([0.2, 1.0, 5.0, 60.0], [0.01, 0.3, 3.0, 20.0]))
    rate, ratio = np.array(kinds).T
    summed = purchases_ahead._summed(rate, ratio, a, np.full_like(rate, stayed))
    expected = [purchases_by_integration(*kind, a, stayed) for kind in kinds]
    assert summed == pytest.approx(expected, rel=1e-11)


def test_purchases_summed_one_by_one_are_those_of_the_closed_form():
    rate, ratio = np.array([0.2, 5.0, 60.0, 300.0]), np.array([0.5, 0.3, 0.2, 0.1])
    stayed = rate + 3.0
    for a in (0.5, 1.5, 4.0):
        summed, closed = (
            way(rate, ratio, a, stayed) for way in (purchases_ahead._summed, purchases_ahead._closed)
        )
        assert summed == pytest.approx(closed, rel=1e-12)


def test_purchases_stay_finite_where_the_horizon_is_long_against_all_that_was_seen():
    rate, ratio = np.array([0.2, 3.0, 1000.0, 1000.0]), np.array([1e4, 1e4, 0.1, 50.0])
    found = purchases_ahead.purchases_if_alive(rate, ratio, 1.5, np.full(4, 3.0))
    assert (np.isfinite(found) & (found > 0) & (found <= rate * ratio)).all()


def test_one_time_buyers_are_surely_there_only_for_bg():
    once = summary((0, 0, 700))
    assert probabilities(PUBLISHED, once, 90)["p_alive"].item() == 1
    assert 0 < probabilities(replace(PUBLISHED, model="mbg"), once, 90)["p_alive"].item() < 0.6


@pytest.mark.parametrize(
    "shop",
    [
        summary((0, 0, 5)).clear(),
        summary(*[(1, 3, 9)] * 49),
        summary(*[(0, 0, 100 + i) for i in range(500)]),
    ],
    ids=["nobody", "too few", "no repeat buyers"],
)
def test_a_shop_that_tells_too_little_has_no_parameters_and_null_beliefs(shop: pl.DataFrame):
    assert fit(count(shop)) is None
    beliefs = probabilities(None, shop, 30)
    assert beliefs.height == shop.height
    assert set(beliefs.schema.dtypes()) == {pl.Float64()}
    assert beliefs.select(pl.all().is_null().all()).row(0) == (True, True, True)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", [(5, 50, 50), (5, 0, 0), (1000, 1000, 1000), (1, 1, 10_000)])
def test_a_shop_of_equals_ends_in_finite_beliefs_or_none(model: Model, kind: tuple[int, int, int]):
    shop = summary(*[kind] * 200)
    beliefs = probabilities(fit(count(shop), model), shop, 90)
    assert beliefs.select((pl.all().is_null() | pl.all().is_finite()).all()).row(0) == (True, True, True)


@pytest.mark.parametrize("model", MODELS)
def test_condensed_customers_change_the_parameters_little(model: Model, monkeypatch: pytest.MonkeyPatch):
    counts = count(simulated(model, 20_000, 90))
    monkeypatch.setattr(attrition, "MAX_GROUPS", counts.height)
    exact = fit(counts, model)
    monkeypatch.setattr(attrition, "MAX_GROUPS", counts.height // 8)
    few = fit(counts, model)
    assert exact is not None
    assert few is not None
    assert few.customers == exact.customers
    assert (few.r, few.alpha, few.a, few.b) == pytest.approx(
        (exact.r, exact.alpha, exact.a, exact.b), rel=5e-3
    )


def test_the_order_of_customers_changes_no_bit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(attrition, "MAX_GROUPS", 500)
    shop = simulated("mbg", 2000, 90).with_row_index()
    shuffled = shop.sample(fraction=1, shuffle=True, seed=3)
    parameters = fit(count(shop))
    assert parameters == fit(count(shuffled))
    assert_frame_equal(
        shuffled.hstack(probabilities(parameters, shuffled, 90)).sort("index"),
        shop.hstack(probabilities(parameters, shop, 90)),
        check_exact=True,
    )


def test_time_told_in_other_units_scales_alpha_alone():
    shop = simulated("mbg", 2000, 90)
    days, hours = fit(count(shop)), fit(count(shop.with_columns(pl.col("span_days", "age_days") * 24)))
    assert days is not None
    assert hours is not None
    assert hours.alpha == pytest.approx(24 * days.alpha, rel=1e-3)
    assert (hours.r, hours.a, hours.b) == pytest.approx((days.r, days.a, days.b), rel=1e-3)


shops = st.builds(
    lambda model, r, alpha, a, b: AttritionParameters(model, r, alpha, a, b, 0.0, 0, 0, converged=True),
    st.sampled_from(MODELS),
    st.floats(1e-3, 1e3),
    st.floats(0.1, 1e5),
    st.floats(1e-3, 1e2),
    st.floats(1e-3, 1e4),
)


@settings(max_examples=150, deadline=None)
@given(shops, st.integers(0, 2000), st.integers(0, 4000), st.integers(0, 4000), st.integers(1, 400))
def test_beliefs_are_in_range(p: AttritionParameters, x: int, span: int, silence: int, horizon: int):
    span = span if x else 0
    row = probabilities(p, summary((x, span, span + silence)), horizon).row(0)
    alive, no_purchase, purchases = row
    assert 0 <= alive <= 1
    assert 0 <= no_purchase <= 1
    assert purchases is None or 0 <= purchases < np.inf


@settings(max_examples=100, deadline=None)
@given(shops, st.integers(0, 300), st.integers(0, 2000), st.integers(0, 2000), st.integers(1, 500))
def test_who_stays_silent_longer_is_less_likely_there(
    p: AttritionParameters, x: int, span: int, silence: int, more: int
):
    span = span if x else 0
    frame = summary((x, span, span + silence), (x, span, span + silence + more))
    beliefs = probabilities(p, frame, 90)
    sooner, later = beliefs["p_alive"]
    assert later <= sooner + 1e-12
    sooner, later = beliefs["p_no_purchase_90d"]
    assert later >= sooner - 1e-9


def cdnow() -> Runs:
    """The order days of all customers with a positive order."""
    if not CDNOW.exists():
        pytest.skip("the CDNOW file is not beside the project (../shared/data)")
    rows = [line.split() for line in CDNOW.read_text(encoding="utf-8").splitlines()[1:]]
    frame = pl.DataFrame(
        [(int(customer), day) for customer, day, _, dollars in rows if float(dollars) > 0],
        schema={"customer": pl.UInt32, "day": pl.String},
        orient="row",
    )
    days = frame.select("customer", ordered_on=pl.col("day").str.to_date("%Y%m%d"))
    return Runs.of(days.unique().sort("customer", "ordered_on"))


def until(days: Runs, as_of: date) -> Runs:
    return days.where(pl.col("ordered_on") <= as_of)


@pytest.mark.real_data
def test_the_published_cdnow_parameters_lie_among_those_of_ten_tenths():
    # The paper's sample is a tenth of the same cohort, but not one that a rule on the ids gives back.
    as_of = date(1997, 9, 30)
    whole = summarise(until(cdnow(), as_of), as_of)
    tenths = [fit(count(whole.gather_every(10, start)), "bg") for start in range(10)]
    for name in ("r", "alpha", "a", "b"):
        values = [getattr(tenth, name) for tenth in tenths]
        assert min(values) < getattr(PUBLISHED, name) < max(values)
    pooled = fit(count(whole), "bg")
    assert pooled is not None
    assert (pooled.r, pooled.alpha / 7, pooled.a, pooled.b) == pytest.approx(
        (0.243, 4.414, 0.793, 2.426), rel=0.12
    )


@pytest.mark.real_data
def test_cdnow_buyers_of_the_next_90_days_are_ranked_as_well_as_by_a_reference():
    # The reference: 0.836 for MBG/NBD among 23,502 customers with a positive order, where recency has 0.828.
    days, as_of = cdnow(), date(1998, 3, 31)
    known = summarise(until(days, as_of), as_of)
    later = pl.col("ordered_on").is_between(as_of, as_of + timedelta(days=90), closed="right")
    ranked = (
        probabilities(fit(count(known)), known, 90)
        .with_columns(pl.col("expected_purchases_90d").rank().alias("rank"))
        .with_columns(until(days, as_of).firsts("customer"))
        .with_columns(
            pl.col("customer")
            .is_in(days.where(later).firsts("customer")["customer"].implode())
            .alias("bought")
        )
    )
    ranks = ranked.filter(pl.col("bought"))["rank"]
    buyers, others = ranks.len(), ranked.height - ranks.len()
    assert ranked.height == 23_502
    assert ranked["p_no_purchase_90d"].mean() == pytest.approx(others / ranked.height, abs=0.01)
    assert (ranks.sum() - buyers * (buyers + 1) / 2) / (buyers * others) == pytest.approx(0.836, abs=0.001)
