"""What is wrong, and how is it fixed? Each check answers on its own: one fault does not hide another."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from features.errors import ConfigError, WinbackError
from features.wording import counted
from flows.installed import installed
from flows.settings import Settings, load

_OLDEST_PYTHON = (3, 11)
_LIBRARIES = ("polars", "deltalake", "great-expectations", "mlflow", "prefect", "fastapi")
# Fastapi from here on, and Prefect 3.8's server does not start.
_FASTAPI_TOO_NEW = (0, 151)
_GIB = 1 << 30
_LEAST_FREE, _LITTLE_FREE = _GIB // 4, 4 * _GIB
_SECONDS_TO_ANSWER = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, what was found, and what to do when it is not well."""

    level: Literal["ok", "warn", "fail"]
    what: str
    found: str
    fix: str = ""


def examine(config: str, overrides: Sequence[str] = ()) -> list[Finding]:
    """Check everything a run needs.

    Args:
        config: path of the config file.
        overrides: `key.path=value`.
    """
    findings = [*_python(), *_libraries()]
    try:
        settings = load(config, overrides)
    except ConfigError as error:
        return [
            *findings,
            Finding("fail", "config", str(error), "Correct the config, then run doctor again."),
        ]
    findings.append(Finding("ok", "config", f"{config} is well-formed"))
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _consent,
        _sources,
        _workspace,
        _lock,
        _tracking,
        _prefect,
        _cluster,
    )
    return findings + [finding for check in checks for finding in check(settings)]


def summary(findings: Sequence[Finding]) -> Mapping[str, Any]:
    """What the command returns; exit code 2 when a check failed."""
    failed = sum(finding.level == "fail" for finding in findings)
    warned = sum(finding.level == "warn" for finding in findings)
    said = f"{failed} to fix, {warned} to look at." if failed + warned else "All is well."
    return {
        "status": "error" if failed else "done",
        "exit_code": ConfigError.exit_code if failed else 0,
        "checks": [asdict(finding) for finding in findings],
        "sentences": [said],
    }


def _python() -> Iterator[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _OLDEST_PYTHON:
        yield Finding("fail", "python", found, "Use Python 3.11 or newer.")
    else:
        yield Finding("ok", "python", found)


def _libraries() -> Iterator[Finding]:
    reinstall = "Install the locked versions again: make setup."
    found = {name: installed(name) for name in (*_LIBRARIES, "xgboost", "xgboost-cpu")}
    missing = [name for name in _LIBRARIES if found[name] is None]
    if found["xgboost"] is None and found["xgboost-cpu"] is None:
        missing.append("xgboost")
    if missing:
        yield Finding("fail", "libraries", f"missing: {', '.join(missing)}", reinstall)
    fastapi = found["fastapi"]
    if fastapi and tuple(map(int, fastapi.split(".")[:2])) >= _FASTAPI_TOO_NEW:
        yield Finding("fail", "fastapi", f"{fastapi}: Prefect's server does not start with it", reinstall)
    parts = {name: installed(name) for name in ("mlflow", "mlflow-skinny", "mlflow-tracing")}
    if len({one for one in parts.values() if one}) > 1:
        yield Finding("fail", "mlflow", f"its parts do not match: {parts}", reinstall)
    yield Finding("ok", "libraries", ", ".join(f"{name} {one}" for name, one in found.items() if one))


def _consent(settings: Settings) -> Iterator[Finding]:
    customers = settings.sources.get("customers")
    mapped = customers.columns if customers else {}
    basis = settings.consent.basis
    if basis == "column" and not any(name.startswith("consent_") for name in mapped):
        found = "basis is column, but no source customers maps a consent column"
        yield Finding(
            "fail", "consent", found, "Map consent_email, consent_sms or consent_ads; a null means no."
        )
    elif basis == "none":
        yield Finding("warn", "consent", "basis is none", "Lists are written, but exports to tools refuse.")
    else:
        yield Finding("ok", "consent", f"basis is {basis}")


def _sources(settings: Settings) -> Iterator[Finding]:
    from flows.probe import probe

    for name in settings.sources:
        what = f"source {name}"
        try:
            unreadable, looked_at = probe(settings, name)
        except WinbackError as error:
            yield Finding("fail", what, str(error), "Correct the source or its mapping.")
            continue
        if unreadable > settings.quality.max_bad_share * looked_at:
            found = f"{unreadable} of the first {looked_at} rows cannot be read as mapped"
            yield Finding("fail", what, found, "Check time_formats, decimal and the mapped columns.")
        elif looked_at == 0:
            yield Finding("warn", what, "it is empty", "Check that the right file was delivered.")
        else:
            yield Finding(
                "ok", what, f"{looked_at - unreadable} of the first {looked_at} rows read as mapped"
            )


def _workspace(settings: Settings) -> Iterator[Finding]:
    root = settings.root
    there = _nearest(root)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield Finding(
            "fail",
            "workspace",
            f"{there} cannot be written to",
            "Give this user write access, or set workspace.",
        )
    else:
        yield Finding("ok", "workspace", f"{root}{'' if root.exists() else ' will be made'}")
    free = shutil.disk_usage(there).free
    found = f"{free / _GIB:.1f} GiB free"
    if free < _LEAST_FREE:
        yield Finding("fail", "disk", found, "Free some space, or put the workspace on another disk.")
    elif free < max(_LITTLE_FREE, 3 * _bytes_of_sources(settings)):
        yield Finding("warn", "disk", found, "A large delivery may need more: three times its size.")
    else:
        yield Finding("ok", "disk", found)


def _bytes_of_sources(settings: Settings) -> int:
    from features.sources.files import find_files

    total = 0
    for name, source in settings.sources.items():
        if source.path is not None:
            try:
                total += sum(
                    path.stat().st_size for _, path in find_files(source.path, f"sources.{name}.path")
                )
            except (WinbackError, OSError):  # told by the check of the sources
                continue
    return total


def _lock(settings: Settings) -> Iterator[Finding]:
    from flows.lock import holder

    busy = holder(settings.root)
    if busy:
        yield Finding("warn", "lock", f"held by {busy}", "Wait until it ends, or end that process.")
    else:
        yield Finding("ok", "lock", "nobody is writing")


def _tracking(settings: Settings) -> Iterator[Finding]:
    from flows import inputs

    fix = "Start the server, or correct mlflow.tracking_uri."
    try:
        store = inputs.store(settings)
    except ConfigError as error:
        yield Finding("fail", "mlflow", str(error), fix)
        return
    if store.database is not None:
        yield _database(store.database)
    elif _answers(store.uri):
        yield Finding("ok", "mlflow", f"{store.label} answers")
    else:
        yield Finding("fail", "mlflow", f"{store.label} does not answer", fix)


def _database(path: Path) -> Finding:
    """The state of MLflow's SQLite file, without starting MLflow."""
    if not path.exists():
        return Finding("ok", "mlflow", f"{path} will be made")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            models = connection.execute("SELECT count(*) FROM model_versions").fetchone()[0]
        except sqlite3.DatabaseError as error:
            fix = "Move it away, or name another one under mlflow.tracking_uri; then train again."
            return Finding("fail", "mlflow", f"{path} is no MLflow database: {error}", fix)
    return Finding("ok", "mlflow", f"{path} holds {models} versions of models")


def _answers(uri: str) -> bool:
    """Whether something listens at the host and port of a URI."""
    import socket
    from urllib.parse import urlsplit

    parts = urlsplit(uri)
    usual = {"http": 80, "https": 443}.get(parts.scheme, 5432)
    if parts.hostname is None:
        return True  # a managed service, or a socket file: nothing to knock at
    try:
        socket.create_connection((parts.hostname, parts.port or usual), timeout=_SECONDS_TO_ANSWER).close()
    except OSError:
        return False
    return True


def _prefect(_: Settings) -> Iterator[Finding]:
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME

    from flows.runtime import api_problem

    home = Path(PREFECT_HOME.value())
    if not PREFECT_API_URL.value():
        yield Finding("ok", "prefect", f"no server is configured; each run starts its own, on {home}")
    elif problem := api_problem():
        yield Finding(
            "fail", "prefect", problem, "Start it (prefect server start), or unset PREFECT_API_URL."
        )
    else:
        yield Finding("ok", "prefect", f"the server at {PREFECT_API_URL.value()} answers")
    if not os.access(home, os.W_OK):
        yield Finding(
            "fail", "prefect home", f"{home} cannot be written to", "Set PREFECT_HOME to another folder."
        )


def _cluster(settings: Settings) -> Iterator[Finding]:
    """Whether the workers of `engine: dask` are there, are as this process is, and see the same files."""
    if settings.engine != "dask":
        return
    from flows.cluster import joined

    try:
        with joined(settings.dask) as workers:
            yield Finding("ok", "dask", f"{workers}; code and libraries are those of this process")
            there = _nearest(settings.root)
            strangers = sum(seen != _names(there) for seen in workers.everywhere(_names, there))
    except ConfigError as error:
        yield Finding("fail", "dask", str(error), "Correct the dask section, or set engine: local.")
        return
    if strangers:
        found = f"{counted(strangers, 'worker')} of the cluster cannot see what lies in {there}"
        fix = "Put workspace and sources on a disk that all workers reach under the same path."
        yield Finding("fail", "shared disk", found, fix)


def _names(folder: Path) -> list[str] | None:
    """What lies in a folder; None when it cannot be read."""
    try:
        return sorted(one.name for one in folder.iterdir())
    except OSError:
        return None


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(one for one in (folder, *folder.parents) if one.exists())
