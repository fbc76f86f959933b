"""What a contact adds, and how sure we are of it."""

from math import exp, log

import numpy as np
import polars as pl
import pytest
from decision_world import GOOD, appraised, copies, people, rules
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.errors import ConfigError, DataRefused
from models import appraisal
from models.effects import Evidence, Shift, assumed, response
from models.log_odds import expit
from models.options import AssumedEffect, ContactOptions, EffectOptions, OfferOptions
from models.profit import appraise, best

FLAT = EffectOptions(assumed=AssumedEffect(mu=0.5, sd=0))
CONTACT = ContactOptions(cost={"email": 0.05, "sms": 0.1})
ONE = people({"customer_id": "a", "p0_se": 0.0, "value_se": 0.0})


def value_of(frame: pl.DataFrame, offer: OfferOptions, effect: EffectOptions = FLAT) -> dict[str, object]:
    return appraise(frame, [offer], effect, CONTACT, "EUR").row(0, named=True)


def test_without_uncertainty_the_profit_is_the_textbook_formula():
    p1 = 1 / (1 + exp(-(log(0.2 / 0.8) + 0.5)))
    offer = OfferOptions(id="gift", cost=3.0, redeem_share=0.5)
    row = value_of(ONE, offer)
    eip = p1 * (4000 - 0.5 * 300) - 0.2 * 4000 - 5
    assert row["uplift"] == pytest.approx(p1 - 0.2)
    assert row["expected_incremental_profit"] == pytest.approx(eip)
    assert row["expected_incremental_profit_low"] == pytest.approx(eip)
    assert (row["offer_cost"], row["contact_cost"]) == (300.0, 5.0)
    assert row["expected_cost"] == pytest.approx(5 + p1 * 0.5 * 300)
    assert row["evidence"] == "C"


def test_a_rated_offer_costs_its_share_of_the_usual_order():
    offer = OfferOptions(id="tenth", cost_rate=0.1)
    assert value_of(ONE, offer)["offer_cost"] == 250.0
    assert value_of(ONE.with_columns(expected_order_amount=1000.0), offer)["offer_cost"] == 100.0


def test_an_unknown_order_amount_counts_as_the_median_one():
    frame = people(
        {"customer_id": "a", "order_value_mean": 100.0},
        {"customer_id": "b", "order_value_mean": None},
        {"customer_id": "c", "order_value_mean": 300.0},
    )
    costs = appraise(frame, [OfferOptions(id="tenth", cost_rate=0.1)], FLAT, CONTACT, "EUR")["offer_cost"]
    assert costs.to_list() == [10.0, 20.0, 30.0]


def test_a_rated_offer_without_order_amounts_is_a_config_error():
    with pytest.raises(ConfigError, match="tenth"):
        value_of(ONE.drop("order_value_mean"), OfferOptions(id="tenth", cost_rate=0.1))


def test_offers_of_a_fixed_cost_need_no_order_amounts():
    frame = copies(3).drop("order_value_mean")
    found = appraise(frame, [OfferOptions(id="gift", cost=3.0)], FLAT, CONTACT, "EUR")
    assert found["offer_cost"].to_list() == [300.0] * 3


def test_predictions_that_are_not_numbers_are_refused_with_their_counts():
    frame = people({"customer_id": "a", "p0": None}, {"customer_id": "b", "p0": float("nan")})
    with pytest.raises(DataRefused, match="p0: 2 rows"):
        value_of(frame, OfferOptions(id="message"))


def test_an_offer_s_own_effect_goes_before_the_stage_s_and_that_before_the_general_one():
    options = EffectOptions(
        assumed=AssumedEffect(mu=0.1, sd=0.1), by_stage={"lost": AssumedEffect(mu=0.2, sd=0.3)}
    )
    stage = pl.Series(["lost", "active"])
    general = assumed(stage, OfferOptions(id="x"), options)
    assert (general.mu.tolist(), general.sd.tolist()) == ([0.2, 0.1], [0.3, 0.1])
    own = assumed(stage, OfferOptions(id="x", effect=AssumedEffect(mu=0.9, sd=0.5)), options)
    assert own.mu.tolist() == [0.9, 0.9]


@pytest.mark.parametrize("sd", [0.0, 0.2, 1.0, 2.0])
def test_the_expectation_over_the_effect_agrees_with_a_fine_sum(sd: float):
    logit = np.array([-13.8, -3.0, 0.0, 2.0, 13.8])
    found, slope = response(logit, Shift(np.full(5, 0.3), np.full(5, sd)))
    z = np.linspace(-12, 12, 48_001)
    weight = np.exp(-z * z / 2)
    p = expit(logit[:, None] + 0.3 + sd * z)
    assert found == pytest.approx((p * weight).sum(axis=1) / weight.sum(), abs=1e-6)
    assert slope == pytest.approx((p * (1 - p) * weight).sum(axis=1) / weight.sum(), abs=1e-6)


def test_the_cautious_profit_is_the_percentile_of_the_expectation():
    """Against draws of everything that is uncertain; the closed form is the delta method, so roughly."""
    frame = people({"customer_id": "a", "p0_se": 0.01, "value_se": 300.0})
    row = value_of(frame, OfferOptions(id="m"), EffectOptions(assumed=AssumedEffect(mu=0.2, sd=0.1)))
    draw = np.random.default_rng(7)
    p0, worth = draw.normal(0.2, 0.01, 400_000), draw.normal(4000, 300, 400_000)
    p1 = expit(np.log(p0 / (1 - p0)) + draw.normal(0.2, 0.1, 400_000))
    profit = p1 * worth - p0 * worth - 5
    spread = np.std(profit)
    assert row["expected_incremental_profit"] == pytest.approx(profit.mean(), abs=0.02 * spread)
    assert row["expected_incremental_profit_low"] == pytest.approx(
        np.quantile(profit, 0.2), abs=0.05 * spread
    )


def test_more_doubt_makes_the_cautious_profit_smaller_and_leaves_the_expected_one():
    sure = value_of(ONE, OfferOptions(id="m"))
    for doubt in ({"p0_se": 0.05}, {"value_se": 900.0}):
        row = value_of(
            people({"customer_id": "a", "p0_se": 0.0, "value_se": 0.0, **doubt}), OfferOptions(id="m")
        )
        assert row["expected_incremental_profit"] == sure["expected_incremental_profit"]
        assert row["expected_incremental_profit_low"] < sure["expected_incremental_profit_low"]


@given(
    p0=st.floats(0, 1),
    worth=st.floats(-1e6, 1e6),
    cost=st.floats(0, 1e3),
    factor=st.floats(0.01, 1e4),
    assumption=st.builds(AssumedEffect, mu=st.floats(-3, 3), sd=st.floats(0, 2)),
)
@settings(max_examples=50, deadline=None)
def test_profit_scales_with_the_currency(p0, worth, cost, factor, assumption):
    effect = EffectOptions(assumed=assumption)
    row = {"customer_id": "a", "p0": p0, "value_if_returned": worth}
    scaled = {**row, "value_if_returned": worth * factor, "value_se": GOOD["value_se"] * factor}
    measures = ("expected_incremental_profit", "expected_incremental_profit_low")
    before, after = (
        appraise(people(values), [offer], effect, contact, "EUR").row(0, named=True)
        for values, offer, contact in (
            (row, OfferOptions(id="m", cost=cost), CONTACT),
            (
                scaled,
                OfferOptions(id="m", cost=cost * factor),
                ContactOptions(cost={"email": 0.05 * factor}),
            ),
        )
    )
    size = abs(worth) + cost * 100 + GOOD["value_se"] + 5
    for name in measures:
        assert after[name] == pytest.approx(before[name] * factor, abs=1e-9 * size * factor)


@given(cost=st.floats(0, 100), more=st.floats(0, 100))
@settings(max_examples=30, deadline=None)
def test_a_dearer_offer_never_earns_more(cost, more):
    cheap, dear = (value_of(ONE, OfferOptions(id="m", cost=c)) for c in (cost, cost + more))
    assert dear["expected_incremental_profit"] <= cheap["expected_incremental_profit"]


@given(
    p0=st.floats(0.001, 0.999),
    doubt=st.floats(0, 3),
    mu=st.floats(-1, 3),
    sd=st.floats(0, 2),
    costs=st.tuples(st.floats(0, 60), st.floats(0, 60)).map(sorted),
)
@example(p0=0.0735, doubt=2.3, mu=2.06, sd=0.1, costs=[20.0, 60.0])
@settings(max_examples=60, deadline=None)
def test_a_dearer_offer_is_never_the_safer_one_however_little_is_known_of_p0(p0, doubt, mu, sd, costs):
    one = people({"customer_id": "a", "p0": p0, "p0_se": doubt * p0, "value_if_returned": 9000.0})
    effect = EffectOptions(assumed=AssumedEffect(mu=mu, sd=sd))
    cheap, dear = (
        value_of(one, OfferOptions(id="m", cost=cost), effect)["expected_incremental_profit_low"]
        for cost in costs
    )
    assert dear <= cheap + 1e-6


def test_an_effect_is_harmful_only_when_we_are_sure_of_it():
    shift = Shift(np.array([-0.5, -0.1, 0.2]), np.array([0.2, 0.2, 0.2]))
    assert shift.is_harmful(0.2).tolist() == [True, False, False]


def test_the_best_offer_is_the_one_with_the_highest_profit():
    offers = (
        OfferOptions(id="gift", cost=5.0),
        OfferOptions(id="note"),
        OfferOptions(id="text", channel="sms"),
    )
    found = best(appraise(ONE, offers, FLAT, CONTACT, "EUR"), "salt")
    assert found["offer_id"].to_list() == ["note"]


def test_equal_offers_are_shared_out_by_hash_whatever_the_order_of_the_rows():
    offers = appraise(copies(200), (OfferOptions(id="one"), OfferOptions(id="two")), FLAT, CONTACT, "EUR")
    found = best(offers, "salt")
    assert found.equals(best(offers.sample(fraction=1, shuffle=True, seed=1), "salt"))
    assert 70 < found.filter(pl.col("offer_id") == "one").height < 130


def test_predictions_and_features_of_different_people_are_refused():
    rule = rules()
    both = appraised(copies(3), rule)
    assert both.people["customer_id"].to_list() == ["c0000", "c0001", "c0002"]
    with pytest.raises(DataRefused, match="3 customers and features for 2; 2"):
        appraisal.appraised(copies(3), copies(2).select("customer_id", "as_of", "stage"), rule)


def test_what_is_learned_of_an_offer_takes_the_place_of_what_is_assumed():
    class Learned:
        reads = ()

        def shift(self, people: pl.DataFrame, offer: OfferOptions) -> tuple[Shift, Evidence]:
            assert offer.id == "message"
            return Shift(np.full(len(people), -0.3), np.full(len(people), 0.1)), Evidence.POOLED

    found = appraised(copies(2), rules(effects=Learned())).offers
    assert found["evidence"].unique().to_list() == ["B"]
    assert (found["uplift"] < 0).all()
    assert found["harmful"].all()
