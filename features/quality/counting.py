"""Which rows break a rule, counted exactly: Polars expressions for one pass over all rows, in chunks."""

from collections import Counter
from collections.abc import Collection, Mapping

import polars as pl

from features.quality.rules import Rule
from features.quality.suites import Suite

BROKEN_ROWS = "broken_rows"
FAULT = "fault"
ASSUMED = "assumed"


def first_broken_rule(suite: Suite, columns: Collection[str]) -> pl.Expr:
    """Id of the first rule for which a row is to be set aside, or null.

    Args:
        suite: rules over rows; those on absent columns are skipped.
        columns: the columns that are there.
    """
    rules = [rule for rule in suite.applicable(columns) if rule.rows == "quarantine"]
    if not rules:
        return pl.lit(None, pl.String).alias("rule")
    return pl.coalesce(pl.when(rule.broken()).then(pl.lit(rule.id)) for rule in rules).alias("rule")


def count_broken(suite: Suite, rows: pl.DataFrame) -> dict[str, int]:
    """Per rule id the number of rows that break it, and `broken_rows`, those to be set aside, each once.

    The counts of chunks add up, except those of rules over several rows (uniqueness), which need the whole.
    """
    rules = suite.applicable(rows.columns)
    if not rules:
        return {BROKEN_ROWS: 0}
    seen = rows.select(_look(rule).alias(rule.id) for rule in rules).row(0, named=True)
    unsure = [rule for rule in rules if seen[rule.id] is None]
    if unsure:
        seen |= rows.select(rule.broken().sum().alias(rule.id) for rule in unsure).row(0, named=True)
    set_aside = [rule for rule in rules if rule.rows == "quarantine" and seen[rule.id]]
    if not set_aside:
        return seen | {BROKEN_ROWS: 0}
    broken = pl.any_horizontal(rule.broken() for rule in set_aside).sum()
    return seen | {BROKEN_ROWS: rows.select(broken).item()}


def _look(rule: Rule) -> pl.Expr:
    """Rows that break the rule; null where a cheap look at the column leaves it open."""
    kept = rule.surely_kept()
    return rule.broken().sum() if kept is None else pl.when(kept).then(pl.lit(0, pl.UInt32))


class Tally:
    """What a delivery adds up to, chunk by chunk: counts, faults, a bounded sample, a few broken rows.

    Rows with a `fault` (of the reader or the mapping) have no values to judge: they count under that name.
    The sample is every k-th judged row, k doubling as rows come in, so it is spread evenly and repeatable.

    Attributes:
        rows: rows seen, with or without fault.
        counts: rule id -> rows that break it; and `broken_rows`.
        faults: fault -> rows.
        assumed: rule -> accepted rows with a cell that could not be read and was taken for a value.
        assumed_rows: such rows, each once.
    """

    def __init__(self, suite: Suite, *, sample_rows: int, keys_shown: int) -> None:
        self.suite = suite
        self.rows = 0
        self._judged = 0
        self._counts: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._assumed: Counter[str] = Counter()
        self.assumed_rows = 0
        self._limit, self._keys_shown = sample_rows, keys_shown
        self._step = 1
        self._kept: list[pl.DataFrame] = []
        self._failing: dict[str, list[pl.DataFrame]] = {}

    @property
    def counts(self) -> Mapping[str, int]:
        """Rule id -> rows that break it, and `broken_rows`."""
        return self._counts

    @property
    def faults(self) -> Mapping[str, int]:
        """Fault of the reader or the mapping -> rows."""
        return self._faults

    @property
    def assumed(self) -> Mapping[str, int]:
        """Rule -> accepted rows with a cell that could not be read and was taken for a value."""
        return self._assumed

    @property
    def sample(self) -> pl.DataFrame:
        """At most `sample_rows` of the judged rows."""
        return pl.concat(self._kept) if self._kept else pl.DataFrame()

    @property
    def failing(self) -> pl.DataFrame:
        """The first rows that break each rule, `keys_shown` per rule."""
        parts = [part for found in self._failing.values() for part in found]
        return pl.concat(parts).unique(maintain_order=True) if parts else pl.DataFrame()

    def add(self, chunk: pl.DataFrame) -> pl.DataFrame:
        """Count a chunk, and give it back with `rule`: its fault, else the first broken rule, else null.

        `assumed` is counted where the row is accepted, and not given back.
        """
        if ASSUMED in chunk.columns:
            judged = self.add(chunk.drop(ASSUMED))
            self._assume(chunk[ASSUMED].filter(judged["rule"].is_null()).drop_nulls())
            return judged
        self.rows += chunk.height
        judged, rule = chunk, pl.lit(None, pl.String)
        if FAULT in chunk.columns and chunk[FAULT].null_count() < chunk.height:
            judged = chunk.filter(pl.col(FAULT).is_null())
            rule = pl.col(FAULT)
            faults = chunk.filter(pl.col(FAULT).is_not_null()).group_by(FAULT).len().sort(FAULT)
            self._faults.update(dict(faults.iter_rows()))
        if self._count(judged):
            rule = pl.coalesce(rule, first_broken_rule(self.suite, chunk.columns))
        self._sample(judged)
        return chunk.with_columns(rule.alias("rule"))

    def _assume(self, assumed: pl.Series) -> None:
        self.assumed_rows += len(assumed)
        self._assumed.update(assumed.list.explode())

    def _count(self, judged: pl.DataFrame) -> int:
        """Add the counts; returns how many rows are to be set aside."""
        counts = count_broken(self.suite, judged)
        self._counts.update(counts)
        for rule in self.suite.applicable(judged.columns):
            found = self._failing.setdefault(rule.id, [])
            room = self._keys_shown - sum(part.height for part in found)
            if counts[rule.id] and room > 0:
                found.append(judged.lazy().filter(rule.broken()).head(room).collect())
        return counts[BROKEN_ROWS]

    def _sample(self, judged: pl.DataFrame) -> None:
        """Keep the rows whose number, counted over all judged ones, is a multiple of the step."""
        held = sum(part.height for part in self._kept)
        while held + len(range(-self._judged % self._step, judged.height, self._step)) > self._limit:
            self._step *= 2
            self._kept = self._thinned()
            held = sum(part.height for part in self._kept)
        self._kept.append(_every(judged, self._step, -self._judged % self._step))
        self._judged += judged.height

    def _thinned(self) -> list[pl.DataFrame]:
        """Every second row of those kept, the first one first."""
        thinned, place = [], 0
        for part in self._kept:
            thinned.append(_every(part, 2, place % 2))
            place += part.height
        return thinned


def _every(rows: pl.DataFrame, step: int, first: int) -> pl.DataFrame:
    """Rows at first, first + step, ...; `gather_every` would find their places anew for each column."""
    if step == 1:
        return rows
    return rows[pl.int_range(first, max(first, rows.height), step, dtype=pl.UInt32, eager=True)]
