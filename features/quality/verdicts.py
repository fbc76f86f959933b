"""What the gate found, and the one message with which it stops a run."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from features.errors import DataRefused
from features.quality.rules import Severity


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that was not met.

    Attributes:
        suite: what was checked.
        rule: id of the rule.
        severity: critical or warning.
        failed: rows that break it.
        rows: rows checked; 0 for a measure, which has no rows.
        share: failed / rows.
        at_most: share that is tolerated.
        keys: where some of the rows are, e.g. `orders.csv:17`.
        examples: some values that break it; never of a personal column.
        because: the reason, a sentence.
    """

    suite: str
    rule: str
    severity: Severity
    failed: int
    rows: int
    share: float
    at_most: float
    keys: tuple[str, ...]
    examples: tuple[str, ...]
    because: str

    def __str__(self) -> str:
        """One line for people."""
        parts = [f"{self.rule} ({self.severity}): {self.because.rstrip('.')}."]
        if self.rows:
            parts.append(
                f"{self.failed:,} of {self.rows:,} rows ({self.share:.2%}, allowed {self.at_most:.2%})."
            )
        if self.keys:
            parts.append(f"Rows: {', '.join(self.keys)}{', ...' if self.failed > len(self.keys) else ''}.")
        if self.examples:
            parts.append(f"Found: {', '.join(self.examples)}.")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one frame.

    Attributes:
        suite: the suite's name.
        label: what was checked, for people.
        passed: whether no critical expectation failed.
        failures: critical expectations that failed.
        warnings: the others that failed.
        skipped: rules that read a column (or a measure) which is not there.
        docs: where to read about it.
    """

    suite: str
    label: str
    passed: bool
    failures: tuple[Failure, ...]
    warnings: tuple[Failure, ...]
    skipped: tuple[str, ...] = ()
    docs: Path | None = None


def refuse(verdicts: Iterable[Verdict]) -> None:
    """Stop the run when a critical expectation failed.

    Raises:
        DataRefused: naming every failed critical expectation with its count, share and row keys.
    """
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if not failed:
        return
    lines = ["The data does not pass the quality gate; nothing after it has changed."]
    for verdict in failed:
        lines.append(f"{verdict.label}:")
        lines += [f"  {failure}" for failure in verdict.failures]
    places = sorted({str(verdict.docs) for verdict in failed if verdict.docs})
    lines += [f"Read more in {place}" for place in places]
    raise DataRefused("\n".join(lines))
