"""Everything that was known, ready for features: orders, lines, contacts and the rest, in the shop's days."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import polars as pl

from features.asof import AsOf
from features.contracts import TABLES
from features.labels import daily_margins
from features.lake import Lake
from features.lines import MarginRate, first_categories, priced_lines, returned_lines
from features.orders import orders

# What is small against the lines.
_HELD = (
    "orders",
    "margins",
    "returned",
    "first_categories",
    "customers",
    "contacts",
    "feedback",
    "points",
)
# Columns that features read.
_READ: Mapping[str, tuple[str, ...]] = {
    "customers": ("customer_id", "acquisition_channel", "acquired_at", "region"),
    "feedback": ("customer_id", "occurred_at", "occurred_on", "kind", "score"),
}


@dataclass(frozen=True, slots=True)
class History:
    """Frames that all families read. An optional table that the shop does not have is None.

    Attributes:
        lines: priced lines of known customers.
        orders: see `features.orders.orders`.
        margins: net margin per customer and day.
        returned: what was given back, see `features.lines.returned_lines`.
        first_categories: see `features.lines.first_categories`.
        columns: canonical transaction columns that the shop has at all.
        customers: one row per customer; only the columns that the shop has.
        contacts: with `contacted_on`.
        feedback: with `occurred_on`; only the columns that the shop has.
        points: with `expires_on`; what is held now.
        timezone: the shop's zone.
        country: whose holidays count, ISO 3166; None: no holidays.
    """

    lines: pl.LazyFrame
    orders: pl.LazyFrame
    margins: pl.LazyFrame
    returned: pl.LazyFrame
    first_categories: pl.LazyFrame
    columns: frozenset[str]
    customers: pl.LazyFrame | None = None
    contacts: pl.LazyFrame | None = None
    feedback: pl.LazyFrame | None = None
    points: pl.LazyFrame | None = None
    timezone: str = "UTC"
    country: str | None = None

    @classmethod
    def of(cls, lines: pl.LazyFrame, columns: frozenset[str]) -> "History":
        """What follows from the priced lines of known customers alone.

        Args:
            lines: see `features.lines.priced_lines`.
            columns: canonical transaction columns that the shop has at all.
        """
        return cls(
            lines=lines,
            orders=orders(lines),
            margins=daily_margins(lines),
            returned=returned_lines(lines),
            first_categories=first_categories(lines),
            columns=columns,
        )

    def with_contacts(self, contacts: pl.LazyFrame) -> "History":
        """The same history with these contacts: customer_id, contacted_on, arm, assignment_probability."""
        return replace(self, contacts=contacts)

    def first_day(self) -> date | None:
        """The day of the first order, or None without orders."""
        day: date | None = self.orders.select(pl.col("ordered_on").min()).collect().item()
        return day


def read_history(
    lake: Lake, timezone: str, margin_rate: MarginRate, until: AsOf, country: str | None = None
) -> History:
    """What the lake held at the end of a day, in memory where it is small against the lines.

    Args:
        lake: where accepted rows are.
        timezone: the shop's zone.
        margin_rate: margin share where no cost is known.
        until: nothing after its day is read.
        country: whose holidays count, ISO 3166, or None.
    """

    def table(name: str) -> pl.LazyFrame | None:
        return lake.scan(name) if lake.holds(name) else None

    def events(name: str, time: str, day: str) -> pl.LazyFrame | None:
        frame = table(name)
        return None if frame is None else frame.with_columns(on(time, day)).filter(until.known(pl.col(day)))

    def on(time: str, day: str) -> pl.Expr:
        return pl.col(time).dt.convert_time_zone(timezone).dt.date().alias(day)

    lines = priced_lines(lake.scan("transactions"), table("products"), timezone, margin_rate)
    history = History.of(lines.filter(until.known(pl.col("ordered_on"))), lake.columns("transactions"))
    points = table("points")
    return remember(
        replace(
            history,
            customers=_once(_read(lake, "customers", table("customers"))),
            contacts=events("contacts", "contacted_at", "contacted_on"),
            feedback=_read(lake, "feedback", events("feedback", "occurred_at", "occurred_on")),
            points=None if points is None else points.with_columns(on("expires_at", "expires_on")),
            timezone=timezone,
            country=country,
        )
    )


def remember(history: History) -> History:
    """Collect everything but the lines once: every snapshot reads it."""
    sorted_margins = replace(history, margins=history.margins.sort("customer_id", "ordered_on"))
    frames: dict[str, pl.LazyFrame | None] = {name: getattr(sorted_margins, name) for name in _HELD}
    held = {name: frame for name, frame in frames.items() if frame is not None}
    collected = zip(held, pl.collect_all(list(held.values())), strict=True)
    remembered: dict[str, Any] = {name: frame.lazy() for name, frame in collected}
    return replace(history, **remembered)


def _once(customers: pl.LazyFrame | None) -> pl.LazyFrame | None:
    """One row per customer, whatever key the config declares: the last one that came."""
    return None if customers is None else customers.unique("customer_id", keep="last", maintain_order=True)


def _read(lake: Lake, name: str, frame: pl.LazyFrame | None) -> pl.LazyFrame | None:
    """Only columns that features read, and of them only those that some delivery brought."""
    brought = lake.columns(name)
    columns = [column for column in _READ[name] if column in brought or column not in TABLES[name].index]
    return None if frame is None else frame.select(columns)
