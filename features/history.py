"""Where features come from: the shop's tables, in parts that hold whole customers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from features.asof import AsOf
from features.contracts import TABLES
from features.lake import Lake
from features.lines import MarginRate, priced_lines
from features.merging import Merged
from features.runs import Runs

# Lines of one part. Columns of this length are small enough for their memory to be used again and again; with
# three times as many, far more time went into getting it from the system.
PART_LINES = 700_000
_OPTIONAL = ("customers", "contacts", "feedback", "points")
# Columns that features read.
_READ = {
    "customers": ("customer_id", "acquisition_channel", "acquired_at", "region"),
    "feedback": ("customer_id", "occurred_at", "occurred_on", "kind", "score"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """Tables of some customers; an optional table that the shop does not have is None.

    Attributes:
        lines: priced lines of known customers, customer by customer, each sorted by time and order.
        customers: one row per customer; only the columns that the shop has.
        contacts: with `contacted_on`.
        feedback: with `occurred_on`; only the columns that the shop has.
        points: with `expires_on`; what is held now.
    """

    lines: pl.LazyFrame
    customers: pl.LazyFrame | None = None
    contacts: pl.LazyFrame | None = None
    feedback: pl.LazyFrame | None = None
    points: pl.LazyFrame | None = None

    def first_days(self) -> pl.DataFrame:
        """The day of each customer's first sale: `first_on`."""
        sales = self.lines.filter(~pl.col("returns")).select("customer_id", first_on="ordered_on").collect()
        return Runs.of(sales, "customer_id").firsts("first_on")


@dataclass(frozen=True, slots=True)
class History:
    """Everything that was known of a shop.

    Attributes:
        parts: each customer is in one of them.
        columns: canonical transaction columns that the shop has at all.
        timezone: the shop's zone.
        country: whose holidays count, ISO 3166; None: no holidays.
    """

    parts: tuple[Part, ...]
    columns: frozenset[str]
    country: str | None = None

    @classmethod
    def of(cls, lines: pl.LazyFrame, columns: frozenset[str], **tables: pl.LazyFrame | None) -> "History":
        """One part, from priced lines in any order.

        Args:
            lines: see `features.lines.priced_lines`.
            columns: canonical transaction columns that the shop has at all.
            tables: the other tables of a part.
        """
        ordered = lines.sort("customer_id", "ordered_at", "order_id")
        return cls((Part(ordered, **tables),), columns)

    def with_contacts(self, contacts: pl.LazyFrame) -> "History":
        """The same history with these contacts beside those of the shop's table.

        A tool may write the lists back into that table: then these rows are the same contacts, known already.

        Args:
            contacts: customer_id, contacted_on, arm, assignment_probability, list_id.
        """
        names = contacts.collect_schema().names()
        lists = contacts.select(pl.col("list_id").unique()).collect().to_series().to_list()
        written_back = pl.col("list_id").is_in(lists).fill_null(value=False)

        def both(part: Part) -> Part:
            others = [] if part.contacts is None else [part.contacts.filter(~written_back).select(names)]
            return replace(part, contacts=pl.concat([*others, contacts]))

        return replace(self, parts=tuple(both(part) for part in self.parts))

    def only(self, customer_ids: Iterable[str]) -> "History":
        """The history of some customers."""
        wanted = list(customer_ids)
        return replace(
            self,
            parts=tuple(
                replace(part, lines=part.lines.filter(pl.col("customer_id").is_in(wanted)))
                for part in self.parts
            ),
        )

    def first_day(self) -> date | None:
        """The day of the first sale, or None without one."""
        firsts = [part.first_days()["first_on"].min() for part in self.parts]
        return min((day for day in firsts if isinstance(day, date)), default=None)


def read_history(
    lake: Lake, timezone: str, margin_rate: MarginRate, until: AsOf, country: str | None = None
) -> History:
    """What the lake held at the end of a day.

    Args:
        lake: where accepted rows are.
        timezone: the shop's zone.
        margin_rate: margin share where no cost is known.
        until: no event after its day is read; of order lines, features leave the later ones out.
        country: whose holidays count, ISO 3166, or None.
    """
    brought = lake.brought()
    if "transactions" not in brought:
        return History((), frozenset(), country)
    held = {name: lake.merged(name) for name in ("transactions", *_OPTIONAL) if name in brought}
    shop = _Shop(held, brought, timezone, until)
    products = lake.scan("products") if "products" in brought else None
    groups = _groups(held["transactions"].rows(range(lake.buckets)))
    parts = (shop.part(group, products, margin_rate) for group in groups)
    return History(tuple(parts), brought["transactions"], country)


@dataclass(frozen=True, slots=True)
class _Shop:
    """The tables of a lake as they are at one moment, and how they are read for features."""

    held: Mapping[str, Merged]
    brought: Mapping[str, frozenset[str]]
    timezone: str
    until: AsOf

    def part(self, buckets: Sequence[int], products: pl.LazyFrame | None, margin_rate: MarginRate) -> Part:
        """The customers of some buckets. Rows that came late are not sorted into the base for it."""
        tables = {name: pl.concat(merged.apart(buckets)) for name, merged in self.held.items()}
        lines = priced_lines(tables["transactions"], products, self.timezone, margin_rate)
        return Part(
            lines=lines,
            customers=self._customers(tables.get("customers")),
            contacts=self._events(tables.get("contacts"), "contacted_at", "contacted_on"),
            feedback=self._feedback(tables.get("feedback")),
            points=self._on(tables.get("points"), "expires_at", "expires_on"),
        )

    def _customers(self, rows: pl.LazyFrame | None) -> pl.LazyFrame | None:
        """One row per customer, whatever key the config declares: the last one that came."""
        if rows is None:
            return None
        once = rows.unique("customer_id", keep="last", maintain_order=True)
        return self._on(self._read("customers", once), "acquired_at", "acquired_on")

    def _feedback(self, rows: pl.LazyFrame | None) -> pl.LazyFrame | None:
        events = self._events(rows, "occurred_at", "occurred_on")
        return None if events is None else self._read("feedback", events)

    def _events(self, rows: pl.LazyFrame | None, time: str, day: str) -> pl.LazyFrame | None:
        placed = self._on(rows, time, day)
        return None if placed is None else placed.filter(self.until.known(pl.col(day)))

    def _on(self, rows: pl.LazyFrame | None, time: str, day: str) -> pl.LazyFrame | None:
        """With the shop's day of a time, where the table has it."""
        if rows is None or time not in rows.collect_schema():
            return rows
        return rows.with_columns(pl.col(time).dt.convert_time_zone(self.timezone).dt.date().alias(day))

    def _read(self, name: str, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Only columns that features read, and of them only those that some delivery brought."""
        made = frozenset(_READ[name]) - TABLES[name].index.keys()
        return rows.select(column for column in _READ[name] if column in self.brought[name] | made)


def _groups(rows: Mapping[int, int]) -> list[tuple[int, ...]]:
    """Buckets that are read together: about `PART_LINES` lines, and at least two parts."""
    count, lines = len(rows), sum(rows.values())
    parts = min(count, max(2, -(-lines // PART_LINES)))
    size = -(-count // parts)
    return [tuple(range(first, min(first + size, count))) for first in range(0, count, size)]
