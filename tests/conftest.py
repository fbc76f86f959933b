"""Tests leave nothing in the user's own Prefect home, talk to no server configured there, time nothing."""

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Prefect reads these once, at its first import, which comes before any fixture.
_HOME = tempfile.mkdtemp(prefix="prefect-")
os.environ |= {"PREFECT_HOME": _HOME, "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
for _name in ("PREFECT_API_URL", "PREFECT_PROFILE"):
    os.environ.pop(_name, None)

# A busy machine is no broken law.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _prefect_home_is_removed() -> Iterator[None]:
    yield
    shutil.rmtree(_HOME, ignore_errors=True)
