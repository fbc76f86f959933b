"""Small histories for tests: order lines in the lake's shape, and a Hypothesis strategy for them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from features.asof import AsOf
from features.books import Books
from features.contracts import TRANSACTIONS
from features.history import History
from features.lines import priced_lines

START = date(2024, 1, 1)
COLUMNS = frozenset(
    {
        "order_id",
        "product_id",
        "product_name",
        "category",
        "quantity",
        "discount_amount",
        "cost_amount",
        "returned_order_id",
    }
)


def line(customer: str | None, day: int, amount: int, order: str, **more: Any) -> dict[str, Any]:
    """One order line, `day` days after the start at noon, `amount` in minor units."""
    at = datetime(START.year, START.month, START.day, 12, tzinfo=UTC) + timedelta(days=day)
    return {"customer_id": customer, "ordered_at": at, "net_amount": amount, "order_id": order, **more}


def transactions(rows: list[dict[str, Any]]) -> pl.LazyFrame:
    """Rows with every canonical column."""
    return pl.LazyFrame(rows, schema=TRANSACTIONS.schema)


def priced(rows: list[dict[str, Any]], until: AsOf | None = None, zone: str = "UTC") -> pl.LazyFrame:
    """Priced lines from rows."""
    lines = priced_lines(transactions(rows), None, zone, 0.3)
    return lines if until is None else lines.filter(until.known(pl.col("ordered_on")))


def history(rows: list[dict[str, Any]], **tables: pl.LazyFrame | None) -> History:
    """What features read, from rows and other tables."""
    return History.of(priced(rows), COLUMNS, **tables)


def books(rows: list[dict[str, Any]], **tables: pl.LazyFrame | None) -> Books:
    """The books of all customers in the rows."""
    return Books.open(history(rows, **tables).parts[0], COLUMNS)


def everything(rows: list[dict[str, Any]], until: AsOf | None = None, parts: int = 1) -> History:
    """What a shop with every table and column knows; the other tables follow from the customers' names.

    Args:
        rows: order lines.
        until: later rows are left out.
        parts: into which the customers are split.
    """
    who = sorted({row["customer_id"] for row in rows if row["customer_id"]})
    noon = datetime(START.year, START.month, START.day, 12, tzinfo=UTC)
    # Every customer says something and is contacted now and then, each on days of their own.
    days = [(one, 20 * number + ord(one[0]) % 17) for one in who for number in range(24)]
    events = pl.LazyFrame(
        {
            "customer_id": [one for one, _ in days],
            "at": [noon + timedelta(days=on) for _, on in days],
            "kind": [("nps", "survey", "complaint")[on % 3] for _, on in days],
            "score": [None if on % 3 == 2 else float(on % 11) for _, on in days],
            "arm": [("treatment", "control")[on % 2] for _, on in days],
        },
        schema_overrides={"customer_id": pl.String, "at": pl.Datetime("us", "UTC"), "score": pl.Float64},
    ).with_columns(on=pl.col("at").dt.date())
    if until is not None:
        events = events.filter(until.known(pl.col("on")))
    people = pl.LazyFrame({"customer_id": who}, schema={"customer_id": pl.String}).with_columns(
        acquired_on=pl.lit(START),
        acquisition_channel=pl.lit("web"),
        region=pl.lit("north"),
    )
    tables = {
        "customers": people,
        "contacts": events.select(
            "customer_id", "arm", contacted_on="on", assignment_probability=pl.lit(0.5)
        ),
        "feedback": events.select("customer_id", "kind", "score", occurred_at="at", occurred_on="on"),
        "points": people.select(
            "customer_id", balance=pl.lit(12.5), expires_on=pl.lit(START + timedelta(days=420))
        ),
    }
    split = [
        [row for row in rows if who.index(row["customer_id"]) % parts == number] for number in range(parts)
    ]
    pieces = [History.of(priced(some, until), COLUMNS, **tables).parts[0] for some in split]
    return History(tuple(pieces), COLUMNS, country="ID")


def day(number: int, horizon: int = 30, gap: int = 0) -> AsOf:
    """The decision `number` days after the start."""
    return AsOf(START + timedelta(days=number), horizon, gap)


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Orders of a few customers, some of them returned in part or whole, some with a line of a later day."""
    rows = []
    count = draw(st.integers(1, 25))
    for number in range(count):
        customer = draw(st.sampled_from("abcde"))
        on = draw(st.integers(0, 400))
        product = draw(st.sampled_from(["p", "q", "r"]))
        amount = draw(st.integers(0, 50_000))
        details = {
            "product_id": product,
            "category": product.upper(),
            "quantity": float(draw(st.integers(1, 5))),
            "discount_amount": draw(st.integers(0, 500)),
            "cost_amount": draw(st.one_of(st.none(), st.integers(0, 30_000))),
        }
        rows.append(line(customer, on, amount, f"o{number}", **details))
        if draw(st.integers(0, 7)) == 0:
            rows.append(line(customer, on + draw(st.integers(0, 20)), amount // 2, f"o{number}", **details))
        if draw(st.booleans()):
            later = on + draw(st.integers(0, 60))
            named = f"o{number}" if draw(st.booleans()) else None
            back = draw(st.integers(1, max(amount, 1)))
            rows.append(
                line(customer, later, -back, f"r{number}", product_id=product, returned_order_id=named)
            )
    return rows
