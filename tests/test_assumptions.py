"""A cell that cannot be read must not cost the row that says "do not contact"; what was assumed is told."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from workspace_world import shop

from features import ledger, parts, quarantine
from features.assumptions import assumptions
from features.errors import DataRefused
from features.ingest import Folders, ingest
from features.lake import Lake
from features.ledger import Receipt
from features.options import QualityOptions, SourceOptions
from features.pricing import Shop
from features.quality import Gate
from features.sources import deliveries
from flows.doctor import examine
from flows.ingest import take_in
from flows.probe import probe
from models.eligibility import Known, Reason, barred

OPEN = QualityOptions(max_bad_share=1.0)
SUPPRESSIONS = ("customer_id", "reason", "until")
CUSTOMERS = ("customer_id", "consent_email", "is_staff", "acquired_at")


class Desk:
    """A folder per table, and the lake that its files go to."""

    def __init__(self, root: Path) -> None:
        self.root, self.lake = root, Lake(root / "lake", buckets=2)
        self.folders = Folders(root / "staging", root / "quarantine")

    def deliver(
        self, table: str, columns: tuple[str, ...], *lines: str, name: str = "a.csv",
        quality: QualityOptions = OPEN,
    ) -> Receipt:  # fmt: skip
        folder = self.root / table
        folder.mkdir(exist_ok=True)
        (folder / name).write_text("\n".join([",".join(columns), *lines]) + "\n")
        source = SourceOptions.model_validate({"path": str(folder / "*"), "columns": {c: c for c in columns}})
        with Gate(None, quality) as gate:
            [receipt] = ingest(
                {table: source}, self.lake, gate, self.folders, shop=Shop("UTC", "EUR"), quality=quality
            )
        return receipt

    def held(self, table: str) -> pl.DataFrame:
        return self.lake.scan(table).collect().sort("customer_id")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def reasons(known: Known, *ids: str) -> list[str | None]:
    people = pl.DataFrame({"customer_id": ids, "person_id": ids, "stage": "active"})
    asked = people.with_columns(permitted=pl.lit(value=True), cause=pl.lit(None, pl.String))
    persons = people.select("customer_id", "person_id")
    return barred(asked, persons, known, date(2026, 1, 1), include_lost=True)["reason"].to_list()


def test_a_suppression_protects_whatever_its_end_says(desk: Desk) -> None:
    ends = ["9999-12-31", "0000-00-00", "never", "infinity", "31/12/2030", "", "2020-01-01"]
    ids = [f"c{number}" for number in range(len(ends))]
    rows = [f"{who},deceased,{end}" for who, end in zip(ids, ends, strict=True)]
    receipt = desk.deliver("suppressions", SUPPRESSIONS, *rows, ",deceased,never")
    assert (receipt.delivered, receipt.accepted, receipt.quarantined) == (8, 7, 1)
    known = Known(suppressions=desk.held("suppressions"))
    assert reasons(known, *ids) == [Reason.SUPPRESSED] * 6 + [None]
    set_aside = quarantine.summary(desk.folders.quarantine).select("rule", "rows").rows()
    assert set_aside == [("missing_customer_id", 1)]
    assert receipt.assumed == '{"unreadable_until": 3}'


def test_a_suppression_without_a_reason_outlasts_an_end_that_is_given_later(desk: Desk) -> None:
    desk.deliver("suppressions", SUPPRESSIONS, "a,,", "b,asked,", name="jan.csv")
    desk.deliver("suppressions", SUPPRESSIONS, "a,,2024-03-01", "b,asked,2024-03-01", name="feb.csv")
    assert desk.held("suppressions")["customer_id"].to_list() == ["a", "a", "b"]
    assert reasons(Known(suppressions=desk.held("suppressions")), "a", "b") == [Reason.SUPPRESSED, None]


def test_a_file_of_the_time_when_such_rows_were_set_aside_is_taken_in_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {
        "customers": CUSTOMERS,
        "suppressions": SUPPRESSIONS,
        "identities": ("customer_id", "person_id"),
    }
    lines = {"customers": "a,yes,no,2020-01-01", "suppressions": "a,asked,never", "identities": "a,p"}
    with monkeypatch.context() as before:
        before.setattr(deliveries, "_READINGS", {})
        first = [desk.deliver(table, columns[table], line) for table, line in lines.items()]
    again = [desk.deliver(table, columns[table], line) for table, line in lines.items()]
    assert [receipt.seq for receipt in (*first, *again)] == [1, 2, 3, 4, 5, 6]
    assert desk.held("suppressions")["customer_id"].to_list() == ["a"]


def test_a_newer_row_with_an_unreadable_answer_takes_the_place_of_the_older_yes(desk: Desk) -> None:
    desk.deliver("customers", CUSTOMERS, *(f"{who},yes,no,2020-01-01" for who in "abcde"))
    new = ["a,withdrawn,no,", "b,-,no,", "c,no,no,0000-00-00", "d,yes,employee,", "e,no,no,soon"]
    receipt = desk.deliver("customers", CUSTOMERS, *new, name="b.csv")
    assert (receipt.accepted, receipt.quarantined) == (5, 0)
    found = desk.held("customers").select("customer_id", "consent_email", "is_staff").rows()
    assert found == [("a", False, False), ("b", False, False), ("c", False, False), ("d", True, True),
                     ("e", False, False)]  # fmt: skip


def test_a_bad_score_does_not_cost_the_cause_that_stands_beside_it(desk: Desk) -> None:
    columns = ("customer_id", "occurred_at", "kind", "score", "reason")
    receipt = desk.deliver("feedback", columns, "a,2026-01-01,exit,n/a,deceased")
    assert receipt.accepted == 1
    assert desk.held("feedback").select("score", "reason").rows() == [(None, "deceased")]


def test_what_was_assumed_is_told_by_rule_and_without_a_personal_value(desk: Desk) -> None:
    receipt = desk.deliver("customers", CUSTOMERS, "zoe,withdrawn,employee,soon", "bob,-,no,2020-01-01")
    told = list(assumptions([receipt, receipt]))
    assert [sentence.split("; ")[0] for sentence in told] == [
        f"Warning: customers: {what} (unreadable_{what.split()[0]})"
        for what in (
            "acquired_at (when they became a customer) cannot be read in 2 rows",
            "consent_email (may be e-mailed) cannot be read in 4 rows",
            "is_staff (works here) cannot be read in 2 rows",
        )
    ]
    assert [sentence.split("cells taken as ")[1].split(".")[0] for sentence in told] == ["empty", "no", "yes"]
    assert not any(cell in "".join(told) for cell in ("zoe", "bob", "withdrawn", "employee", "soon"))


def test_a_wrongly_mapped_column_still_stops_the_night(desk: Desk) -> None:
    good = [f"g{number},yes,no,2020-01-01" for number in range(18)]
    bad = "x,nein,employee,soon"  # one row, however many of its cells cannot be read
    with pytest.raises(DataRefused, match=r"1 of 19 rows \(5\.26%.*unreadable_consent_email 1") as refused:
        desk.deliver("customers", CUSTOMERS, *good, bad, quality=QualityOptions(max_bad_share=0.05))
    assert "unreadable_is_staff 1" in str(refused.value)
    assert "rows with something unusable; too many mean a wrong delivery" in str(refused.value)
    assert ledger.receipts(desk.lake.root).is_empty()
    receipt = desk.deliver("customers", CUSTOMERS, *good, bad, quality=QualityOptions(max_bad_share=0.06))
    assert receipt.accepted == 19


def test_the_ledger_has_a_place_for_it_only_where_something_was_assumed(desk: Desk) -> None:
    def columns() -> list[bool]:
        files = parts.files(desk.lake.root / "deliveries")
        return sorted("assumed" in pl.read_parquet_schema(file) for file in files)

    desk.deliver("suppressions", SUPPRESSIONS, "a,asked,")
    assert columns() == [False]
    desk.deliver("suppressions", SUPPRESSIONS, "b,asked,never", name="b.csv")
    desk.deliver("suppressions", SUPPRESSIONS, "c,asked,2030-01-01", name="c.csv")
    assert columns() == [False, True, True]
    assert ledger.receipts(desk.lake.root)["assumed"].to_list() == [None, '{"unreadable_until": 1}', None]


def test_the_night_says_what_it_assumed_and_the_doctor_sees_it_before(tmp_path: Path) -> None:
    mapped = [f"sources.suppressions.columns.{name}={name}" for name in SUPPRESSIONS]
    over = (f"sources.suppressions.path={tmp_path / 'stop.csv'}", *mapped)
    settings = shop(tmp_path, *over)
    rows = [f"s{number},asked,2030-01-01" for number in range(19)]
    (tmp_path / "stop.csv").write_text("\n".join([",".join(SUPPRESSIONS), *rows, "zoe,deceased,never", ""]))
    (tmp_path / "orders.csv").write_text("who,at,paid,order\nzoe,2024-01-01,5,1\n")
    assert probe(settings, "suppressions") == (1, 20)
    looked = {finding.what: finding.found for finding in examine(str(tmp_path / "winback.yaml"), over)}
    assert looked["source suppressions"] == "19 of the first 20 rows read as mapped"
    said = (
        "Warning: suppressions: until (suppressed until; empty is for good) cannot be read in 1 row "
        "(unreadable_until); the rows were accepted and the cells taken as empty. Correct them, or how they "
        "are read (time_formats, decimal, columns of sources.suppressions)."
    )
    assert take_in.fn(settings)["sentences"] == ["2 new deliveries: 21 of 21 rows accepted", said]
    assert take_in.fn(settings)["sentences"] == ["Nothing new in the sources."]
