"""How do functions run on the workers of a Dask cluster? As tasks whose results stay where they were made."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from features.engine import Meeting
from features.errors import WinbackError
from features.wording import counted
from flows.settings import DaskOptions

if TYPE_CHECKING:
    from distributed import Client, Future

_LOOK_SECONDS, _LOOK_AGAIN_SECONDS = 0.1, 1.0
# The scheduler notices a killed worker at once; calls that met it on the way may fail even sooner.
_NOTICE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class DaskEngine:
    """The engine of many machines; see `features.engine.Engine`. Results to come are Dask's futures.

    Attributes:
        client: connected to a scheduler with at least one worker.
        options: how long to wait, and how many lost workers to outlive.
    """

    client: "Client"
    options: DaskOptions

    def __str__(self) -> str:
        """Where the workers are, and how many there are now."""
        count, threads = len(self._workers()), sum(self.client.nthreads().values())
        said = f"{counted(count, 'worker')} with {counted(threads, 'thread')}"
        return f"{said} at {self.client.scheduler.address}"

    def map(self, function: Callable[..., Any], *columns: Iterable[Any]) -> list["Future"]:
        """See `Engine.map`."""
        rows = list(zip(*columns, strict=True))
        if not rows:
            return []
        # What the function carries travels once to each worker, not once with each row.
        carried = self.client.submit(_same, function, pure=False)
        started: list[Future] = self.client.map(
            _called, [carried] * len(rows), *zip(*rows, strict=True), pure=False
        )
        return started

    def everywhere(self, function: Callable[..., Any], *given: Any) -> list[Any]:  # noqa: ANN401 - passed on
        """What the function gives on each worker, at once."""
        return list(self.client.run(function, *given).values())

    def gather(self, results: Sequence["Future"]) -> list[Any]:
        """See `Engine.gather`.

        Raises:
            WinbackError: when the cluster was lost, or a piece of work cost too many workers.
        """
        with _explained():
            self._settled(results)
            return list(self.client.gather(list(results)))

    def together(
        self,
        function: Callable[[list[Any], Any], Any],
        make: Callable[[Any], Any],
        items: Sequence[Any],
        meeting: Meeting,
    ) -> list[Any]:
        """See `Engine.together`. When a worker is lost, all begin again with those that are left.

        Raises:
            WinbackError: when workers were lost again and again.
        """
        with _explained():
            for _ in range(1 + self.options.retries):
                answers = self._met(function, make, items, meeting)
                if answers is not None:
                    return answers
        raise WinbackError(
            f"Work that all workers do together began {1 + self.options.retries} times, and each time a "
            "worker was lost. Look at the workers' logs; the usual cause is memory."
        )

    def _met(
        self,
        function: Callable[[list[Any], Any], Any],
        make: Callable[[Any], Any],
        items: Sequence[Any],
        meeting: Meeting,
    ) -> list[Any] | None:
        """What each worker's call returned; None when a worker was lost on the way."""
        workers = self._some_workers()
        shares = dict(zip(workers, even(items, len(workers)), strict=False))
        made = {
            worker: self.client.map(make, share, workers=[worker], pure=False)
            for worker, share in shares.items()
        }
        if not self._done_there(list(chain(*made.values())), shares):
            return None
        with meeting(len(made), self._here()) as seats:
            calls = [
                self.client.submit(function, share, seat, workers=[worker], pure=False)
                for (worker, share), seat in zip(made.items(), seats, strict=True)
            ]
            if not self._done_there(calls, shares, _NOTICE_SECONDS):
                return None
            try:
                return [call.result(timeout=self.options.timeout) for call in calls]
            except TimeoutError:  # lost with the answer in its hands
                return None

    def _done_there(self, tasks: Sequence["Future"], workers: Iterable[str], notice: float = 0.0) -> bool:
        """Wait until all tasks are done on their workers; False when one of these was lost."""
        failed: float | None = None
        while failed or any(one.status != "finished" for one in tasks):
            if not set(workers) <= set(self._workers()):
                return False
            if _failed(tasks):
                failed = failed or time.monotonic()
                if time.monotonic() >= failed + notice:
                    _raise_first(tasks)
            time.sleep(_LOOK_SECONDS)
        return True

    def _settled(self, results: Sequence["Future"]) -> None:
        """Wait until all are done, or one failed."""
        from distributed import wait

        while not _failed(results):
            try:
                with self.client.as_current():
                    wait(list(results), timeout=_LOOK_AGAIN_SECONDS)
            except TimeoutError:
                self._some_workers()
            else:
                return

    def _some_workers(self) -> list[str]:
        """Who is there; where nobody is, someone may come back for a while."""
        asked = time.monotonic()
        while not (workers := self._workers()):
            if time.monotonic() - asked > self.options.timeout:
                raise WinbackError(
                    "All workers of the cluster are gone, and none came back for "
                    f"{self.options.timeout:g} seconds. Look at their logs, then run again."
                )
            time.sleep(_LOOK_SECONDS)
        return workers

    def _workers(self) -> list[str]:
        return sorted(self.client.nthreads())

    def _here(self) -> str:
        """The address of this machine on the network of the workers."""
        from distributed.comm import get_address_host
        from distributed.utils import get_ip

        return str(get_ip(get_address_host(self.client.scheduler.address)))


def even(items: Sequence[Any], most: int) -> list[Sequence[Any]]:
    """At most so many runs of neighbours, none empty, as even as can be."""
    shares = min(len(items), most)
    return [items[len(items) * k // shares : len(items) * (k + 1) // shares] for k in range(shares)]


@contextmanager
def _explained() -> Iterator[None]:
    """Say what happened to the cluster; errors of the work itself pass as they are."""
    from distributed import CancelledError, KilledWorker
    from distributed.comm import CommClosedError

    try:
        yield
    except KilledWorker as error:
        raise WinbackError(
            f"A piece of work was begun {error.allowed_failures + 1} times, and each time its worker was "
            f"lost, the last one {error.last_worker.address}. The usual cause is memory: give workers more "
            "(dask.memory_limit), or split customers finer (lake.buckets)."
        ) from None
    except (CancelledError, CommClosedError) as error:
        reasons = sorted({group.reason for group in getattr(error, "error_groups", ())})
        raise WinbackError(
            "The Dask scheduler was lost, or gave up the work of this run "
            f"({', '.join(reasons) or type(error).__name__}). Look at its log, then run again."
        ) from None


def _failed(results: Sequence["Future"]) -> bool:
    return any(one.status == "error" for one in results)


def _raise_first(results: Sequence["Future"]) -> None:
    """Raise the first error, one of our own before those that only follow from it."""
    errors = [error for one in results if one.status == "error" and (error := one.exception()) is not None]
    for error in sorted(errors, key=lambda one: not isinstance(one, WinbackError)):
        raise error


def _same(function: Any) -> Any:  # noqa: ANN401 - passes on what it is given
    return function


def _called(function: Callable[..., Any], *row: Any) -> Any:  # noqa: ANN401 - whatever the function takes and gives
    return function(*row)
