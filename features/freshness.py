"""Has everything arrived, and does tonight resemble the nights before: measures for `feeds` and `night`.

Pure functions from small frames of counts to one row of measures, which the quality suites of these names
judge. A shortfall or a jump counts only when it is beyond the noise that counts of that size have by chance,
so that small shops are left in peace.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import polars as pl

_WEEKS = 8
_FEWEST_WEEKS = 4
# Below this many usual rows a thin day says nothing.
_FEWEST_ROWS = 20
# Standard deviations of a Poisson count that are taken for chance.
_NOISE = 3.0
# A jump of a stage by fewer people than this says nothing.
_FEWEST_PEOPLE = 20
# Nights further apart than this are not compared: people move on by themselves.
_FEW_DAYS = 8
_EPOCH = date(1970, 1, 1)


def feed_measures(
    daily: pl.DataFrame, as_of: date, *, max_age_days: Mapping[str, int | None], min_day_share: float
) -> pl.DataFrame:
    """Freshness and volume of every source.

    Args:
        daily: `source` str, `day` Date (local), `rows` int: what lies in the lake. Later days are ignored.
        as_of: the last day that should be complete.
        max_age_days: source -> days its newest row may lie behind `as_of`; None does not check.
        min_day_share: rows of the last day and week against the usual; below counts as short.

    Returns:
        One row; for each source `<source>_newest_day`, `_age_days` (since 1970 for a source without rows),
        `_days_too_old` (null when not checked), `_day_rows`, `_day_usual` (median of the same weekday over
        the 8 weeks before), `_day_rows_short` (rows missing to the least share; 0 is fine, null: too little
        history), and the same three for the last 7 days, `_week_...`.
    """
    known = daily.filter(pl.col("day") <= as_of)
    measures: dict[str, pl.Series] = {}
    for source in sorted({*known["source"].unique(), *max_age_days}):
        rows = dict(known.filter(source=source).group_by("day").agg(pl.col("rows").sum()).iter_rows())
        found = _age(rows, as_of, max_age_days.get(source)) | _volume(rows, as_of, min_day_share)
        measures |= {f"{source}_{name}": series.alias(f"{source}_{name}") for name, series in found.items()}
    return pl.DataFrame(measures)


def stage_measures(now: pl.DataFrame, before: pl.DataFrame, *, days: int, max_jump: float) -> pl.DataFrame:
    """The greatest jump of a stage's share of customers since the last night.

    Args:
        now: `stage` str, `count` int: customers tonight.
        before: the same on the last night; empty when there was none.
        days: days between the two.
        max_jump: greatest change of a share that is accepted.

    Returns:
        One row: `stage_jump_stage`, `stage_jump` (change of its share), `stage_jump_days`,
        `stage_jump_too_far` (what is beyond the limit; 0 is fine, null: no night within 8 days before).
    """
    shares, earlier = _shares(now), _shares(before)
    changes = {
        stage: shares.get(stage, 0.0) - earlier.get(stage, 0.0) for stage in sorted({*shares, *earlier})
    }
    stage = max(changes, key=lambda name: abs(changes[name]), default=None)
    comparable = bool(shares) and bool(earlier) and days <= _FEW_DAYS
    jump = changes[stage] if stage is not None and comparable else None
    people = 0.0 if jump is None else abs(jump) * int(now["count"].sum())
    beyond = None if jump is None else max(0.0, abs(jump) - max_jump) if people >= _FEWEST_PEOPLE else 0.0
    return pl.DataFrame(
        {
            "stage_jump_stage": pl.Series([stage if comparable else None], dtype=pl.String),
            "stage_jump": pl.Series([jump], dtype=pl.Float64),
            "stage_jump_days": pl.Series([days], dtype=pl.Int64),
            "stage_jump_too_far": pl.Series([beyond], dtype=pl.Float64),
        }
    )


def list_measures(people: int, earlier: Sequence[int], *, max_growth: float) -> pl.DataFrame:
    """Whether the list is much longer than any before.

    Shorter lists are normal: people on earlier lists rest until their outcome is known. For the same reason
    `earlier` should reach back at least over the resting time.

    Args:
        people: people on tonight's list.
        earlier: people on each list before.
        max_growth: how many times the longest of them is accepted.

    Returns:
        One row: `list_people`, `list_people_most_before`, `list_people_too_many` (people beyond the limit;
        0 is fine, null: no list before).
    """
    most = max(earlier, default=0)
    allowed = max(max_growth * most, most + _NOISE * math.sqrt(most), _FEWEST_PEOPLE)
    beyond = max(0, people - math.floor(allowed)) if most else None
    return pl.DataFrame(
        {
            "list_people": pl.Series([people], dtype=pl.Int64),
            "list_people_most_before": pl.Series([most], dtype=pl.Int64),
            "list_people_too_many": pl.Series([beyond], dtype=pl.Int64),
        }
    )


def _age(rows: Mapping[date, int], as_of: date, max_age: int | None) -> dict[str, pl.Series]:
    newest = max((day for day, count in rows.items() if count), default=None)
    age = (as_of - (newest or _EPOCH)).days
    too_old = None if max_age is None else max(0, age - max_age)
    return {
        "newest_day": pl.Series([newest], dtype=pl.Date),
        "age_days": pl.Series([age], dtype=pl.Int64),
        "days_too_old": pl.Series([too_old], dtype=pl.Int64),
    }


def _volume(rows: Mapping[date, int], as_of: date, min_share: float) -> dict[str, pl.Series]:
    first = min(rows, default=as_of)
    weeks = [week for week in range(1, _WEEKS + 1) if as_of - timedelta(days=7 * week + 6) >= first]
    days = [rows.get(as_of - timedelta(days=7 * week), 0) for week in weeks]
    totals = [_week_rows(rows, as_of - timedelta(days=7 * week)) for week in weeks]
    day = _compared("day", rows.get(as_of, 0), days, min_share)
    return day | _compared("week", _week_rows(rows, as_of), totals, min_share)


def _week_rows(rows: Mapping[date, int], last: date) -> int:
    return sum(rows.get(last - timedelta(days=back), 0) for back in range(7))


def _compared(period: str, found: int, before: Sequence[int], min_share: float) -> dict[str, pl.Series]:
    usual = statistics.median(before) if len(before) >= _FEWEST_WEEKS else None
    return {
        f"{period}_rows": pl.Series([found], dtype=pl.Int64),
        f"{period}_usual": pl.Series([usual], dtype=pl.Float64),
        f"{period}_rows_short": pl.Series([_short(found, usual, min_share)], dtype=pl.Int64),
    }


def _short(found: int, usual: float | None, min_share: float) -> int | None:
    if usual is None:
        return None
    by_chance = found >= usual - _NOISE * math.sqrt(usual)
    if usual < _FEWEST_ROWS or by_chance:
        return 0
    return max(0, math.ceil(min_share * usual) - found)


def _shares(counts: pl.DataFrame) -> dict[str, float]:
    total = int(counts["count"].sum()) if counts.height else 0
    if not total:
        return {}
    return {stage: count / total for stage, count in counts.select("stage", "count").iter_rows()}
