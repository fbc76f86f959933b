"""Which Dask cluster does a run use? The one of the config, or workers of this machine that end with it."""

import logging
import pkgutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from platform import python_version_tuple
from typing import TYPE_CHECKING

from features.digests import short_digest
from features.errors import ConfigError
from flows.cluster.engine import DaskEngine
from flows.installed import installed
from flows.settings import DaskOptions

if TYPE_CHECKING:
    from distributed import Client

_ROOT = Path(__file__).resolve().parents[2]
_CODE = ("features", "models", "flows")
_MUST_AGREE = ("polars", "numpy", "xgboost", "xgboost-cpu")
# Results must neither move to disk (personal data) nor stop a worker that nothing can relieve.
_STARTED_HERE = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    # A lost worker is started again by its own nanny; the cluster would close the nanny when that takes time.
    "distributed.deploy.lost-worker-timeout": "30 days",
    # Nobody looks at a scheduler that ends with the run.
    "distributed.scheduler.http.routes": [],
    # Dask sets these in this process too, where they would bind the threads of everything that comes later.
    "distributed.nanny.pre-spawn-environ": {},
}


@contextmanager
def joined(options: DaskOptions) -> Iterator[DaskEngine]:
    """An engine on the cluster of the config, or on workers of this machine that end with the block.

    Raises:
        ConfigError: when Dask is not installed, nobody answers, or workers have other versions.
    """
    try:
        import dask
        import distributed  # noqa: F401 - asked for here, so that one message says what is missing
    except ModuleNotFoundError:
        raise ConfigError(
            "engine: dask needs Dask, which is not installed. Install winback with its extra dask: "
            "pip install 'winback[dask]' (from a checkout: pip install -e '.[dask]')."
        ) from None
    settings = {
        "distributed.scheduler.allowed-failures": options.retries,
        "distributed.admin.large-graph-warning-threshold": "1GiB",
    }
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        stack.enter_context(_quiet())
        client = stack.enter_context(_connected(options) if options.address else _started(options))
        _refuse_no_workers(client, options)
        _refuse_others(client)
        yield DaskEngine(client, options)


@contextmanager
def _connected(options: DaskOptions) -> Iterator["Client"]:
    from distributed import Client

    try:
        client = Client(options.address, timeout=options.timeout, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConfigError(
            f"No Dask scheduler answered at {options.address} within {options.timeout:g} seconds "
            f"({type(error).__name__}). Start one (dask scheduler), set dask.address, or set it to null for "
            "workers on this machine."
        ) from None
    with client:
        yield client


@contextmanager
def _started(options: DaskOptions) -> Iterator["Client"]:
    """Workers of this machine, reachable by nobody else: they run whatever they are sent."""
    import dask
    from dask.system import CPU_COUNT
    from distributed import Client, LocalCluster

    threads = str(max(1, CPU_COUNT // options.workers))
    environment = {"POLARS_MAX_THREADS": threads, "OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}
    with (
        tempfile.TemporaryDirectory(prefix="winback-dask-", ignore_cleanup_errors=True) as folder,
        dask.config.set({**_STARTED_HERE, "temporary-directory": folder}),
        LocalCluster(
            n_workers=options.workers,
            threads_per_worker=options.threads_per_worker,
            memory_limit=options.memory_limit or "auto",
            security=True,
            dashboard_address="127.0.0.1:0",
            local_directory=folder,
            silence_logs=logging.CRITICAL,
            env=environment,
        ) as cluster,
        Client(cluster, timeout=options.timeout, set_as_default=False) as client,
    ):
        yield client


def _refuse_no_workers(client: "Client", options: DaskOptions) -> None:
    try:
        client.wait_for_workers(1, timeout=options.timeout)
    except TimeoutError:
        raise ConfigError(
            f"The Dask scheduler at {client.scheduler.address} has no workers, and none came within "
            f"{options.timeout:g} seconds. Start workers for it (dask worker), or raise dask.timeout."
        ) from None


def _refuse_others(client: "Client") -> None:
    """Refuse a scheduler or workers that would not give the results of this process."""
    where, ours = client.scheduler.address, _versions()
    try:
        # Resolving comes first: Dask tells a function that it cannot import there only as a bare Exception.
        for call in (client.run_on_scheduler, client.run):
            call(pkgutil.resolve_name, f"{__name__}:{_versions.__name__}")
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"The scheduler at {where} or a worker of it does not have this winback ({error}). Install the "
            "version that runs here on all of them."
        ) from None
    theirs = [client.run_on_scheduler(_versions), *client.run(_versions).values()]
    faults = {
        f"{name}: {have.get(name)} there, {mine} here"
        for have in theirs
        for name, mine in ours.items()
        if have.get(name) != mine
    }
    if faults:
        raise ConfigError(
            f"The scheduler at {where} or a worker of it would not give the same results as this process: "
            f"{'; '.join(sorted(faults))}. Install on all of them what is installed here."
        )


def _versions() -> dict[str, str]:
    """What must be the same wherever a run's work is done, the code of winback above all."""
    code = sorted(path for layer in _CODE for path in (_ROOT / layer).rglob("*.py"))
    return {
        "python": ".".join(python_version_tuple()[:2]),
        **{name: found for name in _MUST_AGREE if (found := installed(name))},
        "winback's code": short_digest(b"".join(path.read_bytes() for path in code)),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Lost workers and the like are told by our own errors, or outlived in silence."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
