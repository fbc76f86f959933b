"""What the first ingest fixes for good: how the lake's rows are divided, their money, and their time zone.

Rows are stored by bucket, amounts as whole minor units of the reporting currency, and times in UTC. With
fewer buckets a reader would pass over rows, and a compaction would lose them; in another currency every
amount would mean something else; in another time zone, orders that came without an offset would keep the old
one, and later ones would take the new one.
"""

import json
from pathlib import Path
from typing import Any

from features import ledger
from features.errors import ConfigError
from flows.settings import Settings
from flows.workspace import publish_file

_FILE = "layout.json"


def check_layout(settings: Settings, lake: Path) -> None:
    """Refuse a config that reads the lake otherwise than it was written.

    Raises:
        ConfigError: naming each key that has changed.
    """
    fixed, asked = _fixed(lake), _layout(settings)
    faults = [
        f"{key} is {asked[key]}, but {fixed[key]} at the first ingest"
        for key in asked
        if fixed.get(key, asked[key]) != asked[key]
    ]
    if faults:
        raise ConfigError(
            f"The lake {lake} was made with another config: {'; '.join(faults)}. What lies in it cannot be "
            "read so. Set it back, or take a new workspace and let it read the sources again "
            "(--set workspace=FOLDER)."
        )


def fix_layout(settings: Settings, lake: Path) -> None:
    """Note what a lake is made with; what is noted already stays."""
    fixed = _fixed(lake)
    whole = _layout(settings) | fixed
    if whole != fixed:
        with publish_file(lake / _FILE) as aside:
            aside.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def _layout(settings: Settings) -> dict[str, Any]:
    return {
        "lake.buckets": settings.lake.buckets,
        "currency": settings.currency,
        "timezone": settings.timezone,
    }


def _fixed(lake: Path) -> dict[str, Any]:
    """What the rows of a lake were written with; an ingest that was refused left none, and fixes nothing."""
    path = lake / _FILE
    if not path.is_file() or ledger.last_seq(lake) == 0:
        return {}
    return dict(json.loads(path.read_text(encoding="utf-8")))
