"""Order lines by the hundred million, to measure speed and memory: no people, no truth, only volume."""

import os
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from features.errors import ConfigError
from flows.demo_shop.plan import Floats, Ints
from flows.demo_shop.products import CATEGORIES, PER_CATEGORY, place_weights, shelf_weights

LINES_PER_CUSTOMER = 14
_ORDERS, _EXTRA_LINES = 6.0, 4 / 3
_DAYS = 912.0
_START = datetime(2023, 1, 1)  # noqa: DTZ001 - the zone is put on the column
_CHANNELS = ("web", "app", "store")


def write_lines(folder: Path, lines: int, seed: int, part_rows: int = 2_000_000) -> list[Path]:
    """Write exactly `lines` order lines as Parquet files of canonical columns.

    Each part holds customers of its own, its rows in order of time. Money is in euros, times in UTC.

    Args:
        folder: created when absent; `lines-*.parquet` of an earlier call are removed from it.
        lines: how many rows.
        seed: the same arguments give the same bytes.
        part_rows: rows per file, and in memory at a time.

    Returns:
        The files, in order.
    """
    if lines < 1 or part_rows < 1 or seed < 0:
        raise ConfigError(
            f"Cannot write {lines} lines in parts of {part_rows} with seed {seed}: "
            "lines and parts must be at least 1, the seed at least 0."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("lines-*.parquet"):
        stale.unlink()
    paths = []
    for part, first in enumerate(range(0, lines, part_rows)):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(part,))))
        frame = _draw_part(rng, part, min(part_rows, lines - first), part_rows)
        path = folder / f"lines-{part + 1:05d}.parquet"
        aside = path.with_suffix(".partial")
        frame.write_parquet(aside)
        os.replace(aside, path)  # noqa: PTH105 - Path.replace reads like text replacement here
        paths.append(path)
    return paths


def _draw_part(rng: np.random.Generator, part: int, rows: int, part_rows: int) -> pl.DataFrame:
    """Order lines of as many customers as fill `rows`, in order of time."""
    # Numbers reserved per part: more customers than a part can hold.
    first_customer = part * (part_rows + 20)
    customer, order, day = _draw_orders(rng, rows)
    per_order = 1 + rng.poisson(_EXTRA_LINES, len(order))
    row = np.repeat(np.arange(len(order)), per_order)[:rows]
    if len(row) < rows:
        row = np.concatenate([row, np.full(rows - len(row), len(order) - 1)])
    product, net, discount, cost, quantity = _draw_goods(rng, rows)
    names = pl.Series([category.name for category in CATEGORIES])
    channel = rng.integers(len(_CHANNELS), size=len(order))[row]
    frame = pl.DataFrame(
        {
            "customer": customer[row] + first_customer,
            "order": order[row],
            "second": (day[row] * 86_400).astype(np.int64),
            "product_id": product,
            "category": names.gather(product // PER_CATEGORY),
            "quantity": quantity.astype(np.float64),
            "net_amount": net / 100,
            "discount_amount": discount / 100,
            "cost_amount": cost / 100,
            "channel": pl.Series(_CHANNELS).gather(channel),
        }
    )
    at = pl.lit(_START).cast(pl.Datetime("us", "UTC")) + pl.duration(seconds="second")
    return frame.sort("second", "customer", "order", maintain_order=True).select(
        pl.format("C{}", pl.col("customer").cast(pl.String).str.zfill(9)).alias("customer_id"),
        pl.format("O{}-{}", pl.col("customer"), pl.col("order")).alias("order_id"),
        at.alias("ordered_at"),
        pl.format("P{}", pl.col("product_id").cast(pl.String).str.zfill(3)),
        pl.exclude("customer", "order", "second", "product_id"),
    )


def _draw_orders(rng: np.random.Generator, rows: int) -> tuple[Ints, Ints, Floats]:
    """Customer, number within the customer, and day of orders with a gamma rhythm of one's own."""
    customers = int(rows / LINES_PER_CUSTOMER * 1.1) + 20
    count = np.minimum(rng.geometric(1 / _ORDERS, customers), 60)
    customer = np.repeat(np.arange(customers), count)
    first = np.repeat(np.cumsum(count) - count, count)
    order = np.arange(len(customer)) - first
    pace = np.repeat(45 * rng.lognormal(0, 0.7, customers), count)
    gap = rng.gamma(2.0, pace / 2)
    passed = np.cumsum(gap)
    passed -= passed[first]
    # Long histories are squeezed into the period, so that no line is lost.
    span = np.maximum(passed[first + np.repeat(count, count) - 1], 1.0)
    room = np.minimum(span, _DAYS * 0.98)
    start = np.repeat(rng.random(customers), count) * (_DAYS - room)
    return customer.astype(np.int64), order.astype(np.int64), start + passed / span * room


def _draw_goods(rng: np.random.Generator, rows: int) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Product, net amount, discount and cost in cents, and quantity of each line."""
    shelf = rng.choice(len(CATEGORIES), rows, p=shelf_weights())
    product = shelf * PER_CATEGORY + rng.choice(PER_CATEGORY, rows, p=place_weights())
    quantity = 1 + rng.poisson(0.35, rows)
    price = np.array([category.price for category in CATEGORIES])[shelf] * (0.6 + product % 17 / 20)
    gross = np.round(price * 100).astype(np.int64) * quantity
    discount = np.round(gross * np.where(rng.random(rows) < 0.15, 0.2, 0.0)).astype(np.int64)
    cost = np.round(gross * 0.58).astype(np.int64)
    return product, gross - discount, discount, cost, quantity
