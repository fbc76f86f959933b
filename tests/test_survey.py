"""Before a training: the horizon is chosen once and kept, and a shop that does not fit is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from workspace_world import deliver, order, shop

from features.errors import ConfigError, DataRefused
from flows import horizon, inputs, survey, train
from flows.demo import overrides_for
from flows.demo_shop import ShopPlan, write_shop
from flows.settings import Settings
from flows.survey import Settled, said
from models import training
from models.fitness import Fit
from models.horizon import Choice
from models.tracking import find_training

ROOT = Path(__file__).resolve().parent.parent
FIRST, DAY = date(2022, 1, 1), date(2024, 6, 30)
CHOOSING = "churn.horizon_days=null"
SMALL = (CHOOSING, "train.snapshots=3", "train.tests=1", "train.folds=2", "xgb.rounds=15", "xgb.threads=1")


@pytest.fixture(autouse=True)
def _without_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "choose_horizon", survey.choose_horizon.fn)


def rows(gap: int, spread: int, *, again: float = 1.0, people: int = 400) -> list[dict[str, Any]]:
    """Orders of people of whom a share comes again, about every so many days, until they leave."""
    rng = np.random.default_rng(5)
    days, found = (DAY - FIRST).days, []
    for number in range(people):
        on = float(rng.uniform(0, days))
        left = on + (rng.exponential(500) if rng.random() < again else 0)
        while True:
            name = f"o{number}-{len(found)}"
            found.append(order(f"c{number}", FIRST + timedelta(days=int(on)), 5000, name, category="tea"))
            on += max(1.0, rng.normal(gap, spread))
            if on > min(left, days):
                break
    return found


def monthly(folder: Path, *overrides: str) -> Settings:
    """A shop whose customers come about once a month, 400 of them over two and a half years."""
    settings = shop(folder, *SMALL, *overrides)
    deliver(settings, "transactions", rows(30, 8))
    return settings


def settled(settings: Settings, day: date = DAY) -> tuple[Settings, list[str]]:
    """The settings with a horizon, kept as after a training, and what is told."""
    found = survey.settle(settings, settings.as_of(str(day)))
    assert found.as_of.horizon_days == found.settings.churn.horizon_days
    found.keep()
    return found.settings, found.sentences


def reopened(folder: Path, *overrides: str) -> Settings:
    """What the next run reads, from the same config."""
    return inputs.opened(str(folder / "winback.yaml"), [*SMALL, *overrides], str(DAY))[0]


def test_the_data_choose_the_horizon_and_the_workspace_keeps_it(tmp_path: Path):
    settings = monthly(tmp_path)
    found, sentences = settled(settings)
    assert found.churn.horizon_days == 45
    assert sentences[0].startswith("The horizon is 45 days from now on, chosen from the data")
    kept = json.loads((settings.root / "horizon.json").read_text())
    assert kept == {"horizon_days": 45, "chosen_as_of": str(DAY), "notes": []}
    again = reopened(tmp_path)
    assert again == found
    assert again.digest() == found.digest() == shop(tmp_path, *SMALL, "churn.horizon_days=45").digest()
    assert settled(again) == (found, [])


def test_a_training_that_is_refused_keeps_no_horizon_and_one_that_is_done_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = monthly(tmp_path, "train.min_positives=5000")
    monkeypatch.setattr(train, "learn", train.learn.fn)
    chosen = survey.settle(settings, settings.as_of(str(DAY)))
    assert chosen.settings.churn.horizon_days == 45
    with pytest.raises(DataRefused, match=r"learning needs 5000"):
        train.learned(chosen)
    assert horizon.kept(settings.root) is None
    monkeypatch.setattr(train, "learn", lambda *_, **__: "made")
    assert train.learned(chosen) == "made"
    kept = horizon.kept(settings.root)
    assert kept is not None
    assert kept.horizon_days == 45


def test_other_data_do_not_change_a_horizon_that_is_kept(tmp_path: Path):
    settled(monthly(tmp_path))
    later = [order("c1", DAY, 100, "new")]
    deliver(shop(tmp_path), "transactions", later, name="later.csv")
    again = reopened(tmp_path, "churn.horizon_candidates=[20,200]")
    assert settled(again)[0].churn.horizon_days == 45


def test_the_config_wins_over_what_the_workspace_keeps_and_it_is_told(tmp_path: Path):
    settled(monthly(tmp_path))
    found, sentences = settled(reopened(tmp_path, "churn.horizon_days=60"))
    assert found.churn.horizon_days == 60
    wins = (
        f"The config sets a horizon of 60 days, which wins over the 45 days chosen from the data up to {DAY}."
    )
    assert sentences == [wins]
    assert horizon.in_words(found) == f"The horizon is 60 days, as the config sets it. {wins}"
    assert horizon.in_words(shop(tmp_path, CHOOSING)) == (
        f"The horizon is 45 days, chosen from the data up to {DAY}."
    )


def test_a_horizon_that_is_set_is_not_chosen(tmp_path: Path):
    settings = monthly(tmp_path, "churn.horizon_days=90")
    assert settled(settings) == (settings, [])
    assert not (settings.root / "horizon.json").exists()


def test_without_a_horizon_windows_are_as_long_as_the_longest_candidate(tmp_path: Path):
    settings = shop(tmp_path, CHOOSING)
    assert settings.as_of(str(DAY)).horizon_days == 365
    assert horizon.in_words(settings) == "The first training will choose the horizon from the data."


def test_killed_before_the_horizon_is_kept_chooses_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = monthly(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            settled(settings)
    assert horizon.kept(settings.root) is None
    assert settled(settings)[0].churn.horizon_days == 45


def test_a_damaged_record_is_a_fault_that_says_what_to_do(tmp_path: Path):
    settings = shop(tmp_path, CHOOSING)
    settings.root.mkdir()
    (settings.root / "horizon.json").write_text('{"horizon_days": "soon"}')
    with pytest.raises(ConfigError, match=r"horizon\.json does not say .* remove the file"):
        horizon.resolved(settings)


def test_an_empty_lake_chooses_nothing(tmp_path: Path):
    settings = shop(tmp_path, CHOOSING)
    with pytest.raises(DataRefused, match="no purchases to learn from"):
        settled(settings)
    assert not (settings.root / "horizon.json").exists()


def test_a_shop_where_three_per_cent_buy_again_is_refused_and_keeps_no_horizon(tmp_path: Path):
    settings = shop(tmp_path, *SMALL)
    deliver(settings, "transactions", rows(30, 8, again=0.04, people=1500))
    with pytest.raises(DataRefused, match=r"9[67]\.\d% bought only once and [34]\.\d% ever again") as refused:
        settled(settings)
    assert refused.value.exit_code == 3
    assert not (settings.root / "horizon.json").exists()
    fixed = shop(tmp_path, *SMALL, "churn.horizon_days=45")
    with pytest.raises(DataRefused, match="does not fit this shop"):
        train.learn.fn(fixed, fixed.as_of(str(DAY)))


def test_forced_training_of_an_unfit_shop_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = shop(tmp_path, *SMALL, "train.even_if_unfit=true")
    deliver(settings, "transactions", rows(30, 8, again=0.04, people=1500))
    found, _ = settled(settings)

    def reached(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", reached)
    with pytest.raises(KeyboardInterrupt):
        train.learn.fn(found, found.as_of(str(DAY)))


def test_past_days_are_built_for_every_fit_of_ours_and_of_the_champions_recipe(tmp_path: Path):
    settings = shop(tmp_path, "train.snapshots=3", "train.tests=2")  # 90 days: four more teach no test day
    champion = SimpleNamespace(about={"train": {"snapshots": 5}})
    built = [
        len(train._days(settings, settings.as_of(str(DAY)), date(2015, 1, 1), one))
        for one in (None, champion)
    ]
    assert built == [3 + 1 + 4, 5 + 1 + 4]


def test_what_is_kept_of_the_rows_is_of_the_days_that_the_model_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = monthly(tmp_path, "churn.horizon_days=45", "train.snapshots=2")
    profiled: list[pl.DataFrame] = []
    monkeypatch.setattr(train.Learned, "of", lambda rows, *_: profiled.append(rows) or _Nothing())
    for name in ("record", "record_training"):
        monkeypatch.setattr(train, name, lambda *_: None)
    train.learn.fn(settings, settings.as_of(str(DAY)))
    days = [date(2024, 4, 16), date(2024, 5, 16)]
    assert profiled[0]["as_of"].unique().sort().to_list() == days


class _Nothing:
    def save(self, _: Path) -> None:
        """Keep nothing."""


@pytest.mark.slow
def test_a_training_records_what_the_shop_looks_like_and_what_the_data_propose(tmp_path: Path):
    found, _ = settled(monthly(tmp_path))
    asked = horizon.with_horizon(found, 60)
    made = train.learn.fn(asked, asked.as_of(str(DAY)))
    assert made.tags["fit.verdict"] == Fit.WEAK.value
    assert survey.said(dict(made.tags))[1].startswith(
        "The data would choose a horizon of 45 days (wrong about"
    )
    assert made.metrics["fit.one_time_share"] < 0.2
    assert made.metrics["fit.snapshots"] == 24
    assert train.learn.fn(asked, asked.as_of(str(DAY))) == find_training(
        inputs.store(asked), made.tags["training.key"]
    )
    artifacts = {path.name: path for path in reports(asked)}
    assert artifacts["horizon.csv"].read_text().splitlines()[0] == "horizon_days,judged,type_1,type_2,loss"
    assert artifacts["horizon.png"].read_bytes().startswith(b"\x89PNG")
    assert artifacts["fit.md"].read_text().startswith("# Does it fit? Weak.")
    assert "The diagnosis before the training: weak." in artifacts["model_card.md"].read_text()


def reports(settings: Settings) -> list[Path]:
    return list((settings.root / "mlartifacts").glob("*/*/artifacts/report/*"))


def winback(folder: Path, *words: str, sets: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run the command line on the shop of a folder."""
    chosen = [word for item in (*SMALL, *sets) for word in ("--set", item)]
    command = [sys.executable, "-m", "flows", *words, "-c", str(folder / "winback.yaml"), "--json", *chosen]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_command_refuses_an_unfit_shop_and_trains_when_forced(tmp_path: Path):
    deliver(shop(tmp_path), "transactions", rows(30, 8, again=0.04, people=1500))
    refused = winback(tmp_path, "train", "--as-of", str(DAY))
    assert refused.returncode == 3
    assert "bought only once" in json.loads(refused.stdout.splitlines()[-1])["message"]
    forced = ("train.even_if_unfit=true", "train.min_positives=2")
    done = winback(tmp_path, "train", "--as-of", str(DAY), sets=forced)
    assert done.returncode == 0, done.stderr
    sentences = json.loads(done.stdout.splitlines()[-1])["sentences"]
    assert sentences[0].startswith("The horizon is ")
    assert sentences[1].startswith("This shop does not fit. Of 1,4")
    assert sentences[2].startswith("Model 1 ")
    assert "chosen from the data up to 2024-06-30" in horizon.in_words(shop(tmp_path, CHOOSING))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_night_killed_before_and_after_the_choice_goes_on_with_it(
    tmp_path: Path, beside_a_server: Mapping[str, str]
):
    shop_folder = tmp_path / "shop"
    write_shop(shop_folder, ShopPlan(customers=1200, block=1200, shard=1200))
    places = [item for item in overrides_for(shop_folder) if not item.startswith("workspace=")]

    def command(workspace: Path) -> list[str]:
        sets = [*places, f"workspace={workspace}", *SMALL]
        words = [word for item in sets for word in ("--set", item)]
        start = [sys.executable, "-m", "flows", "nightly", "-c", str(ROOT / "configs" / "demo.yaml")]
        return [*start, "--as-of", "2025-06-30", "--json", *words]

    def night(workspace: Path) -> None:
        subprocess.run(command(workspace), capture_output=True, cwd=ROOT, env=beside_a_server, check=True)

    # Killed while the training has not begun, and, gone on with, just after it has ended.
    seen = {"features/as_of=2025-06-30": False, "horizon.json": True}
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    night(undisturbed)
    for file, chosen in seen.items():
        process = subprocess.Popen(
            command(killed),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env=beside_a_server,
            start_new_session=True,
        )
        while process.poll() is None and not (killed / file).exists():
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert (killed / file).exists()
        assert (killed / "horizon.json").exists() is chosen
        assert not (killed / "lists").exists()
    night(killed)
    for name in ("horizon.json", "lists/as_of=2025-06-30/winback.csv"):
        assert (killed / name).read_bytes() == (undisturbed / name).read_bytes()


def test_a_horizon_chosen_just_now_is_told_once(tmp_path: Path):
    settings = shop(tmp_path)
    of_shop = said({"fit.told": "This shop fits.", "label.horizon_told": "The data would choose 30 days."})
    choice = Choice(30, pl.DataFrame())
    chosen = Settled(settings, settings.as_of(str(DAY)), ["The horizon is 30 days from now on."], choice)
    assert chosen.told(of_shop) == ["The horizon is 30 days from now on.", "This shop fits."]
    assert replace(chosen, choice=None).told(of_shop) == [*chosen.sentences, *of_shop]
