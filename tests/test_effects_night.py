"""Whole nights on a small demo shop that first assume what a contact changes, and later have learned it."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_trainings import FAST

from flows.demo_shop import ShopPlan, write_shop

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
# Half of a list is held out and windows are short, so that few nights are enough.
SHORT = ("churn.horizon_days=30", "list.control_share=0.5", "list.budget=null")
FIRST, OPEN, OVER = "2025-05-10", "2025-05-20", "2025-06-15"


def winback(folder: Path, environment: Mapping[str, str], command: str, *words: str) -> dict[str, Any]:
    from flows.demo import overrides_for

    sets = [word for item in (*overrides_for(folder), *FAST, *SHORT) for word in ("--set", item)]
    line = [sys.executable, "-m", "flows", command, "-c", "configs/demo.yaml", "--json", *words, *sets]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def files(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_nights_go_from_assumed_to_pooled_and_stay_the_same_when_repeated(
    tmp_path: Path, beside_a_server: Mapping[str, str]
):
    def night(day: str) -> dict[str, Any]:
        return winback(tmp_path, beside_a_server, "nightly", "--as-of", day)

    def manifest(day: str) -> dict[str, Any]:
        return dict(json.loads((workspace / f"lists/as_of={day}/manifest.json").read_text()))

    write_shop(tmp_path, ShopPlan(customers=1500, block=1500, shard=1500))
    workspace, assumed = tmp_path / "workspace", "The effect of a contact is assumed, not measured yet"
    for day in (FIRST, OPEN):
        assert any(one.startswith(assumed) for one in night(day)["sentences"])
        assert (manifest(day)["effects"], manifest(day)["evidence"]) == (None, {})
    told = night(OVER)
    pooled = [offer for offer, evidence in manifest(OVER)["evidence"].items() if evidence == "B"]
    assert pooled
    for offer in pooled:
        assert any(one.startswith(f"Offer {offer}: from assumed (C) to pooled") for one in told["sentences"])
    both = [
        pl.read_parquet(workspace / f"lists/as_of={OVER}/{name}.parquet") for name in ("winback", "holdout")
    ]
    for frame in both:
        assert frame.height
        assert frame.filter((pl.col("evidence") == "B") != pl.col("offer_id").is_in(pooled)).is_empty()
    status = winback(tmp_path, beside_a_server, "status")
    assert any(one.startswith(f"Offer {pooled[0]}: ") for one in status["sentences"])

    before = files(workspace / "lists") | files(workspace / "effects")
    for day in (OPEN, OVER):
        assert night(day)["status"] == "unchanged"
    assert files(workspace / "lists") | files(workspace / "effects") == before
