"""Who decides and who decided before: by the rule, by hand, back again, and when killed between two steps."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from registry_world import copied, recorded

from features.errors import ConfigError, WinbackError
from models import tracking
from models.options import MlflowOptions
from models.promotion import Verdict
from models.tracking import Store
from models.tracking.store import connected

NOON = datetime(2011, 7, 1, 12, tzinfo=UTC)
YES, NO = Verdict(promote=True, reason="Better."), Verdict(promote=False, reason="Worse.")
# Everything by which the registry or a run is changed.
WRITES = (
    "set_model_version_tag",
    "delete_model_version_tag",
    "set_tag",
    "set_registered_model_alias",
    "delete_registered_model_alias",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three models: 1 and then 2 were promoted by the rule, 3 was refused."""
    store = tracking.store_of(MlflowOptions(), tmp_path_factory.mktemp("made"))
    for number, verdict in enumerate((YES, YES, NO)):
        tracking.promote(store, recorded(store, number).version, verdict, NOON)
    return store


@pytest.fixture
def store(made: Store, tmp_path: Path) -> Store:
    return copied(made, tracking.store_of(MlflowOptions(), tmp_path))


def aliases(store: Store) -> dict[str, str]:
    with connected(store) as client:
        held = client.get_registered_model(tracking.MODEL).aliases
        return {name: str(version) for name, version in held.items()}


def tags(store: Store, version: str) -> dict[str, str]:
    with connected(store) as client:
        return client.get_model_version(tracking.MODEL, version).tags


def test_the_rule_leaves_a_line_of_champions(store: Store):
    assert aliases(store) == {"champion": "2", "challenger": "3"}
    assert tracking.former(store) == ("1",)
    assert tags(store, "2")["champion.since"] == "2011-07-01 12:00 UTC"


def test_a_person_can_put_a_refused_model_in_use(store: Store, tmp_path: Path):
    tracking.appoint(store, "3", "checked by hand", NOON)
    assert aliases(store) == {"champion": "3"}
    assert tracking.former(store) == ("2", "1")
    said = "promoted by hand on 2011-07-01 12:00 UTC: checked by hand"
    now = tracking.champion(store, tmp_path / "cache")
    assert now.tags[tracking.OVERRIDE] == said
    assert (now.tags["promotion.verdict"], now.tags["promotion.reason"]) == ("refused", "Worse.")
    assert tags(store, "2")[tracking.WITHDRAWN] == f"replaced by 3, {said}"
    with connected(store) as client:
        assert client.get_run(now.run_id).data.tags[tracking.OVERRIDE] == said


def test_going_back_twice_goes_two_champions_back_and_then_says_that_there_is_no_more(store: Store):
    tracking.appoint(store, "3", "checked", NOON)
    assert tracking.roll_back(store, "too many people", NOON) == "2"
    assert aliases(store) == {"champion": "2"}
    said = "put back by hand on 2011-07-01 12:00 UTC, in place of 3: too many people"
    assert tags(store, "2")[tracking.OVERRIDE] == said
    assert tags(store, "3")[tracking.WITHDRAWN] == f"replaced by 2, {said}"
    assert tracking.WITHDRAWN not in tags(store, "2")
    assert tracking.roll_back(store, "still", NOON) == "1"
    assert tracking.former(store) == ()
    with pytest.raises(ConfigError, match="nothing to go back to"):
        tracking.roll_back(store, "still", NOON)
    assert aliases(store) == {"champion": "1"}


def test_the_way_back_is_right_when_a_model_decided_twice(store: Store):
    tracking.appoint(store, "1", "the old one was better", NOON)
    assert tracking.former(store) == ("2",)
    tracking.appoint(store, "3", "a try", NOON)
    assert tracking.former(store) == ("1", "2", "1")
    assert [tracking.roll_back(store, "back", NOON) for _ in range(3)] == ["1", "2", "1"]
    assert tracking.former(store) == ()


def test_a_model_that_was_deleted_is_passed_over_on_the_way_back(store: Store):
    tracking.appoint(store, "3", "a try", NOON)
    with connected(store) as client:
        client.delete_model_version(tracking.MODEL, "2")
    assert tracking.roll_back(store, "back", NOON) == "1"
    assert tracking.former(store) == ()


def test_a_later_promotion_by_the_rule_ends_what_was_done_by_hand(store: Store):
    tracking.appoint(store, "3", "a try", NOON)
    fourth = recorded(store, 3).version
    tracking.promote(store, fourth, YES, NOON)
    assert tracking.former(store) == ("3", "2", "1")
    assert tracking.roll_back(store, "back", NOON) == "3"
    tracking.promote(store, fourth, YES, NOON)
    assert not {tracking.OVERRIDE, tracking.WITHDRAWN} & tags(store, fourth).keys()


def test_a_model_that_does_not_exist_is_refused_with_those_that_do(store: Store, tmp_path: Path):
    with pytest.raises(
        ConfigError, match=r"There is no model 9 in winback-churn, .* There are 1, 2, 3; winback runs"
    ):
        tracking.model_of(store, "9", tmp_path / "cache")
    nothing = tracking.store_of(MlflowOptions(), tmp_path / "empty")
    with pytest.raises(ConfigError, match="winback train"):
        tracking.model_of(nothing, "1", tmp_path / "cache")
    assert tracking.former(nothing) == ()
    assert not (tmp_path / "empty").exists()


class Killed(BaseException):
    """What a process that is killed does next: nothing."""


def killed_at(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], object]) -> bool:
    """Act, but die instead of the write number `step`; whether there were that many writes."""
    import mlflow  # late: the tracking package silences it before its first import

    done = 0

    def counting(original: Callable[..., object]) -> Callable[..., object]:
        def write(*given: object, **named: object) -> object:
            nonlocal done
            if done == step:
                raise Killed
            done += 1
            return original(*given, **named)

        return write

    with monkeypatch.context() as patched:
        for name in WRITES:
            patched.setattr(mlflow.MlflowClient, name, counting(getattr(mlflow.MlflowClient, name)))
        try:
            act()
        except Killed:
            return True
    return False


ACTS = {
    "the rule promotes": (lambda store: tracking.promote(store, "3", YES, NOON), "3", ("2", "1")),
    "a person promotes": (lambda store: tracking.appoint(store, "3", "so", NOON), "3", ("2", "1")),
    "a person goes back": (lambda store: tracking.roll_back(store, "so", NOON), "1", ()),
}


@pytest.mark.parametrize("what", ACTS)
def test_a_kill_leaves_the_old_champion_or_the_new_one_and_the_same_command_ends_the_same(
    what: str, made: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    act, wanted, line = ACTS[what]
    steps = 0
    while True:
        store = copied(made, tracking.store_of(MlflowOptions(), tmp_path / str(steps)))
        if not killed_at(monkeypatch, steps, lambda store=store: act(store)):
            break
        assert aliases(store)["champion"] == "2", "the alias of the champion moves last"
        assert tracking.former(store) == ("1",)
        act(store)
        assert (aliases(store)["champion"], tracking.former(store)) == (wanted, line)
        assert aliases(store).get("challenger") != wanted
        steps += 1
    assert steps >= 4


def test_a_model_whose_files_are_gone_is_not_put_in_use(store: Store, tmp_path: Path):
    made = recorded(store, 3)
    with connected(store) as client:
        files = client.get_run(made.run_id).info.artifact_uri.removeprefix("file://")
    shutil.rmtree(Path(files, "bundle"))
    with pytest.raises(WinbackError, match="cannot be fetched"):
        tracking.model_of(store, made.version, tmp_path / "cache")
