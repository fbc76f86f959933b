"""The night watches: what it writes, once; when it trains, when it stops. MLflow is real, models are not."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from workspace_world import deliver, order, shop, write

from features.errors import DataRefused, WinbackError
from flows import inputs, monitor, watch
from flows.champion import Model
from flows.scoring import SCORES as SCORED
from flows.settings import Settings
from models.drift import SCORES, Learned
from models.outputs import SCORES as SCORES_FILE
from models.promotion import Verdict
from models.tracking import record_matured, record_night
from models.tracking.store import connected

NIGHT = date(2024, 5, 31)
TODAY = date(2024, 6, 30)  # thirty days later: the window of the night's list is over
PEOPLE = [f"p{n:02}" for n in range(40)]
BACK = PEOPLE[:12]


@pytest.fixture(autouse=True)
def events(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """No server: tasks are plain functions, events are kept."""
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(watch, "emit_event", lambda **event: sent.append(event))
    monkeypatch.setattr(watch, "look", watch.look.fn)
    monkeypatch.setattr(watch, "record", watch.record.fn)
    return sent


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An MLflow database with a training in it, and the id of its run."""
    found = shop(tmp_path_factory.mktemp("trained"))
    with connected(inputs.store(found)) as client:
        made_run = client.create_run(client.create_experiment("churn-30d"), run_name="model")
        client.log_metric(made_run.info.run_id, "test.auroc", 0.9)
        return found.root / "mlflow.db", str(made_run.info.run_id)


Made = Callable[..., Settings]


@pytest.fixture
def made(tmp_path: Path, trained: tuple[Path, str]) -> Made:
    """Makes the shop with overrides."""
    return lambda *overrides: _made(tmp_path, trained, *overrides)


@pytest.fixture
def settings(made: Made) -> Settings:
    """40 people who bought in April, of whom 12 came back; the list of May 31 was written."""
    return made()


def _made(folder: Path, trained: tuple[Path, str], *overrides: str) -> Settings:
    database, run_id = trained
    found = shop(folder, "churn.horizon_days=30", "list.capacity=1", *overrides)
    first = [order(name, date(2024, 4, 20), 1000, f"{name}-1") for name in PEOPLE]
    again = [order(name, date(2024, 6, 10), 500, f"{name}-2") for name in BACK]
    deliver(found, "transactions", [*first, *again, order("new", TODAY, 100, "newest")])
    write(found, NIGHT, [{"customer_id": "p39", "arm": "treatment"}], model_run_id=run_id)
    shutil.copy(database, found.root)
    folder = inputs.workspace(found).scores(NIGHT)
    folder.mkdir(parents=True)
    said(0.98 if name in BACK else 0.02 for name in PEOPLE).write_parquet(folder / SCORED)
    return found


def said(p0: Iterator[float]) -> pl.DataFrame:
    rows = [
        {
            "customer_id": name,
            "as_of": NIGHT,
            "stage": "lapsed",
            "model_version": "7",
            "churn_probability": 1 - p,
        }
        for name, p in zip(PEOPLE, p0, strict=True)
    ]
    return pl.DataFrame([{name: row.get(name) for name in SCORES_FILE} for row in rows], schema=SCORES_FILE)


def model(settings: Settings, run_id: str, known_until: date = NIGHT, digest: str = "7") -> Model:
    """A model that learned from people like tonight's."""
    folder = settings.root / ".runs" / "models" / digest
    folder.mkdir(parents=True, exist_ok=True)
    rows = pl.concat([tonight().with_columns(as_of=pl.lit(date(2024, month, 1))) for month in range(1, 5)])
    Learned.of(rows, ["orders"], rows).save(folder)
    return Model(digest, "1", run_id, folder, known_until, {})


def tonight(orders: int = 0) -> pl.DataFrame:
    place = [n % 10 for n in range(len(PEOPLE))]
    numbers = {"orders": [orders + one for one in place]}
    scores = {name: [0.255 + one / 100 for one in place] for name in SCORES}
    return pl.DataFrame({"customer_id": PEOPLE, **numbers, **scores}).with_columns(as_of=pl.lit(TODAY))


def places(settings: Settings, orders: int = 0) -> tuple[Path, Path]:
    """Tonight's features and predictions, each in two parts."""
    folders = inputs.workspace(settings).features(TODAY), settings.root / ".runs" / "predictions"
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for part, rows in enumerate(tonight(orders).iter_slices(15)):
            rows.write_parquet(folder / f"part-{part}.parquet")
    return folders


def seen(settings: Settings, used: Model, orders: int = 0) -> Any:
    return watch.look(settings, settings.as_of(str(TODAY)), *places(settings, orders), used)


def files(settings: Settings) -> dict[str, tuple[int, dict[str, Any]]]:
    root = settings.root / "monitor"
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, json.loads(path.read_text()))
        for path in sorted(root.rglob("*.json"))
    }


def run_of_list(settings: Settings) -> str:
    manifest = json.loads((inputs.workspace(settings).list(NIGHT) / "manifest.json").read_text())
    return str(manifest["model_run_id"])


def test_a_past_night_is_judged_when_its_window_is_over(settings: Settings):
    assert seen(settings, model(settings, run_of_list(settings))) == ()
    content = files(settings)[f"as_of={NIGHT}/matured.json"][1]
    assert content["outcome_until"] == str(TODAY)
    assert content["promised_auroc"] == 0.9
    # p39 was contacted.
    assert content["figures"]["matured.customers"] == 39
    assert content["figures"]["matured.auroc"] == 1.0
    assert content["figures"]["matured.mean_observed"] == pytest.approx(12 / 39, abs=1e-6)


def test_a_night_whose_orders_have_not_all_arrived_waits(settings: Settings):
    earlier = settings.as_of(str(TODAY - timedelta(days=1)))
    watch.look(settings, earlier, *places(settings), model(settings, "gone"))
    assert list(files(settings)) == [f"as_of={earlier.day}/watch.json"]


def test_a_past_night_that_turned_out_badly_is_an_alarm_tonight(settings: Settings):
    file = inputs.workspace(settings).scores(NIGHT) / SCORED
    said(0.2 if name in BACK else 0.6 for name in PEOPLE).write_parquet(file)
    found = seen(settings, model(settings, run_of_list(settings)))
    assert [str(alarm.signal) for alarm in found] == ["auroc_drop", "ece"]
    assert found[0].sentence == (
        f"The night of {NIGHT} has turned out with an AUROC of 0.000; 0.900 was measured at training."
    )


def test_the_night_writes_how_far_each_column_lies_from_training(settings: Settings):
    seen(settings, model(settings, "gone"))
    content = files(settings)[f"as_of={TODAY}/watch.json"][1]
    assert [(one["kind"], one["column"], one["psi"]) for one in content["columns"]] == [
        ("feature", "orders", 0.0),
        *(("score", name, 0.0) for name in sorted(SCORES)),
    ]
    assert content["figures"] == {
        "watch.predicted_rate": 0.3,
        "watch.observed_rate": pytest.approx(12 / 39, abs=1e-6),
        "watch.model_age_days": 30,
        "watch.alarms": 0,
    }


def test_the_same_night_again_writes_nothing_and_tells_mlflow_nothing_twice(settings: Settings):
    run_id = run_of_list(settings)
    for _ in range(2):
        seen(settings, model(settings, run_id))
        assert watch.record(settings) == ()
        written = files(settings)
        assert {content["mlflow"] for _, content in written.values()} == {monitor.RECORDED}
    before = {name: when for name, (when, _) in written.items()}
    seen(settings, model(settings, run_id))
    watch.record(settings)
    assert {name: when for name, (when, _) in files(settings).items()} == before
    with connected(inputs.store(settings)) as client:
        (step,) = client.get_metric_history(run_id, "matured.auroc")
        assert (step.value, step.step) == (1.0, (NIGHT - date(1970, 1, 1)).days)
        nested = f"tags.`mlflow.parentRunId` = '{run_id}'"
        (nights,) = client.search_runs([client.get_run(run_id).info.experiment_id], nested)
        assert nights.info.run_name == "nights"
        assert nights.data.metrics["psi.orders"] == 0
        assert nights.data.metrics["watch.predicted_rate"] == pytest.approx(0.3)
        assert len(client.get_metric_history(nights.info.run_id, "psi.orders")) == 1


def test_telling_mlflow_twice_leaves_one_figure_per_day(settings: Settings):
    store, run_id = inputs.store(settings), run_of_list(settings)
    for day, value in ((NIGHT, 0.1), (NIGHT, 0.1), (TODAY, 0.2)):
        assert record_night(store, run_id, day, {"psi.orders": value})
        assert record_matured(store, run_id, day, {"matured.ece": value})
    with connected(store) as client:
        experiment = client.get_run(run_id).info.experiment_id
        (nights,) = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run_id}'")
        for place, name in ((nights.info.run_id, "psi.orders"), (run_id, "matured.ece")):
            assert [one.value for one in client.get_metric_history(place, name)] == [0.1, 0.2]


def test_a_run_that_is_gone_is_no_reason_to_try_again(settings: Settings):
    seen(settings, model(settings, "0" * 32))
    assert watch.record(settings) == ()
    assert files(settings)[f"as_of={TODAY}/watch.json"][1]["mlflow"] == monitor.GONE


def test_when_mlflow_does_not_answer_the_next_night_tells_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    def silent(*_: object) -> bool:
        raise WinbackError("The MLflow store did not do as asked.")

    seen(settings, model(settings, run_of_list(settings)))
    with monkeypatch.context() as broken:
        broken.setattr(watch, "record_matured", silent)
        (told,) = watch.record(settings)
    assert told.startswith("What was watched is not in MLflow yet; the next night tries again.")
    assert files(settings)[f"as_of={NIGHT}/matured.json"][1]["mlflow"] == monitor.PENDING
    assert watch.record(settings) == ()
    assert files(settings)[f"as_of={NIGHT}/matured.json"][1]["mlflow"] == monitor.RECORDED


def test_an_alarm_is_an_event_without_anybodys_name(settings: Settings, events: list[dict[str, Any]]):
    (alarm,) = seen(settings, model(settings, "gone"), orders=100)
    assert "1 of 1 features lie far" in alarm.sentence
    (event,) = events
    assert event["event"] == "winback.watch.feature_psi"
    assert event["payload"]["action"] == "warn"
    assert event["payload"]["found"] > 1
    assert not [name for name in PEOPLE if name in json.dumps(event)]


def test_a_model_from_before_profiles_were_kept_is_watched_without(settings: Settings, tmp_path: Path):
    bare = Model("7", "1", "gone", tmp_path, NIGHT, {})
    assert seen(settings, bare, orders=100) == ()
    assert files(settings)[f"as_of={TODAY}/watch.json"][1]["columns"] == []


@pytest.fixture
def scoring(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which models scored, in order; scoring gives what is there."""
    used: list[str] = []

    def score(settings: Settings, _as_of: object, _features: object, by: Model) -> Path:
        used.append(by.digest)
        return settings.root / ".runs" / "predictions"

    monkeypatch.setattr(watch, "score", score)
    return used


def scored(settings: Settings, used: Model, orders: int) -> watch.Scored:
    features, _ = places(settings, orders)
    return watch.scored(settings, settings.as_of(str(TODAY)), features, used)


@pytest.mark.usefixtures("scoring")
def test_a_stop_says_what_moved_and_what_to_do_and_can_be_let_pass(made: Made, tmp_path: Path):
    strict = made("watch.feature_psi.action=stop")
    used = model(strict, run_of_list(strict))
    with pytest.raises(DataRefused) as refused:
        scored(strict, used, orders=100)
    assert refused.value.exit_code == 3
    text = str(refused.value)
    assert "1 of 1 features lie far from what the model learned from" in text
    assert "--set watch.feature_psi.action=warn" in text
    assert files(strict)[f"as_of={TODAY}/watch.json"][1]["mlflow"] == monitor.RECORDED
    assert not inputs.workspace(strict).list(TODAY).exists()
    warned = shop(tmp_path, "churn.horizon_days=30", "list.capacity=1")
    assert warned.digest() == strict.digest()
    assert scored(warned, used, orders=100).sentences[0].startswith("Watch: 1 of 1 features lie far")


class Training:
    """Stands in for training and promotion."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch, *, promoted: bool) -> None:
        self.times = 0
        self.newer = model(settings, "newer", TODAY, "8")
        monkeypatch.setattr(watch, "learn", self.learn)
        monkeypatch.setattr(watch, "consider", lambda *_: Verdict(promoted, "Because."))
        monkeypatch.setattr(watch, "champion_for", lambda *_: self.newer)

    def learn(self, *_: object) -> None:
        self.times += 1


RETRAIN = "watch.feature_psi.action=retrain"


def test_a_retrain_scores_with_the_new_model_and_happens_once(
    made: Made, monkeypatch: pytest.MonkeyPatch, scoring: list[str]
):
    settings = made(RETRAIN)
    training = Training(settings, monkeypatch, promoted=True)
    done = scored(settings, model(settings, "gone"), orders=100)
    assert done.model is training.newer
    assert done.sentences[-1] == "A new model was trained because of this and is in use now. Because."
    scored(settings, training.newer, orders=100)  # the same night again, which starts with the new model
    assert training.times == 1
    assert scoring == ["7", "8", "8"]
    assert files(settings)[f"as_of={TODAY}/retrain.json"][1]["because"] == ["feature_psi"]


def test_a_refused_challenger_leaves_the_old_model_and_is_not_trained_again_for_some_days(
    made: Made, monkeypatch: pytest.MonkeyPatch, scoring: list[str]
):
    settings = made(RETRAIN)
    training = Training(settings, monkeypatch, promoted=False)
    used = model(settings, "gone")
    for _ in range(2):
        done = scored(settings, used, orders=100)
        assert done.model is used
        assert (
            done.sentences[-1] == "A new model was trained because of this, but the old one stays. Because."
        )
    assert (training.times, scoring) == (1, ["7", "7"])
    for days, times in ((6, 1), (7, 2)):
        features, _ = places(settings, 100)
        later = settings.as_of(str(TODAY + timedelta(days=days)))
        told = watch.scored(settings, later, features, used).sentences[-1]
        assert training.times == times
        assert ("less than 7 days ago" in told) == (times == 1)


@pytest.mark.usefixtures("scoring")
def test_a_model_that_has_just_learned_is_not_trained_again(made: Made, monkeypatch: pytest.MonkeyPatch):
    settings = made(RETRAIN)
    training = Training(settings, monkeypatch, promoted=True)
    told = scored(settings, model(settings, "gone", TODAY), orders=100).sentences[-1]
    assert training.times == 0
    assert told.startswith(f"No new model is trained because of this: the last training was that of {TODAY}")


@pytest.mark.usefixtures("scoring")
def test_data_that_nothing_can_be_learned_from_does_not_end_a_night_that_has_a_model(
    made: Made, monkeypatch: pytest.MonkeyPatch
):
    def refused(*_: object) -> None:
        raise DataRefused("Only 3 customers came back.")

    settings = made(RETRAIN)
    used = model(settings, "gone")
    monkeypatch.setattr(watch, "learn", refused)
    done = scored(settings, used, orders=100)
    assert done.model is used
    assert done.sentences[-1].endswith("but the old one stays. Only 3 customers came back.")


@pytest.mark.usefixtures("scoring")
def test_a_stop_comes_before_a_training(made: Made, monkeypatch: pytest.MonkeyPatch):
    settings = made(RETRAIN, "watch.model_age_days={limit: 1, action: stop}")
    training = Training(settings, monkeypatch, promoted=True)
    with pytest.raises(
        DataRefused, match=r"has learned nothing for 30 days.*watch\.model_age_days\.action=warn"
    ):
        scored(settings, model(settings, "gone"), orders=100)
    assert training.times == 0


def test_a_damaged_file_is_named(settings: Settings):
    file = inputs.workspace(settings).monitor(TODAY) / monitor.WATCH
    file.parent.mkdir(parents=True)
    file.write_text("{")
    with pytest.raises(WinbackError, match=r"watch\.json is damaged"):
        seen(settings, model(settings, "gone"))
