"""The lake: what counts after deliveries, corrections, overlaps, kills and compactions."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from features import ledger, parts
from features.contracts import TRANSACTIONS
from features.lake import ORIGIN, Lake
from features.ledger import Receipt

Row = tuple[str | None, int, int, str]

START = datetime(2024, 1, 1, tzinfo=UTC)


def lines(rows: list[Row], delivery: int, block: int = 0) -> pl.LazyFrame:
    """Rows of (customer, day, cents, order) as one delivery."""
    return pl.LazyFrame(
        {
            "customer_id": [row[0] for row in rows],
            "ordered_at": [START + timedelta(days=row[1]) for row in rows],
            "net_amount": [row[2] for row in rows],
            "order_id": [row[3] for row in rows],
            "delivery": delivery,
            "block": block,
            "source_file": f"file-{delivery}.csv",
            "source_line": range(2, len(rows) + 2),
            "ingested_at": START,
        },
        schema_overrides={"customer_id": pl.String, "ordered_at": pl.Datetime("us", "UTC"), **ORIGIN},
    )


def receipt(seq: int, name: str, rule: str = "keep", digest: str | None = None) -> Receipt:
    return Receipt(
        seq, "transactions", name, digest or f"d{seq}", rule, "customer_id,net_amount", 1, 1, 0, 0,
        START + timedelta(days=10 * seq), START + timedelta(days=10 * seq + 9), None, START,
    )  # fmt: skip


def deliver(lake: Lake, seq: int, rows: list[Row], rule: str = "keep", name: str = "") -> None:
    lake.add(TRANSACTIONS, seq, lines(rows, seq))
    ledger.record(lake.root, [receipt(seq, name or f"file-{seq}.csv", rule)])


def held(lake: Lake) -> list[tuple[str | None, int, str]]:
    rows = lake.scan("transactions").select("customer_id", "net_amount", "order_id").collect()
    return sorted(rows.rows(), key=str)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "a lake, größer", buckets=4)


def test_rows_do_not_exist_before_the_ledger_says_so(lake: Lake) -> None:
    lake.add(TRANSACTIONS, 1, lines([("a", 0, 100, "1")], 1))
    assert held(lake) == []
    lake.add(TRANSACTIONS, 1, lines([("b", 0, 200, "2")], 1))
    ledger.record(lake.root, [receipt(1, "file-1.csv")])
    assert held(lake) == [("b", 200, "2")]


def test_exact_duplicates_within_a_delivery_are_kept(lake: Lake) -> None:
    deliver(lake, 1, [("a", 0, 100, "1"), ("a", 0, 100, "1")])
    lake.compact("transactions")
    assert held(lake) == [("a", 100, "1"), ("a", 100, "1")]


@pytest.mark.parametrize("compacted", [False, True])
def test_a_corrected_delivery_of_the_same_name_replaces_its_rows(lake: Lake, *, compacted: bool) -> None:
    deliver(lake, 1, [("a", 0, 100, "1"), ("b", 1, 200, "2")], name="march.csv")
    if compacted:
        lake.compact("transactions")
    deliver(lake, 2, [("a", 0, 150, "1")], name="march.csv")
    assert held(lake) == [("a", 150, "1")]


@pytest.mark.parametrize("compacted", [False, True])
def test_a_later_delivery_of_an_order_replaces_the_whole_order(lake: Lake, *, compacted: bool) -> None:
    deliver(lake, 1, [("a", 0, 100, "1"), ("a", 0, 50, "1"), ("b", 1, 200, "2")], "replace_order")
    if compacted:
        lake.compact("transactions")
    deliver(lake, 2, [("a", 0, 70, "1")], "replace_order")
    expected = [("a", 70, "1"), ("b", 200, "2")]
    assert held(lake) == expected
    lake.compact("transactions")
    assert held(lake) == expected


@pytest.mark.parametrize("compacted", [False, True])
def test_a_row_with_a_known_key_replaces_it_even_for_another_customer(lake: Lake, *, compacted: bool) -> None:
    deliver(lake, 1, [(None, 0, 100, "1"), ("b", 1, 200, "2")], "key:order_id")
    if compacted:
        lake.compact("transactions")
    deliver(lake, 2, [("a", 0, 100, "1")], "key:order_id")
    assert held(lake) == [("a", 100, "1"), ("b", 200, "2")]


def test_a_delivery_replaces_the_period_it_covers(lake: Lake) -> None:
    deliver(lake, 1, [("a", 12, 100, "1"), ("b", 22, 200, "2")], "replace_period")
    lake.compact("transactions")
    deliver(lake, 2, [("a", 23, 300, "3")], "replace_period")  # its receipt covers days 20 to 29
    assert held(lake) == [("a", 100, "1"), ("a", 300, "3")]


def test_a_part_of_a_glued_file_resolves_like_a_delivery(lake: Lake) -> None:
    glued = pl.concat([lines([("a", 0, 100, "1")], 1), lines([("a", 0, 90, "1")], 1, block=1)])
    lake.add(TRANSACTIONS, 1, glued)
    ledger.record(lake.root, [receipt(1, "both.csv", "replace_order")])
    assert held(lake) == [("a", 90, "1")]


def test_compaction_changes_neither_rows_nor_order_nor_version(lake: Lake) -> None:
    deliver(lake, 1, [("b", 3, 1, "1"), ("a", 2, 2, "2"), (None, 0, 3, "3"), ("c", 1, 4, "4")])
    deliver(lake, 2, [("a", 1, 5, "5"), ("b", 9, 6, "6")])
    before, version = lake.scan("transactions").collect(), ledger.version(lake.root)
    assert lake.compact("transactions") == 6
    assert_frame_equal(lake.scan("transactions").collect(), before)
    assert ledger.version(lake.root) == version
    assert all(part.startswith("base") for part in lake.parts("transactions"))


def test_rows_are_read_in_customer_and_time_order_within_a_bucket(lake: Lake) -> None:
    deliver(lake, 1, [("b", 3, 1, "1"), ("a", 5, 2, "2"), ("a", 2, 2, "2b")])
    deliver(lake, 2, [("a", 3, 5, "5"), ("b", 1, 6, "6")])
    for bucket in range(4):
        rows = lake.scan("transactions", [bucket]).select("customer_id", "ordered_at").collect()
        assert_frame_equal(rows, rows.sort("customer_id", "ordered_at"))


ROWS = st.tuples(
    st.sampled_from([None, "a", "b", "c", "d", "e", "f"]),
    st.integers(0, 3),
    st.just(1),
    st.sampled_from("12"),
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deliveries=st.lists(st.lists(ROWS, min_size=1, max_size=8), min_size=1, max_size=4),
    based=st.integers(0, 4),
)
def test_rows_are_in_one_order_whatever_was_compacted(
    tmp_path_factory: pytest.TempPathFactory, deliveries: list[list[Row]], based: int
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"), buckets=3)
    for seq, rows in enumerate(deliveries, 1):
        deliver(lake, seq, rows)
        if seq == based:
            lake.compact("transactions")
    order = ["customer_id", "ordered_at", "order_id", "delivery", "source_line"]
    read = [lake.scan("transactions", [bucket]).collect() for bucket in range(3)]
    for bucket in read:
        assert_frame_equal(bucket, bucket.sort(order))
    assert sum(frame.height for frame in read) == sum(map(len, deliveries))
    assert_frame_equal(lake.scan("transactions").collect(), pl.concat(read))
    assert_frame_equal(lake.scan("transactions", [2, 0]).collect(), pl.concat([read[0], read[2]]))
    assert list(lake.rows("transactions").values()) == [frame.height for frame in read]
    for numbers in ([0, 1, 2], [1]):
        others, touched = pl.collect_all(lake.merged("transactions").apart(numbers))
        assert not set(others["customer_id"]) & set(touched["customer_id"])
        whole = pl.concat([read[number] for number in numbers])
        assert_frame_equal(pl.concat([others, touched]), whole, check_row_order=False)
        assert_frame_equal(touched, whole.join(touched, on=order, how="semi", nulls_equal=True))
        assert_frame_equal(others, whole.join(others, on=order, how="semi", nulls_equal=True))


def test_what_is_written_later_does_not_reach_a_table_that_is_open(lake: Lake) -> None:
    deliver(lake, 1, [("a", 0, 100, "1")])
    before = lake.merged("transactions")
    deliver(lake, 2, [("a", 1, 200, "2")])
    lake.compact("transactions")
    assert before.scan(range(4)).collect()["net_amount"].to_list() == [100]
    assert held(lake) == [("a", 100, "1"), ("a", 200, "2")]


def test_a_column_that_a_file_does_not_have_yet_is_null(tmp_path: Path) -> None:
    old = pl.DataFrame({"a": [1]})
    parts.replace(tmp_path / "t", [("x", old)], old.schema, only=None)
    schema = pl.Schema({"a": pl.Int64(), "b": pl.String()})
    assert parts.held(tmp_path / "t").scan(["x", "absent"], schema).collect().rows() == [(1, None)]
    assert parts.held(tmp_path / "t").scan(["absent"], schema).collect().is_empty()


def test_the_version_says_what_is_held_not_how_often_it_was_written(lake: Lake, tmp_path: Path) -> None:
    deliver(lake, 1, [("a", 0, 100, "1")])
    other = Lake(tmp_path / "other", buckets=4)
    other.add(TRANSACTIONS, 1, lines([("a", 0, 100, "1")], 1))  # a killed run
    deliver(other, 1, [("a", 0, 100, "1")])
    assert ledger.version(other.root) == ledger.version(lake.root)
    deliver(other, 2, [("a", 1, 100, "2")])
    assert ledger.version(other.root) != ledger.version(lake.root)


def test_increments_past_a_share_of_the_base_ask_for_compaction(lake: Lake) -> None:
    deliver(lake, 1, [("a", 0, 100, "1")])
    assert lake.needs_compaction("transactions", share=0.2, most_parts=60)
    lake.compact("transactions")
    assert not lake.needs_compaction("transactions", share=0.2, most_parts=60)


def test_an_erased_person_is_in_no_version_of_the_table(lake: Lake) -> None:
    deliver(lake, 1, [("a", 0, 100, "1"), ("b", 0, 200, "2")])
    assert lake.rewrite_without("transactions", ["a"]) == 1
    assert held(lake) == [("b", 200, "2")]
    files = list((lake.root / "transactions").rglob("*.parquet"))
    assert all("a" not in pl.read_parquet(file)["customer_id"].to_list() for file in files)
