"""The console script `winback`: which commands there are, and the outermost door of the process.

Nothing heavy is imported here: `winback --help` answers at once. Commands that change something run a Prefect
flow; the others are plain functions.
"""

import sys
from collections.abc import Mapping, Sequence

from cyclopts import App, CycloptsError, Group, Parameter

from features.errors import WinbackError
from flows.cli import care, look, nights, start
from flows.cli.answers import done, failed


def _version() -> str:
    from importlib.metadata import version

    return version("winback")


app = App(
    name="winback",
    help="Find the customers who are about to stop buying, and those who can be won back at a profit.\n\n"
    "New here? Run winback demo, then winback init YOUR_FILE.csv.",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=(), negative_iterable=()),
    version=_version,
    version_flags=("--version",),
)

_LOOK = Group("Look", sort_key=4)
_GROUPS = {
    Group("Start here", sort_key=1): (start.init, start.demo, start.doctor),
    Group("Every night", sort_key=2): (
        nights.ingest,
        nights.train,
        nights.nightly,
        nights.acknowledge,
        nights.measure,
    ),
    Group("Care", sort_key=3): (care.promote, care.rollback, care.compact, care.forget),
    _LOOK: (look.status, look.backtest, look.schema, look.config),
}
for _group, _commands in _GROUPS.items():
    for _command in _commands:
        app.command(_command, group=_group)
_runs = App(name="runs", group=_LOOK, help_format="plaintext")
_runs.default(look.runs)
_runs.command(look.diff)
app.command(_runs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: what stands after `winback`; None takes the process's own.

    Returns:
        The exit code: 0 done, 2 usage or config, 3 data refused, 4 workspace busy, 1 anything else.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        summary = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, WinbackError, OSError, MemoryError, KeyboardInterrupt) as error:
        return failed(error, words)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the outermost door; a panic in Polars is no Exception
        return failed(error, words)
    if isinstance(summary, Mapping):
        return done(summary, words)
    return 0
