"""Where the work on parts is done: on threads of this machine, or wherever `flows` says."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

T = TypeVar("T")

# Where workers find each other: opened for so many workers, at the address by which they reach this process;
# gives each of them a seat.
Meeting = Callable[[int, str], AbstractContextManager[Sequence[Any]]]


class Engine(Protocol):
    """Runs functions on parts; what grows with the number of customers stays where it was made."""

    def map(self, function: Callable[..., Any], *columns: Iterable[Any]) -> list[Any]:
        """Start the function for each item, or each row of several columns.

        Args:
            function: called with one item of each column; items that an earlier `map` gave are its results.
            columns: items or results to come, all of one length.

        Returns:
            Results to come, in order.
        """

    def gather(self, results: Sequence[Any]) -> list[Any]:
        """Wait for results, which should be small, and bring them here; the first error is raised."""

    def together(
        self,
        function: Callable[[list[Any], Any], Any],
        make: Callable[[Any], Any],
        items: Sequence[Any],
        meeting: Meeting,
    ) -> list[Any]:
        """Run a function once on every worker, at the same time, each with an even share of what is made.

        The shares hang on the number of workers only, so that a run can be repeated.

        Args:
            function: called with what was made for one worker, and with its seat; on one machine once, with
                everything and None for a seat, because there is nobody to meet.
            make: makes of an item what the function takes, on the worker that needs it.
            items: items, or results of an earlier `map`, which then move to where they are needed.
            meeting: opened here while the calls run.

        Returns:
            What each call returned, which should be small.
        """


class Threads:
    """The engine of one machine. Polars and NumPy work outside Python's lock, so threads share the cores."""

    def __init__(self, workers: int | None = None) -> None:
        """Start no more than `workers` threads; by default one per core, four at most."""
        self._pool = ThreadPoolExecutor(workers or min(4, os.cpu_count() or 1), thread_name_prefix="part")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[..., Any], *columns: Iterable[Any]) -> list[Future[Any]]:
        """See `Engine.map`."""
        rows = zip(*columns, strict=True)
        return [self._pool.submit(_called, function, row) for row in rows]

    def gather(self, results: Sequence[Future[Any]]) -> list[Any]:
        """See `Engine.gather`."""
        return [result.result() for result in results]

    def together(
        self,
        function: Callable[[list[Any], Any], Any],
        make: Callable[[Any], Any],
        items: Sequence[Any],
        meeting: Meeting,  # noqa: ARG002 - nobody to meet
    ) -> list[Any]:
        """See `Engine.together`."""
        return [function(self.gather(self.map(make, items)), None)]


def _called(function: Callable[..., T], row: tuple[Any, ...]) -> T:
    # Results of an earlier map were started before, so waiting for them here ends.
    return function(*(item.result() if isinstance(item, Future) else item for item in row))
