"""The floor: the least that any feature builder must do with the files."""

import polars as pl

from tests.bench.places import Clock, Place


def bare_scan(place: Place, clock: Clock) -> None:
    """Scan, group by customer, three sums; in the streaming engine, which is the faster one here."""
    files = place.files()
    with clock.lap():
        sums = pl.col("net_amount", "quantity", "discount_amount").sum()
        pl.scan_parquet(files).group_by("customer_id").agg(sums).collect(engine="streaming")
