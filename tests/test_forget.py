"""Someone who asks to be erased is gone from every file, and stays gone."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from workspace_world import deliver, order, shop, write

from features import quarantine
from features.pricing import ERASED, fingerprint
from features.sources import Delivery
from features.sources.cells import read_text
from features.sources.chunks import as_json
from flows import inputs
from flows.forget import Erased, erase
from flows.forgotten import add_forgotten
from flows.ingest import take_in
from flows.settings import Settings

DAY = date(2024, 5, 31)
GONE = "k-77"
PERSON = fingerprint(GONE)
ORDERS = """who,at,paid,order
a,2024-05-01T10:00:00,10.00,1
k-77,2024-05-02T10:00:00,20.00,2
k-770,2024-05-02T11:00:00,20.00,3
k-77,2024-05-03T10:00:00,5.00,4
k-77,not a day,5.00,5
b,not a day,5.00,6
k-77,2024-05-03T10:00:00,5.00,7,one cell too many
"""


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file of a folder as text; Parquet files and what they hold."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        yield str(path.relative_to(folder)), path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            yield (
                str(path.relative_to(folder)),
                str(pl.read_parquet(path, hive_partitioning=False).to_dicts()),
            )


def naming(folder: Path, who: str) -> set[str]:
    return {
        name
        for name, text in texts(folder)
        if who in text.replace(f"{who}0", "")  # k-770 is someone else
    }


def rejected(settings: Settings) -> list[tuple[str, str | None]]:
    files = inputs.workspace(settings).quarantine.glob("transactions/*.parquet")
    frame = pl.concat([pl.read_parquet(file) for file in files])
    return sorted(frame.select("rule", "row").rows(), key=str)


def forget(settings: Settings, who: str = GONE) -> Erased:
    """What the flow does inside the lock."""
    add_forgotten(settings.root, fingerprint(who))
    return erase.fn(settings, fingerprint(who))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A workspace in which the person has left traces everywhere."""
    found = shop(tmp_path, "quality.max_bad_share=1")
    (tmp_path / "orders.csv").write_text(ORDERS)
    take_in.fn(found)
    places = inputs.workspace(found)
    people = pl.DataFrame({"customer_id": ["a", GONE, "k-770"], "score": [0.1, 0.2, 0.3]})
    for file in (
        places.features(DAY) / "features.parquet",
        places.scores(DAY) / "scores.parquet",
        places.drawn("second"),
        places.runs / f"predictions/as_of={DAY}" / "predictions.parquet",
    ):
        file.parent.mkdir(parents=True)
        people.write_parquet(file)
    arms = [{"customer_id": "a", "arm": "treatment"}, {"customer_id": GONE, "arm": "control"}]
    write(found, DAY, arms)
    revised = [{"customer_id": GONE, "arm": "treatment"}, {"customer_id": "k-770", "arm": "treatment"}]
    write(found, DAY, [*revised, {"customer_id": "b"}], list_id="second", revision=True)
    return found


def test_nothing_of_an_erased_person_is_in_any_file(settings: Settings):
    assert len(naming(settings.root, GONE)) >= 7
    erased = forget(settings)
    assert naming(settings.root, GONE) == set()
    assert {place: rows for place, rows in erased.counts.items() if rows} == {
        "quarantine": 2,
        "features": 1,
        "scores": 1,
        "effects": 1,
        "lists": 2,
        "lake transactions": 2,
    }
    assert erased.found
    assert erased.other_ids == 0


def test_everybody_else_stays(settings: Settings):
    forget(settings)
    lake = inputs.lake(settings).scan("transactions").select("customer_id", "order_id").collect()
    assert sorted(lake.rows()) == [("a", "1"), ("k-770", "3")]
    rows = rejected(settings)
    assert [rule for rule, _ in rows] == ["unreadable_ordered_at"]
    assert '"b"' in str(rows[0][1])
    scores = pl.read_parquet(inputs.workspace(settings).scores(DAY) / "scores.parquet")
    assert scores["customer_id"].to_list() == ["a", "k-770"]
    assert pl.read_parquet(inputs.workspace(settings).list(DAY) / "winback.parquet").height == 1


def test_rows_that_are_delivered_again_are_set_aside_without_their_content(
    settings: Settings, tmp_path: Path
):
    forget(settings)
    (tmp_path / "orders.csv").write_text(ORDERS + "c,2024-05-04T10:00:00,5.00,8\n")
    take_in.fn(settings)
    lake = inputs.lake(settings).scan("transactions").select("customer_id").collect()
    assert sorted(lake["customer_id"]) == ["a", "c", "k-770"]
    assert naming(settings.root, GONE) == set()
    again = [(rule, row) for rule, row in rejected(settings) if row is None]
    assert sorted(again) == [(ERASED, None)] * 3 + [("ragged_row", None)]


def test_erasing_twice_finds_nothing_more(settings: Settings):
    forget(settings)
    assert forget(settings) == Erased(found=False, other_ids=0, counts={})


def test_someone_who_only_stands_in_a_rejected_row_is_found_there(settings: Settings):
    erased = forget(settings, "b")
    assert {place: rows for place, rows in erased.counts.items() if rows} == {"quarantine": 1, "lists": 1}


def test_other_ids_of_the_same_person_stay_and_are_counted(settings: Settings):
    known = [{"customer_id": who, "person_id": "p1"} for who in (GONE, "a", "z")]
    deliver(settings, "identities", known, name="identities.csv")
    at = datetime(2024, 5, 1, tzinfo=UTC)
    deliver(settings, "contacts", [{"customer_id": GONE, "contacted_at": at, "arm": "control"}], name="c.csv")
    deliver(settings, "transactions", [order("z", DAY, 100, "9")], name="more.csv")
    erased = forget(settings)
    assert erased.other_ids == 2
    assert erased.counts["lake identities"] == erased.counts["lake contacts"] == 1
    held = inputs.lake(settings).scan("identities").collect()
    assert sorted(held["customer_id"]) == ["a", "z"]


@pytest.mark.parametrize("next_run", [take_in.fn, forget], ids=["ingest", "forget"])
def test_what_a_killed_run_left_in_the_quarantine_goes(
    settings: Settings, next_run: Callable[[Settings], object], monkeypatch: pytest.MonkeyPatch
):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    bad = settings.root / "bad"
    bad.mkdir()
    pl.DataFrame({"row": [GONE]}).write_parquet(bad / "1.parquet")
    folder = inputs.workspace(settings).quarantine / "transactions"
    with pytest.raises(KeyboardInterrupt):
        quarantine.set_aside(bad, folder, Delivery("transactions", "more.csv", "0" * 64))
    monkeypatch.undo()
    (left,) = (path for path in folder.iterdir() if path.suffix != ".parquet")
    assert left.stat().st_mode & 0o777 == 0o600
    next_run(settings)
    assert [path for path in folder.iterdir() if path.suffix != ".parquet"] == []


def test_ids_that_a_typed_source_holds_as_numbers_are_found_in_rejected_rows(tmp_path: Path):
    path = tmp_path / "orders.parquet"
    settings = shop(tmp_path, "quality.max_bad_share=1", f"sources.transactions.path={path}")

    def arrive(day: str) -> None:
        rows = {"who": [12345.0, 12345.0, 777.0], "at": [day, "never", "never"], "paid": [1.0, 2.0, 3.0]}
        pl.DataFrame({**rows, "order": ["a", "b", "c"]}).write_parquet(path)
        take_in.fn(settings)

    arrive("2024-05-01")
    only_in_the_quarantine = forget(settings, "777")
    assert (only_in_the_quarantine.found, only_in_the_quarantine.counts["quarantine"]) == (True, 1)
    in_the_lake_too = forget(settings, "12345")
    assert (in_the_lake_too.counts["quarantine"], in_the_lake_too.counts["lake transactions"]) == (1, 1)
    arrive("2024-05-02")
    assert [row for _, row in rejected(settings)] == [None] * 3


@pytest.mark.parametrize(
    "ids",
    [
        pl.Series([12345.0, -3.0, 1.5, 2.0**53, 1e15, 1e16, 1.5e10]),
        pl.Series([12345.0, 0.5, 2.0**24], dtype=pl.Float32),
        pl.Series([Decimal("12345.00"), Decimal("10.50")]),
        pl.Series([12345, -3, 2**62]),
        pl.Series(["12345.0", "k-77", "Jan Jansen", 'q"uote']),
        pl.Series([b"\x00\xff"]),
        pl.Series([date(2024, 5, 1)]),
    ],
    ids=lambda ids: str(ids.dtype),
)
def test_an_id_of_any_type_is_found_in_the_text_of_a_rejected_row(ids: pl.Series):
    known = read_text(ids).values.to_list()
    kept = as_json(ids.to_frame("who"), pl.Series([True] * len(ids)))
    found = [
        quarantine.named(text, frozenset({fingerprint(one)})) for one, text in zip(known, kept, strict=True)
    ]
    assert found == known
