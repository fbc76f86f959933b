"""Files are found by path, folder or pattern, named below the fixed part, and known by their content."""

from pathlib import Path

import polars as pl
import pytest

from features.contracts import TABLES
from features.errors import ConfigError, DataRefused
from features.options import SourceOptions
from features.sources import deliveries, find_deliveries, map_chunk, read_delivery

TABLE = TABLES["transactions"]
COLUMNS = {"customer_id": "id", "ordered_at": "day", "net_amount": "amount"}


def options(path: object, **others: object) -> SourceOptions:
    return SourceOptions.model_validate({"path": path, "columns": COLUMNS, **others})


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name in ("2024/orders_02.csv", "2024/orders_01.csv", "2025/orders_01.csv", "notes.md", ".hidden.csv"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"id,day,amount\n{name},2024-01-01,1\n")
    return tmp_path / "in"


def names(path: object) -> list[str]:
    return [delivery.name for delivery in find_deliveries(TABLE, options(path))]


def test_a_folder_a_file_a_pattern_and_a_list_name_files_below_their_fixed_part(shop):
    everything = ["2024/orders_01.csv", "2024/orders_02.csv", "2025/orders_01.csv"]
    assert names(str(shop)) == everything
    assert names(str(shop / "**" / "*.csv")) == everything
    assert names(str(shop / "2024" / "orders_02.csv")) == ["orders_02.csv"]
    assert names(str(shop / "20*" / "orders_01.csv")) == ["2024/orders_01.csv", "2025/orders_01.csv"]
    assert names([str(shop / "2024" / "*_02.csv"), str(shop / "2025")]) == ["orders_01.csv", "orders_02.csv"]
    assert names([str(shop / "2024"), str(shop / "2024" / "*.csv")]) == ["orders_01.csv", "orders_02.csv"]


def test_paths_are_relative_to_the_working_directory(shop, monkeypatch):
    monkeypatch.chdir(shop)
    assert names("2024/*.csv") == ["orders_01.csv", "orders_02.csv"]
    assert names("2024") == ["orders_01.csv", "orders_02.csv"]


def test_another_reading_of_suppressions_leaves_the_lines_of_transactions_where_they_are(shop, monkeypatch):
    digests = {name: find_deliveries(TABLES[name], options(str(shop)))[0].digest for name in TABLES}
    monkeypatch.setattr(deliveries, "_READINGS", {})
    first = {name: find_deliveries(TABLES[name], options(str(shop)))[0].digest for name in TABLES}
    changed = {name for name in TABLES if digests[name] != first[name]}
    assert changed == {"customers", "identities", "feedback", "suppressions"}


def test_two_files_of_one_name_are_refused(shop):
    with pytest.raises(ConfigError, match=r"would both be called 'orders_01\.csv'"):
        names([str(shop / "2024"), str(shop / "2025")])


def test_a_path_that_matches_nothing_says_what_is_there(shop):
    with pytest.raises(DataRefused, match=r"nothing matches .*orders_03.csv. Similar names there: orders_0"):
        names(str(shop / "2024" / "orders_03.csv"))
    with pytest.raises(DataRefused, match=r"nothing matches .*\. .*in holds 2024, 2025, notes.md"):
        names(str(shop / "*.parquet"))
    with pytest.raises(DataRefused, match=r"the folder .*nowhere does not exist"):
        names(str(shop / "nowhere" / "x.csv"))
    (shop / "empty").mkdir()
    with pytest.raises(DataRefused, match=r"holds no file to read\. Files must end in \.csv"):
        names(str(shop / "empty"))


def digest(path: Path, **others: object) -> str:
    return find_deliveries(TABLE, options(str(path), **others))[0].digest


def test_the_digest_follows_the_content_and_the_options_that_change_rows(shop):
    path = shop / "2024" / "orders_01.csv"
    first = digest(path)
    assert first == digest(path)
    assert first == digest(path, max_age_days=3)
    assert first != digest(path, separator=";")
    assert first != digest(path, columns={**COLUMNS, "quantity": "1"})
    path.write_text(path.read_text() + "x,2024-01-01,1\n")
    assert first != digest(path)


def test_parquet_is_read_in_batches_with_its_own_types(tmp_path):
    path = tmp_path / "orders.parquet"
    frame = pl.DataFrame({"id": [1.0, None, 13085.0], "day": ["2024-01-01"] * 3, "amount": [1, 2, 3]})
    frame.write_parquet(path)
    source = options(str(path))
    chunks = list(read_delivery(find_deliveries(TABLE, source)[0], source, chunk_rows=2))
    assert [len(chunk) for chunk in chunks] == [2, 1]
    rows = pl.concat(chunks)
    assert rows["source_line"].to_list() == [1, 2, 3]
    mapped = map_chunk(rows, TABLE, source, "UTC")
    assert mapped["customer_id"].to_list() == ["1", None, "13085"]


def test_broken_texts_inside_parquet_are_faults_too(tmp_path):
    path = tmp_path / "orders.parquet"
    pl.DataFrame({"id": ["a\0", "b\ufffd", "c"], "day": "2024-01-01", "amount": 1}).write_parquet(path)
    source = options(str(path))
    rows = pl.concat(read_delivery(find_deliveries(TABLE, source)[0], source))
    assert rows["fault"].to_list() == ["nul_byte", "bad_encoding", None]
    assert rows["raw"].to_list()[2] is None
    assert '"day": "2024-01-01"' in rows["raw"].to_list()[0]


def test_damaged_parquet_and_other_files_named_parquet_are_refused(tmp_path):
    path = tmp_path / "orders.parquet"
    pl.DataFrame({"id": ["a"] * 1000, "day": "2024-01-01", "amount": 1}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    source = options(str(path))
    with pytest.raises(DataRefused, match="cannot be read as Parquet"):
        list(read_delivery(find_deliveries(TABLE, source)[0], source))
    path.write_text("id,day,amount\n")
    with pytest.raises(DataRefused, match="is not a Parquet file"):
        list(read_delivery(find_deliveries(TABLE, source)[0], source))


def test_parquet_lacking_a_column_is_refused(tmp_path):
    path = tmp_path / "orders.parquet"
    pl.DataFrame({"id": ["a"], "date": "2024-01-01", "amount": 1}).write_parquet(path)
    source = options(str(path))
    with pytest.raises(DataRefused, match="lacks 1 column: 'day'"):
        list(read_delivery(find_deliveries(TABLE, source)[0], source))


@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
def test_blank_cells_are_filled_down_within_an_order_over_chunk_ends_and_faulty_rows(tmp_path, chunk_rows):
    path = tmp_path / "orders.csv"
    path.write_text(
        "id,day,amount,name\na,d1,1,#1\n, ,2,#1\nragged\n,,3,#1\n,,4,#2\nb,d2,5,#2\n,,6,#2\n,,7,\n,,8,#1\n"
    )
    source = options(str(path), fill_down={"by": "name", "columns": ["id", "day"]})
    rows = pl.concat(read_delivery(find_deliveries(TABLE, source)[0], source, chunk_rows))
    assert rows.select("id", "day", "amount", "name", "source_line").rows() == [
        ("a", "d1", "1", "#1", 2),
        ("a", "d1", "2", "#1", 3),
        (None, None, None, None, 4),
        ("a", "d1", "3", "#1", 5),
        (None, None, "4", "#2", 6),
        ("b", "d2", "5", "#2", 7),
        ("b", "d2", "6", "#2", 8),
        (None, None, "7", None, 9),
        (None, None, "8", "#1", 10),
    ]
