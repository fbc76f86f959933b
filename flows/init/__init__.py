"""How does a first config come about? `winback init` looks at the data, guesses, explains, and writes it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from features.contracts import TRANSACTIONS
from features.errors import ConfigError
from flows.init.document import assumed_effect, write_document
from flows.init.guess import guess
from flows.init.guesses import Guesses
from flows.init.sniff import look

BASES = ("column", "assumed", "none")
_QUESTION = (
    "On what ground may you contact these people?\n"
    "  column   the data says for each person whether they agreed\n"
    "  assumed  you hold the consent of all of them\n"
    "  none     nobody is exported to a tool for now; lists are written for looking at\n"
    "Your choice"
)

__all__ = ["propose"]


def propose(
    place: str,
    *,
    query: str | None,
    output: Path,
    consent: str | None,
    force: bool,
    ask: Callable[[str, Sequence[str]], str] | None,
) -> dict[str, Any]:
    """Write a config for a file or a database query.

    Args:
        place: path or URI.
        query: one SELECT, for a database.
        output: the config to write.
        consent: the consent basis, if it was given.
        force: replace an existing config.
        ask: asks a person to choose; None when nobody is there, then the choice is left open in the file.

    Returns:
        A summary: what was found and guessed, in sentences, and the path of the config.

    Raises:
        ConfigError: when the config exists, or the call is wrong.
        DataRefused: when the data cannot be read.
    """
    if consent is not None and consent not in BASES:
        raise ConfigError(f"--consent is {consent!r}. Write one of {', '.join(BASES)}.")
    if output.exists() and not force:
        raise ConfigError(f"{output} exists already. Choose another --output, or replace it with --force.")
    sample = look(place, query)
    found = guess(sample.rows, str(sample.options.get("decimal", ".")))
    basis = consent or (ask(_QUESTION, BASES) if ask else None)
    write_document(output, sample, found, basis)
    return {
        "status": "done",
        "sentences": [*sample.findings, *_explained(found), assumed_effect(), *_next(found, output, basis)],
        "counts": {"rows_looked_at": sample.rows.height},
        "paths": {"config": str(output)},
    }


def _explained(found: Guesses) -> list[str]:
    lines = [f"{canonical} = {text}: {found.why[canonical]}." for canonical, text in found.columns.items()]
    return [*lines, *found.notes]


def _next(found: Guesses, output: Path, basis: str | None) -> list[str]:
    missing = [name for name in TRANSACTIONS.required if name not in found.columns]
    todo = [f"Not found: {', '.join(missing)}. Fill in the marked lines of {output}."] if missing else []
    if basis is None:
        todo.append(f"Choose consent.basis in {output}: it has no default.")
    if basis == "column" and found.consent is None:
        todo.append("consent.basis column needs a source customers with consent columns; add one.")
    return [*todo, f"Read {output}, correct what is wrong, then run: winback nightly -c {output}"]
