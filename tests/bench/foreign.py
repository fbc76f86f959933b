"""Run by the interpreter of `.bench/venv`: features of a sample of orders with featuretools or tsfresh.

Usage: `foreign.py featuretools|tsfresh ORDERS.csv AS_OF`. Prints one line of JSON. Reading is not counted.
"""

import json
import sys
import time
import warnings
from typing import Any

import pandas as pd

_WINDOWS = (30, 60, 90, 180, 365)


def by_featuretools(orders: pd.DataFrame, day: pd.Timestamp) -> int:
    """Sums, counts, spreads and times over the lifetime; counts and sums over five windows."""
    import featuretools as ft  # type: ignore[import-not-found]  # only in its own environment

    entities = ft.EntitySet("shop")
    entities.add_dataframe(
        dataframe_name="orders", dataframe=orders, index="order_id", time_index="ordered_on"
    )
    entities.normalize_dataframe("orders", "customers", "customer_id")
    entities.add_last_time_indexes()

    def features(primitives: list[str], **more: Any) -> int:
        table, _ = ft.dfs(
            entityset=entities,
            target_dataframe_name="customers",
            agg_primitives=primitives,
            trans_primitives=[],
            cutoff_time=day,
            include_cutoff_time=True,
            max_depth=1,
            n_jobs=1,
            **more,
        )
        return int(table.shape[1])

    value = {"include_columns": {"orders": ["net_amount"]}}
    money = {"include_columns": {"orders": ["net_amount", "margin"]}}
    spread = ["mean", "std", "min", "max"]
    made = features(
        ["count", "sum", *spread, "time_since_last", "time_since_first", "avg_time_between"],
        primitive_options=dict.fromkeys(spread, value),
    )
    for days in _WINDOWS:
        window = pd.Timedelta(days=days)
        made += features(["count", "sum"], training_window=window, primitive_options={"sum": money})
    return made


def by_tsfresh(orders: pd.DataFrame, _: pd.Timestamp) -> int:
    """The ten features of the cheapest setting, of three series: order value, margin, days between orders."""
    from tsfresh import extract_features  # type: ignore[import-not-found]  # the same
    from tsfresh.feature_extraction import MinimalFCParameters  # type: ignore[import-not-found]

    orders = orders.sort_values(["customer_id", "ordered_on"])
    gaps = orders.groupby("customer_id")["ordered_on"].diff().dt.days.fillna(0)
    series = orders.assign(gap_days=gaps)[["customer_id", "ordered_on", "net_amount", "margin", "gap_days"]]
    table = extract_features(
        series,
        column_id="customer_id",
        column_sort="ordered_on",
        default_fc_parameters=MinimalFCParameters(),
        n_jobs=2,
        disable_progressbar=True,
    )
    return int(table.shape[1])


def main(tool: str, path: str, as_of: str) -> None:
    """Measure one tool on one sample."""
    warnings.simplefilter("ignore")
    orders = pd.read_csv(path, dtype={"customer_id": str, "order_id": str}, parse_dates=["ordered_on"])
    build = {"featuretools": by_featuretools, "tsfresh": by_tsfresh}[tool]
    start = time.perf_counter()
    features = build(orders, pd.Timestamp(as_of))
    print(json.dumps({"seconds": time.perf_counter() - start, "features": features}))


if __name__ == "__main__":
    main(*sys.argv[1:])
