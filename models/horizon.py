"""After how many silent days is a customer rather gone than late? The horizon, chosen from a shop's own past.

On past days we call a customer churned who has been silent for the candidate H or longer, and look what
became of them in a follow-up of F days, the same for all candidates:

    type I  (H) = called churned, and came back   / came back
    type II (H) = called active, and never came back / never came back
    loss    (H) = w * type I (H) + (1 - w) * type II (H)

The H with the least loss is chosen, of equal ones the shorter. A longer H never raises type I and never
lowers type II. To choose a churn window by a weighted sum of the two errors is the idea of the D-curve
(Indeed Engineering 2020, "Defining churn"); these rates, who is judged, and the censoring are our own:

- *Right-censoring.* A day counts only if the whole follow-up after it is known: everybody has the same F, and
  nobody is called gone because the data ends. F is the longest candidate of which three fit into the history,
  so a young shop is judged by a shorter follow-up and by fewer candidates, none of them longer than F.
- *Who is judged.* Those who ordered in the 2 F days before the day, all of which are history. Who is silent
  longer is called churned by every candidate, and the older a shop, the more they are: they would make its
  age decide. With F days instead of 2 F, a shop whose customers come about every F days could not be told
  anything, since there the silences of those who stay are as long as of those who left.
- *Which days.* Monthly, back from the newest day whose follow-up is complete, so that no season decides.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice, takewhile

import polars as pl

from features.asof import AsOf
from features.options import ChurnOptions
from features.stages import gap_quantile
from features.wording import counted

# The follow-up, and twice as much before the day.
_SPANS = 3
_MOST_DAYS = 12
# Fewer say little: with so many, an error rate has a standard error of 5 points at most.
_FEWEST = 100
_FEWEST_CANDIDATES = 3
_HIGH = 0.9
_CURVE = {"horizon_days": pl.Int64, "judged": pl.Int64, "type_1": pl.Float64, "type_2": pl.Float64}


@dataclass(frozen=True, slots=True)
class Choice:
    """A horizon, and what speaks for it.

    Attributes:
        horizon_days: the horizon.
        curve: a row per candidate that could be judged: `horizon_days`, `judged` (customers, over all days),
            `type_1`, `type_2`, `loss`.
        notes: sentences on why the curve did not decide; empty when it did.
    """

    horizon_days: int
    curve: pl.DataFrame
    notes: tuple[str, ...] = ()


def chosen(choice: Choice) -> str:
    """What to tell when a horizon has been chosen."""
    start = f"The horizon is {choice.horizon_days} days from now on, chosen from the data"
    return " ".join([f"{start}{_errors_of(choice, choice.horizon_days)}.", *choice.notes])


def proposed(choice: Choice, horizon_days: int) -> str:
    """What to tell when the data would choose a horizon, and one is in use."""
    best = choice.horizon_days
    errors = _errors_of(choice, best)
    if best == horizon_days:
        return " ".join([f"The data would choose the horizon in use, {best} days{errors}.", *choice.notes])
    start = f"The data would choose a horizon of {best} days{errors}"
    used = f"{horizon_days} days{_errors_of(choice, horizon_days)} stay in use"
    return " ".join([f"{start}; {used}. Set churn.horizon_days to change that.", *choice.notes])


def judged_days(as_of: AsOf, first_day: date, options: ChurnOptions) -> list[AsOf]:
    """Past days on which candidates can be judged, newest first; their outcome window is the follow-up.

    Args:
        as_of: the day up to which history is known.
        first_day: the first day of the history.
        options: the candidates.

    Returns:
        None where three times even the shortest candidate does not fit into the history.
    """
    judged = _judgeable(_days(as_of, first_day), options)
    if not judged:
        return []
    follow_up = judged[-1]
    newest = AsOf(as_of.day - timedelta(days=follow_up), follow_up, lookback_days=(_SPANS - 1) * follow_up)
    oldest_day = first_day + timedelta(days=(_SPANS - 1) * follow_up - 1)
    return list(islice(takewhile(lambda one: one.day >= oldest_day, newest.months_back()), _MOST_DAYS))


def error_curve(silences: pl.DataFrame, candidates: Iterable[int], type_1_weight: float) -> pl.DataFrame:
    """Both errors and their weighted sum for each candidate, see above.

    Args:
        silences: `silent_days`, `returned` and `count`, of all customers on all days judged.
        candidates: days.
        type_1_weight: w.

    Returns:
        `horizon_days`, `judged`, `type_1`, `type_2`, `loss`; an error that nobody could make is null.
    """
    rows = [_errors(silences, horizon) for horizon in candidates]
    loss = type_1_weight * pl.col("type_1") + (1 - type_1_weight) * pl.col("type_2")
    return pl.DataFrame(rows, schema=_CURVE, orient="row").with_columns(loss=loss)


def choose(
    silences: pl.DataFrame, gaps: pl.DataFrame, as_of: AsOf, first_day: date, options: ChurnOptions
) -> Choice:
    """The horizon with the least loss; a high quantile of the gaps where the history cannot tell.

    The quantile is rounded up to a candidate, and is no longer than a model can still be trained for. Gaps
    are only seen when they end, so in a short history it is too short, and a note says that it decided.

    Args:
        silences: of all customers on the `judged_days`.
        gaps: `gap_days` and `count`, of all customers.
        as_of: the day up to which history is known.
        first_day: the first day of the history.
        options: candidates, weight and gap.
    """
    days = _days(as_of, first_day)
    judged = _judgeable(days, options)
    curve = error_curve(silences, judged, options.type_1_weight)
    trainable = _trainable(days, options)
    doubt = _doubt(silences, judged, days)
    if doubt is not None:
        return _by_gaps(gaps, trainable or list(options.horizon_candidates[:1]), curve, doubt)
    best = int(curve.sort("loss", "horizon_days")["horizon_days"].item(0))
    if best == judged[-1] < trainable[-1]:
        doubt = f"Of what {days:,} days of history can judge, the longest, {best} days, errs least"
        return _by_gaps(
            gaps, [one for one in trainable if one >= best], curve, f"{doubt}: longer may be better"
        )
    return Choice(best, curve)


def _days(as_of: AsOf, first_day: date) -> int:
    return (as_of.day - first_day).days + 1


def _judgeable(days: int, options: ChurnOptions) -> list[int]:
    return [one for one in _trainable(days, options) if _SPANS * one <= days]


def _trainable(days: int, options: ChurnOptions) -> list[int]:
    return [one for one in options.horizon_candidates if 2 * one + options.gap_days <= days]


def _errors(silences: pl.DataFrame, horizon: int) -> tuple[int, int, float | None, float | None]:
    churned, back, count = pl.col("silent_days") >= horizon, pl.col("returned"), pl.col("count")
    sums = silences.select(
        count.sum().alias("judged"),
        count.filter(back).sum().alias("back"),
        count.filter(back & churned).sum().alias("missed"),
        count.filter(~back & ~churned).sum().alias("kept"),
    )
    judged, returned, first, second = sums.row(0)
    gone = judged - returned
    return horizon, judged, first / returned if returned else None, second / gone if gone else None


def _errors_of(choice: Choice, horizon_days: int) -> str:
    row = choice.curve.filter(pl.col("horizon_days") == horizon_days).drop_nulls()
    if row.is_empty():
        return ""
    first, second = row.select("type_1", "type_2").row(0)
    return f" (wrong about {first:.0%} of those who came back and {second:.0%} of those who did not)"


def _doubt(silences: pl.DataFrame, judged: Sequence[int], days: int) -> str | None:
    """Why the errors cannot choose, or None."""
    if len(judged) < _FEWEST_CANDIDATES:
        return f"With {days:,} days of history no horizon can be judged by what came after it"
    back = int(silences.filter("returned")["count"].sum())
    gone = int(silences["count"].sum()) - back
    if min(back, gone) < _FEWEST:
        came = f"{counted(back, 'customer')} came back after a silence"
        return f"Only {came} and {gone:,} did not, too few to judge by"
    return None


def _by_gaps(gaps: pl.DataFrame, allowed: Sequence[int], curve: pl.DataFrame, doubt: str) -> Choice:
    usual = gap_quantile(gaps, _HIGH)
    if usual is None:
        return Choice(
            allowed[-1], curve, (f"{doubt}, and nobody has bought twice: {allowed[-1]} days it is.",)
        )
    chosen = next((one for one in allowed if one >= usual), allowed[-1])
    how = f"As {_HIGH:.0%} of the gaps between orders last at most {usual:.0f} days, {chosen} days it is"
    note = (
        f"{doubt}. {how}; longer gaps may not have been seen yet, so look again when there is more history."
    )
    return Choice(chosen, curve, (note,))
