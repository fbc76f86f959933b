"""How a flow finds a Prefect server: the configured one, or one of our own that is gone again afterwards.

`prefect_ready` starts the server beside the heavy imports; the caller imports the flow inside the block and
calls `wait()` before running it:

    with prefect_ready(console, log) as wait:
        from flows.nightly import nightly
        wait()
        nightly(...)
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import WinbackError
from flows.server import CONFIGURED

if TYPE_CHECKING:
    from rich.console import Console

_PACKAGES = str(Path(__file__).resolve().parent.parent)
_SECONDS_TO_END = 20.0
_SECONDS_TO_DRAIN = 10.0
_LINES_SHOWN = 5
# Nothing is reported to anyone, whatever the user's own settings say.
_SILENT = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
# Flow logs go to the server in full; the terminal shows our own tables and messages instead.
_QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_LEVEL": "INFO",
    "PREFECT_CLI_COLORS": "false",
}


@contextmanager
def prefect_ready(console: "Console", log: Path, *, verbose: bool = False) -> Iterator[Callable[[], None]]:
    """Make sure that flows which are called inside the block have a server.

    Enter it before Prefect is imported: Prefect sets up its loggers at import.

    Args:
        console: where a person sees what is being waited for.
        log: file for what an own server writes.
        verbose: leave Prefect's loggers as the user configured them.

    Yields:
        A function that returns when the server answers; call it just before the flow.

    Raises:
        WinbackError: when the server does not start or the configured one does not answer.
    """
    with _environment(_SILENT | ({} if verbose else _QUIET)):
        if os.environ.get("PREFECT_API_URL"):
            yield _check_configured
            return
        server = _start(log)
        try:
            yield lambda: _adopt(server, console, log)
        finally:
            _drain()
            _stop(server)


def _start(log: Path) -> subprocess.Popen[str]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as errors:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "flows.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            # -P and the path: a folder called flows where the user stands is not ours.
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, (_PACKAGES, os.environ.get("PYTHONPATH")))),
                "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
            },
            start_new_session=True,  # Ctrl-C is for us; the server ends when we do
        )


def _adopt(server: subprocess.Popen[str], console: "Console", log: Path) -> None:
    assert server.stdout is not None  # noqa: S101 - asked for a pipe
    with console.status("Starting a local Prefect server (the very first time takes ten seconds)"):
        address = server.stdout.readline().strip()
    if not address:
        last = log.read_text(encoding="utf-8").splitlines()[-_LINES_SHOWN:]
        raise WinbackError(
            f"The local Prefect server did not start. The last lines of {log}:\n  "
            + "\n  ".join(last or ["(nothing)"])
            + "\nRun winback doctor, or use a server of your own: set PREFECT_API_URL."
        )
    if address == CONFIGURED:
        _check_configured()
        return
    os.environ["PREFECT_API_URL"] = address
    _reread_environment()


def _check_configured() -> None:
    """Refuse to go on towards a server that does not answer: Prefect would retry for minutes."""
    problem = api_problem()
    if problem:
        raise WinbackError(
            f"{problem} Start it (prefect server start), or unset PREFECT_API_URL, in the environment or "
            "with 'prefect config unset PREFECT_API_URL': winback then starts its own for each run."
        )


def api_problem() -> str | None:
    """What is wrong with the configured Prefect server, or None when it answers."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    with get_client(sync_client=True, httpx_settings={"timeout": 5.0}) as client:
        error = client.api_healthcheck()
    if isinstance(error, httpx.TransportError):
        return f"The Prefect server at {PREFECT_API_URL.value()} does not answer ({error})."
    return None


def _reread_environment() -> None:
    # Prefect reads its settings once, at import, which may lie before the address was known.
    if "prefect.context" in sys.modules:
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


def _drain() -> None:
    """Send what Prefect still holds, so that it does not complain about a server that has gone."""
    if "prefect.events.worker" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (EventsWorker, APILogWorker):
        worker.drain_all(timeout=_SECONDS_TO_DRAIN, at_exit=False)


def _stop(server: subprocess.Popen[str]) -> None:
    assert server.stdin is not None  # noqa: S101 - asked for pipes
    assert server.stdout is not None  # noqa: S101
    server.stdin.close()
    try:
        server.wait(_SECONDS_TO_END)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        server.kill()
        server.wait()
    server.stdout.close()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    for name, value in values.items():
        if name in _SILENT:
            os.environ[name] = value
        else:
            os.environ.setdefault(name, value)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        _reread_environment()
