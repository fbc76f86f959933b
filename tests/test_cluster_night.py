"""A night on a real Dask cluster of two worker processes gives what it gives on one machine, to the byte."""

import os
import signal
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from features import ingest, ledger
from features.asof import AsOf
from features.errors import DataRefused
from features.table import training_table
from flows import building, doctor, effects, inputs, ranking, scoring, survey, train
from flows.cluster import DaskEngine
from flows.demo import overrides_for
from flows.demo_shop import ShopPlan, write_shop
from flows.ingest import take_in, tidy
from flows.recipe import recipe
from flows.settings import CONFIGS, Settings, load
from models import bundle, training
from models.metrics import auroc

pytestmark = pytest.mark.dask
DAY, EARLIER, BETWEEN = "2025-06-30", "2025-03-31", "2025-04-30"
# A small shop learns fast: fewer days and rounds, the same code. Draws of rows hang on where these
# lie; without them two models of a small shop differ less by chance.
LEARNING = ("train.snapshots=3", "train.folds=2", "xgb.rounds=30", "xgb.threads=1", "xgb.subsample=1")
FAST = (*LEARNING, "lake.buckets=6")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A running scheduler with two workers, as an operator would start them."""
    import dask
    from distributed import LocalCluster

    # A worker that is killed is started again by its nanny, however long that takes.
    quiet = {"distributed.deploy.lost-worker-timeout": "30 days", "distributed.scheduler.http.routes": []}
    with (
        dask.config.set(quiet),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=":0",
            protocol="tcp://",
            silence_logs=50,
            env={"POLARS_MAX_THREADS": "1"},
        ) as running,
    ):
        yield running.scheduler_address


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder, ShopPlan(customers=4000, block=4000, shard=4000))
    return folder


@pytest.fixture(scope="module")
def local(shop: Path) -> Settings:
    """A workspace whose lake is filled, on one machine."""
    settings = load(CONFIGS / "demo.yaml", [*overrides_for(shop), *FAST])
    take_in.fn(settings)
    tidy.fn(settings)
    return settings


@pytest.fixture(scope="module")
def there(shop: Path, address: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Another workspace of the same shop, whose heavy steps run on the cluster.

    While its lake is filled, a worker dies with a delivery read and not yet told.
    """
    places = [f"workspace={shop / 'other'}", "engine=dask", f"dask.address={address}"]
    settings = load(CONFIGS / "demo.yaml", [*overrides_for(shop), *FAST, *places])
    marker = tmp_path_factory.mktemp("killed") / "reading"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "_stage", partial(killed_after, marker, ingest._stage))
        take_in.fn(settings)
    assert marker.exists()
    tidy.fn(settings)
    return settings


@pytest.fixture(scope="module")
def learned(local: Settings) -> training.Trained:
    return trained(local, local.as_of(EARLIER))


@pytest.fixture(scope="module")
def model(learned: training.Trained, tmp_path_factory: pytest.TempPathFactory) -> train.Model:
    """The champion of both engines."""
    folder = tmp_path_factory.mktemp("bundle")
    learned.bundle.save(folder)
    return train.Model(learned.bundle.digest, "1", "run", folder, date.fromisoformat(EARLIER), {})


def trained(settings: Settings, as_of: AsOf) -> training.Trained:
    """What the flow learns, without the record of it."""
    history = inputs.history(settings, as_of)
    first = history.first_day()
    assert first is not None
    days = train._days(settings, as_of, first, None)
    with inputs.engine(settings) as engine:
        rows, regrow = train._rows(settings, history, days, as_of, engine)
        return training.train(rows, as_of, recipe(settings), regrow=regrow)


def a_night(settings: Settings, model: train.Model) -> str:
    """The night after its deliveries; how the list was written."""
    as_of = settings.as_of(DAY)
    features = building.build_features.fn(settings, as_of)
    return listed(settings, model, features, scoring.score.fn(settings, as_of, features, model))


def listed(settings: Settings, model: train.Model, features: Path, predictions: Path) -> str:
    """How the list was written."""
    as_of = settings.as_of(DAY)
    made_of = features, predictions, model, effects.believe.fn(settings, as_of, features)
    return str(ranking.rank.fn(settings, as_of, *made_of, revision=False)["status"])


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def killed_once(
    marker: Path, write: "partial[int]", folder: Path, number: int, features: pl.DataFrame
) -> int:
    """Write a part; the first time that it is the second one, the worker dies with the part half done."""
    if number == 1 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return int(write(folder, number, features))


def first_twice(write: "partial[int]", folder: Path, number: int, features: pl.DataFrame) -> int:
    """Write a part; the first customer of the second one comes twice."""
    return int(write(folder, number, pl.concat([features, features.head(number % 2)])))


def killed_after(marker: Path, stage: Callable[..., ingest.Staged], seq: int, *rest: Any, **more: Any) -> Any:
    """Read a delivery; the first time that it is the third one, the worker dies with what it has read."""
    done = stage(seq, *rest, **more)
    if seq == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return done


def test_deliveries_read_on_the_cluster_are_those_read_here(local: Settings, there: Settings):
    here, other = inputs.lake(local), inputs.lake(there)
    assert ledger.version(here.root) == ledger.version(other.root)
    accepted = [ledger.receipts(lake.root).drop("ingested_at") for lake in (here, other)]
    assert_frame_equal(*accepted)
    assert accepted[0]["quarantined"].sum() > 0
    for table in accepted[0]["table"].unique():
        assert here.parts(table) == other.parts(table)
        rows = [lake.scan(table).drop("ingested_at").collect() for lake in (here, other)]
        assert_frame_equal(*rows)
    assert files(local.root / "quarantine") == files(there.root / "quarantine")


def test_a_night_gives_the_same_bytes_on_the_cluster(local: Settings, there: Settings, model: train.Model):
    assert (a_night(local, model), a_night(there, model)) == ("written", "written")
    for kind in ("features", "scores", "lists"):
        here = files(local.root / kind)
        assert here == files(there.root / kind)
        assert here
    again = local.model_copy(update={"engine": "dask", "dask": there.dask})
    made = [there.root / f"{kind}/as_of={DAY}" for kind in ("features", ".runs/predictions")]
    assert listed(again, model, *made) == "unchanged"


def test_a_worker_killed_while_features_are_built_does_not_lose_them(
    there: Settings, local: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    as_of, marker = there.as_of(EARLIER), tmp_path / "killed"
    monkeypatch.setattr(building, "write_part", partial(killed_once, marker, building.write_part))
    disturbed = building.build_features.fn(there, as_of)
    assert marker.exists()
    undisturbed = building.build_features.fn(local, as_of)
    rows = [pl.read_parquet(folder).sort("customer_id") for folder in (disturbed, undisturbed)]
    assert rows[0].height > 3000
    assert_frame_equal(*rows, check_exact=True)


def test_features_are_refused_when_those_of_one_part_break_a_rule(
    there: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(building, "write_part", partial(first_twice, building.write_part))
    with pytest.raises(DataRefused, match=r"row_twice .*: a customer has one row per day. 2 of"):
        building.build_features.fn(there, there.as_of("2025-02-28"))
    assert not (there.root / "features/as_of=2025-02-28").exists()


def test_a_model_of_all_workers_ranks_as_well_and_is_judged_the_same(
    local: Settings, there: Settings, learned: training.Trained
):
    spread = trained(there, there.as_of(EARLIER))
    assert spread.metrics == learned.metrics
    assert spread.bundle.returning.churn != learned.bundle.returning.churn
    known, days = local.as_of(DAY), [local.as_of(day) for day in (EARLIER, BETWEEN)]
    later = training_table(inputs.history(local, known), days, known, 1, local.stages, 10**6)
    p0s = [bundle.predict(one.bundle, later)["p0"].to_numpy() for one in (spread, learned)]
    aurocs = [auroc(later["returned"].to_numpy(), p0) for p0 in p0s]
    assert aurocs[0] == pytest.approx(aurocs[1], abs=0.002)


def test_workers_choose_the_same_horizon_and_see_the_same_shop(local: Settings, there: Settings):
    def surveyed(settings: Settings) -> survey.Survey:
        as_of = settings.as_of(DAY)
        with inputs.engine(settings) as engine:
            return survey.survey(settings, *survey.known_history(settings, as_of), as_of, engine)

    here, spread = surveyed(local), surveyed(there)
    assert_frame_equal(here.choice.curve, spread.choice.curve)
    assert here.choice.curve.height == 7
    assert (here.figures, here.diagnosis, here.tags()) == (spread.figures, spread.diagnosis, spread.tags())


def test_doctor_finds_the_workers_and_whether_they_see_the_workspace(
    there: Settings, monkeypatch: pytest.MonkeyPatch
):
    def found() -> list[tuple[str, str, str]]:
        return [(one.level, one.what, one.found) for one in doctor._cluster(there)]

    who = f"2 workers with 2 threads at {there.dask.address}"
    well = ("ok", "dask", f"{who}; code and libraries are those of this process")
    assert found() == [well]
    strange = f"2 workers of the cluster cannot see what lies in {there.root}"
    monkeypatch.setattr(DaskEngine, "everywhere", lambda *_: [None, ["other"]])
    assert found() == [well, ("fail", "shared disk", strange)]
