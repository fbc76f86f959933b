"""What is told when a feed has delivered nothing."""

from datetime import date
from pathlib import Path

import pytest
from workspace_world import deliver, order, shop

from features.errors import DataRefused
from flows.feeds import check_feeds

DAY = date(2024, 5, 31)


@pytest.mark.parametrize("override", ["max_age_days=3", "max_age_days=null"])
def test_orders_without_rows_are_told_as_such_and_not_as_old(tmp_path: Path, override: str):
    settings = shop(tmp_path, f"sources.transactions.{override}")
    deliver(settings, "transactions", [order("a", date(2024, 6, 5), 100, "later")])
    with pytest.raises(DataRefused, match=r"^No rows of transactions of 2024-05-31 or before were "):
        check_feeds.fn(settings, settings.as_of("2024-05-31"))
