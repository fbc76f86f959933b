"""What the project takes: its own public functions, called the way the nightly run calls them."""

from itertools import islice

import polars as pl

from features import basket, frequency, rhythm
from features.history import History, read_history
from features.lines import priced_lines
from features.options import StageOptions
from features.orders import orders, purchases
from features.table import FACTS, KEYS, feature_table, training_table
from tests.bench.places import AS_OF, MARGIN_RATE, ZONE, Clock, Place

STAGES = StageOptions()
_WINDOWS = (30, 60, 90, 180, 365)
_NO_CAP = 10**12
_MONTHS = 12


def all_features(place: Place, clock: Clock) -> pl.DataFrame:
    """Every feature of one day, the lake read for it.

    Returns:
        How many features and customers there are.
    """
    with clock.lap():
        table = feature_table(history(place), AS_OF, STAGES)
    features = [name for name in table.columns if name not in {*KEYS, *FACTS}]
    return pl.DataFrame({"features": [len(features)], "customers": [table.height]})


def common_features(place: Place, clock: Clock) -> pl.DataFrame:
    """The common set of features, returns netted as always; see `references` for the same in other tools."""
    with clock.lap():
        lines = priced_lines(place.lake.scan("transactions"), None, ZONE, MARGIN_RATE)
        made = orders(lines.filter(AS_OF.known(pl.col("ordered_on"))))
        known = frequency.placed(purchases(made, AS_OF)).collect().lazy()
        bought = known.group_by("customer_id").agg(_bought())
        gaps = rhythm.with_gaps(known).group_by("customer_id").agg(_gaps())
        people, own = pl.collect_all([bought, gaps])
        return people.join(own, on="customer_id").with_columns(_derived())


def one_snapshot(place: Place, clock: Clock) -> None:
    """The features of the newest day whose outcome is complete, with the outcome."""
    _train(place, clock, 1)


def twelve_snapshots(place: Place, clock: Clock) -> None:
    """The same for that day and for the same day of each of the eleven months before it."""
    _train(place, clock, 12)


def history(place: Place) -> History:
    """What the lake held at the end of the day."""
    return read_history(place.lake, ZONE, MARGIN_RATE, AS_OF)


def _train(place: Place, clock: Clock, count: int) -> None:
    complete = (one for one in AS_OF.months_back() if one.is_complete(AS_OF.day))
    days = list(islice(complete, count))
    with clock.lap():
        training_table(history(place), days, AS_OF, _MONTHS, STAGES, _NO_CAP)


def _bought() -> list[pl.Expr]:
    windows = [frequency.named("orders", days) for days in _WINDOWS]
    windows += [frequency.named("net_amount", days) for days in _WINDOWS]
    sums = ("margin", "discount_amount", "quantity", "lines")
    wanted = {"orders", "net_amount", *windows, *sums, *(frequency.named(name, 90) for name in sums)}
    values = {"order_value_min", "order_value_max", "order_value_mean"}
    offered = [
        *frequency.counts("orders", AS_OF),
        *(expr for name in ("net_amount", *sums) for expr in frequency.totals(name, AS_OF)),
        *frequency.order_value(),
    ]
    return [
        frequency.days_since_last_purchase(AS_OF),
        frequency.tenure_days(AS_OF),
        pl.col("ordered_on").n_unique().cast(pl.Int32).alias("active_days"),
        *(expr for expr in offered if expr.meta.output_name() in wanted | values),
    ]


def _gaps() -> list[pl.Expr]:
    return [
        rhythm.gaps(),
        rhythm.gap_days_mean(),
        rhythm.gap_days_std(),
        rhythm.gap_days_quantile(0.5),
        rhythm.last_gap_days(),
    ]


def _derived() -> list[pl.Expr]:
    return [
        frequency.trend("orders", 30),
        frequency.trend("net_amount", 90),
        frequency.share_of_lifetime("net_amount", 90),
        basket.discount_share(),
    ]
