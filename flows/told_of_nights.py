"""What a night says of itself, in plain words."""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.effects import Believed


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
    sentences = [
        *arrived["sentences"],
        *learned,
        f"{counts['listed']:,} people to contact out of {counts['scored']:,} customers scored; "
        f"{counts['held_out']:,} are held out to measure what the list earns." + fresh[summary["status"]],
        (
            f"Contacting them should cost {money['expected_cost']:,.2f} {currency} and earn "
            f"{money['expected_profit']:,.2f} {currency} more than leaving them alone."
        ),
        *believed.sentences,
        *summary["notes"],
    ]
    paths = {**summary["paths"], "mlflow": store}
    return {**summary, "sentences": sentences, "paths": paths}
