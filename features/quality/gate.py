"""Does a frame pass: exact counts and a bounded sample go in, Great Expectations decides."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from features.options import QualityOptions
from features.quality.counting import BROKEN_ROWS, count_broken
from features.quality.expectations import Check, Expectations, Outcome, limit
from features.quality.pages import Page, publish
from features.quality.rules import Rule
from features.quality.suites import KEY, Suite
from features.quality.verdicts import Failure, Verdict

logger = logging.getLogger(__name__)

_BAD_SHARE = "bad_share"
_ON_PURPOSE = "excluded_"
_LONGEST_VALUE = 80


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
        rules = suite.applicable(sample.columns)
        skipped = suite.skipped(sample.columns)
        where = sample if failing is None or failing.is_empty() else failing
        found = {
            rule.id: self._failure(
                label, rule, counts[rule.id], rows, where=where, key=key, personal=personal
            )
            for rule in rules
        }
        bad = self._bad_share(label, rules, counts, rows, faults or {})
        checks = [
            Check(limit(one.rule, one.severity, one.because, one.at_most), 1.0, str(one))
            for one in (*found.values(), bad)
        ]
        measures = pl.DataFrame({one.rule: [one.share] for one in (*found.values(), bad)})
        counts_page, decided = self._expectations.validate(f"{label}-counts", checks, measures)
        pages = {"counts over all rows": counts_page}
        if rules:
            row_checks = [Check(rule, 1 - self._at_most(rule), rule.because) for rule in rules]
            page, seen = self._expectations.validate(f"{label}-rows", row_checks, sample, personal)
            pages[f"{sample.height:,} rows one by one"] = page
            if sample.height == rows:
                self._compare(label, counts, seen)
        broken = [one for one in (*found.values(), bad) if not decided[one.rule].met]
        return self._verdict(suite, label, broken, skipped, pages)

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
        counts = frame.select(count_broken(suite, frame.columns)).row(0, named=True)
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
            return self._verdict(suite, label, [], skipped, {})
        checks = [Check(rule, 1.0, _measured(rule, values)) for rule in rules]
        page, outcomes = self._expectations.validate(label, checks, measures)
        broken = [
            Failure(label, rule.id, rule.severity, 1, 0, 1.0, 0.0, (), _examples(rule, values), rule.because)
            for rule in rules
            if not outcomes[rule.id].met
        ]
        return self._verdict(suite, label, broken, skipped, {"measures": page})

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

    def _at_most(self, rule: Rule) -> float:
        if rule.at_most is not None:
            return rule.at_most
        return self._options.max_bad_share if rule.rows == "quarantine" else 0.0

    def _failure(
        self,
        label: str,
        rule: Rule,
        failed: int,
        rows: int,
        *,
        where: pl.DataFrame,
        key: Sequence[str],
        personal: frozenset[str],
    ) -> Failure:
        """What would be said about the rule if its share turns out too high."""
        shown = self._options.row_keys_shown
        keys: tuple[str, ...] = ()
        examples: tuple[str, ...] = ()
        if failed:
            numbered = where.with_row_index("_row", 1)
            broken = numbered.filter(rule.broken()).head(shown)
            keys = _keys(broken, key, personal)
            examples = () if set(rule.columns) & personal else _values(broken, rule.columns)
        share = failed / rows if rows else 0.0
        at_most = self._at_most(rule)
        return Failure(
            label, rule.id, rule.severity, failed, rows, share, at_most, keys, examples, rule.because
        )

    def _bad_share(
        self,
        label: str,
        rules: Sequence[Rule],
        counts: Mapping[str, int],
        rows: int,
        faults: Mapping[str, int],
    ) -> Failure:
        excluded = sum(count for fault, count in faults.items() if fault.startswith(_ON_PURPOSE))
        bad_faults = {fault: n for fault, n in sorted(faults.items()) if not fault.startswith(_ON_PURPOSE)}
        bad = counts.get(BROKEN_ROWS, 0) + sum(bad_faults.values())
        named = bad_faults | {rule.id: counts[rule.id] for rule in rules if rule.rows == "quarantine"}
        base = rows - excluded
        return Failure(
            label,
            _BAD_SHARE,
            "critical",
            bad,
            base,
            bad / base if base else 0.0,
            self._options.max_bad_share,
            (),
            tuple(f"{name} {count:,}" for name, count in named.items() if count),
            "rows that cannot be used are set aside; too many mean that the delivery or its mapping is wrong",
        )

    def _compare(self, label: str, counts: Mapping[str, int], seen: Mapping[str, Outcome]) -> None:
        for rule, outcome in seen.items():
            if outcome.failed != counts[rule]:
                logger.warning(
                    "%s: rule %s counts %d rows, Great Expectations %d",
                    label,
                    rule,
                    counts[rule],
                    outcome.failed,
                )

    def _verdict(
        self,
        suite: Suite,
        label: str,
        broken: Sequence[Failure],
        skipped: tuple[str, ...],
        pages: Mapping[str, str],
    ) -> Verdict:
        critical = tuple(one for one in broken if one.severity == "critical")
        warnings = tuple(one for one in broken if one.severity == "warning")
        docs = self._docs / "index.html" if self._docs else None
        verdict = Verdict(suite.name, label, not critical, critical, warnings, skipped, docs)
        for warning in warnings:
            logger.warning("%s: %s", label, warning)
        self._pages.append(Page(label, suite.about, pages, verdict))
        return verdict


def _keys(broken: pl.DataFrame, key: Sequence[str], personal: frozenset[str]) -> tuple[str, ...]:
    if not key or set(key) & personal or not set(key) <= set(broken.columns):
        return tuple(f"row {number}" for number in broken["_row"])
    return tuple(dict.fromkeys(":".join(str(part) for part in row) for row in broken.select(key).iter_rows()))


def _values(broken: pl.DataFrame, columns: Sequence[str]) -> tuple[str, ...]:
    rows = broken.select(columns).iter_rows()
    return tuple(dict.fromkeys(" / ".join(_text(value) for value in row) for row in rows))


def _text(value: object) -> str:
    text = "null" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."


def _examples(rule: Rule, values: Mapping[str, object]) -> tuple[str, ...]:
    names = [*rule.columns, *rule.shows]
    return tuple(f"{name} {_text(values[name])}" for name in names if name in values)


def _measured(rule: Rule, values: Mapping[str, object]) -> str:
    return f"{rule.because}. Found: {', '.join(_examples(rule, values))}"
