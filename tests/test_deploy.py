"""prefect.yaml deploys to a real server, a real worker runs a night, and nights never overlap."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PREFECT = str(Path(sys.executable).with_name("prefect"))
DEPLOYED = {
    "nightly": "30 2 * * *",
    "weekly-training": "0 5 * * 0",
    "daily-measuring": "0 7 * * *",
}
# The night is the real one; its model need not be good.
SMALL = ["train.snapshots=2", "xgb.rounds=20", "train.min_positives=1"]


@dataclass
class Server:
    """A Prefect server of the test's own."""

    api: str
    environment: dict[str, str]

    def prefect(self, *words: str) -> str:
        done = subprocess.run(
            [PREFECT, "--no-prompt", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def work_once(self) -> None:
        """Let a worker take what is waiting, and end when that has ended."""
        words = ["worker", "start", "--pool", "winback", "--run-once", "--limit", "2"]
        worker = subprocess.Popen([PREFECT, "--no-prompt", *words], cwd=ROOT, env=self.environment)
        try:
            worker.wait(450)
        finally:  # asked to end, it ends its runs too
            worker.terminate()
            worker.wait(60)

    def find(self, what: str) -> list[dict[str, Any]]:
        answer = httpx.post(f"{self.api}/{what}/filter", json={}, timeout=30)
        answer.raise_for_status()
        return answer.json()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("prefect")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    environment = os.environ | {"PREFECT_HOME": str(home), "PREFECT_API_URL": api}
    process = subprocess.Popen(
        [PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_it_answers(api)
        yield Server(api, environment)
    finally:
        process.terminate()
        process.wait()


def wait_until_it_answers(api: str) -> None:
    for _ in range(1200):
        try:
            httpx.get(f"{api}/health").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the Prefect server did not start within two minutes")


def test_the_file_names_no_machine_and_its_entrypoints_exist():
    text = (ROOT / "prefect.yaml").read_text()
    deployments = yaml.safe_load(text)["deployments"]
    assert {one["name"]: one["schedules"][0]["cron"] for one in deployments} == DEPLOYED
    for one in deployments:
        assert one["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}
        module, _, flow = one["entrypoint"].partition(":")
        assert f"def {flow}(" in (ROOT / module).read_text()
    assert "/home" not in text
    assert str(ROOT) not in text


@pytest.mark.server
@pytest.mark.slow
def test_a_worker_runs_a_deployed_night_and_a_second_one_at_the_same_time_is_cancelled(
    server: Server, tmp_path: Path
):
    from flows.demo import overrides_for
    from flows.demo_shop import ShopPlan, write_shop

    plan = ShopPlan(customers=600, seed=7)
    write_shop(tmp_path, plan)
    server.prefect("work-pool", "create", "winback", "--type", "process")
    server.prefect("deploy", "--all")
    assert {one["name"] for one in server.find("deployments")} == DEPLOYED.keys()
    parameters = {
        "config": "configs/demo.yaml",
        "as_of": plan.end.isoformat(),
        "overrides": [*overrides_for(tmp_path), *SMALL],
    }
    name = next(one["name"] for one in server.find("flows") if "nightly" in one["name"])
    for _ in range(2):
        server.prefect("deployment", "run", f"{name}/nightly", "--params", json.dumps(parameters))
    server.work_once()
    runs = [run for run in server.find("flow_runs") if run["parameters"] == parameters]
    ended = {run["state_type"]: run["state"]["message"] for run in runs}
    assert ended.keys() == {"CANCELLED", "COMPLETED"}, ended
    assert list((tmp_path / "workspace" / "lists").glob("as_of=*/winback.csv"))
