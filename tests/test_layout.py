"""A lake is read as it was written, or not at all."""

import json
from datetime import date
from pathlib import Path

import pytest
from workspace_world import deliver, order

from features.errors import ConfigError
from flows import inputs
from flows.layout import fix_layout
from flows.settings import Settings

CONFIG = {
    "sources": {
        "transactions": {
            "path": "orders.csv",
            "columns": {"customer_id": "who", "ordered_at": "when", "net_amount": "paid"},
        }
    },
    "consent": {"basis": "assumed"},
}


def shop(root: Path, **keys: object) -> Settings:
    return Settings.model_validate({**CONFIG, "workspace": str(root), **keys})


def accept(root: Path) -> None:
    """An ingest that accepted something."""
    deliver(shop(root), "transactions", [order("a", date(2024, 5, 1), 100, "1")])


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"lake": {"buckets": 4}}, "lake.buckets is 4, but 16 at the first ingest"),
        ({"currency": "JPY"}, "currency is JPY, but EUR at the first ingest"),
        ({"timezone": "Asia/Tokyo"}, "timezone is Asia/Tokyo, but UTC at the first ingest"),
    ],
)
def test_a_lake_is_not_read_otherwise_than_it_was_written(
    tmp_path: Path, keys: dict[str, object], said: str
) -> None:
    fix_layout(shop(tmp_path), tmp_path / "lake")
    accept(tmp_path)
    fix_layout(shop(tmp_path, **keys), tmp_path / "lake")
    with pytest.raises(ConfigError, match=said):
        inputs.lake(shop(tmp_path, **keys))
    assert inputs.lake(shop(tmp_path)).buckets == 16


def test_a_workspace_without_a_lake_takes_any(tmp_path: Path) -> None:
    assert inputs.lake(shop(tmp_path, lake={"buckets": 4})).buckets == 4


def test_an_ingest_that_was_refused_fixes_nothing(tmp_path: Path) -> None:
    fix_layout(shop(tmp_path), tmp_path / "lake")
    tokyo = shop(tmp_path, timezone="Asia/Tokyo")
    fix_layout(tokyo, inputs.lake(tokyo).root)
    accept(tmp_path)
    assert inputs.lake(tokyo).buckets == 16
    with pytest.raises(ConfigError, match="timezone is UTC, but Asia/Tokyo"):
        inputs.lake(shop(tmp_path))


def test_what_an_older_lake_does_not_say_is_fixed_by_the_next_ingest(tmp_path: Path) -> None:
    path = tmp_path / "lake" / "layout.json"
    accept(tmp_path)
    path.write_text('{"lake.buckets": 16, "currency": "EUR"}')
    tokyo = shop(tmp_path, timezone="Asia/Tokyo")
    assert inputs.lake(tokyo).buckets == 16
    fix_layout(tokyo, tmp_path / "lake")
    assert json.loads(path.read_text()) == {
        "lake.buckets": 16,
        "currency": "EUR",
        "timezone": "Asia/Tokyo",
    }
    with pytest.raises(ConfigError, match=r"timezone is UTC, but Asia/Tokyo at the first ingest\."):
        inputs.lake(shop(tmp_path))
