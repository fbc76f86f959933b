"""From delivered bytes to accepted rows: nothing is lost, nothing counts twice, nothing half happens."""

import gzip
import os
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features import ledger, quarantine
from features.errors import DataRefused
from features.ingest import Folders, ingest
from features.lake import Lake
from features.ledger import Receipt
from features.options import QualityOptions, SourceOptions
from features.pricing import Shop, fingerprint
from features.quality import Gate

HEADER = "who,when,paid\n"
COLUMNS = {"customer_id": "who", "ordered_at": "when", "net_amount": "paid"}
OPEN = QualityOptions(max_bad_share=1.0)


class World:
    """A folder of deliveries and the lake they go to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.raw = root / "raw"
        self.raw.mkdir(parents=True)
        self.lake = Lake(root / "lake", buckets=2)
        self.folders = Folders(root / "staging", root / "quarantine")

    def deliver(self, name: str, content: bytes | str) -> Path:
        path = self.raw / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def take_in(
        self, quality: QualityOptions = OPEN, erased: frozenset[str] = frozenset(), **options: object
    ) -> list[Receipt]:
        given_ = {"path": str(self.raw / "*"), "columns": COLUMNS, **options}
        source = SourceOptions.model_validate(given_)
        with Gate(None, quality) as gate:
            return ingest(
                {"transactions": source}, self.lake, gate, self.folders,
                shop=Shop("UTC", "EUR", erased), quality=quality,
            )  # fmt: skip

    def held(self) -> list[tuple[str | None, int]]:
        rows = self.lake.scan("transactions").select("customer_id", "net_amount").collect()
        return sorted(rows.rows(), key=str)

    def set_aside(self) -> dict[str, int]:
        return dict(quarantine.summary(self.folders.quarantine).select("rule", "rows").iter_rows())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_rows_become_integer_minor_units(world: World) -> None:
    world.deliver("a.csv", HEADER + "ann,2024-01-01,1.005\nbob,2024-01-02,-2.5\n")
    assert [(r.delivered, r.accepted, r.guests) for r in world.take_in()] == [(2, 2, 0)]
    assert world.held() == [("ann", 101), ("bob", -250)]


def test_the_same_file_twice_changes_nothing(world: World) -> None:
    world.deliver("a.csv", HEADER + "ann,2024-01-01,1\n")
    world.take_in()
    version = ledger.version(world.lake.root)
    assert world.take_in() == []
    assert ledger.version(world.lake.root) == version


def test_only_new_files_are_read(world: World) -> None:
    world.deliver("a.csv", HEADER + "ann,2024-01-01,1\n")
    world.take_in()
    world.deliver("b.csv", HEADER + "bob,2024-01-02,2\n")
    assert [receipt.name for receipt in world.take_in()] == ["b.csv"]
    assert world.held() == [("ann", 100), ("bob", 200)]


def test_a_corrected_file_replaces_its_rows(world: World) -> None:
    world.deliver("a.csv", HEADER + "ann,2024-01-01,1\nbob,2024-01-02,2\n")
    world.take_in()
    world.deliver("a.csv", HEADER + "ann,2024-01-01,3\n")
    world.take_in()
    assert world.held() == [("ann", 300)]


def test_equal_rows_of_one_delivery_are_kept(world: World) -> None:
    world.deliver("a.csv", HEADER + "ann,2024-01-01,1\nann,2024-01-01,1\n")
    world.take_in()
    assert world.held() == [("ann", 100), ("ann", 100)]


def test_guests_are_accepted_and_counted_apart(world: World) -> None:
    world.deliver("a.csv", HEADER + ",2024-01-01,1\nann,2024-01-01,1\n")
    assert [(r.accepted, r.guests) for r in world.take_in()] == [(2, 1)]


def test_bad_rows_are_set_aside_with_rule_file_and_line(world: World) -> None:
    world.deliver("a.csv", HEADER + "ann,2024-01-01,1\nann,soon,1\nann,2024-01-01,much\nann,2024-01-01\n")
    assert [(r.delivered, r.accepted, r.quarantined) for r in world.take_in()] == [(4, 1, 3)]
    file = next(world.folders.quarantine.glob("transactions/*.parquet"))
    rows = pl.read_parquet(file).sort("source_line")
    assert rows.select("rule", "source_file", "source_line").rows() == [
        ("unreadable_ordered_at", "a.csv", 3),
        ("unreadable_net_amount", "a.csv", 4),
        ("ragged_row", "a.csv", 5),
    ]
    assert "soon" in rows["row"][0]
    assert oct(file.stat().st_mode)[-3:] == "600"
    assert oct(world.folders.quarantine.stat().st_mode)[-3:] == "700"


def test_past_the_threshold_nothing_is_accepted_and_the_message_names_the_rows(world: World) -> None:
    world.deliver("a.csv", HEADER + "ann,2024-01-01,1\n" * 9 + "ann,soon,1\n")
    world.deliver("b.csv", HEADER + "bob,2024-01-01,1\n")
    with pytest.raises(DataRefused, match=r"a\.csv") as refused:
        world.take_in(QualityOptions(max_bad_share=0.05))
    assert "unreadable_ordered_at" in str(refused.value)
    assert "10.00%" in str(refused.value)
    assert world.held() == []
    assert ledger.receipts(world.lake.root).is_empty()
    assert world.set_aside() == {"unreadable_ordered_at": 1}


def test_rows_left_out_on_purpose_are_not_bad(world: World) -> None:
    world.deliver("a.csv", HEADER + "ann,2024-01-01,1\ntest,2024-01-01,1\n")
    exclude = [{"name": "test_orders", "where": "who = 'test'"}]
    receipts = world.take_in(QualityOptions(max_bad_share=0.0), exclude=exclude)
    assert [(r.accepted, r.quarantined) for r in receipts] == [(1, 1)]
    assert world.set_aside() == {"excluded_test_orders": 1}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"PAR1" + bytes(100), "Parquet"),
        ("a.csv.gz", gzip.compress(b"who,when,paid\n" + b"ann,2024-01-01,1\n" * 9999)[:-20], "cut off"),
        ("a.csv", b"who,when\nann,2024-01-01\n", "paid"),
        ("a.parquet", b"PAR1 and then nothing", "a.parquet"),
    ],
)
def test_a_file_that_cannot_be_read_whole_is_one_message(
    world: World, name: str, content: bytes, said: str
) -> None:
    world.deliver(name, content)
    with pytest.raises(DataRefused, match=said):
        world.take_in()
    assert world.held() == []


@pytest.mark.parametrize(
    "content",
    [
        b"who,when,paid\nann,2024-01-01,1\nb\x00b,2024-01-01,1\n",
        b"who,when,paid\nann,2024-01-01,1\nb\xe4r,2024-01-01,1\n",
        b"who,when,paid\nann,2024-01-01,1\n" + b"x" * 1_000_000 + b",2024-01-01,1\n",
    ],
)
def test_a_hostile_row_is_set_aside_and_the_others_go_on(world: World, content: bytes) -> None:
    world.deliver("a.csv", content)
    assert [(r.delivered, r.accepted, r.quarantined) for r in world.take_in()] == [(2, 1, 1)]
    assert world.held() == [("ann", 100)]


LINES = st.one_of(
    st.just(b"ann,2024-01-01,1.50"),
    st.just(b",2024-02-29 10:00:00,20"),
    st.just(b'"bob, jr",2024-01-02T10:00:00Z,"3"'),
    st.just(b"ann,never,1"),
    st.just(b"ann,2024-01-01,x"),
    st.just(b'ann,2024-01-01,"1'),
    st.just(b"ann,2024-01-01"),
    st.just(b"ann,2024-01-01,1,1"),
    st.just(b"\xff\xfe\x00,2024-01-01,1"),
    st.binary(min_size=1, max_size=20).filter(lambda line: b"\n" not in line and b"\r" not in line),
)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("property"))


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINES, min_size=1, max_size=12), st.integers(0, 2**32))
def test_accepted_and_quarantined_are_what_was_delivered(
    fresh: World, lines: list[bytes], number: int
) -> None:
    for old in fresh.raw.iterdir():
        old.unlink()
    world = World(fresh.root / f"{number}-{os.urandom(4).hex()}")
    world.deliver("a.csv", HEADER.encode() + b"\n".join(lines) + b"\nzoe,2024-03-01,9\n")
    (receipt,) = world.take_in()
    assert receipt.accepted + receipt.quarantined == receipt.delivered
    held = world.lake.scan("transactions").collect()
    assert held.height == receipt.accepted
    assert sum(world.set_aside().values()) == receipt.quarantined
    assert "zoe" in held["customer_id"].to_list()


def test_amounts_of_other_currencies_are_converted_by_the_rate_of_the_day(
    world: World, tmp_path: Path
) -> None:
    world.deliver(
        "a.csv", "who,when,paid,money\nann,2024-01-05,10,USD\nbob,2024-01-05,10,EUR\ncat,2024-01-05,1,XYZ\n"
    )
    rates = tmp_path / "rates.csv"
    rates.write_text("date,currency,rate\n2024-01-01,USD,0.9\n2024-01-09,USD,0.5\n")
    sources = {
        "fx_rates": SourceOptions(path=str(rates), columns={n: n for n in ("date", "currency", "rate")}),
        "transactions": SourceOptions(path=str(world.raw / "*"), columns={**COLUMNS, "currency": "money"}),
    }
    with Gate(None, OPEN) as gate:
        ingest(sources, world.lake, gate, world.folders, shop=Shop("UTC", "EUR"), quality=OPEN)
    assert world.held() == [("ann", 900), ("bob", 1000)]
    assert world.set_aside() == {"missing_rate": 1}


def test_an_amount_beyond_what_minor_units_hold_is_told_as_such(world: World) -> None:
    world.deliver("a.csv", "who,when,paid\nann,2024-01-05,10\nbob,2024-01-05,1e18\n")
    world.take_in()
    assert world.held() == [("ann", 1000)]
    assert world.set_aside() == {"too_large_net_amount": 1}


def test_parquet_cells_that_python_cannot_hold_are_set_aside(world: World) -> None:
    micros = [1704067200000000, 2**63 - 1, 2**62, 1704067200000000]
    frame = pl.DataFrame(
        {
            "who": ["ann", "bob", "cid", None],
            "when": pl.Series(micros, dtype=pl.Datetime("us")),
            "paid": [1.0, 1.0, 1.0, 1e30],
            "length": [timedelta(days=1)] * 4,
            "photo": [{"bytes": b"\xff"}] * 4,
        }
    )
    frame.write_parquet(world.raw / "a.parquet")
    [receipt] = world.take_in()
    assert (receipt.delivered, receipt.accepted) == (4, 1)
    assert world.set_aside()["unreadable_ordered_at"] == 2
    assert world.take_in(columns={**COLUMNS, "order_id": "length", "customer_id": "length"})[0].accepted == 1


def test_an_erased_person_who_is_delivered_again_is_kept_out_without_content(world: World) -> None:
    world.deliver("a.csv", HEADER + "ann,2024-01-01,1\nbob,2024-01-01,2\n")
    world.take_in(erased=frozenset({fingerprint("ann")}))
    assert world.held() == [("bob", 200)]
    file = next(world.folders.quarantine.glob("transactions/*.parquet"))
    assert pl.read_parquet(file).select("rule", "row").rows() == [("erased", None)]


def test_a_glued_file_counts_the_overlap_once(world: World) -> None:
    header = "who,when,paid,order\n"
    first = "ann,2024-01-01,1,o1\nann,2024-01-09,2,o2\n"
    second = "ann,2024-01-05,5,o3\nann,2024-01-09,2,o2\nann,2024-01-20,3,o4\n"
    world.deliver("a.csv", header + first + second)
    columns = {**COLUMNS, "order_id": "order"}
    world.take_in(columns=columns, restart_days=1, overlap="replace_order")
    assert world.held() == [("ann", 100), ("ann", 200), ("ann", 300), ("ann", 500)]
