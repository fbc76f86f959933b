"""Past nights made again: nothing of the future in them, the same after a kill."""

import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from workspace_world import deliver, order, shop

from features.errors import ConfigError, DataRefused
from features.table import feature_table
from flows import backtest as flow
from flows import inputs, replay
from flows.backtest import backtest
from flows.cli import main
from flows.settings import Settings
from models.backtest import NIGHTS, table
from models.bundle import load_bundle
from models.matrix import to_matrix

FAST = (
    "churn.horizon_days=30",
    "train.snapshots=2",
    "train.folds=2",
    "train.tests=1",
    "train.min_positives=10",
    "train.even_if_unfit=true",
    "xgb.rounds=3",
    "xgb.threads=1",
    "value.horizon_months=2",
    "list.capacity=15",
    "list.control_share=0.2",
)
START, END = date(2023, 1, 1), date(2023, 12, 31)
ASKED = ("2023-09-01", "2023-10-15", 20, 40)
# Not within a word: the digests in the names of models may hold the same letters.
CUSTOMER = re.compile(rb"(?<![0-9A-Za-z])c\d{3}(?![0-9A-Za-z])")
NIGHT_DAYS = ("2023-09-01", "2023-09-21", "2023-10-11")


def history(until: date, people: int = 120) -> list[dict[str, Any]]:
    """Orders of people who each come at their own pace; some stop. Later days change no earlier one."""
    found = []
    for number in range(people):
        draw = np.random.default_rng([7, number])
        gap, day = draw.uniform(8, 60), draw.uniform(0, 60)
        last = draw.choice([500, 500, 500, 200])
        while day < last:
            on = START + timedelta(days=int(day))
            if on <= until:
                found.append(
                    order(f"c{number:03d}", on, int(draw.integers(500, 9000)), f"o{number}-{day:.4f}")
                )
            day += draw.exponential(gap) + 1
    return found


def campaign(on: date, people: int = 120) -> list[dict[str, Any]]:
    """A campaign that contacts every second person by lot, as its own tool writes it."""
    draw = np.random.default_rng(on.toordinal())
    arms = {True: "treatment", False: "control"}
    return [
        {
            "customer_id": f"c{number:03d}",
            "contacted_at": datetime(on.year, on.month, on.day, 9, tzinfo=UTC),
            "arm": arms[bool(draw.integers(2))],
            "assignment_probability": 0.5,
        }
        for number in range(people)
    ]


def voices(on: date, people: int, reason: str) -> list[dict[str, Any]]:
    """Answers of some people on why they left."""
    at = datetime(on.year, on.month, on.day, 9, tzinfo=UTC)
    return [
        {"customer_id": f"c{number:03d}", "occurred_at": at, "kind": "exit_interview", "reason": reason}
        for number in range(people)
    ]


def made(folder: Path, until: date = END) -> Settings:
    folder.mkdir(parents=True, exist_ok=True)
    settings = shop(folder, *FAST)
    deliver(settings, "transactions", history(until))
    deliver(settings, "contacts", campaign(date(2023, 10, 12)), "contacts.csv")
    deliver(settings, "feedback", voices(date(2023, 6, 1), 9, "too expensive"), "voices.csv")
    return settings


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def files(settings: Settings) -> dict[str, bytes]:
    """What lies in a workspace beside the replay's own."""
    own = ("backtests", ".runs", ".lock")
    return {name: data for name, data in content(settings.root).items() if not name.startswith(own)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, dict[str, Any], Path]:
    """A whole replay, and a copy of what it had kept of each night."""
    folder = tmp_path_factory.mktemp("undisturbed")
    settings, kept = made(folder), folder / "kept"
    before = files(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "_clear", lambda scratch: shutil.move(scratch, kept))
        told = backtest(settings, *ASKED)
    assert files(settings) == before
    return settings, told, kept


def test_each_night_is_told_by_a_model_of_its_time(undisturbed) -> None:
    settings, told, _ = undisturbed
    found = pl.read_parquet(settings.root / f"backtests/{told['backtest_id']}/backtest.parquet")
    assert found.schema == NIGHTS
    assert [str(day) for day in found["as_of"]] == list(NIGHT_DAYS)
    assert [str(day) for day in found["trained_as_of"]] == [NIGHT_DAYS[0]] * 2 + [NIGHT_DAYS[2]]
    assert found["model_version"].n_unique() == 2
    assert found["window_complete"].all()
    assert found["judged"].min() > 30
    assert found["auroc"].min() > 0.6
    assert found["organic_people"][0] == found["listed"][0] > 0
    assert found["common_people"][1] > 50


def test_whoever_a_replayed_list_enrols_rests(undisturbed) -> None:
    _, told, kept = undisturbed
    lists = [pl.read_parquet(kept / f"as_of={day}/enrolled.parquet") for day in NIGHT_DAYS]
    first, second, third = (set(one["customer_id"]) for one in lists)
    assert min(len(first), len(second), len(third)) > 0
    assert not first & second
    assert told["nights"][1]["still_enrolled"] == len(first)
    assert first & third, "after 31 days a person may be enrolled again"


def test_the_campaign_after_a_night_says_what_its_choice_would_have_earned(undisturbed) -> None:
    _, told, _ = undisturbed
    values = [night["policy_value"] for night in told["nights"]]
    assert [value is None for value in values] == [True, True, False]
    night = told["nights"][2]
    assert night["policy_low"] < night["policy_value"] < night["policy_high"]
    assert told["overall"]["policy_people"] == night["policy_people"] > 50


def test_the_result_names_nobody(undisturbed) -> None:
    settings, told, _ = undisturbed
    assert list((settings.root / ".runs/backtests").glob("*")) == []
    for name, data in content(settings.root / "backtests").items():
        assert not CUSTOMER.search(data) or name.endswith(".png"), name
    assert sorted(content(settings.root / f"backtests/{told['backtest_id']}")) == [
        "backtest.csv",
        "backtest.json",
        "backtest.parquet",
        "backtest.png",
    ]


def test_the_same_again_is_read_and_not_made(undisturbed, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, told, _ = undisturbed
    monkeypatch.setattr(replay, "taught", _never)
    assert backtest(settings, *ASKED) == told


def _never(*_: object, **__: object) -> None:
    raise AssertionError("this was done already")


def test_a_replay_that_was_killed_goes_on_and_ends_the_same(
    undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, told, _ = undisturbed
    killed = made(tmp_path)
    make, done = replay._make, []

    def until_the_third(*given: Any) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(given[1].day)
        make(*given)

    monkeypatch.setattr(replay, "_make", until_the_third)
    with pytest.raises(KeyboardInterrupt):
        backtest(killed, *ASKED)
    assert not (killed.root / "backtests").exists()
    again: list[date] = []
    monkeypatch.setattr(replay, "_make", lambda *given: (again.append(given[1].day), make(*given)))
    found = backtest(killed, *ASKED)
    assert [str(day) for day in (*done, *again)] == list(NIGHT_DAYS)
    assert found["backtest_id"] == told["backtest_id"]
    assert content(killed.root / "backtests") == content(settings.root / "backtests")


def test_what_names_people_goes_even_after_a_kill_when_all_was_told(undisturbed) -> None:
    settings, told, _ = undisturbed
    left = inputs.workspace(settings).runs / "backtests" / told["backtest_id"]
    left.mkdir(parents=True)
    (left / "people.parquet").touch()
    assert backtest(settings, *ASKED) == told
    assert not left.exists()


def test_rows_that_came_later_change_no_replayed_night(undisturbed, tmp_path: Path) -> None:
    """The law of no future: orders, contacts and answers after a night leave its list as it was."""
    from features.engine import Threads

    _, _, kept = undisturbed
    later = made(tmp_path / "later", until=date(2024, 3, 31))
    deliver(later, "contacts", campaign(date(2023, 11, 20)), "more.csv")
    deliver(later, "feedback", voices(date(2023, 11, 20), 120, "moved away"), "later.csv")
    nights = tuple(later.as_of(day) for day in NIGHT_DAYS[:2])
    again = replay.Replay(later, tmp_path / "again", nights, 20, 40, later.as_of("2024-03-31"))
    with Threads() as engine:
        for number in range(2):
            replay.replayed(again, number, engine)
    for day in NIGHT_DAYS[:2]:
        for name in ("people.parquet", "enrolled.parquet"):
            assert (again.folder / f"as_of={day}" / name).read_bytes() == (
                kept / f"as_of={day}" / name
            ).read_bytes()


def test_what_can_never_be_replayed_is_refused_with_what_to_do(undisturbed) -> None:
    settings, _, _ = undisturbed
    refusals: list[tuple[type[Exception], str, Callable[[], object]]] = [
        (ConfigError, "lies after --to", lambda: backtest(settings, "2023-10-31", "2023-09-01", 7, 28)),
        (ConfigError, "--every should be 1 day", lambda: backtest(settings, *ASKED[:2], 0, 28)),
        (ConfigError, "at most 36525", lambda: backtest(settings, *ASKED[:2], 10**12, 28)),
        (ConfigError, "--from is 'now'", lambda: backtest(settings, "now", ASKED[1], 7, 28)),
        (
            DataRefused,
            r"--to 2023-12-3\d or earlier",
            lambda: backtest(settings, ASKED[0], "2024-06-30", 7, 28),
        ),
        (
            DataRefused,
            r"first night that can be replayed is 2023-03-0\d",
            lambda: backtest(settings, "2023-02-01", ASKED[1], 7, 28),
        ),
    ]
    for kind, words, call in refusals:
        with pytest.raises(kind, match=words):
            call()


@pytest.mark.parametrize(
    ("first", "last", "code"), [("2023-10-31", "2023-09-01", 2), ("2023-01-20", "2023-09-01", 3)]
)
def test_on_the_command_line_faults_are_one_message_and_a_code(
    undisturbed, capsys: pytest.CaptureFixture[str], first: str, last: str, code: int
) -> None:
    config = undisturbed[0].root.parent / "winback.yaml"
    sets = [word for one in FAST for word in ("--set", one)]
    asked = ["backtest", "--from", first, "--to", last, "-c", str(config), *sets, "--json"]
    assert main(asked) == code
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    assert json.loads(shown.out.splitlines()[-1])["exit_code"] == code


def test_on_the_command_line_every_night_is_shown(undisturbed, capsys: pytest.CaptureFixture[str]) -> None:
    config = undisturbed[0].root.parent / "winback.yaml"
    sets = [word for one in FAST for word in ("--set", one)]
    first, last, every, retrain = (str(one) for one in ASKED)
    days = ["--from", first, "--to", last, "--every", every, "--retrain", retrain]
    assert main(["backtest", *days, "-c", str(config), *sets]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "3 nights replayed" in shown
    assert "organic, not profit" in shown
    assert all(day in shown for day in NIGHT_DAYS)


def test_an_empty_lake_has_nothing_to_replay(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="no transactions"):
        backtest(shop(tmp_path, *FAST), *ASKED)


def test_v1_is_all_that_follows_a_purchase_and_not_what_a_contact_wins_of_it(undisturbed) -> None:
    settings, _, kept = undisturbed
    night = settings.as_of(NIGHT_DAYS[0])
    said = pl.read_parquet(kept / f"as_of={night.day}/people.parquet").filter("eligible")
    bundle = load_bundle(kept / f"model={night.day}")
    features = feature_table(inputs.history(settings, night), night, settings.stages)
    matrix = to_matrix(features, bundle.contract)
    expected = bundle.returned.predict(matrix, features["stage"])[0] / 100
    v1 = dict(zip(features["customer_id"], expected, strict=True))
    assert said["value_with_purchase"].to_list() == pytest.approx([v1[one] for one in said["customer_id"]])
    share, _ = bundle.won.share(matrix)
    assert share.min() < 0.9


def test_the_json_is_what_the_table_says(undisturbed) -> None:
    settings, told, _ = undisturbed
    folder = settings.root / f"backtests/{told['backtest_id']}"
    kept = json.loads((folder / "backtest.json").read_text())
    again = table(kept["nights"])
    assert again.equals(pl.read_parquet(folder / "backtest.parquet"))
    assert kept["overall"]["nights"] == len(NIGHT_DAYS)
