"""The console script `winback`: which commands there are, and how their results and failures reach people.

Nothing heavy is imported here: `winback --help` answers at once. Commands that change something run a Prefect
flow; the others are plain functions.
"""

import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Group, Parameter

from features.errors import ConfigError, WinbackError

if TYPE_CHECKING:
    from rich.console import Console

    from flows.settings import Settings

Summary = Mapping[str, Any]
_START = Group("Start here", sort_key=1)
_NIGHTS = Group("Every night", sort_key=2)
_CARE = Group("Care", sort_key=3)
_LOOK = Group("Look", sort_key=4)
_USAGE, _FAULT, _INTERRUPTED = ConfigError.exit_code, WinbackError.exit_code, 130


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


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Shown:
    """How results are shown."""

    json: Annotated[bool, Parameter(show_default=False)] = False
    """Print the result as one JSON object on the last line of standard output."""
    verbose: Annotated[bool, Parameter(show_default=False)] = False
    """Show what Prefect logs while the flow runs, and warnings of libraries."""
    debug: Annotated[bool, Parameter(show_default=False)] = False
    """Show the traceback of a failure."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Common(Shown):
    """What every command on a config takes."""

    config: Annotated[str, Parameter(alias="-c")] = "winback.yaml"
    """The config file."""
    set: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    """A key of the config and another value for this run, as key.path=value; can be given many times."""

    def settings(self) -> "Settings":
        """The config with the values given on the command line."""
        from flows.settings import load

        return load(self.config, self.set)


_SHOWN, _COMMON = Shown(), Common()
_runs = App(name="runs", group=_LOOK, help_format="plaintext")
app.command(_runs)


@app.command(group=_START)
def init(
    file: str,
    /,
    *,
    query: str | None = None,
    output: Path = Path("winback.yaml"),
    consent: str | None = None,
    force: bool = False,
    shown: Shown = _SHOWN,
) -> Summary:
    """Look at your data, propose a config for it and explain every guess.

    Example: winback init orders.csv

    Args:
        file: A CSV or Parquet file, or a database such as sqlite:///shop.db.
        query: The SELECT that gives the order lines, when FILE is a database.
        output: The config file to write.
        consent: On what ground people may be contacted: column, assumed or none. Asked for when left out.
        force: Replace the config file if there is one.
        shown: How results are shown.
    """
    from flows.init import propose

    ask = None if shown.json or not sys.stdin.isatty() else _ask_consent
    return propose(file, query=query, output=output, consent=consent, force=force, ask=ask)


@app.command(group=_START)
def demo(
    folder: Path = Path("demo"),
    *,
    customers: int = 20_000,
    seed: int = 7,
    shown: Shown = _SHOWN,
) -> Summary:
    """Make a built-in shop and run the whole night on it: from raw files to a list.

    Example: winback demo --customers 2000

    Args:
        folder: Where the shop's files and the workspace go.
        customers: How many customers the shop has.
        seed: The same seed gives the same shop.
        shown: How results are shown.
    """
    return _run_flow("demo", folder, shown, str(folder), customers, seed)


@app.command(group=_NIGHTS)
def ingest(*, common: Common = _COMMON) -> Summary:
    """Read what is new in the sources, check it and put it into the lake.

    Example: winback ingest -c winback.yaml
    """
    return _run_flow("ingest", common.settings().root, common, common.config, [*common.set])


@app.command(group=_NIGHTS)
def train(*, as_of: str | None = None, force: bool = False, common: Common = _COMMON) -> Summary:
    """Train the model on what was known, and promote it if it is good enough.

    Example: winback train -c winback.yaml --as-of 2025-06-30

    Args:
        as_of: The last day that is known, YYYY-MM-DD. Default: the last complete day.
        force: Train even when the same data and settings were trained on before.
        common: What every command takes.
    """
    root = _checked(common, as_of)
    return _run_flow("train", root, common, common.config, as_of, [*common.set], force)


@app.command(group=_NIGHTS)
def nightly(*, as_of: str | None = None, revision: bool = False, common: Common = _COMMON) -> Summary:
    """Do the whole night: read, check, score, rank, and write the list of people to contact.

    Trains first when there is no model yet. The same night again changes nothing.

    Example: winback nightly -c winback.yaml

    Args:
        as_of: The last day that is known, YYYY-MM-DD. Default: the last complete day.
        revision: Replace a list that was delivered already.
        common: What every command takes.
    """
    root = _checked(common, as_of)
    return _run_flow("nightly", root, common, common.config, as_of, [*common.set], revision)


@app.command(group=_NIGHTS)
def acknowledge(*, as_of: str, on: str | None = None, common: Common = _COMMON) -> Summary:
    """Record that the list of a day has been delivered; measurement starts on that day.

    Example: winback acknowledge -c winback.yaml --as-of 2025-06-30 --on 2025-07-01

    Args:
        as_of: The day of the list, YYYY-MM-DD.
        on: The day on which it was delivered, YYYY-MM-DD. Default: today.
        common: What every command takes.
    """
    root = _checked(common, as_of)
    return _run_flow("acknowledge", root, common, common.config, as_of, on, [*common.set])


@app.command(group=_NIGHTS)
def measure(*, as_of: str | None = None, common: Common = _COMMON) -> Summary:
    """Measure what delivered lists earned, against the people held out.

    Example: winback measure -c winback.yaml

    Args:
        as_of: The last day that is known, YYYY-MM-DD. Default: the last complete day.
        common: What every command takes.
    """
    root = _checked(common, as_of)
    return _run_flow("measure", root, common, common.config, as_of, [*common.set])


@app.command(group=_CARE)
def promote(version: str, /, *, reason: str, common: Common = _COMMON) -> Summary:
    """Put a model in use by hand, whatever the rule says; it stays until a later one beats it by the rule.

    Example: winback promote 3 --reason "the new recipe was checked on last year's season"

    Args:
        version: Its number, as winback runs shows it.
        reason: Why; kept with the model. No names of customers, please.
        common: What every command takes.
    """
    root = common.settings().root
    return _run_flow("promote", root, common, common.config, version, reason, [*common.set])


@app.command(group=_CARE)
def rollback(*, reason: str = "no reason given", common: Common = _COMMON) -> Summary:
    """Put the model back in use that decided before the present one; again, the one before that.

    Example: winback rollback --reason "too many people on the list"

    Args:
        reason: Why; kept with the model. No names of customers, please.
        common: What every command takes.
    """
    return _run_flow("rollback", common.settings().root, common, common.config, reason, [*common.set])


@app.command(group=_CARE)
def compact(*, common: Common = _COMMON) -> Summary:
    """Merge the small increments of the lake into its base, so that reading stays fast.

    Example: winback compact -c winback.yaml
    """
    return _run_flow("compact", common.settings().root, common, common.config, [*common.set])


@app.command(group=_CARE)
def forget(*, customer_id: str, common: Common = _COMMON) -> Summary:
    """Erase a person everywhere: lake, quarantine, features, scores and lists.

    Example: winback forget --customer-id 12345

    Args:
        customer_id: Whom to erase, as the shop's own files name them.
        common: What every command takes.
    """
    from features.pricing import fingerprint

    # Prefect keeps what a flow is called with: it gets nothing that names the person.
    person = fingerprint(customer_id)
    return _run_flow("forget", common.settings().root, common, common.config, person, [*common.set])


@app.command(group=_LOOK)
def status(*, common: Common = _COMMON) -> Summary:
    """Say what the workspace holds: rows, newest order, model, last list, and who is writing.

    Example: winback status
    """
    from flows.status import workspace_state

    return workspace_state(common.settings())


@_runs.default
def runs(*, last: int = 10, common: Common = _COMMON) -> Summary:
    """Show the last trainings side by side: verdicts, figures and the best simple rule beside them.

    winback runs diff A B says what changed between two of them.

    Example: winback runs --last 5

    Args:
        last: How many, newest first.
        common: What every command takes.
    """
    from flows.runs import compared

    return compared(common.settings(), last)


@_runs.command
def diff(
    a: str,
    b: str,
    /,
    *,
    whole: Annotated[bool, Parameter(name="--all", show_default=False)] = False,
    common: Common = _COMMON,
) -> Summary:
    """Show what changed from one training to another: data, params, features, code, figures.

    Example: winback runs diff 2 3

    Args:
        a: The first one: the number of a model, or the id of a run or its beginning.
        b: The second one.
        whole: Show every figure, not only the important ones.
        common: What every command takes.
    """
    from flows.runs import differences

    return differences(common.settings(), a, b, whole=whole)


@app.command(group=_LOOK)
def backtest(
    *,
    first: Annotated[str, Parameter(name="--from")],
    last: Annotated[str, Parameter(name="--to")],
    every: int = 7,
    retrain: int = 28,
    common: Common = _COMMON,
) -> Summary:
    """Make past nights again without knowing what came later, and say how well they did.

    Each night has a model trained on what was known then, and its own list; people on a replayed list rest
    as they would have. Nothing that the nights have written is touched. It can be stopped at any time: the
    same command goes on where it was.

    Example: winback backtest --from 2024-09-30 --to 2025-03-31 --every 28

    Args:
        first: The first night, YYYY-MM-DD.
        last: No night is later, YYYY-MM-DD.
        every: Days from one night to the next.
        retrain: A night trains anew when the last training is so many days old.
        common: What every command takes.
    """
    settings = common.settings()
    with _warnings(shown=common.verbose):
        from flows.backtest import backtest as replay
        from flows.console import steps_shown

        with steps_shown(_console(error=True)):
            return replay(settings, first, last, every, retrain)


@app.command(group=_START)
def doctor(*, common: Common = _COMMON) -> Summary:
    """Check config, sources, credentials, disk and servers, and say how to fix what is wrong.

    Example: winback doctor -c winback.yaml
    """
    from flows.doctor import examine, summary

    return summary(examine(common.config, common.set))


@app.command(group=_LOOK)
def schema(*, shown: Shown = _SHOWN) -> None:  # noqa: ARG001 - every command takes the same options
    """Print the JSON schema of the config, with which editors complete and check it.

    Example: winback schema > winback.schema.json
    """
    import json

    from flows.settings import Settings

    sys.stdout.write(json.dumps(Settings.model_json_schema(), indent=2) + "\n")


@app.command(group=_LOOK)
def config(*, common: Common = _COMMON) -> None:
    """Print the whole config of a run: your file, its base, the defaults and --set.

    Example: winback config -c winback.yaml --set churn.horizon_days=60
    """
    import json

    import yaml

    resolved = common.settings().resolved()
    text = json.dumps(resolved) + "\n" if common.json else yaml.safe_dump(resolved, sort_keys=False)
    sys.stdout.write(text)


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
        return _failed(error, words)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the outermost door; a panic in Polars is no Exception
        return _failed(error, words)
    if isinstance(summary, Mapping):
        return _done(summary, words)
    return 0


def _done(summary: Summary, words: Sequence[str]) -> int:
    from flows import console

    if "--json" in words:
        console.as_json(summary)
    else:
        console.closing(_console(error=False), summary)
    return int(summary.get("exit_code", 0))


def _failed(error: BaseException, words: Sequence[str]) -> int:
    from flows import console

    code, message = _explain(error)
    if "--debug" in words:
        traceback.print_exception(error)
    console.problem(_console(error=True), message)
    if "--json" in words:
        console.as_json({"status": "error", "message": message, "exit_code": code})
    return code


def _explain(error: BaseException) -> tuple[int, str]:
    match error:
        case WinbackError():
            return error.exit_code, str(error)
        case CycloptsError():
            return _USAGE, f"{str(error).strip()} Run winback --help to see what there is."
        case KeyboardInterrupt():
            return _INTERRUPTED, "Stopped. Nothing half done is visible; run the same command to go on."
        case OSError():
            place = f" ({error.filename})" if error.filename else ""
            return _FAULT, f"The system refused: {error.strerror or error}{place}. Run winback doctor."
        case MemoryError():
            return (
                _FAULT,
                "The memory of this machine was not enough. Close other programs or use a larger one.",
            )
    kind = type(error).__name__
    return _FAULT, f"A fault in winback itself ({kind}). Run the command again with --debug and report it."


def _run_flow(name: str, workspace: Path, shown: Shown, *arguments: object) -> Summary:
    from flows.console import steps_shown
    from flows.runtime import prefect_ready
    from flows.workspace import Workspace

    console = _console(error=True)
    log = Workspace(workspace).prefect / "server.log"
    with _warnings(shown=shown.verbose), prefect_ready(console, log, verbose=shown.verbose) as wait:
        flow: Callable[..., Summary] = getattr(import_module(f"flows.{name}"), name)
        wait()
        with steps_shown(console):
            return flow(*arguments)


@contextmanager
def _warnings(*, shown: bool) -> Iterator[None]:
    """Warnings of libraries are for their developers, unless a person asks for them."""
    with warnings.catch_warnings():
        if not shown:
            warnings.simplefilter("ignore")
        yield


def _checked(common: Common, as_of: str | None) -> Path:
    """The workspace, after everything that a person may have mistyped was read once."""
    settings = common.settings()
    if as_of is not None:
        settings.as_of(as_of)
    return settings.root


def _ask_consent(question: str, choices: Sequence[str]) -> str:
    from rich.prompt import Prompt

    return Prompt.ask(question, choices=list(choices), console=_console(error=True))


def _console(*, error: bool) -> "Console":
    from rich.console import Console

    return Console(stderr=error)


if __name__ == "__main__":
    sys.exit(main())
