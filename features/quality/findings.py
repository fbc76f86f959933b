"""What would be said about each rule of a delivery, should its share of broken rows turn out too high."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from features.options import QualityOptions
from features.quality.counting import BROKEN_ROWS
from features.quality.rules import Rule
from features.quality.verdicts import Failure

_BAD_SHARE = "bad_share"
_ON_PURPOSE = "excluded_"
_LONGEST_VALUE = 80


@dataclass(frozen=True, slots=True)
class Counted:
    """One delivery, or one table, as the gate takes it.

    Attributes:
        label: what it is called.
        rows: rows delivered, with or without fault.
        counts: rule id -> rows that break it, and `broken_rows`.
        faults: fault of the reader or the mapping -> rows.
        sample: some rows without fault, or all.
        failing: some rows that break a rule, where keys and values are looked up.
        assumed: rule -> accepted rows with a cell that could not be read and was taken for a value.
        assumed_rows: such rows, each once.
    """

    label: str
    rows: int
    counts: Mapping[str, int]
    faults: Mapping[str, int] = field(default_factory=dict)
    sample: pl.DataFrame = field(default_factory=pl.DataFrame)
    failing: pl.DataFrame = field(default_factory=pl.DataFrame)
    assumed: Mapping[str, int] = field(default_factory=dict)
    assumed_rows: int = 0


def at_most(rule: Rule, options: QualityOptions) -> float:
    """Share of rows that may break a rule."""
    if rule.at_most is not None:
        return rule.at_most
    return options.max_bad_share if rule.rows == "quarantine" else 0.0


def findings(
    one: Counted,
    rules: Sequence[Rule],
    options: QualityOptions,
    key: Sequence[str],
    personal: frozenset[str],
) -> dict[str, Failure]:
    """Per rule id what would be said about it; last `bad_share`, about all rows with something unusable."""
    said = {rule.id: _finding(one, rule, options, key, personal) for rule in rules}
    return said | {_BAD_SHARE: _bad_share(one, rules, options)}


def text(value: object) -> str:
    """A value as people read it, shortened."""
    plain = "null" if value is None else repr(value) if isinstance(value, str) else str(value)
    return plain if len(plain) <= _LONGEST_VALUE else plain[:_LONGEST_VALUE] + "..."


def _finding(
    one: Counted, rule: Rule, options: QualityOptions, key: Sequence[str], personal: frozenset[str]
) -> Failure:
    failed = one.counts[rule.id]
    keys: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    if failed:
        where = one.sample if one.failing.is_empty() else one.failing
        numbered = where.with_row_index("_row", 1)
        broken = numbered.filter(rule.broken()).head(options.row_keys_shown)
        keys = _keys(broken, key, personal)
        examples = () if set(rule.columns) & personal else _values(broken, rule.columns)
    return Failure(
        suite=one.label,
        rule=rule.id,
        severity=rule.severity,
        failed=failed,
        rows=one.rows,
        share=failed / one.rows if one.rows else 0.0,
        at_most=at_most(rule, options),
        keys=keys,
        examples=examples,
        because=rule.because,
    )


def _bad_share(one: Counted, rules: Sequence[Rule], options: QualityOptions) -> Failure:
    faults = {name: count for name, count in sorted(one.faults.items()) if not name.startswith(_ON_PURPOSE)}
    on_purpose = sum(count for name, count in one.faults.items() if name.startswith(_ON_PURPOSE))
    bad = one.counts.get(BROKEN_ROWS, 0) + sum(faults.values()) + one.assumed_rows
    unreadable = dict(Counter(faults) + Counter(one.assumed))
    named = unreadable | {rule.id: one.counts[rule.id] for rule in rules if rule.rows == "quarantine"}
    rows = one.rows - on_purpose
    return Failure(
        suite=one.label,
        rule=_BAD_SHARE,
        severity="critical",
        failed=bad,
        rows=rows,
        share=bad / rows if rows else 0.0,
        at_most=options.max_bad_share,
        keys=(),
        examples=tuple(f"{name} {count:,}" for name, count in named.items() if count),
        because="rows with something unusable; too many mean a wrong delivery or a wrong mapping",
    )


def _keys(broken: pl.DataFrame, key: Sequence[str], personal: frozenset[str]) -> tuple[str, ...]:
    if not key or set(key) & personal or not set(key) <= set(broken.columns):
        return tuple(f"row {number}" for number in broken["_row"])
    return tuple(dict.fromkeys(":".join(str(part) for part in row) for row in broken.select(key).iter_rows()))


def _values(broken: pl.DataFrame, columns: Sequence[str]) -> tuple[str, ...]:
    rows = broken.select(columns).iter_rows()
    return tuple(dict.fromkeys(" / ".join(text(value) for value in row) for row in rows))
