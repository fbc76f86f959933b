"""Has every feed arrived, whole, before a list is made of it?"""

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from features import ledger
from features.asof import AsOf
from features.contracts import TABLES
from features.errors import DataRefused
from features.freshness import feed_measures
from features.lake import Lake
from features.quality import refuse
from flows import inputs
from flows.console import step
from flows.settings import Settings


@task(name="check the feeds", cache_policy=NO_CACHE)
def check_feeds(settings: Settings, as_of: AsOf) -> None:
    """Stop before any list when a feed is late or thin: it would make everybody look lapsed."""
    held = inputs.lake(settings)
    present = [table for table in TABLES.values() if held.holds(table.name)]
    if "transactions" not in {table.name for table in present}:
        raise DataRefused("The lake holds no transactions yet. Run winback ingest, or look at the sources.")
    with step("Checking that every feed has arrived"), inputs.gate(settings, f"{as_of.day} feeds") as gate:
        daily = [
            _rows_per_day(held.scan(table.name), table.name, table.time, settings.timezone)
            if table.time
            else _deliveries_per_day(held, table.name, as_of, settings.timezone)
            for table in present
        ]
        arrived = pl.concat(daily)
        _refuse_nothing(arrived, "transactions", as_of)
        limits = {name: source.max_age_days for name, source in settings.sources.items() if held.holds(name)}
        measures = feed_measures(
            arrived,
            as_of.day,
            max_age_days=limits,
            min_day_share=settings.quality.min_day_share,
        )
        refuse([gate.check_measures(inputs.suite(settings, "feeds"), measures, label="feeds")])


def _refuse_nothing(arrived: pl.DataFrame, table: str, as_of: AsOf) -> None:
    """Where there is no row at all, none is too old: that would be told as an age since 1970."""
    if not arrived.filter(pl.col("source") == table, pl.col("rows") > 0, pl.col("day") <= as_of.day).height:
        raise DataRefused(
            f"No rows of {table} of {as_of.day} or before were delivered: what sources.{table} names holds "
            "a header without rows, or only later ones. Deliver the rows and run the night again."
        )


def _rows_per_day(table: pl.LazyFrame, name: str, time: str, timezone: str) -> pl.DataFrame:
    day = pl.col(time).dt.convert_time_zone(timezone).dt.date()
    counted = table.group_by(day=day).agg(rows=pl.len())
    return counted.select("day", "rows", source=pl.lit(name)).sort("day").collect()


def _deliveries_per_day(held: Lake, name: str, as_of: AsOf, timezone: str) -> pl.DataFrame:
    """A table without times is as fresh as its newest delivery; one that came after the day is fresh."""
    arrived = pl.col("ingested_at").dt.convert_time_zone(timezone).dt.date()
    counted = (
        ledger.live(held.root, name)
        .group_by(day=pl.min_horizontal(arrived, as_of.day))
        .agg(rows=pl.col("accepted").sum().cast(pl.UInt32))
    )
    return counted.select("day", "rows", source=pl.lit(name)).sort("day")
