"""The files of a list: whole, the same every time, never changed once delivered."""

import csv
import hashlib
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from decision_world import DAY, NIGHT, appraised, copies, decided, listed, people, rules

from features.errors import DataRefused
from flows.enrolments import acknowledge, delivered, read_enrolments, read_manifest
from flows.lists import erase_from_list, write_list, write_parquet
from models.decision import Decision, Night
from models.outputs import EXCLUDED, HOLDOUT, SCORES, WINBACK, Manifest, contact_by, scores

ARMS = {"control_share": 0.2, "universal_share": 0.1, "explore_share": 0.1, "capacity": 20}
DESIGN_WINBACK = (
    "rank list_id enrolment_id as_of customer_id arm selection stratum assignment_probability stage "
    "value_tier churn_probability value_if_returned uplift evidence expected_incremental_profit "
    "expected_incremental_profit_low offer_id offer_cost contact_cost channel cause reason_1 "
    "reason_2 reason_3 favourite_product favourite_category last_purchase_on "
    "days_since_last_purchase usual_gap_days contact_by model_version"
)
DESIGN_SCORES = (
    "customer_id as_of stage churn_probability expected_margin value_if_returned "
    "value_if_not_returned offer_id channel uplift evidence expected_incremental_profit "
    "expected_incremental_profit_low value_tier last_purchase_on days_since_last_purchase "
    "usual_gap_days overdue_ratio next_purchase_on model_version"
)
FILES = [
    "excluded.parquet",
    "holdout.parquet",
    "path.parquet",
    "winback.csv",
    "winback.jsonl",
    "winback.parquet",
]


def manifest(decision: Decision, **changes: object) -> Manifest:
    content = {
        "list_id": decision.list_id,
        "as_of": decision.as_of,
        "currency": "EUR",
        "config_hash": "abc",
        "lake_versions": {"transactions": 3},
        "model_version": "7",
        "model_run_id": "run",
        "seed": 7,
        "consent_basis": "assumed",
        "exportable": True,
        "acknowledge": "on_write",
        "gap_days": 0,
        "horizon_days": 90,
        "contact_by": contact_by(decision.as_of, 7),
        "notes": decision.notes,
        "counts": dict(decision.counts),
        "totals": dict(decision.totals),
    }
    return Manifest.model_validate({**content, **changes})


def written(folder: Path, decision: Decision | None = None, *, revision: bool = False, **changes: object):
    made = decision or decided(copies(60), rules(**ARMS))
    return write_list(folder, made, manifest(made, **changes), revision=revision)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_columns_are_those_of_the_contract():
    assert " ".join(WINBACK) == DESIGN_WINBACK
    assert " ".join(SCORES) == DESIGN_SCORES
    decision = decided(copies(60), rules(**ARMS))
    assert decision.winback.schema == WINBACK
    assert decision.holdout.schema == HOLDOUT
    assert decision.excluded.schema == EXCLUDED


def test_the_three_forms_of_the_list_say_the_same(tmp_path: Path):
    folder = written(tmp_path / "list").folder
    parquet = pl.read_parquet(folder / "winback.parquet")
    assert pl.read_csv(folder / "winback.csv", schema=WINBACK).equals(parquet)
    assert pl.read_ndjson(folder / "winback.jsonl", schema=WINBACK).equals(parquet)


def test_the_manifest_adds_up_and_names_every_file_with_its_hash(tmp_path: Path):
    folder = written(tmp_path / "list").folder
    told = json.loads((folder / "manifest.json").read_text())
    assert sorted(told["files"]) == FILES
    for name, digest in told["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    counts = told["counts"]
    assert counts["scored"] == counts["listed"] + counts["held_out"] + counts["excluded"] == 60
    assert told["totals"]["expected_cost"] == pytest.approx(0.05 * counts["listed"])
    profit = pl.read_parquet(folder / "winback.parquet")["expected_incremental_profit"].sum()
    assert told["totals"]["expected_profit"] == pytest.approx(profit)
    assert told["schema_version"] == 1


def test_the_same_decision_gives_the_same_bytes(tmp_path: Path):
    one = written(tmp_path / "one").folder
    other = written(tmp_path / "other", decided(copies(60).reverse(), rules(**ARMS))).folder
    assert content(one) == content(other)


def test_the_csv_is_plain_and_its_numbers_have_fixed_digits(tmp_path: Path):
    frame = people({"customer_id": 'o"brien, ann', "favourite_product": "Line\none"})
    folder = written(tmp_path / "list", decided(frame, rules())).folder
    raw = (folder / "winback.csv").read_bytes()
    assert b"\r" not in raw
    assert not raw.startswith(b"\xef\xbb\xbf")
    header, row = csv.reader(raw.decode().splitlines(keepends=True))
    cells = dict(zip(header, row, strict=True))
    assert cells["customer_id"] == 'o"brien, ann'
    assert cells["favourite_product"] == "Line\none"
    assert cells["value_if_returned"] == "40.00"
    assert cells["contact_cost"] == "0.050000"
    assert cells["churn_probability"] == "0.800000"
    assert cells["usual_gap_days"] == "21.00"
    assert cells["cause"] == "unknown"


def test_a_chance_of_one_in_millions_is_still_a_chance(tmp_path: Path):
    """Who is explored is one of millions: a chance of 0 would stop the night, and teach nothing."""
    decision = decided(copies(3), rules(control_share=4e-7))
    assert decision.winback["assignment_probability"].to_list() == [0.9999996] * 3
    row = (written(tmp_path / "list", decision).folder / "winback.csv").read_text().splitlines()[1]
    assert ",0.999999600000," in row


@pytest.mark.parametrize("start", list("=+-@\t\r"))
def test_a_text_that_looks_like_a_formula_is_guarded_in_the_csv_only(tmp_path: Path, start: str):
    frame = people({"customer_id": "-17", "favourite_product": f"{start}cmd()", "favourite_category": "a=b"})
    folder = written(tmp_path / "list", decided(frame, rules())).folder
    with (folder / "winback.csv").open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    assert row["favourite_product"] == f"'{start}cmd()"
    assert row["favourite_category"] == "a=b"
    assert row["customer_id"] == "-17"
    assert pl.read_parquet(folder / "winback.parquet")["favourite_product"].item() == f"{start}cmd()"


def test_a_negative_profit_is_a_number_not_a_formula(tmp_path: Path):
    frame = pl.concat(
        [copies(30), copies(30, p0=0.999).with_columns(customer_id="d" + pl.col("customer_id"))]
    )
    folder = written(tmp_path / "list", decided(frame, rules(explore_share=0.5))).folder
    profits = pl.read_csv(folder / "winback.csv", schema=WINBACK)["expected_incremental_profit"]
    assert profits.min() < 0


def test_a_delivered_list_is_left_alone_when_it_comes_again(tmp_path: Path):
    first = written(tmp_path / "list")
    before = content(first.folder)
    again = written(tmp_path / "list")
    assert (first.status, again.status) == ("written", "unchanged")
    assert content(again.folder) == before


def another() -> Decision:
    return decided(copies(50), rules(**ARMS), night=Night(DAY, "another", "8"))


def test_a_delivered_list_is_not_changed(tmp_path: Path):
    before = content(written(tmp_path / "list").folder)
    with pytest.raises(
        DataRefused, match=r"is delivered \(list 0123456789ab, acknowledged 2024-06-01\)"
    ) as caught:
        written(tmp_path / "list", another())
    assert caught.value.exit_code == 3
    assert content(tmp_path / "list") == before


def test_a_revision_keeps_the_old_list_and_voids_its_enrolments(tmp_path: Path):
    folder = tmp_path / "as_of=2024-05-31"
    before = content(written(folder).folder)
    assert written(folder, another(), revision=True).status == "revised"
    assert content(folder / "revisions" / NIGHT.list_id) == before
    third = decided(copies(40), rules(**ARMS), night=Night(DAY, "third", "9"))
    written(folder, third, revision=True)
    assert sorted(path.name for path in (folder / "revisions").iterdir()) == [NIGHT.list_id, "another"]
    assert read_enrolments(tmp_path, date(2024, 6, 1))["list_id"].unique().to_list() == ["third"]


def test_a_list_that_nobody_acknowledged_can_be_replaced(tmp_path: Path):
    written(tmp_path / "list", acknowledge="by_command")
    assert delivered(tmp_path / "list") is None
    assert written(tmp_path / "list", another(), acknowledge="by_command").status == "written"
    told = read_manifest(tmp_path / "list")
    assert told is not None
    assert told.list_id == "another"
    assert acknowledge(tmp_path / "list", date(2024, 6, 3)).acknowledged_on == date(2024, 6, 3)
    assert acknowledge(tmp_path / "list", date(2024, 6, 9)).acknowledged_on == date(2024, 6, 3)
    with pytest.raises(DataRefused, match="2024-06-03"):
        written(tmp_path / "list", acknowledge="by_command")


def test_a_failure_while_writing_leaves_the_old_list(tmp_path: Path):
    before = content(written(tmp_path / "list", acknowledge="by_command").folder)
    broken = replace(another(), holdout=None)  # type: ignore[arg-type]  # the failure
    with pytest.raises(AttributeError):
        written(tmp_path / "list", broken, acknowledge="by_command")
    assert content(tmp_path / "list") == before
    assert [path.name for path in tmp_path.iterdir()] == ["list"]


def test_an_erased_person_is_in_no_file_of_any_version_of_the_list(tmp_path: Path):
    folder = tmp_path / "list"
    everyone = decided(copies(60), rules(**ARMS))
    written(folder, everyone)
    written(folder, another(), revision=True)
    for gone in (
        listed(everyone)[0],
        everyone.holdout["customer_id"][0],
        everyone.excluded["customer_id"][0],
    ):
        assert erase_from_list(folder, gone) >= 1
        assert erase_from_list(folder, gone) == 0
        assert not [name for name, raw in content(folder).items() if gone.encode() in raw]
    for place in (folder, folder / "revisions" / NIGHT.list_id):
        told = read_manifest(place)
        assert told is not None
        found = {name: hashlib.sha256((place / name).read_bytes()).hexdigest() for name in FILES}
        assert told.files == found
    assert erase_from_list(tmp_path / "nowhere", "a") == 0


def test_there_is_nothing_to_acknowledge_without_a_list(tmp_path: Path):
    with pytest.raises(DataRefused, match="no list"):
        acknowledge(tmp_path / "list", DAY)


def test_enrolments_are_open_until_gap_and_horizon_have_passed_since_the_acknowledgement(tmp_path: Path):
    decision = decided(copies(60), rules(**ARMS))
    written(tmp_path / "as_of=2024-05-31", decision, gap_days=2, horizon_days=30)
    found = read_enrolments(tmp_path, date(2024, 6, 10))
    assert found.height == decision.counts["listed"] + decision.counts["held_out"]
    assert found.select("as_of", "acknowledged_on", "open_until").unique().rows() == [
        (DAY, date(2024, 6, 1), date(2024, 7, 3))
    ]
    assert set(found["arm"]) == {"treatment", "explore", "control", "universal"}


def test_an_unacknowledged_list_is_open_for_as_long_as_it_could_be_delivered(tmp_path: Path):
    written(tmp_path / "as_of=2024-05-31", acknowledge="by_command")
    found = read_enrolments(tmp_path, date(2024, 6, 10))
    assert found.select("acknowledged_on", "open_until").unique().rows() == [(None, date(2024, 6, 7))]


def test_lists_of_the_day_itself_and_later_are_not_read(tmp_path: Path):
    written(tmp_path / "as_of=2024-05-31")
    assert read_enrolments(tmp_path, DAY).is_empty()
    assert read_enrolments(tmp_path / "nowhere", DAY).is_empty()


def test_scores_hold_everyone_in_major_units():
    frame = people(
        {"customer_id": "b", "p0": 0.5, "days_to_return": 6.4},
        {"customer_id": "a", "value_if_returned": -200.0},
    )
    found = scores(appraised(frame, rules()).people, "EUR", "7")
    assert found.schema == SCORES
    assert found["customer_id"].to_list() == ["a", "b"]
    assert found["value_if_returned"].to_list() == [-2.0, 40.0]
    assert found["churn_probability"].to_list() == [0.8, 0.5]
    assert found["next_purchase_on"].to_list() == [None, date(2024, 6, 6)]
    assert found["expected_margin"].to_list() == [5.0, 5.0]


def test_a_frame_is_written_with_the_same_bytes_every_time(tmp_path: Path):
    for name in ("one", "other"):
        write_parquet(copies(500), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
