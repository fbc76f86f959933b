"""When a list counts as delivered."""

from datetime import date
from pathlib import Path

import pytest
from workspace_world import after, deliver, shop, write

from features.asof import AsOf
from features.errors import ConfigError, DataRefused
from flows import inputs
from flows.acknowledge import confirm
from flows.enrolments import delivered
from flows.settings import Settings
from flows.trials import trials

DAY = date(2024, 5, 31)
LISTED = [{"customer_id": "a", "arm": "treatment"}]


def test_a_list_is_delivered_from_the_day_that_is_named(tmp_path: Path):
    settings = shop(tmp_path)
    folder = write(settings, DAY, LISTED, acknowledge="by_command").folder
    told = confirm.fn(settings, settings.as_of("2024-05-31"), "2024-06-03")
    assert told["sentences"] == ["The list of 2024-05-31 is delivered: acknowledged on 2024-06-03."]
    found = delivered(folder)
    assert found is not None
    assert found.acknowledged_on == date(2024, 6, 3)


def test_the_first_acknowledgement_stays(tmp_path: Path):
    settings = shop(tmp_path)
    write(settings, DAY, LISTED, acknowledge="by_command")
    for on in ("2024-06-03", "2024-06-05", None):
        told = confirm.fn(settings, settings.as_of("2024-05-31"), on)
        assert told["acknowledged_on"] == "2024-06-03"
    assert told["status"] == "unchanged"


def test_a_list_that_counts_as_delivered_when_written_needs_no_acknowledgement(tmp_path: Path):
    settings = shop(tmp_path)
    write(settings, DAY, LISTED)
    told = confirm.fn(settings, settings.as_of("2024-05-31"), None)
    assert told["status"] == "unchanged"
    assert told["acknowledged_on"] == "2024-06-01"


def test_a_list_that_goes_to_no_tool_is_delivered_only_when_somebody_says_so(tmp_path: Path):
    """With consent.basis none nobody is contacted: measured as if they were, contacts would seem in vain."""
    settings = shop(tmp_path)
    folder = write(settings, DAY, LISTED, consent_basis="none", exportable=False).folder
    assert delivered(folder) is None
    assert trials(settings, settings.as_of("2024-07-31")) == []
    confirm.fn(settings, settings.as_of("2024-05-31"), "2024-06-03")
    found = delivered(folder)
    assert found is not None
    assert found.acknowledged_on == date(2024, 6, 3)


@pytest.mark.parametrize("on", ["2024-05-31", "2999-01-01", "yesterday"])
def test_a_delivery_is_after_its_list_and_not_in_the_future(tmp_path: Path, on: str):
    settings = shop(tmp_path)
    folder = write(settings, DAY, LISTED, acknowledge="by_command").folder
    with pytest.raises(ConfigError, match=on):
        confirm.fn(settings, settings.as_of("2024-05-31"), on)
    assert delivered(folder) is None


@pytest.mark.parametrize("on", ["2024-05-31", "2999-01-01", "yesterday"])
def test_an_impossible_day_is_told_of_a_delivered_list_too(tmp_path: Path, on: str):
    settings = shop(tmp_path)
    write(settings, DAY, LISTED)
    with pytest.raises(ConfigError, match=on):
        confirm.fn(settings, settings.as_of("2024-05-31"), on)


def test_a_list_that_is_void_is_not_delivered_any_more(tmp_path: Path):
    settings = shop(tmp_path)
    folder = write(settings, DAY, LISTED, acknowledge="by_command").folder
    for late in ("2024-06-08", None):
        with pytest.raises(DataRefused, match="used by 2024-06-07 and has been void"):
            confirm.fn(settings, settings.as_of("2024-05-31"), late)
    assert delivered(folder) is None


def test_the_list_that_is_named_is_acknowledged_and_no_other(tmp_path: Path):
    settings = shop(tmp_path)
    folder = write(settings, DAY, LISTED, acknowledge="by_command", list_id="made first").folder
    write(settings, DAY, LISTED, acknowledge="by_command", list_id="made anew")
    asked = settings, settings.as_of("2024-05-31"), "2024-06-03"
    with pytest.raises(DataRefused, match="is list made anew, not list made first"):
        confirm.fn(*asked, "made first")
    assert delivered(folder) is None
    assert confirm.fn(*asked, "made anew")["run_ids"] == {"list": "made anew"}
    with pytest.raises(DataRefused, match="not list made first"):  # delivered already, and still another
        confirm.fn(*asked, "made first")


def a_and_b(settings: Settings, day: date) -> None:
    """A list of a and b, whom nobody had acknowledged a week after the first."""
    write(settings, day, [*LISTED, {"customer_id": "b", "arm": "control"}], acknowledge="by_command")


def test_people_who_are_on_a_later_list_are_not_enrolled_twice_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = shop(tmp_path)
    # The last day on which people of the newest list can be contacted.
    monkeypatch.setattr(inputs, "today", lambda _: date(2024, 6, 19))
    deliver(settings, "identities", [{"customer_id": one, "person_id": "p"} for one in ("b", "b2")])
    a_and_b(settings, DAY)
    on_it = [{"customer_id": "a", "arm": "control"}, {"customer_id": "z", "arm": "treatment"}]
    write(settings, date(2024, 6, 10), on_it)
    write(settings, date(2024, 6, 12), [{"customer_id": "b2", "arm": "treatment"}], acknowledge="by_command")
    with pytest.raises(DataRefused) as refused:
        confirm.fn(settings, settings.as_of("2024-05-31"), "2024-06-07")
    folder = inputs.workspace(settings).list(DAY)
    assert str(refused.value) == (
        "2 people of the list of 2024-05-31 (list list-2024-05-31) would be enrolled twice at once: nobody "
        "had acknowledged it by 2024-06-07, so they were free, and are on 2 later lists: list-2024-06-10 of "
        "2024-06-10, list-2024-06-12 of 2024-06-12. Leave it unacknowledged, and put its contacts into the "
        "contacts table, so that they are known. Only if no tool has got what came later: take these lists "
        f"out of {folder.parent}, acknowledge this one, and make them anew (winback nightly)."
    )
    assert delivered(folder) is None


def test_a_late_acknowledgement_is_taken_where_nobody_is_enrolled_twice_at_once(tmp_path: Path):
    settings = shop(tmp_path)
    write(settings, date(2024, 5, 1), LISTED)  # its window of 30 days is over
    a_and_b(settings, DAY)
    write(settings, date(2024, 6, 10), [{"customer_id": "z", "arm": "treatment"}])
    write(settings, date(2024, 6, 11), [{"customer_id": "a"}])  # looked at, and left out
    write(settings, date(2024, 7, 7), LISTED)  # on the day on which they are free again
    confirm.fn(settings, settings.as_of("2024-05-31"), "2024-06-07")
    assert delivered(inputs.workspace(settings).list(DAY)) is not None


def test_a_later_list_that_is_void_itself_blocks_no_late_acknowledgement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = shop(tmp_path)
    monkeypatch.setattr(inputs, "today", lambda _: date(2024, 6, 20))
    a_and_b(settings, DAY)
    write(settings, date(2024, 6, 12), LISTED, acknowledge="by_command")
    confirm.fn(settings, settings.as_of("2024-05-31"), "2024-06-07")
    assert delivered(inputs.workspace(settings).list(DAY)) is not None


def second_of(settings: Settings, day: date) -> tuple[Settings, AsOf, str]:
    """What acknowledges a later list of a and b2, after that of a and b was acknowledged late."""
    deliver(settings, "identities", [{"customer_id": one, "person_id": "p"} for one in ("b", "b2")])
    a_and_b(settings, DAY)
    write(settings, day, [*LISTED, {"customer_id": "b2", "arm": "treatment"}], acknowledge="by_command")
    confirm.fn(settings, settings.as_of("2024-05-31"), "2024-06-07")
    return settings, settings.as_of(str(day)), str(after(day, 1))


def test_of_two_lists_with_the_same_people_only_one_is_acknowledged_late(tmp_path: Path):
    settings, day = shop(tmp_path), date(2024, 7, 5)
    second = second_of(settings, day)
    with pytest.raises(DataRefused) as refused:
        confirm.fn(*second)
    # b and b2 may have been found to be one person only since.
    assert str(refused.value) == (
        "1 person of the list of 2024-07-05 (list list-2024-07-05) would be enrolled twice at once: an "
        "earlier list with some of its people was acknowledged after this one was made: list-2024-05-31 of "
        "2024-05-31. Leave it unacknowledged, and put its contacts into the contacts table, so that they are "
        "known."
    )
    assert delivered(inputs.workspace(settings).list(day)) is None


def test_a_list_that_is_delivered_when_the_earlier_one_is_over_is_acknowledged(tmp_path: Path):
    settings, day = shop(tmp_path), date(2024, 7, 6)
    confirm.fn(*second_of(settings, day))
    assert delivered(inputs.workspace(settings).list(day)) is not None


def test_there_is_nothing_to_acknowledge_without_a_list(tmp_path: Path):
    settings = shop(tmp_path)
    with pytest.raises(DataRefused, match="no list"):
        confirm.fn(settings, settings.as_of("2024-05-31"), None)
    assert not inputs.workspace(settings).list(DAY).exists()
