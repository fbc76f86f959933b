"""A reader sees the old content or the new one, never half of it."""

import stat
from datetime import date
from pathlib import Path

import pytest
from workspace_world import shop

from features.errors import ConfigError
from flows.acknowledge import acknowledge
from flows.measure import measure
from flows.workspace import Workspace, existing, private_folder, publish_file, publish_folder, recover

DAY = date(2024, 5, 1)


def contents(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def write_half(path: Path) -> None:
    path.write_text("half")
    raise OSError("disk full")


def test_paths_are_those_of_the_contract(tmp_path: Path):
    space = Workspace(tmp_path)
    paths = [space.lake, space.quarantine, space.quality]
    paths += [space.features(DAY), space.scores(DAY), space.list(DAY), space.reports(DAY)]
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "lake",
        "quarantine",
        "quality",
        "features/as_of=2024-05-01",
        "scores/as_of=2024-05-01",
        "lists/as_of=2024-05-01",
        "reports/as_of=2024-05-01",
    ]
    assert not any(tmp_path.iterdir())


def test_days_are_listed_oldest_first_and_nothing_else_is(tmp_path: Path):
    space = Workspace(tmp_path)
    for name in ("as_of=2024-05-02", "as_of=2024-04-30", ".aside-1-as_of=2024-05-03", "as_of=soon"):
        (tmp_path / "lists" / name).mkdir(parents=True)
    assert space.days("lists") == (date(2024, 4, 30), date(2024, 5, 2))
    assert space.days("scores") == ()


def test_a_file_appears_when_it_is_whole(tmp_path: Path):
    path = tmp_path / "scores" / "scores.parquet"
    with publish_file(path) as aside:
        aside.write_text("half")
        assert not path.exists()
        assert aside.suffix == ".parquet"
        aside.write_text("whole")
    assert contents(tmp_path) == {"scores/scores.parquet": "whole"}


def test_an_error_leaves_the_old_file_and_no_rest(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="disk full"), publish_file(path) as aside:
        write_half(aside)
    assert contents(tmp_path) == {"a.txt": "old"}


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path):
    path = tmp_path / "lists" / "as_of=2024-05-01"
    for number in ("1", "2"):
        with publish_folder(path) as aside:
            (aside / "tool").mkdir()
            (aside / "tool" / f"{number}.csv").write_text(number)
    assert contents(tmp_path) == {"lists/as_of=2024-05-01/tool/2.csv": "2"}


def test_an_error_leaves_the_old_folder_and_no_rest(tmp_path: Path):
    path = tmp_path / "list"
    with publish_folder(path) as aside:
        (aside / "a").write_text("old")
    with pytest.raises(OSError, match="disk full"), publish_folder(path) as aside:
        write_half(aside / "a")
    assert contents(tmp_path) == {"list/a": "old"}


def test_a_run_killed_between_the_two_renames_gives_the_old_folder_back(tmp_path: Path):
    replaced = tmp_path / "lists" / ".replaced-as_of=2024-05-01"
    aside = tmp_path / "lists" / ".aside-99-as_of=2024-05-01"
    for folder, text in ((replaced, "old"), (aside, "new")):
        folder.mkdir(parents=True)
        (folder / "a").write_text(text)
    recover(tmp_path)
    assert contents(tmp_path) == {"lists/as_of=2024-05-01/a": "old"}


def test_a_run_killed_after_the_switch_keeps_the_new_folder(tmp_path: Path):
    for name, text in ((".replaced-day", "old"), ("day", "new")):
        (tmp_path / "lists" / name).mkdir(parents=True)
        (tmp_path / "lists" / name / "a").write_text(text)
    recover(tmp_path)
    assert contents(tmp_path) == {"lists/day/a": "new"}


def test_leftovers_are_removed_at_every_depth(tmp_path: Path):
    for place in (".", "scores", "scores/as_of=2024-05-01", "lists/as_of=2024-05-01/tool"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / ".aside-7-x").write_text("rest")
    recover(tmp_path)
    assert contents(tmp_path) == {}


def test_private_files_are_readable_by_their_owner_only(tmp_path: Path):
    path = tmp_path / "quarantine" / "transactions" / "a.parquet"
    private_folder(path.parent.parent)
    with publish_file(path, private=True) as aside:
        aside.write_text("secret")
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (path, path.parent, path.parent.parent)}
    assert modes == {"a.parquet": 0o600, "transactions": 0o700, "quarantine": 0o700}


def test_what_asks_about_lists_makes_no_workspace_under_a_mistyped_name(tmp_path: Path):
    settings = shop(tmp_path)
    for asked, arguments in ((measure.fn, ()), (acknowledge.fn, ("2024-05-31",))):
        with pytest.raises(ConfigError, match=r"There is no workspace in .*workspace\. Look for a slip"):
            asked(str(tmp_path / "winback.yaml"), *arguments)
    assert not settings.root.exists()
    settings.root.mkdir()
    assert existing(settings.root) == settings.root
