"""The flow that makes the built-in shop and runs a whole night on it."""

import json
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.console import step
from flows.demo_shop import ShopPlan, write_shop
from flows.nightly import nightly
from flows.settings import CONFIGS, load
from flows.told_of_nights import TOO_LATE

_CONFIG = CONFIGS / "demo.yaml"
_PLAN = ShopPlan()


@flow(name="winback-demo", validate_parameters=False)
def demo(folder: str = "demo", customers: int = _PLAN.customers, seed: int = _PLAN.seed) -> dict[str, Any]:
    """Make the demo shop in a folder and run the night of its last day.

    Args:
        folder: where the shop's files and the workspace go.
        customers: how many customers the shop has.
        seed: the same seed gives the same shop.
    """
    last_day = open_shop(folder, customers, seed)
    summary = nightly(str(_CONFIG), last_day, overrides_for(Path(folder)))
    truth = str(Path(folder) / "truth")
    # This night is of the past on purpose.
    fitting = {
        name: [one for one in summary[name] if not one.startswith(TOO_LATE)]
        for name in ("notes", "sentences")
    }
    return {**summary, **fitting, "paths": {**summary["paths"], "what really happened": truth}}


@task(name="make the shop", cache_policy=NO_CACHE)
def open_shop(folder: str, customers: int, seed: int) -> str:
    """Write the shop's export and its truth; returns its last day."""
    plan = ShopPlan(customers=customers, seed=seed)
    told = 0
    with step(f"Making a shop with {customers:,} customers", total=customers) as more:

        def advance(done: int, _of: int) -> None:
            nonlocal told
            more(done - told)
            told = done

        write_shop(Path(folder), plan, advance)
    return plan.end.isoformat()


def overrides_for(folder: Path) -> list[str]:
    """What makes `configs/demo.yaml` read the shop in a folder and work beside it."""
    here = {
        f"sources.{table}.path": str(folder / Path(str(source.path)).relative_to("demo"))
        for table, source in load(_CONFIG).sources.items()
    }
    places = {"workspace": str(folder / "workspace"), **here}
    return [f"{key}={json.dumps(value)}" for key, value in places.items()]
