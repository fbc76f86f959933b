"""Laws that hold for every feature, on generated histories."""

from itertools import pairwise
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from shop_world import day, histories, history, line

from features.asof import AsOf
from features.options import StageOptions
from features.table import feature_table, training_table

STAGES = StageOptions()
# Features that look at other customers too: the shop's own rhythm, and the models fitted on all of it.
SHARED = (
    "usual_gap_days",
    "at_risk_limit_days",
    "lapse_limit_days",
    "overdue_ratio",
    "stage",
    "p_",
    "expected_",
)


def table(rows: list[dict[str, Any]], as_of: AsOf) -> pl.DataFrame:
    return feature_table(history(rows), as_of, STAGES)


@settings(deadline=None, max_examples=20)
@given(histories(), st.integers(0, 400))
def test_nothing_after_the_day_changes_a_feature(rows: list[dict[str, Any]], number: int) -> None:
    as_of = day(number)
    past = feature_table(history(rows, until=as_of), as_of, STAGES)
    assert_frame_equal(table(rows, as_of), past, check_exact=True)


@settings(deadline=None, max_examples=20)
@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[dict[str, Any]], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    assert_frame_equal(table(rows, day(400)), table(shuffled, day(400)), check_exact=True)


@settings(deadline=None, max_examples=20)
@given(histories(), st.integers(0, 390), st.integers(1, 10_000))
def test_another_customer_changes_nobodys_own_features(
    rows: list[dict[str, Any]], on: int, amount: int
) -> None:
    more = [*rows, line("zz", on, amount, "z1", product_id="p", category="P")]
    before, after = table(rows, day(400)), table(more, day(400)).filter(pl.col("customer_id") != "zz")
    own = [name for name in before.columns if not name.startswith(SHARED)]
    assert_frame_equal(before.select(own), after.select(own), check_exact=True)


@settings(deadline=None, max_examples=20)
@given(histories())
def test_counts_grow_with_the_window(rows: list[dict[str, Any]]) -> None:
    found = table(rows, day(400))
    names = [f"orders_{days}d" for days in (7, 14, 30, 60, 90, 180, 365)] + ["orders"]
    for shorter, longer in pairwise(names):
        assert found.select((pl.col(shorter) <= pl.col(longer)).all()).item()


@settings(deadline=None, max_examples=20)
@given(histories())
def test_every_number_is_finite_or_null(rows: list[dict[str, Any]]) -> None:
    floats = table(rows, day(400)).select(pl.col(pl.Float64))
    assert floats.select(pl.all().is_finite().fill_null(value=True).all()).row(0) == (True,) * floats.width


def test_recency_counts_days_from_the_last_purchase() -> None:
    found = table([line("a", 0, 100, "1"), line("a", 7, 100, "2"), line("b", 9, 50, "3")], day(10))
    shown = found.select("customer_id", "days_since_last_purchase", "tenure_days", "orders", "orders_7d")
    assert shown.rows() == [("a", 3, 10, 2, 1), ("b", 1, 1, 1, 1)]


def test_the_favourite_is_what_stands_on_most_lines() -> None:
    rows = [
        line("a", 0, 100, "1", product_id="p", product_name="Tea", category="Drinks"),
        line("a", 1, 100, "2", product_id="p", product_name="Tea", category="Drinks"),
        line("a", 2, 900, "3", product_id="q", product_name="Cup", category="Things"),
    ]
    found = table(rows, day(10)).select(
        "favourite_product", "favourite_category", "products_bought", "categories"
    )
    assert found.rows() == [("Tea", "Drinks", 2, 2)]


def test_a_sample_for_training_keeps_whole_customers_and_the_same_ones() -> None:
    rows = [line(f"c{n}", n % 20, 100, f"o{n}") for n in range(400)]
    known, days, until = history(rows), [day(60), day(90)], day(200)
    everyone = training_table(known, days, until, 1, STAGES, 800)
    some = training_table(known, days, until, 1, STAGES, 200)
    assert everyone.height == 800
    assert 100 < some.height < 300
    counted = some.group_by("customer_id").len()["len"]
    assert counted.unique().to_list() == [2]
    assert_frame_equal(some, everyone.join(some.select("as_of", "customer_id"), on=["as_of", "customer_id"]))
