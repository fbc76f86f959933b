"""A list of a past night: what is told when nobody can be contacted in time any more."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from workspace_world import shop, write

from flows import demo, inputs
from flows.enrolments import read_manifest
from flows.lists import Written
from flows.told_of_nights import TOO_LATE, too_late

DAY, CONTACT_BY, DAY_AFTER = date(2024, 5, 31), date(2024, 6, 7), date(2024, 6, 8)
LISTED = [{"customer_id": "a", "arm": "treatment"}]


def told(folder: Path, today: date, status: str = "written", **changes: Any) -> list[str]:
    made = write(shop(folder), DAY, LISTED, **changes)
    manifest = read_manifest(made.folder)
    assert manifest is not None
    return list(too_late(manifest, Written(made.folder, made.list_id, status), today))


def test_a_list_written_after_its_last_day_says_how_it_is_counted_and_what_to_do(tmp_path: Path):
    folder = tmp_path / "workspace/lists/as_of=2024-05-31"
    [sentence] = told(tmp_path, DAY_AFTER)
    assert sentence == (
        "This night lies in the past: its list was for contacts until 2024-06-07, so nobody can be contacted "
        "in time any more. It will still be counted as if its people had been contacted on 2024-06-01. If "
        f"they were not, remove the folder {folder}, and make lists of past nights with list.acknowledge: "
        "by_command: a list then counts only after winback acknowledge."
    )
    assert told(tmp_path, CONTACT_BY) == []


@pytest.mark.parametrize(
    "changes",
    [{"acknowledge": "by_command"}, {"exportable": False, "consent_basis": "none"}, {"status": "unchanged"}],
)
def test_a_list_that_does_not_count_or_was_there_before_says_nothing(tmp_path: Path, changes: dict[str, Any]):
    assert told(tmp_path, DAY_AFTER, **changes) == []


def test_the_day_that_it_is_is_the_shop_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Evening(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2024, 6, 7, 23, 30, tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr(inputs, "datetime", Evening)
    settings = shop(tmp_path)
    assert inputs.today(settings.model_copy(update={"timezone": "UTC"})) == CONTACT_BY
    assert inputs.today(settings.model_copy(update={"timezone": "Europe/Amsterdam"})) == DAY_AFTER


def test_the_demo_whose_night_is_of_the_past_on_purpose_does_not_warn_of_it(monkeypatch: pytest.MonkeyPatch):
    said = ["Hundreds of people.", f"{TOO_LATE}: and so on"]
    summary = {"status": "written", "sentences": said, "notes": said[1:], "paths": {"list": "winback.csv"}}
    monkeypatch.setattr(demo, "open_shop", lambda *_: "2025-06-30")
    monkeypatch.setattr(demo, "nightly", lambda *_: summary)
    found = demo.demo.fn("shop")
    assert (found["sentences"], found["notes"]) == (["Hundreds of people."], [])
    assert found["paths"] == {"list": "winback.csv", "what really happened": "shop/truth"}
