"""What is known of contacts: of the own lists, and of the shop's table of campaigns."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
from workspace_world import after, deliver, order, shop, write

from flows import inputs
from flows.settings import Settings

DAY = date(2024, 5, 31)
ARMS = (("a", "treatment"), ("b", "control"))


def contact(customer: str, on: date, **more: Any) -> dict[str, Any]:
    at = datetime(on.year, on.month, on.day, 9, tzinfo=UTC)
    return {"customer_id": customer, "contacted_at": at, "arm": "treatment", **more}


def known(settings: Settings, day: date) -> list[tuple[Any, ...]]:
    """Customer, day and arm of every contact that features and outcomes read; each part has the own lists."""
    parts = inputs.history(settings, settings.as_of(day.isoformat())).parts
    found = pl.concat(part.contacts.collect() for part in parts if part.contacts is not None)
    return (
        found.select("customer_id", "contacted_on", "arm").unique().sort("customer_id", "contacted_on").rows()
    )


def test_whoever_a_campaign_contacted_rests_from_that_day_on(tmp_path: Path):
    settings = shop(tmp_path)
    deliver(settings, "contacts", [contact("a", DAY), contact("b", after(DAY, 1))])
    found = inputs.enrolments(settings, settings.as_of(DAY.isoformat()))
    assert found.select("customer_id", "as_of", "acknowledged_on", "open_until").rows() == [
        ("a", after(DAY, -1), DAY, after(DAY, 90))
    ]


def test_a_list_that_a_tool_wrote_back_is_one_contact_and_not_two(tmp_path: Path):
    settings = shop(tmp_path)
    deliver(settings, "transactions", [order("a", date(2024, 1, 1), 100, "1")])
    name = write(settings, DAY, [{"customer_id": "a", "arm": "treatment"}]).list_id
    deliver(
        settings,
        "contacts",
        [
            contact("a", after(DAY, -9)),
            contact("a", after(DAY, 4), list_id=name),
            contact("a", after(DAY, 5), list_id="of another tool"),
        ],
    )
    assert known(settings, after(DAY, 9)) == [
        ("a", after(DAY, -9), "treatment"),
        ("a", after(DAY, 1), "treatment"),
        ("a", after(DAY, 5), "treatment"),
    ]
    assert known(settings, DAY) == [("a", after(DAY, -9), "treatment")]


def test_people_whom_a_tool_wrote_back_rest_no_longer_than_their_controls(tmp_path: Path):
    settings = shop(tmp_path)
    name = write(settings, DAY, [{"customer_id": one, "arm": arm} for one, arm in ARMS]).list_id
    back = [contact("a", after(DAY, 5), list_id=name)]
    others = [contact("c", after(DAY, 5)), contact("d", after(DAY, 5), list_id="of another tool")]
    deliver(settings, "contacts", [*back, *others])
    found = inputs.enrolments(settings, settings.as_of(after(DAY, 9).isoformat()))
    open_until = found.sort("customer_id").select("customer_id", "open_until").rows()
    assert open_until == [
        ("a", after(DAY, 31)),
        ("b", after(DAY, 31)),
        ("c", after(DAY, 95)),
        ("d", after(DAY, 95)),
    ]


def test_people_of_a_void_list_whom_a_tool_contacted_rest_from_then_on(tmp_path: Path):
    settings = shop(tmp_path)
    listed = [{"customer_id": one, "arm": arm} for one, arm in ARMS]
    name = write(settings, DAY, listed, acknowledge="by_command").list_id
    deliver(settings, "contacts", [contact("a", after(DAY, 5), list_id=name)])
    found = inputs.enrolments(settings, settings.as_of(after(DAY, 9).isoformat()))
    open_until = found.group_by("customer_id").agg(pl.col("open_until").max()).sort("customer_id").rows()
    assert open_until == [("a", after(DAY, 95)), ("b", after(DAY, 7))]
