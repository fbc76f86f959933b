"""The proposed config as a text that a person reads: every guess with its reason beside it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from features.contracts import TRANSACTIONS
from flows.init.guesses import Guesses
from flows.init.sniff import Sample
from flows.workspace import publish_file
from models.log_odds import moved
from models.options import AssumedEffect

_CONSENT = """\
# On what ground may people be contacted? There is no default. One of
#   column   the data says for each person whether they agreed (source customers, consent columns)
#   assumed  you hold the consent of all of them
#   none     lists are written, but never exported to a tool
"""


def write_document(path: Path, sample: Sample, found: Guesses, basis: str | None) -> None:
    """Write the config.

    Args:
        path: where to.
        sample: how the source is read.
        found: what its columns mean.
        basis: the consent basis; None leaves the choice to the reader of the file.
    """
    with publish_file(path) as aside:
        aside.write_text("\n".join(_lines(sample, found, basis)) + "\n", encoding="utf-8")


def _lines(sample: Sample, found: Guesses, basis: str | None) -> Iterator[str]:
    yield "# Proposed by winback init from the first rows of the data. Check every line."
    yield "# configs/base.yaml explains all keys; winback schema prints them for editors."
    yield "workspace: workspace    # folder of everything a run leaves behind"
    yield "timezone: UTC           # the shop's time zone, such as Europe/Berlin: days are counted in it, and"
    yield "                        # the first ingest fixes it"
    seen = "seen in the data" if found.currency else "not seen in the data: write your own"
    yield f"currency: {found.currency or 'EUR'}           # reporting currency; {seen}"
    yield ""
    yield "sources:"
    yield "  transactions:"
    yield from _options({**sample.options, **found.options}, indent=4)
    yield "    columns:" if found.columns else "    columns: {}"
    yield from _columns(found)
    yield "    # Exports that overlap bring rows twice. Say which one wins, once you know:"
    yield "    # overlap: replace_order    # or replace_period, or a key such as key: [order_id, line_id]"
    yield "    # max_age_days: 3           # freshness: stop when the newest order is older than this"
    if found.consent and "customer_id" in found.columns:
        yield from _customers(sample, found)
    yield ""
    yield "churn:"
    yield "  horizon_days: null  # who does not buy for so long has stopped; null: the data choose, once"
    yield "value:"
    yield "  margin_rate: 0.3    # net margin as a share of the amount where the cost is unknown: your own"
    yield from _effect()
    yield "list:"
    yield "  capacity: 500       # most people to contact in one list"
    yield ""
    yield from _CONSENT.splitlines()
    yield from ("consent:", f"  basis: {basis}") if basis else ("# consent:", "#   basis: assumed")


def assumed_effect() -> str:
    """What a new config assumes of a contact, and what that means for somebody."""
    shift, usual = AssumedEffect().mu, 0.1
    reached = moved(usual, shift)
    return (
        f"A shift of {shift} raises a return probability of {100 * usual:.0f} % to {100 * reached:.1f} %: "
        f"{100 * (reached - usual):+.1f} points (assumed; replace it once you have measured)."
    )


def _effect() -> Iterator[str]:
    yield "effect:               # what a contact changes, on the log-odds of buying, until own contacts tell"
    yield f"  # {assumed_effect()}"
    yield f"  assumed: {_value(AssumedEffect().model_dump())}"


def _options(options: dict[str, Any], indent: int) -> Iterator[str]:
    for key, value in options.items():
        yield f"{' ' * indent}{key}: {_value(value)}"


def _columns(found: Guesses) -> Iterator[str]:
    width = max((len(f"{name}: {_value(text)}") for name, text in found.columns.items()), default=0)
    for name in (column.name for column in TRANSACTIONS.columns):
        if name in found.columns:
            entry = f"{name}: {_value(found.columns[name])}"
            yield f"      {entry:<{width}}  # {found.why[name]}"
        elif name in TRANSACTIONS.required:
            yield f"      # {name}:    # not found: {TRANSACTIONS.index[name].meaning}"
    for note in found.notes:
        yield f"      # {note}"


def _customers(sample: Sample, found: Guesses) -> Iterator[str]:
    who, consent = found.columns["customer_id"], str(found.consent)
    options = dict(sample.options)
    order = found.columns.get("order_id")
    if consent in found.options.get("fill_down", {}).get("columns", ()):
        options["fill_down"] = {"by": order, "columns": [consent]}
    yield "  customers:    # the same file says who agreed to be contacted"
    yield from _options(options, indent=4)
    yield "    key: [customer_id]    # a person's last row counts"
    yield "    columns:" if found.columns else "    columns: {}"
    yield f"      customer_id: {_value(who)}"
    yield f"      consent_email: {_value(consent)}"


def _value(value: object) -> str:
    """A value as it stands in YAML, on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
