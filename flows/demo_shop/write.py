"""Where the shop's files go: the export under `raw/`, the truth under `truth/`, whole or not at all.

People are made block by block. A block's order lines are spilled per month, and the months of a shard of
blocks are sorted and written together: memory holds one block, or one month of one shard.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from flows.demo_shop import records
from flows.demo_shop.baskets import add_guests, draw_returns, fill_baskets
from flows.demo_shop.calendar import Calendar, make_calendar
from flows.demo_shop.dirt import Spots, soil
from flows.demo_shop.people import CAUSES, Cause, draw_people
from flows.demo_shop.plan import Draw, ShopPlan
from flows.demo_shop.products import make_products
from flows.demo_shop.truth import true_departures, true_people
from flows.demo_shop.visits import walk
from flows.demo_shop.voices import draw_voices

_PARTIAL = ".shop-in-the-making"
_SPOTS = {
    "orders": Spots(times=(3,), numbers=(7, 10), required=(3, 10), texts=(5,)),
    "customers": Spots(times=(1,), required=(0,), texts=(3,)),
    "contacts": Spots(times=(1,), numbers=(7,), required=(0, 2)),
    "feedback": Spots(times=(1,), required=(0, 2)),
}


@dataclass(frozen=True, slots=True)
class ShopFiles:
    """What was written.

    Attributes:
        raw: folder of the export.
        truth: folder of what really happened.
        orders: the order files, in order of time.
        people: persons drawn, guests not counted.
        purchases: orders placed, guests' among them.
        lines: order lines, returned ones among them.
        dirty_rows: broken rows in all files.
    """

    raw: Path
    truth: Path
    orders: tuple[Path, ...]
    people: int
    purchases: int
    lines: int
    dirty_rows: int


def write_shop(folder: Path, plan: ShopPlan, progress: Callable[[int, int], None] | None = None) -> ShopFiles:
    """Write a simulated shop into `folder/raw` and `folder/truth`, in place of an earlier one.

    Args:
        folder: created when absent; anything else in it is left alone.
        plan: the same plan gives the same bytes.
        progress: called with the number of people done and of all people.
    """
    partial = folder / _PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    try:
        writer = _Writer(partial, plan)
        for shard, blocks in enumerate(plan.shards):
            for block in blocks:
                writer.write_block(block)
                if progress:
                    progress(plan.blocks[block].stop - 1, plan.customers)
            writer.write_months(shard)
            writer.write_dirty_rows(shard)
        writer.write_plan()
        _switch(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return writer.files(folder)


class _Writer:
    """The files of a shop in the making."""

    def __init__(self, partial: Path, plan: ShopPlan) -> None:
        self.plan = plan
        self.raw, self.truth, self.spill = (partial / name for name in ("raw", "truth", "spill"))
        for path in (self.raw, self.truth, self.spill):
            path.mkdir(parents=True)
        self.calendar: Calendar = make_calendar(plan)
        self.products = make_products(plan)
        self.rows: dict[str, int] = {}
        self.dirty: list[tuple[str, int, str]] = []
        self.purchases = self.lines = self.dirty_rows = 0
        self._append("products", records.products_file(self.products), 0)

    def write_block(self, block: int) -> None:
        """Make the people of one block and write all that is about them, but for the order files."""
        plan = self.plan
        people = draw_people(plan, block)
        accounts = records.draw_accounts(plan, block, people)
        may_contact = (accounts["consent_email"] == "yes") & (accounts["is_staff"] == "no")
        walked = walk(plan, block, people, may_contact.fill_null(value=False).to_numpy(), self.calendar)
        lines = self._lines(block, people, walked.visits)
        self._spill(block, records.orders_file(plan, block, lines, accounts, self.products))
        departures = true_departures(plan, walked, accounts)
        voices = draw_voices(plan, block, walked.visits, walked.departures)
        deceased = walked.departures.filter(pl.col("cause") == CAUSES.index(Cause.DECEASED))["person"]
        for name, frame in {
            "customers": records.customers_file(plan, accounts),
            "identities": records.identities_file(plan, accounts),
            "contacts": records.contacts_file(plan, walked.contacts, accounts),
            "feedback": records.feedback_file(plan, voices, accounts),
            "points": records.points_file(plan, lines, accounts),
            "suppressions": records.suppressions_file(plan, accounts, deceased[::2]),
        }.items():
            self._append(name, frame, block)
        departures.write_parquet(self.truth / f"departures-{block + 1:04d}.parquet")
        people_now = true_people(people, departures, accounts)
        people_now.write_parquet(self.truth / f"people-{block + 1:04d}.parquet")

    def write_months(self, shard: int) -> None:
        """Sort and write the order files of the blocks spilled so far."""
        for number, month in enumerate(self.plan.months):
            parts = sorted(self.spill.glob(f"{month:%Y-%m}-*.parquet"))
            if not parts:
                continue
            lines = pl.concat([pl.read_parquet(part) for part in parts])
            name = f"orders-{month:%Y-%m}" + (f"-{shard + 1}" if shard else "")
            self._append(name, lines.sort("ordered_at", "order_id", "line_id"), shard, number)
            for part in parts:
                part.unlink()

    def write_dirty_rows(self, shard: int) -> None:
        """Write down which rows were broken since the last call."""
        schema = {"file": pl.String, "line": pl.Int64, "fault": pl.String}
        frame = pl.DataFrame(self.dirty, schema=schema, orient="row")
        frame.write_parquet(self.truth / f"dirty-rows-{shard + 1:04d}.parquet")
        self.dirty_rows += len(self.dirty)
        self.dirty.clear()

    def write_plan(self) -> None:
        """Write down what the shop was asked to be, and how large it became."""
        shutil.rmtree(self.spill)
        counts = {"purchases": self.purchases, "lines": self.lines, "dirty_rows": self.dirty_rows}
        text = json.dumps(asdict(self.plan) | counts, indent=2, default=str)
        (self.truth / "plan.json").write_text(text + "\n", encoding="utf-8")

    def files(self, folder: Path) -> ShopFiles:
        """What was written, at its final place."""
        raw = folder / "raw"
        return ShopFiles(
            raw,
            folder / "truth",
            tuple(sorted(raw.glob("orders-*.csv"), key=lambda path: path.stem)),
            self.plan.customers,
            self.purchases,
            self.lines,
            self.dirty_rows,
        )

    def _lines(self, block: int, people: pl.DataFrame, visits: pl.DataFrame) -> pl.DataFrame:
        """Bought and returned lines of a block."""
        plan = self.plan
        orders = add_guests(plan, block, visits, people.height, self.calendar)
        bought = fill_baskets(plan, block, orders, people, self.products)
        back = draw_returns(plan, block, bought)
        bought = bought.with_columns(
            status=pl.lit("paid"), returns=pl.lit(None, pl.Int64), names_order=pl.lit(value=False)
        )
        self.purchases += orders.height
        self.lines += bought.height + back.height
        return pl.concat([bought, back.select(bought.columns)])

    def _spill(self, block: int, lines: pl.DataFrame) -> None:
        month = lines["ordered_at"].dt.strftime("%Y-%m")
        for (name,), part in lines.group_by(month, maintain_order=True):
            part.write_parquet(self.spill / f"{name}-{block:06d}.parquet", compression="lz4")

    def _append(self, name: str, frame: pl.DataFrame, *place: int) -> None:
        """Add rows to a CSV file, some of them broken, and remember which."""
        file = f"{name}.csv"
        time_format = "%Y-%m-%dT%H:%M:%SZ" if name == "contacts" else "%Y-%m-%d %H:%M:%S"
        first = file not in self.rows
        text = frame.write_csv(include_header=first, datetime_format=time_format, float_precision=2)
        rows = text.encode().split(b"\n")[:-1]
        head = [rows.pop(0)] if first else []
        line = self.rows.get(file, 0) + len(head)
        kind = name.partition("-")[0]
        if self.plan.dirty and kind in _SPOTS:
            rng = self.plan.stream(Draw.DIRT, list(_SPOTS).index(kind), *place)
            faults = soil(rng, rows, _SPOTS[kind])
            self.dirty += [(file, line + index + 1, str(fault)) for index, fault in faults]
        with (self.raw / file).open("ab") as out:
            out.writelines(row + b"\n" for row in head + rows)
        self.rows[file] = line + len(rows)


def _switch(partial: Path, folder: Path) -> None:
    """Put the finished folders in the place of earlier ones."""
    for name in ("truth", "raw"):
        if (folder / name).exists():
            (folder / name).rename(partial / f"old-{name}")
        (partial / name).rename(folder / name)
