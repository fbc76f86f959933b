"""Cells become canonical values, and each row that breaks a rule says which: as many rows out as in."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.contracts import TABLES
from features.errors import ConfigError, DataRefused
from features.options import SourceOptions
from features.sources import map_chunk

TABLE = TABLES["transactions"]
COLUMNS = {"customer_id": "id", "ordered_at": "day", "net_amount": "amount"}


def chunk(**columns: object) -> pl.DataFrame:
    frame = pl.DataFrame(columns)
    return frame.with_columns(
        pl.int_range(2, 2 + pl.len(), dtype=pl.Int64).alias("source_line"),
        *(pl.lit(None, dtype=pl.String).alias(name) for name in ("fault", "raw") if name not in columns),
    )


def mapped(
    raw: pl.DataFrame, table: str = "transactions", zone: str = "UTC", **options: object
) -> pl.DataFrame:
    source = SourceOptions.model_validate({"path": "x", "columns": COLUMNS, **options})
    return map_chunk(raw, TABLES[table], source, zone)


def column(name: str, values: object, zone: str = "UTC", **options: object) -> list[tuple[object, object]]:
    """One canonical column of otherwise good rows, with the fault."""
    good = {"id": "a", "day": "2024-01-01", "amount": "1"}
    frame = chunk(**{**good, "x": values})
    options["columns"] = {**COLUMNS, name: "x", **options.get("columns", {})}
    return mapped(frame, zone=zone, **options).select(name, "fault").rows()


def test_a_good_row_becomes_a_canonical_row():
    found = mapped(
        chunk(id=[" a "], day=["2024-05-06 07:08:09"], amount=["1,234.50"], q=["2"], note=["C7"]),
        zone="Europe/Berlin",
        columns={
            **COLUMNS,
            "order_id": "note",
            "quantity": "q",
            "is_return": "note LIKE 'C%'",
            "currency": "'EUR'",
        },
    )
    assert found.to_dicts() == [
        {
            "customer_id": "a",
            "ordered_at": datetime(2024, 5, 6, 5, 8, 9, tzinfo=UTC),
            "net_amount": 1234.5,
            "order_id": "C7",
            "quantity": 2.0,
            "currency": "EUR",
            "is_return": True,
            "source_line": 2,
            "fault": None,
            "raw": None,
        }
    ]


def test_numbers_are_read_strictly():
    texts = ["12.50", " -3 ", "3-", "+1", "1,234,567.8", ".5", "1e2", "", None, "NULL"]
    values = [12.5, -3.0, -3.0, 1.0, 1234567.8, 0.5, 100.0, None, None, None]
    assert column("quantity", texts) == [(value, None) for value in values]
    wrong = ["1,2", "12,34.5", "1.234,5", "nan", "inf", "1e999", "(3)", "$5", "-3-", "--1", "abc", "1 2", "٣"]
    assert column("quantity", wrong) == [(None, "unreadable_quantity")] * len(wrong)


def test_a_decimal_comma_swaps_the_marks():
    found = column(
        "quantity", ["1.234,50", "12,5", "12", "1.5", "1,234.5"], decimal=",", columns={"net_amount": "1"}
    )
    assert found == [
        (1234.5, None),
        (12.5, None),
        (12.0, None),
        (None, "unreadable_quantity"),
        (None, "unreadable_quantity"),
    ]


def test_numbers_that_are_numbers_already_must_be_finite():
    assert column("quantity", [1.5, float("inf"), float("nan"), None]) == [
        (1.5, None),
        (None, "unreadable_quantity"),
        (None, "unreadable_quantity"),
        (None, None),
    ]
    assert column("quantity", [Decimal("1.50")]) == [(1.5, None)]


def at(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type]


def test_iso_times_are_read_in_all_their_forms():
    texts = {
        "2024-05-06": at(2024, 5, 6),
        "20240506": at(2024, 5, 6),
        "2024-05-06 07:08": at(2024, 5, 6, 7, 8),
        "2024-05-06T07:08:09": at(2024, 5, 6, 7, 8, 9),
        "2024-05-06T07:08:09.25Z": at(2024, 5, 6, 7, 8, 9, 250_000),
        "2024-05-06 07:08:09 +0200": at(2024, 5, 6, 5, 8, 9),
        "2024-05-06T07:08:09-05:30": at(2024, 5, 6, 12, 38, 9),
        "2024-05-06T07:08+02": at(2024, 5, 6, 5, 8),
    }
    found = mapped(chunk(id=["a"] * 8, day=list(texts), amount=["1"] * 8))
    assert found["ordered_at"].to_list() == list(texts.values())
    wrong = [
        "2024-02-30",
        "06.05.2024",
        "soon",
        "2024-05-06 25:00:00",
        "1899-12-31",
        "2201-01-01",
        "0000-00-00",
    ]
    found = mapped(chunk(id=["a"] * 7, day=wrong, amount=["1"] * 7))
    assert found["fault"].to_list() == ["unreadable_ordered_at"] * 7


def test_time_formats_are_tried_in_order():
    days = ["1/2/2016", "2016.02.01 03:04:05.5", "02/01/16 +0100"]
    formats = ["%m/%d/%Y", "%Y.%m.%d %H:%M:%S.%f", "%d/%m/%y %H:%M %z"]
    found = mapped(chunk(id=["a"] * 3, day=days, amount=["1"] * 3), time_formats=formats)
    assert found.select("ordered_at", "fault").rows() == [
        (at(2016, 1, 2), None),
        (at(2016, 2, 1, 3, 4, 5, 500_000), None),
        (None, "unreadable_ordered_at"),
    ]


def test_clock_changes_lose_no_row():
    days = ["2025-03-30 02:30:00", "2025-10-26 02:30:00", "2025-07-01 12:00:00"]
    expected = [at(2025, 3, 30, 1, 30), at(2025, 10, 26, 0, 30), at(2025, 7, 1, 10)]
    found = mapped(chunk(id=["a"] * 3, day=days, amount=["1"] * 3), zone="Europe/Berlin")
    assert found["ordered_at"].to_list() == expected
    skipped = mapped(chunk(id=["a"], day=["2011-12-30 05:00:00"], amount=["1"]), zone="Pacific/Apia")
    assert skipped["ordered_at"].to_list() == [at(2011, 12, 30, 15)]


def test_the_zone_of_the_source_comes_before_that_of_the_shop():
    found = mapped(chunk(id=["a"], day=["2025-01-01"], amount=["1"]), zone="UTC", timezone="America/New_York")
    assert found["ordered_at"].to_list() == [at(2025, 1, 1, 5)]
    with pytest.raises(ConfigError, match="'Berlin' is not a time zone"):
        mapped(chunk(id=["a"], day=["2025-01-01"], amount=["1"]), zone="Berlin")


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_typed_times_are_taken_as_they_are(unit):
    naive = pl.Series([datetime(2025, 1, 1, 12)], dtype=pl.Datetime(unit))  # noqa: DTZ001 - naive on purpose
    for day, expected in [
        (naive, at(2025, 1, 1, 11)),
        (naive.dt.replace_time_zone("Asia/Tokyo"), at(2025, 1, 1, 3)),
        (pl.Series([date(2025, 1, 1)]), at(2024, 12, 31, 23)),
    ]:
        found = mapped(chunk(id=["a"], day=day, amount=[1]), zone="Europe/Berlin")
        assert found["ordered_at"].to_list() == [expected]
        assert found.schema["ordered_at"] == pl.Datetime("us", "UTC")


def test_days_are_days_of_the_zone():
    raw = chunk(d=["2025-01-01", "2025-01-01T23:30:00Z", "x"], c=["USD"] * 3, r=["1.1"] * 3)
    found = mapped(raw, "fx_rates", "Europe/Berlin", columns={"date": "d", "currency": "c", "rate": "r"})
    assert found["date"].to_list() == [date(2025, 1, 1), date(2025, 1, 2), None]
    assert found["fault"].to_list() == [None, None, "unreadable_date"]


def test_flags_are_read_in_any_case():
    texts = ["TRUE", "no", "Y", "0", "", "maybe", "f"]
    assert column("is_return", texts) == [
        (True, None),
        (False, None),
        (True, None),
        (False, None),
        (None, None),
        (None, "unreadable_is_return"),
        (False, None),
    ]
    assert column("is_return", [1, 0, 2]) == [(True, None), (False, None), (None, "unreadable_is_return")]
    assert column("is_return", [True, None]) == [(True, None), (None, None)]


def test_text_of_other_types_is_written_plainly():
    def texts(values: object) -> list[object]:
        return [value for value, _ in column("store_id", values)]

    assert texts([13085.0, 1.5, None, float("nan")]) == ["13085", "1.5", None, None]
    assert texts([1, -2]) == ["1", "-2"]
    assert texts([Decimal("7.00"), Decimal("7.50")]) == ["7", "7.50"]
    assert texts(pl.Series(["x ", "NULL"], dtype=pl.Categorical)) == ["x", None]
    assert texts([b"\xff\x00"]) == ["ff00"]
    assert texts(["\\N", "  ", "null", "\u00a0Ann "]) == [None, None, "null", "Ann"]
    with pytest.raises(ConfigError, match="which is no single value per row"):
        texts([[1], [2]])


def test_the_first_fault_counts_and_the_row_is_kept_as_json():
    raw = chunk(
        id=["a", "b", "c", "d", "e"],
        day=["x", "x", "2024-01-01", "", "2024-01-01"],
        amount=[*"zz12", ""],
    )
    exclude = [{"name": "test_rows", "where": "id = 'a'"}]
    found = mapped(raw, exclude=exclude)
    assert found["fault"].to_list() == [
        "excluded_test_rows",
        "unreadable_ordered_at",
        None,
        "missing_ordered_at",
        "missing_net_amount",
    ]
    assert json.loads(found["raw"][1]) == {"id": "b", "day": "x", "amount": "z"}
    assert found["raw"][2] is None


def test_a_fault_of_the_reader_stays():
    raw = chunk(id=[None], day=[None], amount=[None], fault=["ragged_row"], raw=["a,b"])
    raw = raw.with_columns(pl.col("id", "day", "amount").cast(pl.String))
    assert mapped(raw).select("fault", "raw").rows() == [("ragged_row", "a,b")]


def test_an_expression_over_an_unreadable_number_names_the_source_column():
    raw = chunk(id=["a"] * 3, day=["2024-01-01"] * 3, qty=["2", "x", ""], price=["1.5", "1", "1"]).rename(
        {"price": "Unit price"}
    )
    columns = {**COLUMNS, "net_amount": 'qty * "Unit price"', "quantity": "qty"}
    found = mapped(raw, columns=columns, numbers=["qty", "Unit price"])
    assert found["net_amount"].to_list() == [3.0, None, None]
    assert found["fault"].to_list() == [None, "unreadable_qty", "missing_net_amount"]


def test_a_result_that_is_not_finite_is_unreadable():
    raw = chunk(id=["a"], day=["2024-01-01"], a=["1"], b=["0"])
    found = mapped(raw, columns={**COLUMNS, "net_amount": "a / b"}, numbers=["a", "b"])
    assert found["fault"].to_list() == ["unreadable_net_amount"]


def test_an_exclusion_may_look_at_the_line():
    raw = chunk(id=["a", "b"], day=["2024-01-01"] * 2, amount=["1"] * 2)
    found = mapped(raw, exclude=[{"name": "second_sheet", "where": "source_line > 2 AND day >= '2024'"}])
    assert found["fault"].to_list() == [None, "excluded_second_sheet"]


def refused(error: type[Exception], **columns: str) -> str:
    raw = chunk(id=["a"], day=["2024-01-01"], amount=["1"], tax=["2"])
    with pytest.raises(error) as caught:
        mapped(raw, columns={**COLUMNS, **columns})
    return str(caught.value)


def test_expressions_that_depend_on_other_rows_or_the_clock_are_refused():
    for text in (
        "SUM(amount)",
        "(SELECT 1)",
        "sum (amount) OVER (PARTITION BY id)",
        "RANDOM()",
        "CURRENT_DATE",
    ):
        assert "not among the row-wise functions" in refused(ConfigError, quantity=text)
    assert "is not an expression" in refused(ConfigError, quantity="amount; drop")
    assert "sources.transactions.columns.quantity" in refused(ConfigError, quantity="amount +")


def test_arithmetic_with_texts_says_to_list_the_columns_under_numbers():
    message = refused(ConfigError, net_amount="amount * tax")
    assert "sources.transactions.columns.net_amount: 'amount * tax' cannot be computed" in message
    assert "It reads amount, tax." in message
    assert "`numbers`" in message
    assert "which joins them" in refused(ConfigError, net_amount="amount + tax")


def test_a_failing_cast_names_no_value():
    raw = chunk(id=["a"], day=["2024-01-01"], amount=["secret"])
    with pytest.raises(ConfigError, match="TRY_CAST") as caught:
        mapped(raw, columns={**COLUMNS, "net_amount": "CAST(amount AS DOUBLE)"})
    assert "secret" not in str(caught.value)


def test_an_unknown_name_is_a_missing_column_even_when_it_has_blanks():
    assert "'Tax Amount'" in refused(DataRefused, net_amount="Tax Amount")
    assert "Did you mean 'amount' for 'Amount'?" in refused(DataRefused, net_amount="Amount * 2")


def test_a_name_that_looks_like_an_expression_is_a_column_when_it_is_there():
    raw = chunk(id=["a"], day=["2024-01-01"], amount=["7"]).rename({"amount": "1 + 1"})
    assert mapped(raw, columns={**COLUMNS, "net_amount": "1 + 1"})["net_amount"].to_list() == [7.0]


def test_orders_without_an_id_are_what_a_customer_bought_at_one_time():
    day = ["2024-01-01", "2024-01-01", "2024-01-02", "2024-01-01", "2024-01-01", "2024-01-01"]
    found = mapped(chunk(id=["a", "a", "a", "b", "", ""], day=day, amount=["1"] * 6))
    orders = found["order_id"].to_list()
    assert orders[0] == orders[1]
    assert len(set(orders)) == 5
    assert None not in orders
    named = mapped(
        chunk(id=["a"] * 2, day=day[:2], amount=["1"] * 2, o=["7", ""]), columns={**COLUMNS, "order_id": "o"}
    )
    assert named["order_id"].to_list() == ["7", orders[0]]


def test_an_empty_chunk_keeps_the_types():
    empty = mapped(chunk(id=["a"], day=["2024-01-01"], amount=["1"]).clear())
    assert empty.schema == pl.Schema(
        {
            "customer_id": pl.String(),
            "ordered_at": pl.Datetime("us", "UTC"),
            "net_amount": pl.Float64(),
            "order_id": pl.String(),
            "source_line": pl.Int64(),
            "fault": pl.String(),
            "raw": pl.String(),
        }
    )


CELLS = (
    st.none()
    | st.text(max_size=12)
    | st.sampled_from(["2024-01-01", "1", "-1.5", "NULL", "2024-01-01T00:00Z"])
)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), max_size=20))
def test_as_many_rows_come_out_as_went_in_and_good_ones_are_whole(rows):
    names = ["id", "day", "amount", "qty"]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    raw = chunk(**{name: frame[name] for name in names})
    found = mapped(raw, columns={**COLUMNS, "quantity": "qty * 2", "is_return": "qty < 0"}, numbers=["qty"])
    assert found["source_line"].to_list() == raw["source_line"].to_list()
    good = found.filter(pl.col("fault").is_null())
    assert (
        good["ordered_at"].null_count()
        == good["net_amount"].null_count()
        == good["raw"].null_count() - len(good)
        == 0
    )
    assert found.filter(pl.col("fault").is_not_null())["raw"].null_count() == 0


def test_a_suppression_without_a_reason_protects_all_the_same():
    # A row that is set aside protects nobody; the gate warns of the missing reason.
    raw = chunk(id=["a", "b"], why=["asked", None])
    found = mapped(raw, "suppressions", columns={"customer_id": "id", "reason": "why"})
    assert found.select("customer_id", "fault").rows() == [("a", None), ("b", None)]


def kept(table: str, name: str, values: list[object], **options: object) -> list[tuple[object, ...]]:
    """One canonical column of otherwise good rows, with the fault and the rules of assumed cells."""
    good = {"customer_id": "id", "reason": "why", "occurred_at": "day", "kind": "why", "person_id": "why"}
    columns = {column: good[column] for column in TABLES[table].required} | {name: "x"}
    raw = chunk(id="a", why="deceased", day="2024-01-01", x=values)
    options["columns"] = columns | dict(options.get("columns", {}))
    return mapped(raw, table, **options).select(name, "fault", "assumed").rows()


@pytest.mark.parametrize("cell", ["never", "infinity", "31/12/2030", "2030-13-01", "soon"])
def test_a_suppression_whose_end_cannot_be_read_is_kept_for_good(cell: str):
    assert kept("suppressions", "until", [cell]) == [(None, None, ["unreadable_until"])]


@pytest.mark.parametrize(
    "cell",
    ["9999-12-31", "9999-12-31 23:59:59", "0000-00-00", "0000-00-00 00:00:00", "31.12.9999", "99991231"],
)
def test_what_databases_write_for_no_time_is_empty_and_nothing_to_tell(cell: str):
    assert kept("suppressions", "until", [cell]) == [(None, None, None)]
    assert kept("customers", "acquired_at", [cell]) == [(None, None, None)]


def test_a_typed_day_of_the_year_9999_is_empty_and_nothing_to_tell():
    assert kept("suppressions", "until", [date(9999, 12, 31)]) == [(None, None, None)]
    assert kept("suppressions", "until", [date(8000, 1, 1)]) == [(None, None, ["unreadable_until"])]


@pytest.mark.parametrize("name", ["consent_email", "consent_sms", "consent_ads"])
def test_an_unreadable_consent_is_a_no_and_an_unreadable_staff_mark_a_yes(name: str):
    assert kept("customers", name, ["withdrawn", "-", "nein", "yes", None]) == [
        *[(False, None, [f"unreadable_{name}"])] * 3,
        (True, None, None),
        (None, None, None),
    ]
    assert kept("customers", "is_staff", ["employee", "no", ""]) == [
        (True, None, ["unreadable_is_staff"]),
        (False, None, None),
        (None, None, None),
    ]


def test_an_unreadable_number_under_an_expression_counts_for_its_column():
    given = {"columns": {"consent_email": "coalesce(x, 1) = 1"}, "numbers": ["x"]}
    found = kept("customers", "consent_email", ["1", "0", "opted out"], **given)
    assert found == [(True, None, None), (False, None, None), (False, None, ["unreadable_consent_email"])]


def test_other_optional_cells_that_cannot_be_read_are_empty():
    assert kept("feedback", "score", ["n/a", "3"]) == [(None, None, ["unreadable_score"]), (3.0, None, None)]
    assert kept("customers", "acquired_at", ["soon"]) == [(None, None, ["unreadable_acquired_at"])]
    assert kept("identities", "since", ["soon"]) == [(None, None, ["unreadable_since"])]


def test_every_assumed_cell_of_a_row_is_named_beside_its_fault():
    columns = {"customer_id": "id", "consent_email": "x", "acquired_at": "day"}
    raw = chunk(id=["a", None], x=["nein", "-"], day=["soon", "2024-01-01"])
    assert mapped(raw, "customers", columns=columns).select("fault", "assumed").rows() == [
        (None, ["unreadable_acquired_at", "unreadable_consent_email"]),
        ("missing_customer_id", ["unreadable_consent_email"]),
    ]
    assert mapped(raw.clear(), "customers", columns=columns).height == 0
