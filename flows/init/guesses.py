"""What `winback init` proposes, each part with its reason."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Guesses:
    """A proposed source: `columns` and other keys, each canonical column with its reason."""

    columns: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    currency: str | None = None
    consent: str | None = None

    def add(self, canonical: str, text: str, why: str) -> None:
        """Map one column."""
        self.columns[canonical], self.why[canonical] = text, why


def quoted(name: str) -> str:
    """A column's name inside an expression."""
    return '"' + name.replace('"', '""') + '"'
