"""Which days count as known, and which as the outcome, for a decision made at the end of one day.

Every window is written here and nowhere else. All of them are half-open: open on the left, closed on the
right, in whole days of the shop's time zone. Columns given to the methods hold dates (`pl.Date`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

_MONTH_DAYS = 365.25 / 12


@dataclass(frozen=True, slots=True)
class AsOf:
    """A day on which a decision is made.

    History is `(day - lookback, day]` (everything up to `day` without a lookback); the outcome window is
    `(day + gap, day + gap + horizon]`; the gap itself is `(day, day + gap]`.

    Attributes:
        day: the last day that is known.
        horizon_days: length of the outcome window, in days.
        gap_days: whole days after `day` that are not counted.
        lookback_days: how far back features read; None reads everything.
    """

    day: date
    horizon_days: int
    gap_days: int = 0
    lookback_days: int | None = None

    @property
    def outcome_start(self) -> date:
        """The last day before the outcome window."""
        return self.day + timedelta(days=self.gap_days)

    @property
    def outcome_end(self) -> date:
        """The last day of the outcome window."""
        return self.day + timedelta(days=self.gap_days + self.horizon_days)

    def known(self, on: pl.Expr) -> pl.Expr:
        """Dates up to and with the day, however far back."""
        return on <= self.day

    def history(self, on: pl.Expr) -> pl.Expr:
        """Dates that features may read."""
        if self.lookback_days is None:
            return self.known(on)
        return self.known(on) & (on > self.day - timedelta(days=self.lookback_days))

    def last_days(self, on: pl.Expr, days: int, *, before: int = 0) -> pl.Expr:
        """Dates in `(day - before - days, day - before]`."""
        end = self.day - timedelta(days=before)
        return (on <= end) & (on > end - timedelta(days=days))

    def in_gap(self, on: pl.Expr) -> pl.Expr:
        """Dates after the day that come before the outcome window."""
        return (on > self.day) & (on <= self.outcome_start)

    def outcome(self, on: pl.Expr) -> pl.Expr:
        """Dates in the outcome window."""
        return (on > self.outcome_start) & (on <= self.outcome_end)

    def touching(self, on: pl.Expr) -> pl.Expr:
        """Dates of contacts that may have changed the outcome: `(day - horizon, outcome end]`."""
        return (on > self.day - timedelta(days=self.horizon_days)) & (on <= self.outcome_end)

    def month(self, k: int) -> tuple[date, date]:
        """The k-th month after the day as `(start, end]`, each a twelfth of a year in whole days."""
        return tuple(self.day + timedelta(days=round(_MONTH_DAYS * n)) for n in (k - 1, k))  # type: ignore[return-value]

    def is_complete(self, today: date) -> bool:
        """Whether the whole outcome window lies in what is known at the end of `today`."""
        return self.outcome_end <= today

    def at(self, day: date) -> "AsOf":
        """The same windows, decided on another day."""
        return AsOf(day, self.horizon_days, self.gap_days, self.lookback_days)

    def months_back(self) -> Iterator["AsOf"]:
        """This day, then the same day of each month before it (the last day of a shorter month), for ever."""
        year, month = self.day.year, self.day.month
        while True:
            yield self.at(_day_in_month(year, month, self.day.day))
            year, month = (year - 1, 12) if month == 1 else (year, month - 1)


def _day_in_month(year: int, month: int, day: int) -> date:
    first_of_next = date(year + month // 12, month % 12 + 1, 1)
    return min(first_of_next - timedelta(days=1), date(year, month, 1) + timedelta(days=day - 1))
