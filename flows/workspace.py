"""Where everything lies that a run leaves behind, and how a file or folder appears whole or not at all.

Writers fill a hidden sibling (`.aside-...`) and switch it in by renaming, so a reader sees the old content or
the new content, never half of it. `recover` clears what a killed run left; the workspace lock calls it.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from features.errors import ConfigError

_ASIDE = ".aside-"
_REPLACED = ".replaced-"
_DAY = re.compile(r"^as_of=(\d{4}-\d{2}-\d{2})$")
# Where asides can lie: beside a day's folder, inside one, or inside a table's or a tool's folder.
_DEPTHS = ("", "*/", "*/*/", "*/*/*/")


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders of one workspace. Nothing is created by asking for a path."""

    root: Path

    @property
    def lake(self) -> Path:
        """Accepted rows, one ACID table per folder."""
        return self.root / "lake"

    @property
    def quarantine(self) -> Path:
        """Rejected rows, one folder per table; readable by the owner only."""
        return self.root / "quarantine"

    @property
    def quality(self) -> Path:
        """Data documents of the quality gate."""
        return self.root / "quality"

    @property
    def runs(self) -> Path:
        """What a running night keeps to resume from; nothing in it is meant for readers."""
        return self.root / ".runs"

    @property
    def models(self) -> Path:
        """Bundles fetched from the store, a folder per training run."""
        return self.runs / "models"

    @property
    def prefect(self) -> Path:
        """Log of the Prefect server that a run starts for itself."""
        return self.root / ".prefect"

    @property
    def lock(self) -> Path:
        """The file whose lock lets one writer in at a time."""
        return self.root / ".lock"

    @property
    def all_drawn(self) -> Path:
        """A file per delivered list: see `drawn`."""
        return self.root / "effects" / "contacts"

    @property
    def all_learned(self) -> Path:
        """A folder per state of knowledge: see `learned`."""
        return self.root / "effects" / "learned"

    def backtest(self, name: str) -> Path:
        """What came of replaying past nights."""
        return self.root / "backtests" / name

    def features(self, as_of: date) -> Path:
        """Features of one day."""
        return self._of("features", as_of)

    def scores(self, as_of: date) -> Path:
        """Folder of `scores.parquet` of one day."""
        return self._of("scores", as_of)

    def list(self, as_of: date) -> Path:
        """The list of one day: winback.*, holdout, excluded, manifest."""
        return self._of("lists", as_of)

    def reports(self, as_of: date) -> Path:
        """The report of one day."""
        return self._of("reports", as_of)

    def monitor(self, as_of: date) -> Path:
        """What was watched on one day, and how that day's scores turned out later."""
        return self._of("monitor", as_of)

    def measurements(self, as_of: date) -> Path:
        """What the lists whose windows were complete by a day had earned."""
        return self._of("measurements", as_of)

    def drawn(self, list_id: str) -> Path:
        """People that a delivered list drew, with the features of its night."""
        return self.all_drawn / f"{list_id}.parquet"

    def learned(self, digest: str) -> Path:
        """What contacts have taught; the digest is of all that it was learned from."""
        return self.all_learned / digest

    def days(self, kind: str) -> tuple[date, ...]:
        """Days for which there is a folder of a kind (`features`, `scores`, `lists`...), oldest first."""
        found = (_DAY.match(path.name) for path in (self.root / kind).glob("as_of=*"))
        return tuple(sorted(date.fromisoformat(match.group(1)) for match in found if match))

    def _of(self, kind: str, as_of: date) -> Path:
        return self.root / kind / f"as_of={as_of.isoformat()}"


def existing(root: Path) -> Path:
    """A workspace that a night has made; what only asks about its lists makes none.

    Raises:
        ConfigError: when there is none.
    """
    if not root.is_dir():
        raise ConfigError(
            f"There is no workspace in {root}. Look for a slip of the pen in workspace (in the config, or "
            "--set workspace=FOLDER); winback nightly makes a new one."
        )
    return root


@contextmanager
def publish_file(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Write a file aside and switch it in when the block ends well; after an error the old file stays.

    Args:
        path: where the file appears; folders above it are made.
        private: readable by the owner only.

    Yields:
        The path to write to. It ends with the same name, so the suffix is kept.
    """
    aside = _aside(path, private=private)
    try:
        if private:
            aside.touch(mode=0o600)
        yield aside
        _flush(aside)
        aside.replace(path)
        _flush_folder(path.parent)
    finally:
        _remove(aside)


@contextmanager
def publish_folder(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Fill a folder aside and switch it in when the block ends well; after an error the old folder stays.

    Args:
        path: where the folder appears; an existing one is replaced as a whole.
        private: readable by the owner only.

    Yields:
        The empty folder to fill.
    """
    aside = _aside(path, private=private)
    try:
        aside.mkdir(mode=0o700 if private else 0o777)
        yield aside
        for file in sorted(aside.rglob("*")):
            _flush_folder(file) if file.is_dir() else _flush(file)
        _flush_folder(aside)
        _switch(aside, path)
    finally:
        _remove(aside)


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can read, or close an existing one."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def recover(root: Path) -> None:
    """Finish or undo the switches of a killed run, and remove what it wrote aside.

    Only the holder of the workspace lock may call this: another writer's asides look the same.
    """
    for depth in _DEPTHS:
        for replaced in root.glob(f"{depth}{_REPLACED}*"):
            path = replaced.with_name(replaced.name.removeprefix(_REPLACED))
            _remove(replaced) if path.exists() else replaced.rename(path)
        for aside in root.glob(f"{depth}{_ASIDE}*"):
            _remove(aside)


def _aside(path: Path, *, private: bool) -> Path:
    if private:
        private_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{_ASIDE}{os.getpid()}-{path.name}")
    _remove(aside)
    return aside


def _switch(aside: Path, path: Path) -> None:
    replaced = path.with_name(f"{_REPLACED}{path.name}")
    _remove(replaced)
    if path.exists():
        path.rename(replaced)
    aside.rename(path)
    _flush_folder(path.parent)
    _remove(replaced)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder, and keeps its renames without being asked
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
