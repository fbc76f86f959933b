"""Commands for a shop that is new here: see it work, propose a config, find what is wrong with it."""

import sys
from collections.abc import Sequence
from pathlib import Path

from flows.cli.options import COMMON, SHOWN, Common, Shown, Summary
from flows.cli.running import run_flow, terminal


def init(
    file: str,
    /,
    *,
    query: str | None = None,
    output: Path = Path("winback.yaml"),
    consent: str | None = None,
    force: bool = False,
    shown: Shown = SHOWN,
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


def demo(
    folder: Path = Path("demo"),
    *,
    customers: int = 20_000,
    seed: int = 7,
    shown: Shown = SHOWN,
) -> Summary:
    """Make a built-in shop and run the whole night on it: from raw files to a list.

    Example: winback demo --customers 2000

    Args:
        folder: Where the shop's files and the workspace go.
        customers: How many customers the shop has.
        seed: The same seed gives the same shop.
        shown: How results are shown.
    """
    return run_flow("demo", folder, shown, str(folder), customers, seed)


def doctor(*, common: Common = COMMON) -> Summary:
    """Check config, sources, credentials, disk and servers, and say how to fix what is wrong.

    Example: winback doctor -c winback.yaml
    """
    from flows.doctor import examine, summary

    return summary(examine(common.config, common.set))


def _ask_consent(question: str, choices: Sequence[str]) -> str:
    from rich.prompt import Prompt

    return Prompt.ask(question, choices=list(choices), console=terminal(error=True))
