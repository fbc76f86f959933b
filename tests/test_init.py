"""winback init looks at data, guesses, explains, and writes a config that works."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from features.errors import ConfigError, DataRefused
from flows.init import propose
from flows.probe import probe
from flows.settings import Settings, load

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
real_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real files (../shared/data) are not here")


def proposed(place: Path | str, output: Path, **options: Any) -> tuple[Settings, dict[str, Any]]:
    asked = {"query": None, "consent": "assumed", "force": False, "ask": None} | options
    summary = propose(str(place), output=output, **asked)
    return load(output), summary


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "orders.csv"
    path.write_bytes(text.encode(encoding))
    return path


def columns(settings: Settings) -> dict[str, str]:
    return dict(settings.sources["transactions"].columns)


def test_a_plain_file_is_understood_and_every_guess_explained(tmp_path: Path):
    rows = "\n".join(f"{100 + n},c{n % 3},2024-0{1 + n % 9}-11 10:00,{n}.50,{n}" for n in range(20))
    path = written(tmp_path, f"order_no,customer_id,order_date,amount,qty\n{rows}\n")
    settings, summary = proposed(path, tmp_path / "winback.yaml")
    assert columns(settings) == {
        "customer_id": "customer_id",
        "ordered_at": "order_date",
        "net_amount": "amount",
        "order_id": "order_no",
        "quantity": "qty",
    }
    assert probe(settings, "transactions") == (0, 20)
    for name in columns(settings):
        assert any(sentence.startswith(f"{name} = ") for sentence in summary["sentences"])


def test_what_is_assumed_of_a_contact_is_said_in_points(tmp_path: Path):
    path = written(tmp_path, "customer_id,order_date,amount\nc1,2024-01-11 10:00,2.50\n")
    settings, summary = proposed(path, tmp_path / "winback.yaml")
    said = (
        "A shift of 0.2 raises a return probability of 10 % to 11.9 %: +1.9 points (assumed; replace it once "
        "you have measured)."
    )
    assert said in summary["sentences"]
    assert said in (tmp_path / "winback.yaml").read_text()
    assert settings.effect.assumed.mu == 0.2


def test_semicolons_decimal_commas_german_dates_and_windows_letters(tmp_path: Path):
    rows = "\n".join(f"K{n};{n + 1:02}.03.2024;1.{n:03},50;Bücher" for n in range(28))
    path = written(tmp_path, f"Kunden-Nr;Datum;Betrag;Kategorie\n{rows}\n", "cp1252")
    settings, _ = proposed(path, tmp_path / "winback.yaml")
    source = settings.sources["transactions"]
    assert (source.encoding, source.separator, source.decimal) == ("cp1252", ";", ",")
    assert source.time_formats == ("%d.%m.%Y",)
    assert columns(settings)["category"] == "Kategorie"
    assert probe(settings, "transactions") == (0, 28)


def test_day_and_month_are_told_apart_by_the_order_of_rows(tmp_path: Path):
    days = [f"{day:02}/{month:02}/2024" for month in (1, 2, 3) for day in range(1, 13)]
    rows = "\n".join(f"c{n},{day},5.00" for n, day in enumerate(days))
    path = written(tmp_path, f"customer,date,total\n{rows}\n")
    settings, summary = proposed(path, tmp_path / "winback.yaml")
    assert settings.sources["transactions"].time_formats == ("%d/%m/%Y",)
    assert any("can be read as %d/%m/%Y and as %m/%d/%Y" in sentence for sentence in summary["sentences"])


def test_cents_are_recognised_and_divided(tmp_path: Path):
    rows = "\n".join(f"c{n},2024-01-{n + 1:02},{1999 + 37 * n}" for n in range(20))
    settings, _ = proposed(
        written(tmp_path, f"user_id,created_at,amount_cents\n{rows}\n"), tmp_path / "winback.yaml"
    )
    assert columns(settings)["net_amount"] == '"amount_cents" / 100.0'
    assert settings.sources["transactions"].numbers == ("amount_cents",)
    assert probe(settings, "transactions") == (0, 20)


def test_a_database_is_read_by_its_query(tmp_path: Path):
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute("CREATE TABLE sales (client_id TEXT, sold_at TEXT, revenue REAL)")
    connection.executemany(
        "INSERT INTO sales VALUES (?, ?, ?)", [("a", "2024-01-02", 9.5), ("b", "2024-01-03", 1.0)]
    )
    connection.commit()
    connection.close()
    settings, _ = proposed(
        f"sqlite:///{tmp_path / 'shop.db'}", tmp_path / "winback.yaml", query="SELECT * FROM sales"
    )
    assert columns(settings) == {"customer_id": "client_id", "ordered_at": "sold_at", "net_amount": "revenue"}
    assert probe(settings, "transactions") == (0, 2)


def test_what_is_not_found_is_marked_and_the_config_says_so(tmp_path: Path):
    path = written(tmp_path, "when,x\n2024-01-01,1\n2024-01-02,2\n")
    output = tmp_path / "winback.yaml"
    summary = propose(str(path), query=None, output=output, consent="assumed", force=False, ask=None)
    assert any("Not found: customer_id" in sentence for sentence in summary["sentences"])
    assert "# customer_id:    # not found" in output.read_text()
    with pytest.raises(ConfigError, match="customer_id: required, but not mapped"):
        load(output)


def test_consent_stays_open_until_somebody_chooses(tmp_path: Path):
    path = written(tmp_path, "customer_id,date,amount\nc1,2024-01-01,5.00\n")
    output = tmp_path / "winback.yaml"
    propose(str(path), query=None, output=output, consent=None, force=False, ask=None)
    with pytest.raises(ConfigError, match="column, assumed or none"):
        load(output)
    settings, _ = proposed(path, output, consent=None, force=True, ask=lambda _question, choices: choices[2])
    assert settings.consent.basis == "none"


def test_a_config_is_not_replaced_by_accident(tmp_path: Path):
    path = written(tmp_path, "customer_id,date,amount\nc1,2024-01-01,5.00\n")
    output = tmp_path / "winback.yaml"
    output.write_text("mine")
    with pytest.raises(ConfigError, match="--force"):
        proposed(path, output)
    assert output.read_text() == "mine"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no rows below"),
        (b"a,b\n", "no rows below"),
        (b"1,2,3\n4,5,6\n", "does not name the columns"),
        (b"a,a\n1,2\n", "names one twice"),
        (b"PK\x03\x04rest", "Excel workbook"),
        (b"\x1f\x8b\x08\x00" + b"\x00" * 6 + b"\xff" * 20, "damaged"),
        (b"PAR1 no", "not readable Parquet"),
    ],
)
def test_what_cannot_be_read_is_refused_in_plain_words(tmp_path: Path, content: bytes, said: str):
    path = tmp_path / "orders.csv"
    path.write_bytes(content)
    with pytest.raises(DataRefused, match=said):
        proposed(path, tmp_path / "winback.yaml")
    assert not (tmp_path / "winback.yaml").exists()


@real_data
@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (
            "cdnow/CDNOW_master.txt",
            {"customer_id": "customer_id", "ordered_at": "date", "net_amount": "dollar_value"},
        ),
        (
            "online_retail_ii/online_retail_ii.csv.gz",
            {
                "customer_id": "Customer ID",
                "ordered_at": "InvoiceDate",
                "order_id": "Invoice",
                "net_amount": '"Quantity" * "Price"',
                "is_return": "STARTS_WITH(\"Invoice\", 'C')",
            },
        ),
        (
            "superstore/Sample_Superstore.csv",
            {
                "customer_id": "Customer ID",
                "ordered_at": "Order Date",
                "net_amount": "Sales",
                "cost_amount": '"Sales" - "Profit"',
            },
        ),
        (
            "shopify/shopify_orders_export_sample.csv",
            {"customer_id": "Email", "ordered_at": "Created at", "order_id": "Name"},
        ),
    ],
)
def test_real_exports_are_understood(file: str, expected: dict[str, str], tmp_path: Path):
    settings, _ = proposed(DATA / file, tmp_path / "winback.yaml")
    found = columns(settings)
    assert {name: found.get(name) for name in expected} == expected
    unreadable, looked_at = probe(settings, "transactions")
    assert unreadable == 0
    assert looked_at > 0
