"""Whole nights on a small demo shop that warn, stop and train because of what was watched."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from small_trainings import FAST

from flows.demo_shop import ShopPlan, write_shop

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
FIRST, SECOND, THIRD = "2025-06-26", "2025-06-27", "2025-06-28"


class Shop:
    """A shop whose nights are run by the command line."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.workspace = folder / "workspace"
        write_shop(folder, ShopPlan(customers=1500, block=1500, shard=1500))

    def night(self, day: str, *more: str) -> subprocess.CompletedProcess[str]:
        from flows.demo import overrides_for

        words = ["nightly", "-c", "configs/demo.yaml", "--as-of", day, "--json"]
        words += [word for item in (*overrides_for(self.folder), *FAST, *more) for word in ("--set", item)]
        command = [sys.executable, "-m", "flows", *words]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, env=self.environment, check=False
        )

    def done(self, day: str, *more: str) -> dict[str, Any]:
        ended = self.night(day, *more)
        assert ended.returncode == 0, ended.stderr
        return dict(json.loads(ended.stdout.splitlines()[-1]))

    def list_of(self, day: str) -> str:
        return hashlib.sha256((self.workspace / f"lists/as_of={day}/winback.csv").read_bytes()).hexdigest()

    def monitor(self, day: str, name: str) -> dict[str, Any]:
        return dict(json.loads((self.workspace / f"monitor/as_of={day}/{name}").read_text()))


def test_nights_stop_warn_and_train_as_configured(tmp_path: Path, beside_a_server: Mapping[str, str]):
    shop = Shop(tmp_path, beside_a_server)
    shop.done(FIRST)
    assert shop.monitor(FIRST, "watch.json")["alarms"] == []

    old = "watch.model_age_days.limit=0"
    stopped = shop.night(SECOND, old, "watch.model_age_days.action=stop")
    assert stopped.returncode == 3, stopped.stderr
    assert "has learned nothing for 1 day" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    for kind in ("lists", "scores"):
        assert not (shop.workspace / kind / f"as_of={SECOND}").exists()

    warned = shop.done(SECOND, old)
    assert "Watch: The model in use has learned nothing for 1 day." in warned["sentences"]
    assert shop.monitor(SECOND, "watch.json")["mlflow"] == "recorded"
    before = shop.list_of(SECOND)
    (shop.workspace / f"monitor/as_of={SECOND}/watch.json").unlink()
    assert shop.done(SECOND, "watch.model_age_days.action=none")["status"] == "unchanged"
    assert shop.list_of(SECOND) == before

    retrain = (old, "watch.model_age_days.action=retrain", "watch.retrain_rest_days=1")
    trained = shop.done(THIRD, *retrain)
    record, first = shop.monitor(THIRD, "retrain.json"), shop.list_of(THIRD)
    assert record["because"] == ["model_age_days"]
    assert (trained["run_ids"]["model_run"] != warned["run_ids"]["model_run"]) == record["promoted"]
    assert shop.done(THIRD, *retrain)["status"] == "unchanged"
    assert (shop.monitor(THIRD, "retrain.json"), shop.list_of(THIRD)) == (record, first)
