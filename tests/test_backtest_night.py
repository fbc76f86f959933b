"""The command on a small demo shop: the README's example, and a replayed night beside the real one."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_trainings import FAST
from test_readme import OURS

from flows.demo_shop import ShopPlan, write_shop

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
NO_DRAWS = (
    # Whom the arms hold out hangs on the lake's version; a replay must not.
    "list.control_share=0",
    "list.universal_share=0",
    "list.explore_share=0",
    "list.trial_control_share=null",
)
[EXAMPLE] = [words for words in OURS if words[:1] == ["backtest"]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder, ShopPlan(customers=1500, block=1500, shard=1500))
    return folder


def run(shop: Path, environment: Mapping[str, str], *words: str) -> dict[str, Any]:
    from flows.demo import overrides_for

    sets = [word for one in (*overrides_for(shop), *FAST, *NO_DRAWS) for word in ("--set", one)]
    command = [sys.executable, "-m", "flows", *words, "-c", "configs/demo.yaml", "--json", *sets]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_the_readme_s_example_tells_of_every_night_and_agrees_with_the_real_one(
    shop: Path, beside_a_server: Mapping[str, str]
) -> None:
    from flows.demo import overrides_for
    from flows.settings import load

    root = load(ROOT / "configs/demo.yaml", overrides_for(shop)).root
    night = run(shop, beside_a_server, "nightly", "--as-of", "2025-01-31")
    place = EXAMPLE.index("-c")
    told = run(shop, beside_a_server, *EXAMPLE[:place], *EXAMPLE[place + 2 :])
    assert [one["as_of"] for one in told["nights"]][:2] == ["2025-01-31", "2025-03-02"]
    first = told["nights"][0]
    listed = pl.read_parquet(root / "lists/as_of=2025-01-31/winback.parquet")
    assert first["model_version"] == listed["model_version"][0]
    assert first["listed"] == night["counts"]["listed"] == listed.height
    assert first["expected_profit"] == pytest.approx(night["metrics"]["expected_profit"], abs=0.01)
    assert first["expected_cost"] == pytest.approx(night["metrics"]["expected_cost"], abs=0.01)
    assert told["overall"]["nights_judged"] >= 3
    assert any("organic, not profit" in sentence for sentence in told["sentences"])
    for path in told["paths"].values():
        assert Path(path).stat().st_size > 0
