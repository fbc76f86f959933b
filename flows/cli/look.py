"""Commands that only look: what there is, what was trained, how past nights would have done."""

import sys
from typing import Annotated

from cyclopts import Parameter

from flows.cli.options import COMMON, SHOWN, Common, Shown, Summary
from flows.cli.running import library_warnings, terminal


def status(*, common: Common = COMMON) -> Summary:
    """Say what the workspace holds: rows, newest order, model, last list, and who is writing.

    Example: winback status
    """
    from flows.status import workspace_state

    return workspace_state(common.settings())


def runs(*, last: int = 10, common: Common = COMMON) -> Summary:
    """Show the last trainings side by side: verdicts, figures and the best simple rule beside them.

    winback runs diff A B says what changed between two of them.

    Example: winback runs --last 5

    Args:
        last: How many, newest first.
        common: What every command takes.
    """
    from flows.runs import compared

    return compared(common.settings(), last)


def diff(
    a: str,
    b: str,
    /,
    *,
    whole: Annotated[bool, Parameter(name="--all", show_default=False)] = False,
    common: Common = COMMON,
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


def backtest(
    *,
    first: Annotated[str, Parameter(name="--from")],
    last: Annotated[str, Parameter(name="--to")],
    every: int = 7,
    retrain: int = 28,
    common: Common = COMMON,
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
    with library_warnings(shown=common.verbose):
        from flows.backtest import backtest as replay
        from flows.console import steps_shown

        with steps_shown(terminal(error=True)):
            return replay(settings, first, last, every, retrain)


def schema(*, shown: Shown = SHOWN) -> None:  # noqa: ARG001 - every command takes the same options
    """Print the JSON schema of the config, with which editors complete and check it.

    Example: winback schema > winback.schema.json
    """
    import json

    from flows.settings import Settings

    sys.stdout.write(json.dumps(Settings.model_json_schema(), indent=2) + "\n")


def config(*, common: Common = COMMON) -> None:
    """Print the whole config of a run: your file, its base, the defaults and --set.

    Example: winback config -c winback.yaml --set churn.horizon_days=60
    """
    import json

    import yaml

    resolved = common.settings().resolved()
    text = json.dumps(resolved) + "\n" if common.json else yaml.safe_dump(resolved, sort_keys=False)
    sys.stdout.write(text)
