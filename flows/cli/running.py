"""How a command runs a flow, and what of it a person sees meanwhile."""

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.options import Common, Shown, Summary

if TYPE_CHECKING:
    from rich.console import Console

# New objects between two looks for garbage. With Python's own 700 a small night spends a tenth of its time on
# looking through what it has loaded and keeps.
_OBJECTS = 100_000


def run_flow(name: str, workspace: Path, shown: Shown, *arguments: object) -> Summary:
    """Run the Prefect flow `flows.<name>.<name>`; its workspace keeps the log of a server started for it."""
    from flows.console import steps_shown
    from flows.runtime import prefect_ready
    from flows.workspace import Workspace

    console = terminal(error=True)
    log = Workspace(workspace).prefect / "server.log"
    ready = prefect_ready(console, log, verbose=shown.verbose)
    with _seldom_collected(), library_warnings(shown=shown.verbose), ready as wait:
        flow: Callable[..., Summary] = getattr(import_module(f"flows.{name}"), name)
        wait()
        with steps_shown(console):
            return flow(*arguments)


@contextmanager
def library_warnings(*, shown: bool) -> Iterator[None]:
    """Warnings of libraries are for their developers, unless a person asks for them."""
    with warnings.catch_warnings():
        if not shown:
            warnings.simplefilter("ignore")
        yield


@contextmanager
def _seldom_collected() -> Iterator[None]:
    young, *older = gc.get_threshold()
    gc.set_threshold(_OBJECTS, *older)
    try:
        yield
    finally:
        gc.set_threshold(young, *older)


def checked(common: Common, as_of: str | None) -> Path:
    """The workspace, after everything that a person may have mistyped was read once."""
    settings = common.settings()
    if as_of is not None:
        settings.as_of(as_of)
    return settings.root


def terminal(*, error: bool) -> "Console":
    """Where a person reads: standard error for progress and problems, standard output for results."""
    from rich.console import Console

    return Console(stderr=error)
