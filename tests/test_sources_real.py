"""The real files hold what their description counts."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from features.contracts import TABLES
from features.options import SourceOptions
from features.sources import find_deliveries, map_chunk, read_delivery

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
TABLE = TABLES["transactions"]
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real files are not beside the project"),
]


def rows_of(path: str, zone: str, **options: object) -> pl.DataFrame:
    source = SourceOptions.model_validate({"path": str(DATA / path), **options})
    (delivery,) = find_deliveries(TABLE, source)
    return pl.concat(map_chunk(chunk, TABLE, source, zone) for chunk in read_delivery(delivery, source))


def days(found: pl.DataFrame, zone: str) -> tuple[object, object]:
    local = found["ordered_at"].dt.convert_time_zone(zone).dt.date()
    return local.min(), local.max()


def test_cdnow_is_read_as_described():
    found = rows_of(
        "cdnow/CDNOW_master.txt",
        "UTC",
        format="whitespace",
        time_formats=["%Y%m%d"],
        columns={"customer_id": "customer_id", "ordered_at": "date", "net_amount": "dollar_value"},
    )
    assert found["fault"].null_count() == len(found) == 69_659
    assert found["customer_id"].n_unique() == 23_570
    assert found["customer_id"][0] == "00001"
    assert days(found, "UTC") == (date(1997, 1, 1), date(1998, 6, 30))
    cents = (found["net_amount"] * 100).round().cast(pl.Int64)
    assert (cents.sum(), (cents == 0).sum()) == (250_031_563, 80)


def test_online_retail_is_read_as_described():
    found = rows_of(
        "online_retail_ii/online_retail_ii.csv.gz",
        "Europe/London",
        numbers=["Quantity", "Price"],
        columns={
            "customer_id": "Customer ID",
            "order_id": "Invoice",
            "ordered_at": "InvoiceDate",
            "net_amount": "Quantity * Price",
            "is_return": "Invoice LIKE 'C%'",
        },
        exclude=[{"name": "bad_debt", "where": "Invoice LIKE 'A%'"}],
    )
    assert len(found) == 1_067_370
    assert found["fault"].drop_nulls().to_list() == ["excluded_bad_debt"] * 6
    assert found["customer_id"].null_count() == 243_007
    assert found["customer_id"].drop_nulls().n_unique() == 5_942
    assert found["is_return"].sum() == 19_494
    assert days(found, "Europe/London") == (date(2009, 12, 1), date(2011, 12, 9))
    assert found["source_line"].to_list()[-1] == 1_067_371


def test_superstore_is_read_as_described():
    found = rows_of(
        "superstore/Sample_Superstore.csv",
        "America/New_York",
        numbers=["Sales", "Profit"],
        time_formats=["%m/%d/%Y"],
        columns={
            "customer_id": "Customer ID",
            "order_id": "Order ID",
            "ordered_at": "Order Date",
            "net_amount": "Sales",
            "cost_amount": "Sales - Profit",
        },
    )
    assert found["fault"].null_count() == len(found) == 9_994
    assert (found["customer_id"].n_unique(), found["order_id"].n_unique()) == (793, 5_009)
    assert days(found, "America/New_York") == (date(2016, 1, 3), date(2019, 12, 30))
    assert round(found["net_amount"].sum()) == 2_297_201
    assert round((found["net_amount"] - found["cost_amount"]).sum()) == 286_397


def test_the_shopify_sample_is_filled_down_within_orders():
    found = rows_of(
        "shopify/shopify_orders_export_sample.csv",
        "Europe/Amsterdam",
        numbers=["Lineitem quantity", "Lineitem price", "Lineitem discount"],
        fill_down={"by": "Name", "columns": ["Financial Status", "Currency"]},
        columns={
            "customer_id": "Email",
            "order_id": "Name",
            "ordered_at": "Created at",
            "net_amount": '"Lineitem quantity" * "Lineitem price" - "Lineitem discount"',
            "currency": "Currency",
            "is_return": "\"Financial Status\" = 'refunded'",
        },
        exclude=[{"name": "voided", "where": "\"Financial Status\" = 'voided'"}],
    )
    shown = found.with_columns(pl.col("ordered_at").dt.to_string("%Y-%m-%d %H:%M:%S"))
    assert shown.select(
        "customer_id", "ordered_at", "net_amount", "order_id", "currency", "is_return", "fault"
    ).rows() == [
        ("a1@example.test", "2025-02-03 09:11:10", 30.0, "#2001", "EUR", False, None),
        ("a1@example.test", "2025-02-03 09:11:10", 10.0, "#2001", "EUR", False, None),
        ("b2@example.test", "2025-02-04 08:00:00", 15.0, "#2002", "EUR", True, None),
        ("a1@example.test", "2025-03-30 01:00:00", 10.0, "#2003", "EUR", False, "excluded_voided"),
    ]
