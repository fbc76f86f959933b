"""Text files: every record comes out exactly once, good or with a fault; other files get one message."""

import gzip
import io
import re
import zipfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.contracts import TABLES
from features.errors import ConfigError, DataRefused
from features.options import SourceOptions
from features.sources import find_deliveries, read_delivery

HEADER = b"id,day,amount\n"
COLUMNS = {"customer_id": "id", "ordered_at": "day", "net_amount": "amount"}


def read(path: Path, chunk_rows: int = 200_000, **options: object) -> pl.DataFrame:
    source = SourceOptions.model_validate({"path": str(path), "columns": COLUMNS, **options})
    deliveries = find_deliveries(TABLES["transactions"], source)
    chunks = [chunk for one in deliveries for chunk in read_delivery(one, source, chunk_rows)]
    return pl.concat(chunks) if chunks else pl.DataFrame()


def read_bytes(folder: Path, content: bytes, name: str = "orders.csv", **options: object) -> pl.DataFrame:
    path = folder / name
    path.write_bytes(content)
    return read(path, **options)


def refusal(folder: Path, content: bytes, name: str = "orders.csv", **options: object) -> str:
    with pytest.raises(DataRefused) as caught:
        read_bytes(folder, content, name, **options)
    return str(caught.value)


def test_rows_carry_the_line_on_which_they_begin(tmp_path):
    found = read_bytes(tmp_path, HEADER + b'\na,1,2\n"b\nb",1,2\n\n  \nc,1,2')
    assert found.rows() == [
        ("a", "1", "2", 3, None, None),
        ("b\nb", "1", "2", 4, None, None),
        ("c", "1", "2", 8, None, None),
    ]


def test_a_row_with_too_few_or_too_many_cells_is_ragged_and_keeps_its_text(tmp_path):
    found = read_bytes(tmp_path, HEADER + b"a,1\nb,1,2,3\nc,1,2\n")
    assert found.rows() == [
        (None, None, None, 2, "ragged_row", "a,1"),
        (None, None, None, 3, "ragged_row", "b,1,2,3"),
        ("c", "1", "2", 4, None, None),
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_may_end_in_any_way(tmp_path, end):
    found = read_bytes(tmp_path, (HEADER + b"a,1,2\nb,3,4\n").replace(b"\n", end))
    assert found.select("id", "amount", "source_line").rows() == [("a", "2", 2), ("b", "4", 3)]


def test_a_byte_mark_is_no_part_of_the_first_name(tmp_path):
    assert read_bytes(tmp_path, b'\xef\xbb\xbf"id",day,amount\na,1,2\n')["id"].to_list() == ["a"]
    marked = "\ufeffid,day,amount\na,1,2\n".encode("utf-16-le")
    assert read_bytes(tmp_path, marked, encoding="utf-16")["id"].to_list() == ["a"]
    assert read_bytes(tmp_path, marked, encoding="utf-16-le")["id"].to_list() == ["a"]


def test_bytes_of_another_encoding_make_their_row_a_fault_and_no_other(tmp_path):
    found = read_bytes(tmp_path, HEADER + b"a,1,2\nM\xfcller,1,2\nM\xc3\xbcller,1,2\nx\0y,1,2\n")
    assert found["fault"].to_list() == [None, "bad_encoding", None, "nul_byte"]
    assert found["id"].to_list() == ["a", None, "Müller", None]
    assert found["raw"].to_list() == [None, "M\ufffdller,1,2", None, "x\0y,1,2"]
    assert read_bytes(tmp_path, HEADER + b"M\xfcller,1,2\n", encoding="cp1252")["id"].to_list() == ["Müller"]


def test_runs_of_blanks_and_tabs_separate_cells_in_the_whitespace_format(tmp_path):
    content = b" id  day\tamount\n 00001 19970101 \t 11.77\n\n00002 19970112\n"
    assert read_bytes(tmp_path, content, format="whitespace").rows() == [
        ("00001", "19970101", "11.77", 2, None, None),
        (None, None, None, 4, "ragged_row", "00002 19970112"),
    ]


def test_a_stray_quote_costs_one_row(tmp_path):
    rows = b"".join(b"c%d,1,2\n" % number for number in range(300))
    found = read_bytes(tmp_path, HEADER + b'a,"1,2\n' + rows)
    assert found["fault"].to_list() == ["unclosed_quote"] + [None] * 300
    assert found["id"].to_list()[1:] == [f"c{number}" for number in range(300)]


def test_inch_marks_on_two_lines_do_not_join_the_lines_between(tmp_path):
    found = read_bytes(tmp_path, HEADER + b'a,"6 inch,2\nb,1,2\nc,ruler 6",2\n')
    assert found["id"].to_list() == [None, "b", "c"]
    assert found["fault"].to_list() == ["unclosed_quote", None, None]


def test_lines_that_quotes_join_to_the_wrong_number_of_cells_are_taken_apart(tmp_path):
    found = read_bytes(tmp_path, HEADER + b'a,"x\nb,1,2\nc",1,2\n')
    assert found["id"].to_list() == [None, "b", 'c"']


def test_a_quoted_cell_may_span_a_hundred_lines_and_not_more(tmp_path):
    cell = b"\n".join([b"text"] * 100)
    found = read_bytes(tmp_path, HEADER + b'a,1,"' + cell + b'"\nb,1,2\n')
    assert found["amount"].to_list() == [cell.decode(), "2"]
    found = read_bytes(tmp_path, HEADER + b'a,1,"' + cell + b'\n"\nb,1,2\n')
    faults = ["unclosed_quote", *["ragged_row"] * 99, "unclosed_quote", None]
    assert found["fault"].to_list() == faults
    assert found.filter(pl.col("fault").is_null())["id"].to_list() == ["b"]


def test_a_file_that_ends_inside_a_quote_loses_no_row(tmp_path):
    found = read_bytes(tmp_path, HEADER + b'a,1,2\nb,1,"2\nc,1,2\n')
    assert found["id"].to_list() == ["a", None, "c"]


def test_a_cell_of_a_megabyte_is_a_cell(tmp_path):
    long = "x" * (1 << 20)
    found = read_bytes(tmp_path, HEADER + f'{long},1,2\n"{long}",1,2\nb,1,2\n'.encode())
    assert [len(cell) for cell in found["id"]] == [1 << 20, 1 << 20, 1]


def test_a_line_without_end_is_refused(tmp_path):
    assert "line 2 is longer than 8 MiB" in refusal(tmp_path, HEADER + b"x" * (11 << 20))


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 7])
def test_the_size_of_chunks_changes_nothing(tmp_path, chunk_rows):
    content = HEADER + b'a,1,2\nb,"1\n1",2\nragged\n\nc,1,2\nd,"1,2\ne,1,2\n'
    whole = read_bytes(tmp_path, content)
    assert read_bytes(tmp_path, content, chunk_rows=chunk_rows).equals(whole)


def test_other_separators_and_quotes_are_honoured(tmp_path):
    content = b"id;day;amount\n'a;a';1;2,5\n\"b;1;2\n"
    found = read_bytes(tmp_path, content, separator=";", quote="'")
    assert found["id"].to_list() == ["a;a", '"b']
    with pytest.raises(ConfigError, match="separator and quote must differ"):
        read_bytes(tmp_path, content, separator="'", quote="'")


def test_files_compressed_with_gzip_are_read_whatever_their_name(tmp_path):
    packed = gzip.compress(HEADER + b"a,1,2\n")
    assert read_bytes(tmp_path, packed, "orders.csv.gz")["id"].to_list() == ["a"]
    assert read_bytes(tmp_path, packed, "orders.csv")["id"].to_list() == ["a"]


def test_a_truncated_gzip_is_refused_as_cut_off(tmp_path):
    packed = gzip.compress(HEADER + b"".join(b"%d,1,2\n" % (n * 7919) for n in range(50_000)))
    assert "is cut off" in refusal(tmp_path, packed[: len(packed) // 2], "orders.csv.gz")
    assert "is cut off" in refusal(tmp_path, packed[:12], "orders.csv.gz")
    assert "is cut off" in refusal(tmp_path, packed[:-4], "orders.csv.gz")
    damaged = packed[:-8] + b"\0\0\0\0" + packed[-4:]
    assert "is damaged" in refusal(tmp_path, damaged, "orders.csv.gz")


def test_what_is_no_text_file_is_named(tmp_path):
    parquet, archive = io.BytesIO(), io.BytesIO()
    pl.DataFrame({"id": ["a"]}).write_parquet(parquet)
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("orders.csv", "id\n")
    assert refusal(tmp_path, parquet.getvalue()).endswith(
        "orders.csv is called a text file, but by its first bytes it is Parquet. "
        "Rename it to orders.parquet, or set sources.transactions.format: parquet."
    )
    assert "it is a zip archive or an Excel workbook" in refusal(tmp_path, archive.getvalue())
    assert "is empty" in refusal(tmp_path, b"")
    assert "is empty" in refusal(tmp_path, b"\n \r\n")
    assert "is empty" in refusal(tmp_path, gzip.compress(b""), "orders.csv.gz")


def test_a_wrong_encoding_in_the_config_is_named_with_the_right_one(tmp_path):
    content = "id,day,amount\na,1,2\n"
    assert "Set sources.transactions.encoding: utf-16." in refusal(tmp_path, content.encode("utf-16"))
    marked = b"\xef\xbb\xbf" + content.encode()
    assert "Set sources.transactions.encoding: utf-8." in refusal(tmp_path, marked, encoding="cp1252")
    assert "the header, on line 1, holds bytes that are not utf-8" in refusal(
        tmp_path, content.encode("utf-16-le")
    )


def test_a_header_alone_gives_no_rows(tmp_path):
    assert read_bytes(tmp_path, HEADER).is_empty()


def test_missing_columns_are_named_all_at_once_with_near_misses(tmp_path):
    message = refusal(
        tmp_path, b"id,Day Of Order,amont\na,1,2\n", columns={**COLUMNS, "ordered_at": "DayOfOrder"}
    )
    assert message.endswith(
        "orders.csv lacks 2 columns: 'DayOfOrder' (read by sources.transactions.columns.ordered_at), "
        "'amount' (read by sources.transactions.columns.net_amount). "
        "Columns present: id, Day Of Order, amont. "
        "Did you mean 'Day Of Order' for 'DayOfOrder'? Did you mean 'amont' for 'amount'?"
    )


def test_a_header_that_was_not_split_says_what_to_set(tmp_path):
    assert 'separated by ";": set sources.transactions.separator' in refusal(
        tmp_path, b"id;day;amount\na;1;2\n"
    )
    assert "set sources.transactions.format: whitespace" in refusal(tmp_path, b"id day amount\na 1 2\n")


def test_a_name_that_stands_twice_is_refused(tmp_path):
    assert "the header names 'id' more than once" in refusal(tmp_path, b"id,day, id\na,1,2\n")


def test_names_that_chunks_need_themselves_get_an_underscore(tmp_path):
    found = read_bytes(tmp_path, b"id,day,amount,raw,fault,\na,1,2,r,f,x\n")
    assert found.columns == [
        "id",
        "day",
        "amount",
        "_raw",
        "_fault",
        "column_6",
        "source_line",
        "fault",
        "raw",
    ]


WORDS = st.sampled_from(
    [b"a", b"1.5", b"", b" ", b'"', b'""', b'"x"', b"\n", b"\r\n", b"\r", b"\0", b"\xff", b","]
)
HOSTILE = st.lists(WORDS | st.binary(max_size=6), max_size=12).map(b"".join)
GOOD = st.integers(0, 10**9).map(lambda number: b"good%d,2020-01-01,1" % number)


def physical_lines(content: bytes) -> list[str]:
    text = re.sub("\r\n?", "\n", content.decode("utf-8", errors="replace"))
    return text.split("\n")


@settings(deadline=None)  # the machine may be busy
@given(st.lists(HOSTILE | GOOD, max_size=25))
def test_every_record_of_hostile_bytes_comes_out_exactly_once(tmp_path_factory, parts):
    content = HEADER + b"\n".join(parts)
    found = read_bytes(tmp_path_factory.getbasetemp(), content)
    lines = physical_lines(content)
    seen: list[int] = []
    for row in found.iter_rows(named=True) if len(found) else ():
        texts = row["raw"] if row["fault"] else "\0".join((row["id"], row["day"], row["amount"]))
        seen += range(row["source_line"], row["source_line"] + texts.count("\n") + 1)
        assert (row["fault"] is None) == (row["id"] is not None)
    assert len(seen) == len(set(seen))
    left = set(range(2, len(lines) + 1)) - set(seen)
    assert all(not lines[number - 1].strip() for number in left)


@settings(deadline=None)
@given(st.lists(GOOD, max_size=20), HOSTILE, st.integers(0, 20))
def test_one_hostile_line_never_costs_a_good_one(tmp_path_factory, rows, hostile, place):
    stray = hostile.replace(b"\n", b"").replace(b"\r", b"")
    content = HEADER + b"\n".join([*rows[:place], stray, *rows[place:]])
    found = read_bytes(tmp_path_factory.getbasetemp(), content)
    good = found.filter(pl.col("fault").is_null())["id"].to_list() if len(found) else []
    expected = [row.split(b",")[0].decode() for row in rows]
    assert [name for name in good if name in expected] == expected
