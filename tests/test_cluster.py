"""Work on a real Dask scheduler with worker processes: results, errors, lost workers, one model on all."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from training_world import AS_OF, training_frame

from features.engine import Engine, Threads
from features.errors import ConfigError, DataRefused, WinbackError
from features.hashing import stable_hash
from flows.cluster import DaskEngine, joined, joining
from flows.cluster.engine import even
from flows.settings import DaskOptions
from models import boosting, bundle
from models.boosting import Recipe, Sample, Seat, grow_together, meeting, predict
from models.fitting import Recipe as Training
from models.lesson import Lesson, churn_sample, learnable
from models.matrix import FeatureContract, to_matrix
from models.metrics import auroc
from models.options import TrainOptions, ValueOptions, XgbOptions
from models.spread import Spread
from models.training import train

pytestmark = pytest.mark.dask
LESSON = Lesson.of(learnable(training_frame()), gone_only=False, half_life_days=None)
XGB = XgbOptions(rounds=25, early_stopping=5, learning_rate=0.3, min_child_weight=5)
RECIPE = Recipe("binary:logistic", XGB, seed=7)
PARTS = 6


@pytest.fixture(scope="module")
def opened() -> Iterator[DaskEngine]:
    with joined(DaskOptions(workers=2)) as engine:
        yield engine


@pytest.fixture
def engine(opened: DaskEngine) -> DaskEngine:
    """Both workers are there again, whatever an earlier test did to them."""
    opened.client.wait_for_workers(2, timeout=60)
    return opened


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return training_frame(people=1500)


def partitions(rows: pl.DataFrame) -> list[pl.DataFrame]:
    part = stable_hash("customer_id", "part") % PARTS
    return [rows.filter(part == number) for number in range(PARTS)]


def whole(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


def sample_of(rows: pl.DataFrame, contract: FeatureContract) -> Sample:
    return churn_sample(learnable(rows), contract, LESSON)


def times_sum(number: int, of: pl.DataFrame) -> int:
    return number * int(of["value"].sum())


def added(left: int, right: int) -> int:
    return left + right


def itself(number: int) -> int:
    return number


def threads_of_polars(_: int) -> int:
    return pl.thread_pool_size()


def refused(number: int) -> int:
    raise DataRefused(f"part {number} breaks its contract")


def killed(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def slow(number: int, folder: Path) -> int:
    (folder / f"{number}-{os.getpid()}").touch()
    time.sleep(0.3)
    return number


def killed_once(parts: list[Sample], seat: Seat, rounds: int, folder: Path) -> bytes:
    """Grow together; the first time, one process is killed after so many rounds of twenty."""
    if seat["dmlc_task_id"] == "00000001" and not (folder / "killed").exists():
        (folder / "killed").touch()
        if rounds:
            boosting._grown = partial(cut_short, boosting._grown, rounds)
            grow_together(parts, seat, RECIPE, 20)
        os.kill(os.getpid(), signal.SIGKILL)
    return grow_together(parts, seat, RECIPE, 20)


def cut_short(
    grown: Callable[..., bytes], few: int, sample: Sample, recipe: Recipe, _: int, rows: int
) -> None:
    grown(sample, recipe, few, rows)
    os.kill(os.getpid(), signal.SIGKILL)


def refused_on_one(parts: list[Sample], seat: Seat) -> bytes:
    if seat["dmlc_task_id"] == "00000001":
        raise DataRefused("this part breaks its contract")
    return grow_together(parts, seat, RECIPE, 20)


def test_shares_are_even_and_none_is_empty():
    assert even("abcde", 2) == ["ab", "cde"]
    assert even("ab", 3) == ["a", "b"]
    assert even("", 3) == []


def test_results_are_those_of_one_machine(engine: DaskEngine):
    def sums(on: Engine) -> list[int]:
        times = on.map(partial(times_sum, of=pl.DataFrame({"value": [1, 2]})), range(4))
        return on.gather(on.map(added, times, [10, 20, 30, 40]))

    with Threads(2) as threads:
        assert sums(engine) == sums(threads) == [10, 23, 36, 49]
    assert engine.gather(engine.map(added, [], [])) == []


def test_an_error_of_ours_comes_through_as_itself(engine: DaskEngine):
    with pytest.raises(DataRefused, match="part 3 breaks its contract"):
        engine.gather(engine.map(added, engine.map(refused, [3]), [1]))


def test_a_worker_killed_in_the_middle_does_not_lose_the_run(engine: DaskEngine, tmp_path: Path):
    held = engine.map(itself, range(6))
    engine.gather(held)
    started = engine.map(partial(slow, folder=tmp_path), held)
    while len(begun := [path.name for path in tmp_path.iterdir()]) < 2:
        time.sleep(0.02)
    os.kill(int(begun[0].split("-")[1]), signal.SIGKILL)
    assert engine.gather(started) == list(range(6))
    assert len(list(tmp_path.iterdir())) > 6


def test_work_that_kills_its_worker_again_and_again_is_given_up():
    with (
        joined(DaskOptions(workers=1, retries=0)) as engine,
        pytest.raises(WinbackError, match=r"begun 1 times, and each time its worker was lost.*memory"),
    ):
        engine.gather(engine.map(killed, [1]))


def test_workers_that_train_together_end_with_the_same_bytes_each_time(
    engine: DaskEngine, rows: pl.DataFrame
):
    contract = FeatureContract.of(learnable(rows))
    grow, sample = partial(grow_together, recipe=RECIPE, rounds=20), partial(sample_of, contract=contract)
    first, second = engine.together(grow, sample, partitions(rows), meeting)
    assert first == second == Spread(engine, whole, partitions(rows)).grow(contract, LESSON, RECIPE, 20)


def test_a_worker_without_learnable_rows_takes_part_all_the_same(engine: DaskEngine, rows: pl.DataFrame):
    contract = FeatureContract.of(learnable(rows))
    raw = Spread(engine, whole, [rows, rows.clear()]).grow(contract, LESSON, RECIPE, 20)
    alone = Spread(engine, whole, [rows]).grow(contract, LESSON, RECIPE, 20)
    p0, p0_alone = (predict(one, to_matrix(rows, contract)) for one in (raw, alone))
    assert auroc(rows["returned"].to_numpy(), p0) == pytest.approx(
        auroc(rows["returned"].to_numpy(), p0_alone), abs=0.002
    )


def test_training_on_workers_ranks_as_well_as_on_one_machine(engine: DaskEngine, rows: pl.DataFrame):
    recipe = Training(XGB, TrainOptions(folds=3), ValueOptions(), seed=7)
    here = train(rows, AS_OF, recipe)
    there = train(rows, AS_OF, recipe, regrow=Spread(engine, whole, partitions(rows)).grow)
    assert there.metrics == here.metrics
    assert there.bundle.digest != here.bundle.digest
    fresh = training_frame(people=4000, snapshots=1, seed=11)
    p0s = [bundle.predict(one.bundle, fresh)["p0"].to_numpy() for one in (here, there)]
    ours, theirs = (auroc(fresh["returned"].to_numpy(), p0) for p0 in p0s)
    assert ours == pytest.approx(theirs, abs=0.002)


def test_days_that_are_not_in_the_lesson_teach_no_worker_anything(rows: pl.DataFrame):
    newest = rows.filter(pl.col("as_of") >= date(2024, 4, 1))
    contract, lesson = FeatureContract.of(rows), Lesson.of(newest, gone_only=False, half_life_days=None)
    every, some = (
        Spread(Threads(), whole, partitions(one)).grow(contract, lesson, RECIPE, rounds=5)
        for one in (rows, newest)
    )
    assert every == some


def test_without_workers_all_parts_are_grown_here(rows: pl.DataFrame):
    contract = FeatureContract.of(learnable(rows))
    with Threads(2) as threads:
        raw = Spread(threads, whole, [rows]).grow(contract, LESSON, RECIPE, 20)
    assert raw == grow_together([sample_of(rows, contract)], None, RECIPE, 20)


@pytest.mark.parametrize("rounds", [0, 5])
def test_a_worker_killed_while_all_train_does_not_lose_the_run(
    engine: DaskEngine, rows: pl.DataFrame, tmp_path: Path, rounds: int
):
    sample = partial(sample_of, contract=FeatureContract.of(learnable(rows)))
    parts = engine.map(whole, partitions(rows))
    models = engine.together(partial(killed_once, rounds=rounds, folder=tmp_path), sample, parts, meeting)
    assert (tmp_path / "killed").exists()
    assert len(set(models)) == 1


def test_the_error_that_broke_the_training_is_the_one_that_is_told(engine: DaskEngine, rows: pl.DataFrame):
    sample = partial(sample_of, contract=FeatureContract.of(learnable(rows)))
    with pytest.raises(DataRefused, match="this part breaks its contract"):
        engine.together(refused_on_one, sample, partitions(rows), meeting)


def test_workers_share_the_cores_and_leave_nothing_in_the_folder(engine: DaskEngine):
    threads = engine.gather(engine.map(threads_of_polars, range(8)))
    assert max(threads) <= max(1, (os.cpu_count() or 1) // 2)
    assert not list(Path().glob("dask-*"))


def test_a_scheduler_that_does_not_answer_is_named():
    with (
        pytest.raises(
            ConfigError, match=r"No Dask scheduler answered at tcp://127\.0\.0\.1:9 within 0\.5 sec"
        ),
        joined(DaskOptions(address="tcp://127.0.0.1:9", timeout=0.5)),
    ):
        pass


def test_a_cluster_is_used_when_it_has_workers_with_the_same_code(monkeypatch: pytest.MonkeyPatch):
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, dashboard_address=":0", protocol="tcp://") as running:
        options = DaskOptions(address=running.scheduler_address, timeout=1)
        with (
            pytest.raises(ConfigError, match="has no workers, and none came within 1 seconds"),
            joined(options),
        ):
            pass
        running.scale(1)
        options = options.model_copy(update={"timeout": 60})  # a busy machine starts workers slowly
        with joined(options) as engine:
            assert engine.gather(engine.map(added, [1], [2])) == [3]
        monkeypatch.setattr(joining, "_CODE", ("features",))
        with (
            pytest.raises(ConfigError, match=r"not give the same results .*code: \w+ there, \w+ here"),
            joined(options),
        ):
            pass


def test_a_missing_extra_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pip install 'winback\[dask\]'"), joined(DaskOptions()):
        pass
