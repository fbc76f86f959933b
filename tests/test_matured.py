"""How a past night turned out: on people nobody contacted, controls standing in for the contacted."""

from datetime import date, timedelta

import polars as pl
import pytest
from shop_world import START, history, line

from features.asof import AsOf
from features.engine import Threads
from features.outcomes import outcomes
from models.evaluate import Response
from models.matured import judged, matured, return_rate

NIGHT = AsOf(START + timedelta(days=100), horizon_days=30)
TODAY = NIGHT.at(START + timedelta(days=130))
# Who comes back inside the window (110), and who does not.
BACK, GONE = (
    ("control_back", "left_back", "contacted_back", "long_ago_back"),
    (
        "control_gone",
        "left_gone",
        "contacted_gone",
    ),
)
CONTACTS = [
    ("contacted_back", 101, "treatment", 0.9),
    ("contacted_gone", 101, "explore", 0.05),
    ("control_back", 101, "control", 0.1),
    ("control_gone", 101, "control", 0.25),
    ("long_ago_back", 60, "treatment", 0.9),  # more than a horizon before the night
]


def happened(share: float = 1.0) -> pl.DataFrame:
    rows = [line(name, 40, 1000, f"{name}-1") for name in (*BACK, *GONE)]
    rows += [line(name, 110, 500, f"{name}-2") for name in BACK]
    rows += [line("left_gone", 131, 500, "too late"), line("new", 105, 500, "not known that night")]
    contacts = pl.LazyFrame(
        [
            {
                "customer_id": name,
                "contacted_on": START + timedelta(days=day),
                "arm": arm,
                "assignment_probability": chance,
            }
            for name, day, arm, chance in CONTACTS
        ]
    )
    with Threads(1) as engine:
        return outcomes(history(rows, contacts=contacts), {NIGHT: share}, TODAY, engine)[NIGHT]


def scores(p0: dict[str, float]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "customer_id": list(p0),
            "stage": ["lapsed"] * len(p0),
            "churn_probability": [1 - one for one in p0.values()],
            "expected_margin": [2.5] * len(p0),
            "days_since_last_purchase": [60] * len(p0),
        }
    )


EVERYONE = dict.fromkeys((*BACK, *GONE), 0.5)


def test_people_who_were_contacted_are_left_out_and_controls_weigh_more():
    rows = judged(scores(EVERYONE), happened(), None, "EUR")
    assert rows.select("customer_id", "returned", "weight", "window_margin").rows() == [
        ("control_back", True, 10.0, 150),
        ("control_gone", False, 4.0, 0),
        ("left_back", True, 1.0, 150),
        ("left_gone", False, 1.0, 0),
        ("long_ago_back", True, 1.0, 150),
    ]


def test_the_figures_are_weighted():
    p0 = {**EVERYONE, "control_back": 0.9, "left_back": 0.2, "long_ago_back": 0.9}
    found = matured(judged(scores(p0), happened(), None, "EUR"), Response(), seed=1)
    assert found["matured.mean_observed"] == pytest.approx(12 / 17)
    assert found["matured.mean_predicted"] == pytest.approx((9 + 2 + 0.2 + 0.5 + 0.9) / 17)
    # Of the pairs (12 x 5 by weight) only those of left_back (1 x 5) are in the wrong order.
    assert found["matured.auroc"] == pytest.approx(55 / 60)


def test_features_of_that_night_give_the_profit_of_the_ranking():
    features = pl.DataFrame(
        {"as_of": [NIGHT.day] * 2, "customer_id": ["left_back", "left_gone"], "margin_365d": [1000, 3000]}
    ).with_columns(stage=pl.lit("lapsed"), days_since_last_purchase=60)
    p0 = {**EVERYONE, "left_back": 0.9, "left_gone": 0.1}
    rows = judged(scores(p0), happened(), features, "EUR")
    assert rows["customer_id"].to_list() == ["left_back", "left_gone"]
    assert "matured.profit_at_10pct" in matured(rows, Response(), seed=1)
    assert "matured.profit_at_10pct" not in matured(
        judged(scores(p0), happened(), None, "EUR"), Response(), seed=1
    )


def test_the_return_rate_of_a_day_is_that_of_people_nobody_contacted():
    rate = return_rate(happened())
    assert rate is not None
    assert (rate.mean, rate.people) == (pytest.approx(12 / 17), 5)
    assert rate.error > 0.1
    assert return_rate(happened().filter("contacted")) is None


def test_a_night_of_which_nobody_is_left_has_no_figures():
    rows = judged(scores({"contacted_back": 0.5}), happened(), None, "EUR")
    assert rows.height == 0
    assert matured(rows, Response(), seed=1) == {}


def test_a_day_before_anybody_bought_has_nobody():
    early = AsOf(date(2020, 1, 1), 30)
    rows = history([line("a", 40, 1000, "1")])
    with Threads(1) as engine:
        assert outcomes(rows, {early: 1.0}, TODAY, engine)[early].height == 0


def test_a_sample_holds_some_of_the_same_rows():
    some, everyone = happened(0.5), happened()
    assert 0 < some.height < everyone.height
    assert some.join(everyone, on="customer_id").height == some.height
