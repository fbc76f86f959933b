"""Laws that hold for every feature, on generated histories."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from shop_world import COLUMNS, day, everything, histories, history, line, priced, transactions

from features import ledger
from features.asof import AsOf
from features.catalogue import describe
from features.contracts import TRANSACTIONS
from features.engine import Threads
from features.feature_list import MONEY
from features.frequency import WINDOWS
from features.history import History, read_history
from features.lake import ORIGIN, Lake
from features.ledger import Receipt
from features.options import StageOptions
from features.table import feature_table, sampled, training_parts, training_table

COUNTS = (
    "orders",
    "active_days",
    "lines",
    "quantity",
    "net_amount",
    "discount_amount",
    "return_lines",
    "returned_amount",
    "cancelled_orders",
    "complaints",
    "contacts_received",
    "categories",
)
OTHERS = ("customers", "contacts", "feedback", "points")
STAGES = StageOptions()


def table(rows: list[dict[str, Any]], as_of: AsOf) -> pl.DataFrame:
    return feature_table(everything(rows), as_of, STAGES)


@settings(deadline=None, max_examples=12)
@given(histories(), st.integers(0, 400))
def test_nothing_after_the_day_changes_a_feature(rows: list[dict[str, Any]], number: int) -> None:
    as_of = day(number)
    past = feature_table(everything(rows, until=as_of), as_of, STAGES)
    assert_frame_equal(table(rows, as_of), past, check_exact=True)


@settings(deadline=None, max_examples=12)
@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[dict[str, Any]], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    assert_frame_equal(table(rows, day(400)), table(shuffled, day(400)), check_exact=True)


@settings(deadline=None, max_examples=12)
@given(histories(), st.integers(0, 25))
def test_how_rows_lie_in_files_does_not_matter(rows: list[dict[str, Any]], cut: int) -> None:
    whole = everything(rows)
    lines = pl.concat([priced(part) for part in (rows[:cut], rows[cut:]) if part], rechunk=False)
    tables = {name: getattr(whole.parts[0], name) for name in OTHERS}
    parted = replace(History.of(lines, whole.columns, **tables), country=whole.country)
    assert_frame_equal(table(rows, day(400)), feature_table(parted, day(400), STAGES), check_exact=True)


@settings(deadline=None, max_examples=12)
@given(histories(), st.integers(2, 4))
def test_how_customers_are_split_into_parts_does_not_matter(rows: list[dict[str, Any]], parts: int) -> None:
    split = feature_table(everything(rows, parts=parts), day(400), STAGES).sort("customer_id")
    # Polars divides a column of one row by the reciprocal, so the last bit may differ for a part of one.
    assert_frame_equal(table(rows, day(400)), split, check_exact=False, rel_tol=1e-12, abs_tol=0)


@settings(deadline=None, max_examples=12)
@given(histories(), st.integers(0, 390), st.integers(1, 10_000))
def test_another_customer_changes_nobodys_own_features(
    rows: list[dict[str, Any]], on: int, amount: int
) -> None:
    more = [*rows, line("zz", on, amount, "z1", product_id="p", category="P", quantity=1.0)]
    before, after = table(rows, day(400)), table(more, day(400)).filter(pl.col("customer_id") != "zz")
    own = [name for name in before.columns if not describe(name).shared]
    assert_frame_equal(before.select(own), after.select(own), check_exact=True)


@settings(deadline=None, max_examples=12)
@given(histories())
def test_counts_grow_with_the_window(rows: list[dict[str, Any]]) -> None:
    found = table(rows, day(400))
    for name in COUNTS:
        columns = [*(f"{name}_{days}d" for days in WINDOWS if f"{name}_{days}d" in found.columns), name]
        assert len(columns) > 1
        for shorter, longer in pairwise(columns):
            assert found.select((pl.col(shorter) <= pl.col(longer)).all()).item()


@settings(deadline=None, max_examples=12)
@given(histories())
def test_with_ten_times_the_amounts_money_grows_tenfold_and_nothing_else(rows: list[dict[str, Any]]) -> None:
    costed = [row | {"cost_amount": row.get("cost_amount") or 0} for row in rows]
    money = ("net_amount", "discount_amount", "cost_amount")
    dear = [row | {name: 10 * (row.get(name) or 0) for name in money} for row in costed]
    before, after = table(costed, day(400)), table(dear, day(400))
    grown = [name for name in before.columns if describe(name).unit == MONEY]
    expected = before.with_columns(pl.col(grown) * 10)
    assert_frame_equal(after, expected, check_exact=False, rel_tol=1e-5, abs_tol=1e-9)


@settings(deadline=None, max_examples=12)
@given(histories())
def test_every_number_is_finite_or_null(rows: list[dict[str, Any]]) -> None:
    floats = table(rows, day(400)).select(pl.col(pl.Float64))
    assert floats.select(pl.all().is_finite().fill_null(value=True).all()).row(0) == (True,) * floats.width


@settings(deadline=None, max_examples=5)
@given(histories(), st.integers(0, 25))
def test_a_history_in_two_deliveries_is_the_same_history(rows: list[dict[str, Any]], cut: int) -> None:
    whole, parted = ([rows], [rows[:cut], rows[cut:]])
    assert_frame_equal(delivered(whole), delivered(parted), check_exact=True)


def delivered(deliveries: list[list[dict[str, Any]]]) -> pl.DataFrame:
    """Features of the last day, with every delivery in a lake."""
    with TemporaryDirectory() as folder:
        lake = Lake(Path(folder), buckets=2)
        receipts = [accept(lake, seq, rows) for seq, rows in enumerate(deliveries, 1) if rows]
        ledger.record(lake.root, receipts)
        return feature_table(read_history(lake, "UTC", 0.3, day(500)), day(400), STAGES)


def accept(lake: Lake, seq: int, rows: list[dict[str, Any]]) -> Receipt:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    origin = {"block": 0, "source_file": f"{seq}.csv", "ingested_at": at}
    placed = pl.lit(seq, pl.Int64).alias("delivery")
    lines = transactions(rows).with_row_index("source_line").with_columns(placed, **origin_of(origin))
    lake.add(TRANSACTIONS, seq, lines)
    columns = ",".join(["customer_id", "ordered_at", "net_amount", *sorted(COLUMNS)])
    return Receipt(
        seq,
        "transactions",
        f"{seq}.csv",
        f"d{seq}",
        "keep",
        columns,
        len(rows),
        len(rows),
        0,
        0,
        at,
        at,
        None,
        at,
    )


def origin_of(values: dict[str, Any]) -> dict[str, pl.Expr]:
    return {name: pl.lit(value).cast(ORIGIN[name]) for name, value in values.items()}


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


@settings(deadline=None, max_examples=6)
@given(st.integers(1, 60))
def test_parts_that_stay_where_they_are_give_the_same_sample(most: int) -> None:
    rows = [line(f"c{n}", on, 100, f"{n}-{on}", product_id="p") for n in range(30) for on in (n, 100 + n)]
    # Some have nothing left to show for it: they have sales, but no row.
    rows += [line(f"c{n}", 40, -100, f"r{n}", returned_order_id=f"{n}-{n}") for n in range(0, 30, 3)]
    known, until, days = everything(rows, parts=2), day(150), [day(60), day(90)]
    whole = training_table(known, days, until, 1, STAGES, most)
    with Threads() as threads:
        made = training_parts(known, days, until, 1, STAGES, threads)
        sample = sampled(made, known, days, most, threads).sort("as_of", maintain_order=True)
    assert_frame_equal(sample, whole)
