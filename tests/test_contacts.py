"""What is known of contacts: of the own lists, and of the shop's table of campaigns."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
from workspace_world import after, deliver, order, shop, write

from flows import inputs
from flows.settings import Settings

DAY = date(2024, 5, 31)


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
