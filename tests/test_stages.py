"""Stages: the words of the design as examples, and laws."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.contracts import Stage
from features.options import StageOptions
from features.rhythm import order_days
from features.runs import Runs
from features.stages import KEYS, ShopQuantiles, add_stages, count_gaps, shop_quantiles

OPTIONS = StageOptions()
AS_OF = date(2024, 6, 30)
SHOP: ShopQuantiles = {0.5: 40.0, 0.75: 80.0, 0.9: 120.0}
ORDER = [Stage.NEW, Stage.ACTIVE, Stage.AT_RISK, Stage.LAPSED, Stage.LOST]


def customer(
    silence: int | None, orders: int = 1, own: tuple[float | None, float | None, float | None] = (None,) * 3
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "customer_id": ["a"],
            "orders": [orders],
            "days_since_last_purchase": [silence],
            "gaps": [orders - 1],
            "gap_days_median": [own[0]],
            "gap_days_q75": [own[1]],
            "gap_days_q90": [own[2]],
        },
        schema_overrides={
            "days_since_last_purchase": pl.Int32,
            "gap_days_median": pl.Float64,
            "gap_days_q75": pl.Float64,
            "gap_days_q90": pl.Float64,
        },
    )


def staged(
    frame: pl.DataFrame, shop: ShopQuantiles = SHOP, options: StageOptions = OPTIONS
) -> dict[str, object]:
    return add_stages(frame, shop, options).row(0, named=True)


def gaps_of(*customers: list[int]) -> pl.DataFrame:
    """Counted gaps of customers who ordered so many days ago."""
    rows = [
        (who, AS_OF - timedelta(days=ago))
        for who, days_ago in enumerate(customers)
        for ago in sorted(days_ago, reverse=True)
    ]
    schema = {"customer": pl.UInt32, "ordered_on": pl.Date}
    purchases = Runs.of(pl.DataFrame(rows, schema=schema, orient="row"))
    return count_gaps(Runs.of(order_days(purchases)))


def test_the_own_quantiles_are_drawn_towards_the_shops_by_five_gaps():
    row = staged(customer(30, 6, (10.0, 20.0, 30.0)))
    assert row["usual_gap_days"] == (5 * 10 + 5 * 40) / 10
    assert row["at_risk_limit_days"] == (5 * 20 + 5 * 80) / 10
    assert row["lapse_limit_days"] == (5 * 30 + 5 * 120) / 10
    assert row["overdue_ratio"] == 30 / 25


def test_without_a_gap_the_shops_quantile_stands_alone():
    row = staged(customer(20))
    assert (row["usual_gap_days"], row["lapse_limit_days"], row["overdue_ratio"]) == (40, 120, 0.5)


def test_without_shrinking_the_own_quantiles_stand_alone():
    options = StageOptions(shrink_orders=0)
    assert staged(customer(20, 3, (10.0, 20.0, 50.0)), options=options)["lapse_limit_days"] == 50
    assert staged(customer(20), options=options)["lapse_limit_days"] == 120


@pytest.mark.parametrize(
    ("silence", "orders", "own", "stage"),
    [
        (0, 1, (None, None, None), "new"),
        (80, 1, (None, None, None), "new"),
        (81, 1, (None, None, None), "at_risk"),
        (120, 1, (None, None, None), "at_risk"),
        (121, 1, (None, None, None), "lapsed"),
        (1095, 1, (None, None, None), "lapsed"),
        (1096, 1, (None, None, None), "lost"),
        (50, 6, (10.0, 20.0, 30.0), "active"),
        (51, 6, (10.0, 20.0, 30.0), "at_risk"),
        (76, 6, (10.0, 20.0, 30.0), "lapsed"),
        (30, 6, (900.0, 1200.0, 2500.0), "active"),
        (1096, 6, (900.0, 1200.0, 2500.0), "lost"),
        (None, 1, (None, None, None), None),
    ],
)
def test_the_first_stage_that_matches_is_taken(silence, orders, own, stage):
    assert staged(customer(silence, orders, own))["stage"] == stage


def test_nobody_is_lapsed_before_the_floor():
    weekly = {0.5: 2.0, 0.75: 4.0, 0.9: 6.0}
    assert staged(customer(29, 2, (1.0, 2.0, 3.0)), weekly)["stage"] == "at_risk"
    assert staged(customer(30, 2, (1.0, 2.0, 3.0)), weekly)["stage"] == "at_risk"
    assert staged(customer(31, 2, (1.0, 2.0, 3.0)), weekly)["stage"] == "lapsed"


def test_in_a_shop_without_a_gap_only_the_fixed_numbers_of_days_decide():
    nothing = shop_quantiles(gaps_of([0]), OPTIONS)
    assert nothing == {0.5: None, 0.75: None, 0.9: None}
    stages = [staged(customer(silence), nothing) for silence in (30, 31, 1096)]
    assert [row["stage"] for row in stages] == ["new", "lapsed", "lost"]
    assert {row["usual_gap_days"] for row in stages} == {None}
    assert {row["overdue_ratio"] for row in stages} == {None}


def test_gaps_are_counted_by_their_length():
    counts = gaps_of([40, 30, 0], [20, 0], [3], [90, 80])
    assert counts.schema == {"gap_days": pl.Int32, "count": pl.Int64}
    assert counts.rows() == [(10, 2), (20, 1), (30, 1)]
    assert gaps_of([3]).schema == counts.schema


def test_the_shops_quantiles_lie_between_the_gaps():
    counts = gaps_of([40, 30, 0], [20, 0], [3])
    assert shop_quantiles(counts, OPTIONS) == {0.5: 20, 0.75: 25, 0.9: pytest.approx(28)}


def test_the_quantiles_follow_the_options():
    options = StageOptions(lapsed_quantile=0.75, at_risk_quantile=0.75)
    own = customer(30, 6, (10.0, 20.0, 30.0))
    row = staged(own, {0.5: 40.0, 0.75: 80.0}, options)
    assert (row["at_risk_limit_days"], row["lapse_limit_days"]) == (50, 50)


own_gaps = st.lists(st.integers(1, 1500), max_size=20)


@settings(max_examples=60, deadline=None)
@given(own_gaps, own_gaps, st.lists(st.integers(0, 3000), min_size=2, max_size=6, unique=True))
def test_longer_silence_never_leads_to_an_earlier_stage(own, others, silences):
    frame = pl.concat([customer(silence, len(own) + 1, quantiles(own)) for silence in sorted(silences)])
    shop = dict(zip((0.5, 0.75, 0.9), quantiles(own + others), strict=True))
    found = add_stages(frame, shop, OPTIONS).sort("days_since_last_purchase")
    ranks = [ORDER.index(Stage(stage)) for stage in found["stage"]]
    assert ranks == sorted(ranks)
    overdue = found["overdue_ratio"]
    if own + others:
        assert overdue.is_finite().all()
        assert overdue.is_sorted()
        limits = found.row(0, named=True)
        assert 1 <= limits["usual_gap_days"] <= max(own + others)
        assert limits["lapse_limit_days"] >= max(30, limits["at_risk_limit_days"])
    else:
        assert overdue.null_count() == found.height


@settings(max_examples=60, deadline=None)
@given(st.lists(own_gaps, min_size=1, max_size=5))
def test_counts_of_parts_add_up_to_the_quantiles_of_all_gaps(customers):
    parts = [gaps_of(np.cumsum([0, *gaps]).tolist()) for gaps in customers]
    merged = pl.concat(parts).group_by(KEYS).sum().sort(KEYS)
    found = shop_quantiles(merged, OPTIONS)
    assert tuple(found.values()) == quantiles([gap for gaps in customers for gap in gaps])


def quantiles(values: list[int]) -> tuple[float | None, float | None, float | None]:
    series = pl.Series(values, dtype=pl.Int64)
    return tuple(series.quantile(q, interpolation="linear") for q in (0.5, 0.75, 0.9))
