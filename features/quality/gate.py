"""Does a frame pass: exact counts and a bounded sample go in, Great Expectations decides."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from features.options import QualityOptions
from features.quality.counting import Tally, count_broken
from features.quality.expectations import Check, Expectations, Outcome, limit
from features.quality.findings import Counted, at_most, findings, text
from features.quality.pages import Page, publish
from features.quality.rules import Rule
from features.quality.suites import KEY, Suite
from features.quality.verdicts import Failure, Verdict

_log = logging.getLogger(__name__)


class Gate:
    """The quality gate of one run. As a context manager it publishes the Data Docs at the end, come what may.

    Args:
        docs: folder of the Data Docs (`<workspace>/quality`); None writes none.
        options: limits.
        run: what the run is called there, e.g. `nightly 2011-09-08`.
    """

    def __init__(self, docs: Path | None, options: QualityOptions, *, run: str = "run") -> None:
        self._docs, self._options, self._run = docs, options, run
        self._pages: list[Page] = []
        self._lazy: Expectations | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.publish()

    def check_rows(  # noqa: PLR0917 - in the order in which they are read
        self,
        suite: Suite,
        sample: pl.DataFrame,
        counts: Mapping[str, int],
        rows: int,
        key: Sequence[str] = KEY,
        personal: frozenset[str] = frozenset(),
        *,
        label: str,
        faults: Mapping[str, int] | None = None,
        failing: pl.DataFrame | None = None,
    ) -> Verdict:
        """Judge a table.

        Args:
            suite: its rules.
            sample: rows without fault, at most `quality.sample_rows` (or all of them).
            counts: rule id -> rows that break it, over all rows (`count_broken`, summed over chunks).
            rows: rows delivered, with or without fault.
            key: columns that say which row it is.
            personal: columns whose values are never shown.
            label: what was checked, for people.
            faults: fault of the reader or the mapping -> rows. Those called `excluded_...` are not bad.
            failing: some rows that break a rule, if the sample may lack them (`Tally.failing`).

        Raises:
            WinbackError: when an expectation could not be evaluated.
        """
        one = Counted(label, rows, counts, faults or {}, sample, sample if failing is None else failing)
        return self._judge(suite, [one], key, personal, label)[0]

    def check_deliveries(
        self,
        suite: Suite,
        tallies: Mapping[str, Tally],
        key: Sequence[str] = KEY,
        personal: frozenset[str] = frozenset(),
        *,
        label: str,
    ) -> list[Verdict]:
        """Judge many deliveries of one table at once, each by itself; hundreds cost little more than one.

        Args:
            suite: its rules.
            tallies: name of the delivery -> what it adds up to; all have the same columns.
            key: columns that say which row it is.
            personal: columns whose values are never shown.
            label: what the table is called.

        Returns:
            One verdict per delivery, in order.

        Raises:
            WinbackError: when an expectation could not be evaluated.
        """
        deliveries = [
            Counted(
                f"{label}: {name}",
                one.rows,
                one.counts,
                one.faults,
                one.sample,
                one.failing,
                one.assumed,
                one.assumed_rows,
            )
            for name, one in tallies.items()
        ]
        return self._judge(suite, deliveries, key, personal, label) if deliveries else []

    def check_table(
        self,
        suite: Suite,
        frame: pl.DataFrame,
        key: Sequence[str],
        personal: frozenset[str] = frozenset(),
        *,
        label: str,
    ) -> Verdict:
        """Judge a whole table that lies in memory, such as our own outputs."""
        counts = count_broken(suite, frame)
        step = -(-frame.height // self._options.sample_rows) or 1
        sample = frame.gather_every(step)
        return self.check_rows(suite, sample, counts, frame.height, key, personal, label=label, failing=frame)

    def check_measures(self, suite: Suite, measures: pl.DataFrame, *, label: str) -> Verdict:
        """Judge one row of measures; a measure that is null could not be taken and is skipped.

        Raises:
            ValueError: when there is not exactly one row.
            WinbackError: when an expectation could not be evaluated.
        """
        values = measures.row(by_predicate=pl.lit(value=True), named=True)
        taken = [name for name, value in values.items() if value is not None]
        rules = suite.applicable(taken)
        skipped = suite.skipped(taken)
        if not rules:
            return self._verdicts(suite, label, {label: []}, skipped, {})[0]
        checks = [Check(rule, 1.0, _measured(rule, values)) for rule in rules]
        page, outcomes = self._expectations.validate(label, checks, measures)
        broken = [
            Failure(label, rule.id, rule.severity, 1, 0, 1.0, 0.0, (), _examples(rule, values), rule.because)
            for rule in rules
            if not outcomes[rule.id].met
        ]
        return self._verdicts(suite, label, {label: broken}, skipped, {"measures": page})[0]

    def publish(self) -> Path | None:
        """Write the Data Docs of everything checked so far; the way to their first page, or None without."""
        if self._docs is None or self._lazy is None:
            return None
        return publish(self._docs, self._run, self._pages, self._lazy.build_docs)

    @property
    def _expectations(self) -> Expectations:
        if self._lazy is None:
            self._lazy = Expectations(self._run, self._options.row_keys_shown)
        return self._lazy

    def _judge(
        self,
        suite: Suite,
        deliveries: Sequence[Counted],
        key: Sequence[str],
        personal: frozenset[str],
        label: str,
    ) -> list[Verdict]:
        sample = _joint([one.sample for one in deliveries], self._options.sample_rows)
        rules = suite.applicable(sample.columns)
        said = [findings(one, rules, self._options, key, personal) for one in deliveries]
        shares = pl.DataFrame([{rule: one.share for rule, one in each.items()} for each in said])
        checks = [
            Check(limit(one.rule, one.severity, one.because, one.at_most), 1.0, _summary(said, one.rule))
            for one in said[0].values()
        ]
        name, decided = self._expectations.validate(f"{label}-counts", checks, shares, shown=len(said))
        pages = {"counts over all rows": name}
        if rules:
            of_rows = [Check(rule, 1 - at_most(rule, self._options), rule.because) for rule in rules]
            name, seen = self._expectations.validate(f"{label}-rows", of_rows, sample, personal)
            pages[f"{sample.height:,} rows one by one"] = name
            self._compare(deliveries, sample.height, seen)
        broken = [
            [failure for rule, failure in each.items() if number in decided[rule].rows]
            for number, each in enumerate(said)
        ]
        labels = [one.label for one in deliveries]
        skipped = suite.skipped(sample.columns)
        return self._verdicts(suite, label, dict(zip(labels, broken, strict=True)), skipped, pages)

    def _compare(self, deliveries: Sequence[Counted], seen_rows: int, seen: Mapping[str, Outcome]) -> None:
        """Say so when Great Expectations, having seen every row, counts otherwise than we do."""
        if seen_rows != sum(one.rows for one in deliveries) or len(deliveries) > 1:
            return
        [one] = deliveries
        for rule, outcome in seen.items():
            if outcome.failed != one.counts[rule]:
                counts = f"{one.counts[rule]:,} rows, Great Expectations {outcome.failed:,}"
                _log.warning("%s: rule %s counts %s", one.label, rule, counts)

    def _verdicts(
        self,
        suite: Suite,
        label: str,
        broken: Mapping[str, Sequence[Failure]],
        skipped: tuple[str, ...],
        pages: Mapping[str, str],
    ) -> list[Verdict]:
        docs = self._docs / "index.html" if self._docs else None
        verdicts = []
        for name, failures in broken.items():
            critical = tuple(one for one in failures if one.severity == "critical")
            warnings = tuple(one for one in failures if one.severity == "warning")
            verdicts.append(Verdict(suite.name, name, not critical, critical, warnings, skipped, docs))
            for warning in warnings:
                _log.warning("%s: %s", name, warning)
        self._pages.append(Page(label, suite.about, pages, tuple(verdicts)))
        return verdicts


def _joint(samples: Sequence[pl.DataFrame], most: int) -> pl.DataFrame:
    """All samples in one, evenly thinned."""
    filled = [sample for sample in samples if sample.width]
    if not filled:
        return pl.DataFrame()
    together = pl.concat(filled, how="diagonal")
    return together.gather_every(-(-together.height // most) or 1)


def _summary(said: Sequence[Mapping[str, Failure]], rule: str) -> str:
    """The finding itself for one delivery, the reason alone for many."""
    return str(said[0][rule]) if len(said) == 1 else said[0][rule].because


def _examples(rule: Rule, values: Mapping[str, object]) -> tuple[str, ...]:
    names = [*rule.columns, *rule.shows]
    return tuple(f"{name} {text(values[name])}" for name in names if name in values)


def _measured(rule: Rule, values: Mapping[str, object]) -> str:
    return f"{rule.because}. Found: {', '.join(_examples(rule, values))}"
