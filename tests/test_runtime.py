"""Flows run without a server and with one; a person sees no noise, and nothing stays behind."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parent.parent
RUN = """
import os, sys, time
from pathlib import Path
from rich.console import Console
from flows.runtime import prefect_ready
from features.errors import WinbackError

try:
    with prefect_ready(Console(stderr=True), Path(sys.argv[1])) as wait:
        from prefect import flow, get_run_logger, task

        @task
        def add():
            get_run_logger().info("added")
            return 1

        @flow(name="adding")
        def adding():
            return add() + add()

        wait()
        print(os.environ["PREFECT_API_URL"], flush=True)
        if sys.argv[2] == "sleep":
            time.sleep(60)
        print(adding())
except WinbackError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prefect")


def start(home: Path, tmp_path: Path, what: str = "run", **environment: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path / "server.log"), what],
        cwd=ROOT,
        env={**kept, "PREFECT_HOME": str(home), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def seconds_until_gone(address: str) -> float:
    began = time.monotonic()
    while time.monotonic() - began < 30:
        try:
            httpx.get(f"{address}/health")
        except httpx.TransportError:
            break
        time.sleep(0.1)
    return time.monotonic() - began


@pytest.mark.server
def test_a_flow_runs_quietly_without_a_server_and_is_recorded(home: Path, tmp_path: Path):
    out, err = start(home, tmp_path).communicate(timeout=120)
    address, result = out.splitlines()
    assert result == "2"
    assert [line for line in err.splitlines() if "Starting a local" not in line] == []
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{address}/health")
    connection = sqlite3.connect(home / "prefect.db")
    try:
        states = connection.execute("SELECT state_type FROM flow_run").fetchall()
        logs = connection.execute("SELECT count(*) FROM log WHERE message = 'added'").fetchone()
    finally:
        connection.close()
    assert states == [("COMPLETED",)]
    assert logs == (2,)


@pytest.mark.server
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_the_server_ends_with_the_run_however_that_ends(home: Path, tmp_path: Path, how: signal.Signals):
    process = start(home, tmp_path, "sleep")
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    httpx.get(f"{address}/health").raise_for_status()
    process.send_signal(how)
    process.communicate()
    assert seconds_until_gone(address) < 15


def test_a_configured_server_that_is_down_is_named(tmp_path: Path):
    down = "http://127.0.0.1:9/api"
    out, _ = start(tmp_path, tmp_path, PREFECT_API_URL=down).communicate(timeout=60)
    assert out.startswith(f"The Prefect server at {down} does not answer")
    assert "prefect server start" in out


@pytest.mark.server
def test_the_profile_of_the_user_is_respected(tmp_path: Path):
    down = "http://127.0.0.1:9/api"
    (tmp_path / "profiles.toml").write_text(f'active = "shop"\n[profiles.shop]\nPREFECT_API_URL = "{down}"\n')
    out, _ = start(tmp_path, tmp_path).communicate(timeout=60)
    assert out.startswith(f"The Prefect server at {down} does not answer")
