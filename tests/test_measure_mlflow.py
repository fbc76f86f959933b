"""What MLflow is told of what lists earned: once, beside their models, and together in a run of its own."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from workspace_world import after, deliver, order, shop, write

from features.errors import WinbackError
from flows import earned_in_mlflow, inputs
from flows.earned_in_mlflow import MEASUREMENTS, RECORDED, record
from flows.measure import compare
from flows.settings import Settings
from models import tracking
from models.tracking.store import connected

DAY, END = date(2024, 5, 31), date(2024, 7, 1)
HORIZON = 90  # of the workspace's config; its lists were made with 30


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Two lists of one model, a week apart; the first one can be measured on July 1, the other on July 8."""
    found = shop(tmp_path)
    run = trained(found)
    for place in (0, 7):
        day = after(DAY, place)
        arms = [("treatment", f"{place}t{number}") for number in range(30)]
        arms += [("control", f"{place}c{number}") for number in range(30)]
        rows = [{"customer_id": who, "arm": arm} for arm, who in arms]
        write(found, day, rows, model_run_id=run)
        bought = [
            order(f"{place}t{number}", after(day, 9), 2000, f"{place}o{number}") for number in range(15)
        ]
        deliver(found, "transactions", bought, name=f"{place}.csv")
    deliver(found, "transactions", [order("someone", date(2024, 8, 1), 100, "newest")], name="newest.csv")
    return found


def trained(settings: Settings) -> str:
    store = inputs.store(settings)
    with connected(store) as client:
        experiment = client.create_experiment(f"churn-{HORIZON}d")
        return str(client.create_run(experiment).info.run_id)


def measure(settings: Settings, day: date) -> tuple[str, ...]:
    as_of = settings.as_of(day.isoformat())
    compare.fn(settings, as_of)
    return tuple(record.fn(settings, as_of))


def history(settings: Settings, metric: str, *, together: bool = False) -> list[tuple[date, float]]:
    with connected(inputs.store(settings)) as client:
        experiment = client.get_experiment_by_name(f"churn-{HORIZON}d").experiment_id
        runs = client.search_runs([experiment])
        (run,) = [one for one in runs if (one.data.tags.get(tracking.KIND) == tracking.LISTS) is together]
        found = client.get_metric_history(run.info.run_id, metric)
    return [(date.fromordinal(one.step + date(1970, 1, 1).toordinal()), one.value) for one in found]


def rows(settings: Settings, day: date, outcome: str = "net_profit") -> list[dict[str, Any]]:
    folder = inputs.workspace(settings).measurements(day)
    table = pl.read_parquet(folder / MEASUREMENTS).filter(by="list", outcome=outcome)
    return table.rows(named=True)


def test_what_lists_earned_stands_beside_their_model_and_all_together(settings: Settings):
    assert measure(settings, END) == ()
    assert measure(settings, after(END, 7)) == ()
    first, second = rows(settings, after(END, 7))
    assert history(settings, "earned.net_profit") == [
        (DAY, first["difference"]),
        (after(DAY, 7), second["difference"]),
    ]
    assert history(settings, "earned.return_rate_low")[0][1] == rows(settings, END, "return_rate")[0]["low"]
    assert history(settings, "earned.treated") == [(DAY, 30), (after(DAY, 7), 30)]
    together = history(settings, "earned.net_profit", together=True)
    assert [day for day, _ in together] == [END, after(END, 7)]
    assert history(settings, "earned.controls", together=True)[-1] == (after(END, 7), 60)


def test_a_list_whose_figures_have_not_changed_is_not_told_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    told: list[date] = []
    tell = earned_in_mlflow.record_matured

    def heard(*given: Any) -> bool:
        told.append(given[2])
        return tell(*given)

    monkeypatch.setattr(earned_in_mlflow, "record_matured", heard)
    measure(settings, END)
    measure(settings, after(END, 1))
    assert told == [DAY]
    back = order("0t1", after(DAY, 10), -2000, "r", returned_order_id="0o1", is_return=True)
    deliver(settings, "transactions", [back], name="returns.csv")
    measure(settings, after(END, 7))
    assert told == [DAY, DAY, after(DAY, 7)]
    assert record.fn(settings, settings.as_of(after(END, 7).isoformat())) == ()
    assert len(told) == 3


def test_what_was_measured_last_is_shown_and_not_what_was_highest(settings: Settings):
    """Of two figures of one step and time MLflow shows the higher one."""
    back = order("0t1", after(DAY, 10), -2000, "r", returned_order_id="0o1", is_return=True)
    measure(settings, END)
    deliver(settings, "transactions", [back], name="returns.csv")
    measure(settings, after(END, 1))
    before, now = (rows(settings, day)[0]["difference"] for day in (END, after(END, 1)))
    assert now < before
    with connected(inputs.store(settings)) as client:
        experiment = client.get_experiment_by_name(f"churn-{HORIZON}d").experiment_id
        shown = [run.data.metrics.get("earned.net_profit") for run in client.search_runs([experiment])]
    assert shown == [now, now]
    assert history(settings, "earned.net_profit") == [(DAY, before), (DAY, now)]


def test_when_mlflow_does_not_answer_the_next_measurement_tells_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    def silent(*_: object) -> bool:
        raise WinbackError("The MLflow store did not do as asked.")

    with monkeypatch.context() as broken:
        broken.setattr(earned_in_mlflow, "record_matured", silent)
        (said,) = measure(settings, END)
    assert said.startswith("What was measured is not in MLflow yet; the next measurement tries again.")
    assert not (inputs.workspace(settings).measurements(END) / RECORDED).exists()
    assert measure(settings, after(END, 1)) == ()
    assert [day for day, _ in history(settings, "earned.net_profit")] == [DAY]


def test_a_store_in_which_nothing_was_trained_is_left_alone(tmp_path: Path):
    settings = shop(tmp_path)
    write(settings, DAY, [{"customer_id": f"{arm[0]}1", "arm": arm} for arm in ("treatment", "control")])
    deliver(settings, "transactions", [order("someone", date(2024, 8, 1), 100, "newest")])
    assert measure(settings, END) == ()
    assert not inputs.store(settings).database.is_file()
