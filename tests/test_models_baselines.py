"""Baselines learn from the past alone, and say what they say in the columns agreed."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from models.baselines import fitted
from models.metrics import auroc

PAST = {"returned": [True, False], "window_margin": [500, 0], "weight": [1.0, 1.0]}


def said(past: dict[str, Any], judged: dict[str, Any]) -> dict[str, list[float]]:
    """What the baselines add to the judged rows."""
    rows = pl.DataFrame(judged)
    return fitted(pl.DataFrame(past), rows, 90, seed=1).drop(rows.columns).to_dict(as_series=False)


def shop(seed: int, people: int = 600) -> pl.DataFrame:
    """People who return the likelier, the shorter their silence and the more they ordered."""
    rng = np.random.default_rng(seed)
    silent, orders = rng.integers(0, 300, people), rng.integers(1, 9, people)
    returned = rng.random(people) < 1 / (1 + np.exp(silent / 60 - orders / 3))
    return pl.DataFrame(
        {
            "days_since_last_purchase": silent,
            "orders": orders,
            "net_amount": orders * rng.integers(1000, 9000, people),
            "returned": returned,
            "window_margin": returned * rng.integers(500, 5000, people),
            "weight": np.ones(people),
        }
    )


def test_the_recency_rule_is_the_one_that_ranked_the_past_best():
    judged = {"days_since_last_purchase": [40, 9], "overdue_ratio": [0.5, 3.0], "lapse_limit_days": [10, 90]}
    past = {"days_since_last_purchase": [5, 6], "overdue_ratio": [2.0, 1.0], "lapse_limit_days": [1.0, 3.0]}
    assert said(past | PAST, judged) == {"recency.score": [-40, -9]}
    swapped = past | {"days_since_last_purchase": [6, 5]}
    assert said(swapped | PAST | {"returned": [False, True]}, judged) == {"recency.score": [-40, -9]}
    # Only silence in usual gaps puts the one that returned first, then only silence beyond the limit does.
    assert said(swapped | PAST | {"overdue_ratio": [1.0, 2.0]}, judged) == {"recency.score": [-0.5, -3.0]}
    assert said(swapped | PAST | {"lapse_limit_days": [9, 3]}, judged) == {"recency.score": [-30.0, 81.0]}


def test_without_a_past_only_what_needs_none_is_there():
    judged = {"days_since_last_purchase": [40, None], "orders": [1, 2], "net_amount": [100, 200]}
    empty: dict[str, Any] = {"returned": [], "window_margin": [], "weight": []}
    assert said(empty, judged) == {"recency.score": [-40, float("-inf")]}


def test_spend_ranks_and_is_its_own_value():
    assert said(PAST, {"net_amount_365d": [300, None]}) == {
        "spend_365d.score": [300, 0],
        "spend_365d.value": [300, 0],
    }


def test_latent_attrition_says_chance_and_expected_margin():
    judged = {
        "p_no_purchase_90d": [0.25, 1.0],
        "expected_purchases_90d": [2.0, 0.0],
        "expected_order_amount": [1000.0, None],
        "margin": [100, 200],
        "net_amount": [400, 600],
    }
    # The shop keeps 300 of 1000 paid.
    assert said(PAST, judged) == {
        "mbg_nbd.score": [0.75, 0],
        "mbg_nbd.p0": [0.75, 0],
        "mbg_nbd.value": [600, 0],
    }
    assert said(PAST, judged | {"p_no_purchase_90d": [None, None]}) == {}


def test_a_cell_of_rfm_has_its_own_rate_drawn_to_that_of_all():
    past = shop(1, 100).with_columns(
        days_since_last_purchase=pl.int_range(100), orders=1, net_amount=1, window_margin=1000
    )
    late = pl.col("days_since_last_purchase") >= 40
    past = past.with_columns(returned=late, weight=pl.when(late).then(1.0).otherwise(3.0))
    asked = shop(2, 2).with_columns(days_since_last_purchase=pl.Series([10, 99]), orders=1, net_amount=1)
    rows = fitted(past, asked, 90, seed=1)
    # 60 of 180 by weight return; the first fifth holds 20 rows of weight 3, none of which did.
    assert rows["rfm.p0"].to_list() == pytest.approx([(20 / 3) / 80, (20 + 20 / 3) / 40])
    assert rows["rfm.value"].to_list() == pytest.approx([1000, 1000])
    assert rows["rfm.score"].equals(rows["rfm.p0"], check_names=False)


def test_trees_on_recency_frequency_and_money_predict_chances_and_money():
    past, judged = shop(3, 3000), shop(4, 3000)
    rows = fitted(past, judged, 90, seed=1)
    p0 = rows["xgb_rfm.p0"].to_numpy()
    assert auroc(judged["returned"].to_numpy(), p0) > 0.75
    assert p0.mean() == pytest.approx(judged["returned"].mean(), abs=0.05)
    assert rows["xgb_rfm.value"].mean() == pytest.approx(judged["window_margin"].mean(), rel=0.1)
    in_cents = fitted(past.with_columns(pl.col("window_margin") * 100), judged, 90, seed=1)
    assert in_cents["xgb_rfm.value"].to_numpy() == pytest.approx(rows["xgb_rfm.value"].to_numpy() * 100, 1e-3)


def test_what_the_judged_did_later_changes_nothing():
    past, judged = shop(5), shop(6)
    turned = judged.with_columns(~pl.col("returned"), pl.col("window_margin") + 7)
    outcome = ["returned", "window_margin"]
    assert (
        fitted(past, judged, 90, seed=1).drop(outcome).equals(fitted(past, turned, 90, seed=1).drop(outcome))
    )


def test_the_judged_keep_their_order():
    past, judged = shop(5), shop(6)
    backwards = fitted(past, judged.reverse(), 90, seed=1).reverse()
    assert backwards.equals(fitted(past, judged, 90, seed=1))
