"""The common set of features as a careful user of another tool would write it.

The set is defined on orders: lines of known customers up to the day that are no returns, put together per
customer and order, where the sum is positive. The generated lines hold no returns; ours nets them all the
same, these do not.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from tests.bench.elsewhere import LARGER, SAMPLES
from tests.bench.places import AS_OF, THREADS, Clock, Place

if TYPE_CHECKING:
    import pandas as pd

_WINDOWS = (30, 60, 90, 180, 365)
_SUMS = ("margin", "discount_amount", "quantity", "lines")

# $day and the files are parameters; the windows are written out.
_SQL = """
with lines as (
    select customer_id, order_id, net_amount, discount_amount, quantity, cost_amount,
           make_timestamp(epoch_us(ordered_at))::date as ordered_on
    from read_parquet($files, hive_partitioning = false)
    where customer_id is not null and net_amount >= 0 and not coalesce(is_return, false)
),
orders as (
    select customer_id, order_id, min(ordered_on) as ordered_on, sum(net_amount)::bigint as net_amount,
           sum(net_amount - cost_amount)::bigint as margin, sum(discount_amount)::bigint as discount_amount,
           sum(quantity)::bigint as quantity, count(*) as lines
    from lines
    where ordered_on <= $day::date
    group by customer_id, order_id
    having sum(net_amount) > 0
),
bought as (
    select customer_id,
           $day::date - max(ordered_on) as days_since_last_purchase,
           $day::date - min(ordered_on) as tenure_days,
           count(*) as orders,
           count(*) filter (ordered_on > $day::date - 30) as orders_30d,
           count(*) filter (ordered_on > $day::date - 60) as orders_60d,
           count(*) filter (ordered_on > $day::date - 90) as orders_90d,
           count(*) filter (ordered_on > $day::date - 180) as orders_180d,
           count(*) filter (ordered_on > $day::date - 365) as orders_365d,
           sum(net_amount)::bigint as net_amount,
           coalesce(sum(net_amount) filter (ordered_on > $day::date - 30), 0)::bigint as net_amount_30d,
           coalesce(sum(net_amount) filter (ordered_on > $day::date - 60), 0)::bigint as net_amount_60d,
           coalesce(sum(net_amount) filter (ordered_on > $day::date - 90), 0)::bigint as net_amount_90d,
           coalesce(sum(net_amount) filter (ordered_on > $day::date - 180), 0)::bigint as net_amount_180d,
           coalesce(sum(net_amount) filter (ordered_on > $day::date - 365), 0)::bigint as net_amount_365d,
           sum(margin)::bigint as margin,
           sum(discount_amount)::bigint as discount_amount,
           sum(quantity)::bigint as quantity,
           sum(lines)::bigint as lines,
           coalesce(sum(margin) filter (ordered_on > $day::date - 90), 0)::bigint as margin_90d,
           coalesce(sum(discount_amount) filter (ordered_on > $day::date - 90), 0)::bigint
               as discount_amount_90d,
           coalesce(sum(quantity) filter (ordered_on > $day::date - 90), 0)::bigint as quantity_90d,
           coalesce(sum(lines) filter (ordered_on > $day::date - 90), 0)::bigint as lines_90d,
           min(net_amount) as order_value_min,
           max(net_amount) as order_value_max,
           sum(net_amount) / count(*) as order_value_mean
    from orders
    group by customer_id
),
gaps as (
    select customer_id, ordered_on,
           ordered_on - lag(ordered_on) over (partition by customer_id order by ordered_on) as gap_days
    from (select distinct customer_id, ordered_on from orders)
),
rhythm as (
    select customer_id, count(*) as active_days, count(gap_days) as gaps, avg(gap_days) as gap_days_mean,
           stddev_samp(gap_days) as gap_days_std, median(gap_days) as gap_days_median,
           arg_max(gap_days, ordered_on) as last_gap_days
    from gaps
    group by customer_id
)
select *,
       case when orders_60d = 0 then 0.0 else (2 * orders_30d - orders_60d) / orders_60d end
           as orders_trend_30d,
       case when net_amount_180d = 0 then 0.0
            else (2 * net_amount_90d - net_amount_180d) / net_amount_180d end as net_amount_trend_90d,
       net_amount_90d / net_amount as net_amount_share_90d,
       discount_amount / (net_amount + discount_amount) as discount_share
from bought join rhythm using (customer_id)
"""


def duckdb_sql(place: Place, clock: Clock) -> pl.DataFrame:
    """DuckDB over the same files, two threads."""
    import duckdb

    given = {"files": place.files(), "day": AS_OF.day}
    with clock.lap():
        connection = duckdb.connect(config={"threads": THREADS})
        found = connection.sql(_SQL, params=given).to_arrow_table()
    frame = pl.from_arrow(found)
    assert isinstance(frame, pl.DataFrame)
    return frame


def write_samples(place: Place, clock: Clock) -> pl.DataFrame:
    """Orders of a few customers as CSV, one file per size, made with DuckDB.

    Returns:
        How many customers there are.
    """
    import duckdb

    orders = _SQL.partition("bought as (")[0].strip().removesuffix(",")
    columns = "customer_id, order_id, ordered_on, net_amount, margin, discount_amount, quantity, lines"
    query = f"{orders} select {columns} from orders order by customer_id, ordered_on, order_id"  # noqa: S608 - own text
    with clock.lap():
        found = duckdb.sql(query, params={"files": place.files(), "day": AS_OF.day}).pl()
        customers = found["customer_id"].unique(maintain_order=True)
        place.samples.mkdir(exist_ok=True)
        for size in {n * more for n in SAMPLES.values() for more in (1, LARGER)}:
            first = pl.col("customer_id").is_in(customers.head(size).implode())
            # Order numbers belong to customers, what a later night brought may repeat them.
            named = pl.concat_str("customer_id", pl.lit(" "), "order_id").alias("order_id")
            found.filter(first).with_columns(named).write_csv(place.samples / f"{size}.csv")
    return pl.DataFrame({"customers": [len(customers)]})


def pandas_frames(place: Place, clock: Clock) -> pl.DataFrame:
    """Pandas over the same files, no loop and no `apply`."""
    import pandas as pd

    columns = [
        "customer_id", "order_id", "ordered_at", "net_amount", "discount_amount", "quantity", "cost_amount",
        "is_return",
    ]  # fmt: skip
    files = place.files()
    with clock.lap():
        read = [pd.read_parquet(file, columns=columns, partitioning=None) for file in files]
        orders = _pandas_orders(pd.concat(read, ignore_index=True))
        table = _pandas_bought(orders).join(_pandas_gaps(orders))
        _pandas_derived(table)
    return pl.from_pandas(table.reset_index())


def _pandas_orders(lines: "pd.DataFrame") -> "pd.DataFrame":
    on = lines["ordered_at"].dt.tz_localize(None).dt.normalize()
    known = lines["customer_id"].notna() & (on <= str(AS_OF.day))
    sales = known & (lines["net_amount"] >= 0) & ~lines["is_return"].fillna(value=False).astype(bool)
    lines = lines.assign(ordered_on=on, margin=lines["net_amount"] - lines["cost_amount"])[sales]
    orders = lines.groupby(["customer_id", "order_id"], sort=False).agg(
        ordered_on=("ordered_on", "min"),
        net_amount=("net_amount", "sum"),
        margin=("margin", "sum"),
        discount_amount=("discount_amount", "sum"),
        quantity=("quantity", "sum"),
        lines=("net_amount", "size"),
    )
    return orders[orders["net_amount"] > 0].reset_index("order_id", drop=True).reset_index()


def _pandas_bought(orders: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    day = pd.Timestamp(AS_OF.day)
    summed = {"orders": pd.Series(1, index=orders.index)}
    summed |= {name: orders[name] for name in ("net_amount", *_SUMS)}
    for days in _WINDOWS:
        inside = orders["ordered_on"] > day - timedelta(days=days)
        names = ("orders", "net_amount", *(_SUMS if days == 90 else ()))
        summed |= {f"{name}_{days}d": summed[name].where(inside, 0) for name in names}
    sums = pd.DataFrame(summed).groupby(orders["customer_id"], sort=False).sum()
    people = orders.groupby("customer_id", sort=False)
    value, on = people["net_amount"], people["ordered_on"]
    return sums.assign(
        days_since_last_purchase=(day - on.max()).dt.days,
        tenure_days=(day - on.min()).dt.days,
        active_days=on.nunique(),
        order_value_min=value.min(),
        order_value_max=value.max(),
        order_value_mean=value.mean(),
    )


def _pandas_gaps(orders: "pd.DataFrame") -> "pd.DataFrame":
    days = orders[["customer_id", "ordered_on"]].drop_duplicates().sort_values(["customer_id", "ordered_on"])
    before = days["ordered_on"].shift().where(days["customer_id"] == days["customer_id"].shift())
    gaps = days.assign(gap=(days["ordered_on"] - before).dt.days).groupby("customer_id", sort=False)["gap"]
    return gaps.agg(["count", "mean", "std", "median", "last"]).set_axis(
        ["gaps", "gap_days_mean", "gap_days_std", "gap_days_median", "last_gap_days"], axis=1
    )


def _pandas_derived(table: "pd.DataFrame") -> None:
    for name, days in (("orders", 30), ("net_amount", 90)):
        both = table[f"{name}_{2 * days}d"]
        table[f"{name}_trend_{days}d"] = ((2 * table[f"{name}_{days}d"] - both) / both).where(both > 0, 0.0)
    table["net_amount_share_90d"] = table["net_amount_90d"] / table["net_amount"]
    full = table["net_amount"] + table["discount_amount"]
    table["discount_share"] = table["discount_amount"] / full
