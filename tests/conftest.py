"""Tests leave nothing in the user's own Prefect home, talk to no server configured there, time nothing."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import settings

# Before anything loads NumPy, as `flows` has it; tests load NumPy first.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
# Prefect reads these once, at its first import, which comes before any fixture.
_HOME = tempfile.mkdtemp(prefix="prefect-")
os.environ |= {"PREFECT_HOME": _HOME, "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
for _name in ("PREFECT_API_URL", "PREFECT_PROFILE"):
    os.environ.pop(_name, None)

# A busy machine is no broken law.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parent.parent
# Files that take minutes, the longest first: begun last, one would keep a worker busy and the other waiting.
_LONG = (
    "test_real_nights.py",
    "test_night.py",
    "test_watch_night.py",
    "test_reasons_truth.py",
    "test_effects_night.py",
    "test_survey.py",
    "test_backtest_night.py",
    "test_uplift_model.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first; with `--no-loadscope-reorder` the workers take them in this order."""
    items.sort(key=lambda item: _LONG.index(item.path.name) if item.path.name in _LONG else len(_LONG))


@pytest.fixture(scope="session", autouse=True)
def _prefect_home_is_removed() -> Iterator[None]:
    yield
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def beside_a_server() -> Iterator[Mapping[str, str]]:
    """The environment of commands that find a Prefect server running: one of its own costs each some seconds.

    That a command starts and ends its own is for `test_runtime`, and for nights that are not given this.
    """
    command = [sys.executable, "-m", "flows.server"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        yield os.environ | {"PREFECT_API_URL": server.stdout.readline().strip()}
