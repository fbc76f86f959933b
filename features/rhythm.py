"""In which rhythm a customer buys: how long their gaps are, how even, and how clustered.

A gap is the number of days between two consecutive order days of one customer. `order_days` finds them,
`rhythm` sums up each customer's. A gap looks back only, so rows after the `as_of` change nothing once they
are left out. Sums are of integers, or of floats in the order of the customer's days.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from features.asof import AsOf
from features.runs import CUSTOMER, Places, Runs, day_number

Days = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

# As even as a k of 50: beyond it, a handful of gaps tells nothing more.
MAX_REGULARITY = 50.0

_ON = pl.col("ordered_on")
_GAPS, _LAST_GAP = pl.col("gaps"), pl.col("last_gap_days")
_GAP_BITS = 32


def order_days(purchases: Runs) -> pl.DataFrame:
    """The days on which each customer ordered, with the gap before each, and the gap before that.

    Args:
        purchases: `customer`, `ordered_on`; runs of customers, sorted by day; any number of rows per day.

    Returns:
        `customer`, `ordered_on`, `gap_days`, `previous_gap_days` (Int32; null where there is none): one row
        per customer and day, in their order.
    """
    customer, gap = pl.col(CUSTOMER), _ON.to_physical().diff()
    another = customer.ne_missing(customer.shift(1)) | _ON.ne_missing(_ON.shift(1))
    days = purchases.rows.select(CUSTOMER, _ON).filter(another)
    return days.with_columns(
        pl.when(customer == customer.shift(1)).then(gap).alias("gap_days"),
        pl.when(customer == customer.shift(2)).then(gap.shift(1)).alias("previous_gap_days"),
    ).rechunk()


def rhythm(
    days: Runs, as_of: AsOf, quantiles: Sequence[float] = (0.5, 0.75, 0.9), window_days: int = 365
) -> pl.DataFrame:
    """Every feature of this module: one row per run.

    Args:
        days: from `order_days`, with the window below; no day is later than the as_of.
        as_of: the day up to which customers are silent.
        quantiles: which quantiles of the own gaps, besides the median.
        window_days: length of the window of the clumpiness.
    """
    return _facts(days, as_of, dict.fromkeys((0.5, *quantiles)), window_days).select(
        _GAPS,
        gap_days_mean(),
        gap_days_std(),
        gap_variation(),
        *(gap_days_quantile(quantile) for quantile in dict.fromkeys(quantiles)),
        last_gap_days(),
        last_gap_ratio(),
        last_gap_rank(),
        silence_rank(),
        gap_regularity(),
        clumpiness(window_days),
    )


def quantile_name(quantile: float) -> str:
    """Name of the quantile's column: `gap_days_median`, `gap_days_q90`."""
    if quantile == 0.5:
        return "gap_days_median"
    return "gap_days_q" + f"{100 * quantile:g}".replace(".", "_")


def gap_days_mean() -> pl.Expr:
    """Mean gap, days."""
    return _mean().alias("gap_days_mean")


def gap_days_std() -> pl.Expr:
    """Standard deviation of the gaps, days; null below two gaps."""
    return _std().alias("gap_days_std")


def gap_variation() -> pl.Expr:
    """Standard deviation of the gaps over their mean: 0 like clockwork, 1 at random, more in bursts."""
    return (_std() / _mean()).alias("gap_variation")


def gap_days_quantile(quantile: float) -> pl.Expr:
    """A quantile of the gaps, days, between neighbours where it falls between two."""
    return pl.when(_GAPS > 0).then(quantile_name(quantile)).alias(quantile_name(quantile))


def last_gap_days() -> pl.Expr:
    """The gap before the last order day, days."""
    return pl.when(_GAPS > 0).then(_LAST_GAP).alias("last_gap_days")


def last_gap_ratio() -> pl.Expr:
    """The last gap over the median gap: above 1 the customer slows down."""
    ratio = _LAST_GAP / pl.col(quantile_name(0.5))
    return pl.when(_GAPS > 0).then(ratio).alias("last_gap_ratio")


def last_gap_rank() -> pl.Expr:
    """What part of the own gaps is no longer than the last one; null below two gaps."""
    return pl.when(_GAPS > 1).then(pl.col("upto_last") / _GAPS).alias("last_gap_rank")


def silence_rank() -> pl.Expr:
    """What part of the own gaps is shorter than the silence since the last order day; null without a gap."""
    return pl.when(_GAPS > 0).then(pl.col("below_silence") / _GAPS).alias("silence_rank")


def gap_regularity() -> pl.Expr:
    """Shape k of the gaps as gamma variables: 1 is buying at random, more is more even, less is in bursts.

    Of two consecutive gaps, the first one's share of both has variance 1 / (4 (2k + 1)) (Wheat and Morrison
    1990, JMR 27; the regularity of Platzer and Reutterer 2016, Marketing Science 35), whatever the customer's
    own rate. Null below two such pairs; at most `MAX_REGULARITY`.
    """
    pairs = _GAPS - 1
    floored = pl.max_horizontal(pl.col("leans") / pairs, pl.lit(1 / (2 * MAX_REGULARITY + 1)))
    return pl.when(pairs >= 2).then((1 - floored) / (2 * floored)).alias("gap_regularity")


def clumpiness(window_days: int) -> pl.Expr:
    """How clustered the order days of the last `window_days` are: 0 evenly spread, 1 all at one end.

    One less the entropy of the shares that the gaps cut out of the window, its ends included, against the
    greatest entropy that so many gaps can have (Zhang, Bradlow and Small 2015, Marketing Science 34). Null
    without an order day in the window.
    """
    whole = window_days + 1
    # Not divided by a number: Polars does that in two ways, which differ in the last bit, by the row count.
    entropy = math.log(whole) - pl.col("logs") * (1 / whole)
    value = (1 - entropy / (pl.col("inside") + 1).log()).clip(0, 1)
    return pl.when(pl.col("inside") > 0).then(value).alias(f"clumpiness_{window_days}d")


def _mean() -> pl.Expr:
    return pl.when(_GAPS > 0).then(pl.col("span") / _GAPS)


def _std() -> pl.Expr:
    squares = _GAPS * pl.col("squares") - pl.col("span") * pl.col("span")
    return pl.when(_GAPS > 1).then((squares / (_GAPS * (_GAPS - 1))).sqrt())


def _facts(days: Runs, as_of: AsOf, quantiles: Iterable[float], window_days: int) -> pl.DataFrame:
    """What the features are made of; of a customer without a gap, gaps are 0 here."""
    on = days.rows["ordered_on"].to_physical().to_numpy()
    gap, earlier = (days.rows[name].fill_null(0).to_numpy() for name in ("gap_days", "previous_gap_days"))
    age = day_number(as_of.day) - on
    ranked, last = _Ranked.of(days, gap), days.ends - 1
    return pl.DataFrame(
        {
            "gaps": days.lengths - 1,
            "span": (age[days.starts] - age[last]).astype(np.int64),
            "squares": days.added(np.square(gap, dtype=np.int64)),
            "leans": days.added(squared_leans(gap, earlier)),
            "last_gap_days": gap[last],
            **{quantile_name(quantile): ranked.quantile(quantile) for quantile in quantiles},
            "upto_last": ranked.below(gap[last] + 1),
            "below_silence": ranked.below(age[last]),
            "inside": days.count(window_days),
            "logs": _pieces(days, window_days - age, gap, window_days),
        }
    )


def squared_leans(gap: Days, earlier: Days) -> Floats:
    """Square of twice a gap's share of both, less one: its mean is 1 / (2k + 1); 0 without an earlier gap."""
    lean = (gap - earlier) / np.maximum(gap + earlier, 1)
    return np.where(earlier > 0, lean * lean, 0.0)


def _pieces(days: Runs, place: Days, gap: Days, window_days: int) -> Floats:
    """The sum of x log x over the days x of each piece into which the order days cut the window."""
    logs = np.array([0.0, *(x * math.log(x) for x in range(1, window_days + 1))])
    # A gap that begins before the window is no piece of it.
    between = days.added(logs[np.where(place > gap, gap, 0)])
    last = days.ends - 1
    before, after = place[np.minimum(days.windows[window_days], last)], window_days + 1 - place[last]
    return np.asarray(between + logs[np.maximum(before, 0)] + logs[np.minimum(after, window_days)])


@dataclass(frozen=True, slots=True)
class _Ranked:
    """The gaps of each run in rising order.

    Attributes:
        keys: run and gap as one number, over all rows; a day without a gap stands first in its run, as 0.
        first: where each run's first gap stands.
        gaps: how many it has.
    """

    keys: Places
    first: Places
    gaps: Places

    @classmethod
    def of(cls, days: Runs, gap: Days) -> Self:
        run = days.run_of()
        return cls(np.sort((run << _GAP_BITS) + gap), days.starts + 1, days.lengths - 1)

    def quantile(self, quantile: float) -> Floats:
        """A quantile of the gaps, days, between neighbours where it falls between two; 0 without a gap."""
        place = np.maximum(self.gaps - 1, 0) * quantile
        below = place.astype(np.int64)
        low = self.first - (self.gaps == 0) + below
        short, long = (self.keys[at] & ((1 << _GAP_BITS) - 1) for at in (low, low + (place > below)))
        found: Floats = short + (place - below) * (long - short)
        return found

    def below(self, days: Days) -> Places:
        """How many gaps of each run are shorter than its number of days."""
        keys = (np.arange(len(self.first)) << _GAP_BITS) + days
        # Before the first gap stands the day without one.
        found: Places = np.maximum(np.searchsorted(self.keys, keys) - self.first, 0)
        return found
