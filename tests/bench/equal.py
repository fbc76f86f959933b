"""Whether two tools computed the same values."""

import polars as pl

from tests.bench.places import Place

# Whole numbers must agree exactly, fractions to so many parts: their sums run in different orders.
_RELATIVE = 1e-9


def differences(place: Place, case: str, other: str) -> list[str]:
    """Per column of the first case: how many customers have another value in the second; empty when equal."""
    ours, theirs = (pl.read_parquet(place.result(name)) for name in (case, other))
    said = []
    if set(ours.columns) != set(theirs.columns):
        said.append(f"columns {sorted(set(ours.columns) ^ set(theirs.columns))} are in one of them only")
    if ours.height != theirs.height:
        said.append(f"{ours.height} customers in one, {theirs.height} in the other")
    both = ours.join(theirs, on="customer_id", how="full", suffix="_theirs", coalesce=True)
    shared = [name for name in ours.columns if name in theirs.columns and name != "customer_id"]
    counted = both.select(_differs(name).sum().alias(name) for name in shared).row(0, named=True)
    return said + [f"{name} differs for {count} customers" for name, count in counted.items() if count]


def _differs(name: str) -> pl.Expr:
    ours, theirs = pl.col(name).cast(pl.Float64), pl.col(f"{name}_theirs").cast(pl.Float64)
    # What a tool calls "no number" is null for the other.
    ours, theirs = ours.fill_nan(None), theirs.fill_nan(None)
    apart = (ours - theirs).abs() > _RELATIVE * pl.max_horizontal(ours.abs(), 1.0)
    return apart.fill_null(value=False) | (ours.is_null() != theirs.is_null())
