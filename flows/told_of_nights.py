"""What a night says of itself, in plain words."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from flows.effects import Believed
from flows.lists import Written
from models.outputs import Manifest

# How the note begins that a list was written too late for its people to be contacted.
TOO_LATE = "This night lies in the past"


def told(  # noqa: PLR0917 - what is told, in order
    summary: dict[str, Any],
    arrived: Mapping[str, Any],
    learned: Sequence[str],
    believed: Believed,
    currency: str,
    store: str,
) -> dict[str, Any]:
    """The summary of a night with its sentences in plain words; `learned` are those about the shop."""
    counts, money = summary["counts"], summary["metrics"]
    fresh = {
        "written": "",
        "unchanged": " This list was delivered before; nothing was changed.",
        "revised": " It replaces an earlier list of the same day.",
    }
    costs = (
        f"Contacting them should cost {money['expected_cost']:,.2f} {currency} and earn "
        f"{money['expected_profit']:,.2f} {currency} more than leaving them alone."
    )
    sentences = [
        *arrived["sentences"],
        *learned,
        f"{counts['listed']:,} people to contact out of {counts['scored']:,} customers scored; "
        f"{counts['held_out']:,} are held out to measure what the list earns." + fresh[summary["status"]],
        *([costs] if counts["listed"] else []),
        *believed.sentences,
        *summary["notes"],
    ]
    paths = {**summary["paths"], "mlflow": store}
    return {**summary, "sentences": sentences, "paths": paths}


def too_late(manifest: Manifest, written: Written, today: date) -> Iterator[str]:
    """That a new list counts as delivered though nobody can be contacted in time any more.

    Args:
        manifest: of the list.
        written: whether it is new.
        today: the day that it is.
    """
    counts = manifest.acknowledge == "on_write" and manifest.exportable
    if not counts or written.status == "unchanged" or today <= manifest.contact_by:
        return
    yield (
        f"{TOO_LATE}: its list was for contacts until {manifest.contact_by}, so nobody can be contacted in "
        "time any more. It will still be counted as if its people had been contacted on "
        f"{manifest.as_of + timedelta(days=1)}. If they were not, remove the folder {written.folder}, and "
        "make lists of past nights with list.acknowledge: by_command: a list then counts only after winback "
        "acknowledge."
    )
