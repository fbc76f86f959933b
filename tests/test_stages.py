"""Stages: the words of the design as examples, and laws."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.contracts import Stage
from features.options import StageOptions
from features.rhythm import with_gaps
from features.stages import add_stages, segment_quantiles

OPTIONS = StageOptions()
AS_OF = date(2024, 6, 30)
SHOP = pl.LazyFrame(
    {"segment_gap_days_median": [40.0], "segment_gap_days_q75": [80.0], "segment_gap_days_q90": [120.0]}
)
ORDER = [Stage.NEW, Stage.ACTIVE, Stage.AT_RISK, Stage.LAPSED, Stage.LOST]


def customer(
    silence: int | None, orders: int = 1, own: tuple[float | None, float | None, float | None] = (None,) * 3
) -> pl.LazyFrame:
    return pl.LazyFrame(
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
    frame: pl.LazyFrame, segments: pl.LazyFrame = SHOP, options: StageOptions = OPTIONS
) -> dict[str, object]:
    return add_stages(frame, segments, options).collect().row(0, named=True)


def test_the_own_quantiles_are_drawn_towards_the_segments_by_five_gaps():
    row = staged(customer(30, 6, (10.0, 20.0, 30.0)))
    assert row["usual_gap_days"] == (5 * 10 + 5 * 40) / 10
    assert row["at_risk_limit_days"] == (5 * 20 + 5 * 80) / 10
    assert row["lapse_limit_days"] == (5 * 30 + 5 * 120) / 10
    assert row["overdue_ratio"] == 30 / 25
    assert not [name for name in row if name.startswith("segment")]


def test_without_a_gap_the_segments_quantile_stands_alone():
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
    weekly = SHOP.select(pl.all() / 20)
    assert staged(customer(29, 2, (1.0, 2.0, 3.0)), weekly)["stage"] == "at_risk"
    assert staged(customer(30, 2, (1.0, 2.0, 3.0)), weekly)["stage"] == "at_risk"
    assert staged(customer(31, 2, (1.0, 2.0, 3.0)), weekly)["stage"] == "lapsed"


def test_in_a_shop_without_a_gap_only_the_fixed_numbers_of_days_decide():
    gaps = with_gaps(pl.LazyFrame({"customer_id": ["a"], "ordered_on": [AS_OF]}))
    nothing = segment_quantiles(gaps, AS_OF, OPTIONS)
    assert nothing.collect().rows() == [(None, None, None)]
    stages = [staged(customer(silence), nothing) for silence in (30, 31, 1096)]
    assert [row["stage"] for row in stages] == ["new", "lapsed", "lost"]
    assert {row["usual_gap_days"] for row in stages} == {None}
    assert {row["overdue_ratio"] for row in stages} == {None}


def test_segment_quantiles_read_gaps_that_were_known():
    days = {"a": [40, 30, 0, -5], "b": [20, 0], "c": [3]}
    orders = pl.LazyFrame(
        [(who, AS_OF - timedelta(days=back)) for who, backs in days.items() for back in backs],
        schema=["customer_id", "ordered_on"],
        orient="row",
    )
    gaps = with_gaps(orders)
    assert segment_quantiles(gaps, AS_OF, OPTIONS).collect().row(0) == pytest.approx((20, 25, 28))
    segments = pl.LazyFrame({"customer_id": ["a", "b", "c"], "segment": ["x", None, "z"]})
    found = segment_quantiles(gaps, AS_OF, OPTIONS, segments).sort("segment").collect()
    assert found.columns == ["segment", *(f"segment_gap_days_{name}" for name in ("median", "q75", "q90"))]
    assert found.rows() == [
        (None, 20, 20, 20),
        ("x", 20, 25, pytest.approx(28)),
        ("z", 20, 25, pytest.approx(28)),  # no gap of its own: the shop's
    ]
    row = staged(customer(5).with_columns(pl.lit(None, pl.String).alias("segment")), found.lazy())
    assert (row["usual_gap_days"], row["lapse_limit_days"]) == (20, 30)


def test_the_quantiles_follow_the_options():
    options = StageOptions(lapsed_quantile=0.75, at_risk_quantile=0.75)
    own = customer(30, 6, (10.0, 20.0, 30.0))
    row = staged(own, SHOP.drop("segment_gap_days_q90"), options)
    assert (row["at_risk_limit_days"], row["lapse_limit_days"]) == (50, 50)


own_gaps = st.lists(st.integers(1, 1500), max_size=20)


@settings(max_examples=60, deadline=None)
@given(own_gaps, own_gaps, st.lists(st.integers(0, 3000), min_size=2, max_size=6, unique=True))
def test_longer_silence_never_leads_to_an_earlier_stage(own, others, silences):
    frame = pl.concat([customer(silence, len(own) + 1, quantiles(own)) for silence in sorted(silences)])
    segments = pl.LazyFrame(
        [quantiles(own + others)],
        schema=dict.fromkeys(SHOP.collect_schema().names(), pl.Float64),
        orient="row",
    )
    found = add_stages(frame, segments, OPTIONS).sort("days_since_last_purchase").collect()
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


def quantiles(values: list[int]) -> tuple[float | None, float | None, float | None]:
    series = pl.Series(values, dtype=pl.Int64)
    return tuple(series.quantile(q, interpolation="linear") for q in (0.5, 0.75, 0.9))
