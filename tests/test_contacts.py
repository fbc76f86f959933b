"""What is known of contacts: of the own lists, and of the shop's table of campaigns."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from workspace_world import after, deliver, shop

from flows import inputs

DAY = date(2024, 5, 31)


def contact(customer: str, on: date, **more: Any) -> dict[str, Any]:
    at = datetime(on.year, on.month, on.day, 9, tzinfo=UTC)
    return {"customer_id": customer, "contacted_at": at, "arm": "treatment", **more}


def test_whoever_a_campaign_contacted_rests_from_that_day_on(tmp_path: Path):
    settings = shop(tmp_path)
    deliver(settings, "contacts", [contact("a", DAY), contact("b", after(DAY, 1))])
    found = inputs.enrolments(settings, settings.as_of(DAY.isoformat()))
    assert found.select("customer_id", "as_of", "acknowledged_on", "open_until").rows() == [
        ("a", after(DAY, -1), DAY, after(DAY, 90))
    ]
