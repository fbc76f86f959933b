"""Commands that a scheduler runs: read, train, make the list, note its delivery, measure it."""

from flows.cli.options import COMMON, Common, Summary
from flows.cli.running import checked, run_flow
from flows.workspace import existing


def ingest(*, common: Common = COMMON) -> Summary:
    """Read what is new in the sources, check it and put it into the lake.

    Example: winback ingest -c winback.yaml
    """
    return run_flow("ingest", common.settings().root, common, common.config, [*common.set])


def train(*, as_of: str | None = None, force: bool = False, common: Common = COMMON) -> Summary:
    """Train the model on what was known, and promote it if it is good enough.

    Example: winback train -c winback.yaml --as-of 2025-06-30

    Args:
        as_of: The last day that is known, YYYY-MM-DD. Default: the last complete day.
        force: Train even when the same data and settings were trained on before.
        common: What every command takes.
    """
    root = checked(common, as_of)
    return run_flow("train", root, common, common.config, as_of, [*common.set], force)


def nightly(*, as_of: str | None = None, revision: bool = False, common: Common = COMMON) -> Summary:
    """Do the whole night: read, check, score, rank, and write the list of people to contact.

    Trains first when there is no model yet. The same night again changes nothing.

    Example: winback nightly -c winback.yaml

    Args:
        as_of: The last day that is known, YYYY-MM-DD. Default: the last complete day.
        revision: Replace a list that was delivered already.
        common: What every command takes.
    """
    root = checked(common, as_of)
    return run_flow("nightly", root, common, common.config, as_of, [*common.set], revision)


def acknowledge(
    *, as_of: str, on: str | None = None, list_id: str | None = None, common: Common = COMMON
) -> Summary:
    """Record that the list of a day has been delivered; measurement starts on that day.

    Example: winback acknowledge -c winback.yaml --as-of 2025-06-30 --on 2025-07-01 --list-id 0123456789ab

    Args:
        as_of: The day of the list, YYYY-MM-DD.
        on: The day on which it was delivered, YYYY-MM-DD. Default: today.
        list_id: The list that was delivered, as in its column list_id. Refused if the workspace has another.
        common: What every command takes.
    """
    root = existing(checked(common, as_of))
    return run_flow("acknowledge", root, common, common.config, as_of, on, [*common.set], list_id)


def measure(*, as_of: str | None = None, common: Common = COMMON) -> Summary:
    """Measure what delivered lists earned, against the people held out.

    Example: winback measure -c winback.yaml

    Args:
        as_of: The last day that is known, YYYY-MM-DD. Default: the last complete day.
        common: What every command takes.
    """
    root = existing(checked(common, as_of))
    return run_flow("measure", root, common, common.config, as_of, [*common.set])
