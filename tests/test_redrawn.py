"""A salt that was changed between two nights is told of, with the people of the holdout that it frees."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from workspace_world import deliver, shop, write

from flows import inputs
from flows.ranking import redrawn_since
from models.assignment import enrolment_ids, is_universal
from models.eligibility import Known
from models.options import ListOptions
from models.redrawn import redrawn

BEFORE, DAY = date(2024, 5, 31), date(2024, 6, 3)
KEEP = "What the universal holdout says of the period is no longer sound. Put the old value back"


def options(**changes: Any) -> ListOptions:
    return ListOptions(**{"universal_share": 0.2, **changes})


def earlier(salt: str = "winback", share: float = 0.2, day: date = BEFORE) -> pl.DataFrame:
    """A list of a hundred people, some of them of the universal holdout."""
    people = [f"p{number:03d}" for number in range(100)]
    drawn = pl.DataFrame({"person_id": people}).with_columns(is_universal(share, salt, day, "year"))
    return drawn.select(
        "person_id",
        enrolment_id=pl.Series(enrolment_ids(people, "list-1", salt)),
        list_id=pl.lit("list-1"),
        as_of=pl.lit(day),
        arm=pl.when("is_universal").then(pl.lit("universal")).otherwise(pl.lit("treatment")),
        assignment_probability=pl.when("is_universal").then(share).otherwise(0.9),
    )


def test_another_salt_is_told_with_the_people_of_the_holdout_that_it_frees():
    before = earlier("old")
    held = before.filter(pl.col("arm") == "universal")
    freed = held.filter(~is_universal(0.2, "winback", DAY, "year")).height
    assert 0 < freed < held.height
    found = redrawn(before, options(), DAY)
    assert found is not None
    assert found.startswith(
        "list.salt has changed since the newest earlier list, so all draws are new: of "
        f"{held.height} people in the universal holdout of earlier lists of 2024, {freed} can be contacted "
        f"now. {KEEP}"
    )


def test_the_same_salt_says_nothing_also_with_another_share_or_in_another_period():
    assert redrawn(earlier(), options(), DAY) is None
    assert redrawn(earlier(), options(universal_share=0.01), DAY) is None
    assert redrawn(earlier(), options(universal_share=0.5), DAY) is None
    assert redrawn(earlier(), options(), date(2025, 1, 1)) is None
    assert redrawn(earlier().clear(), options(), DAY) is None


def test_another_salt_is_told_where_no_list_holds_anybody_out():
    nobody_held = earlier("old").filter(pl.col("arm") == "treatment")
    found = redrawn(nobody_held, options(), DAY)
    assert found == (
        "list.salt has changed since the newest earlier list, so all draws are new. "
        f"{KEEP}, and keep it for good."
    )


def test_another_period_is_told_though_the_salt_is_the_same():
    found = redrawn(earlier(), options(universal_period="quarter"), DAY)
    assert found is not None
    assert found.startswith("The universal holdout is drawn anew, as after a change of list.uni")


def test_a_person_who_is_called_otherwise_meanwhile_is_no_other_salt():
    renamed = earlier().with_columns(
        person_id=pl.when(pl.col("arm") == "universal").then("r" + pl.col("person_id")).otherwise("person_id")
    )
    assert renamed.filter(~is_universal(0.2, "winback", DAY, "year"), pl.col("arm") == "universal").height
    assert redrawn(renamed, options(), DAY) is None


def test_a_night_asks_the_lists_that_the_workspace_holds(tmp_path: Path):
    settings, joined = shop(tmp_path), pl.DataFrame({"customer_id": ["b", "a"], "email": ["x@y.eu"] * 2})
    [name] = enrolment_ids(["a"], "list-2024-05-31", "winback")
    write(settings, BEFORE, [{"customer_id": "b", "arm": "treatment", "enrolment_id": name}])
    tonight, known = settings.as_of("2024-06-03"), Known(customers=joined)
    assert redrawn_since(settings, tonight, known) is None
    salted = shop(tmp_path, "list.salt=other")
    assert str(redrawn_since(salted, tonight, known)).startswith("list.salt has changed")


@pytest.mark.parametrize("acknowledge", ["on_write", "by_command"])
def test_what_a_tool_writes_back_of_a_list_is_no_other_salt(tmp_path: Path, acknowledge: str):
    settings, tonight = shop(tmp_path), date(2024, 6, 5)
    [name] = enrolment_ids(["a"], "list-2024-05-31", "winback")
    listed = {"customer_id": "a", "arm": "treatment", "enrolment_id": name}
    write(settings, BEFORE, [listed], acknowledge=acknowledge)
    sent = datetime(2024, 6, 2, 9, tzinfo=UTC)
    back = {"customer_id": "a", "arm": "treatment", "list_id": "list-2024-05-31", "contacted_at": sent}
    deliver(settings, "contacts", [{**back, "enrolment_id": one} for one in ("the tool's own", None)])
    night = settings.as_of(str(tonight))
    assert redrawn_since(settings, night, inputs.known_people(settings, night)) is None
