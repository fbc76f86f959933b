"""Who may write to a workspace: one run at a time.

The operating system holds the lock and takes it back when the process ends, however it ends. The file says
who holds it, for people; what it says is never trusted for the decision.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from features.errors import WinbackError, WorkspaceBusy
from flows.workspace import Workspace, recover

# The flows that this run holds the lock for: a flow inside a flow passes the door its parent opened.
_held: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())
# Someone who only looks at the lock holds it for an instant; a second try tells them from a run.
_TRIES, _PAUSE_SECONDS = 3, 0.05


@dataclass(frozen=True, slots=True)
class Holder:
    """The run that holds a workspace, as it described itself."""

    pid: int
    command: str
    since: str

    def __str__(self) -> str:
        return f"{self.command} (process {self.pid}, since {self.since})"


@contextmanager
def hold(root: Path, command: str) -> Iterator[None]:
    """Hold the workspace while the block runs; what a killed run left half done is cleared first.

    Args:
        root: the workspace; made when absent.
        command: what the run is called in the message that a second run prints.

    Raises:
        WorkspaceBusy: when another run holds it.
    """
    place = root.resolve()
    if place in _held.get():
        yield
        return
    with _open(root) as file:
        _take(file, root)
        token = _held.set(_held.get() | {place})
        try:
            _describe(file, Holder(os.getpid(), command, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"))
            recover(root)
            yield
        finally:
            _held.reset(token)
            file.truncate(0)


def holder(root: Path) -> Holder | None:
    """The run that holds the workspace now, or None. Nothing is created by asking."""
    path = Workspace(root).lock
    if not path.exists():
        return None
    with path.open("rb+") as file:
        return None if _lock(file) else _read(file)


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Wait until this process alone holds the lock of a file, then run the block."""
    with _file(path) as file:
        while not _lock(file):
            time.sleep(_PAUSE_SECONDS)
        yield


def _open(root: Path) -> IO[bytes]:
    try:
        return _file(Workspace(root).lock)
    except OSError as error:
        raise WinbackError(
            f"The workspace {root} cannot be written to: {error.strerror}. Give this user write access, "
            "or choose another folder with --set workspace=FOLDER."
        ) from None


def _file(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "rb+")


def _take(file: IO[bytes], root: Path) -> None:
    for _ in range(_TRIES):
        if _lock(file):
            return
        time.sleep(_PAUSE_SECONDS)
    raise WorkspaceBusy(
        f"Another run holds the workspace {root}: {_read(file)}. Wait until it ends, or end that process; "
        "nothing was changed."
    )


def _describe(file: IO[bytes], who: Holder) -> None:
    file.seek(0)
    file.truncate()
    file.write(json.dumps(asdict(who)).encode())
    file.flush()


def _read(file: IO[bytes]) -> Holder:
    file.seek(0)
    try:
        return Holder(**json.loads(file.read(4096)))
    except (ValueError, TypeError):  # between taking the lock and saying so
        return Holder(0, "a run that has just begun", "this moment")


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> bool:
        # A locked byte cannot be read on Windows, so the one that is locked lies far behind the text.
        file.seek(1 << 20)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise WinbackError(
                f"The file system of {file.name} has no locks ({error.strerror}), so two runs could write at "
                "once. Put the workspace on a local disk."
            ) from None
        return True
