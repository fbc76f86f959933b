"""Which figures of delivered lists does MLflow not have yet? They are told after the tables are written.

What one list earned stands beside the training of its model, one step per list; what all of them earned in a
run of their own. Lists whose figures have not changed since they were told are not told again. When MLflow
does not answer, measuring goes on without it.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from features.asof import AsOf
from features.errors import WinbackError
from flows import inputs
from flows.enrolments import read_manifest
from flows.settings import Settings
from flows.workspace import publish_file
from models.measurement import WHOLE
from models.tracking import record_lists, record_matured

MEASUREMENTS, SECOND_LIFETIME, CUMULATIVE = (
    f"{name}.parquet" for name in ("measurements", "second_lifetimes", "cumulative")
)
# Beside them when MLflow has their figures.
RECORDED = "recorded.json"


@task(name="record what was measured", cache_policy=NO_CACHE)
def record(settings: Settings, as_of: AsOf) -> tuple[str, ...]:
    """Tell MLflow what has not been told yet; gives a sentence when that has to wait."""
    places = inputs.workspace(settings)
    folder = places.measurements(as_of.day)
    if not (folder / MEASUREMENTS).is_file() or (folder / RECORDED).is_file():
        return ()
    earlier = [places.measurements(day) for day in places.days("measurements") if day < as_of.day]
    known = [one for one in earlier if (one / RECORDED).is_file()][-1:]
    try:
        recorded = _tell(settings, as_of, folder, known)
    except WinbackError as error:
        return (f"What was measured is not in MLflow yet; the next measurement tries again. {error}",)
    with publish_file(folder / RECORDED) as aside:
        aside.write_text(json.dumps({"lists": recorded}) + "\n", encoding="utf-8")
    return ()


def _tell(settings: Settings, as_of: AsOf, folder: Path, known: Sequence[Path]) -> int:
    """Tell what differs from an earlier measurement that was told; gives the number of lists."""
    store, rows = inputs.store(settings), _whole(folder)
    both = pl.concat([rows, *(_whole(one) for one in known)], how="diagonal")
    new = both.filter(~pl.struct(pl.all()).is_duplicated())
    recorded = 0
    for one in rows.join(new, on=["list_id", "outcome"], how="semi").partition_by("list_id"):
        day = one["as_of"][0]
        manifest = read_manifest(inputs.workspace(settings).list(day))
        if manifest is not None:
            recorded += record_matured(store, manifest.model_run_id, day, _figures(one), as_of.day)
    together = pl.read_parquet(folder / CUMULATIVE)
    record_lists(store, as_of.horizon_days, as_of.day, _figures(together))
    return recorded


def _whole(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / MEASUREMENTS).filter(pl.col("by") == WHOLE)


def _figures(rows: pl.DataFrame) -> dict[str, float]:
    """Figures of a list or of all, as MLflow names them."""
    named = {"": "difference", "_low": "low", "_high": "high", "_total": "total"}
    figures = {
        f"earned.{row['outcome']}{ending}": row[column]
        for row in rows.iter_rows(named=True)
        for ending, column in named.items()
    }
    sizes = {f"earned.{arm}": rows[arm][0] for arm in ("treated", "controls")}
    return {name: float(value) for name, value in {**figures, **sizes}.items() if value is not None}
