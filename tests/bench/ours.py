"""What the project takes: its own public functions, called the way the nightly run calls them."""

from itertools import islice

import polars as pl

from features import frequency, rhythm
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
        placed = orders(lines.filter(AS_OF.known(pl.col("ordered_on"))))
        whole = pl.col("quantity").round().cast(pl.Int64), pl.col("lines").cast(pl.Int64)
        known = purchases(placed, AS_OF).with_columns(whole).collect().lazy()
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
    total = frequency.total
    return [
        frequency.days_since_last_purchase(AS_OF),
        frequency.tenure_days(AS_OF),
        frequency.active_days(AS_OF),
        frequency.orders(AS_OF),
        *[frequency.orders(AS_OF, days) for days in _WINDOWS],
        total("net_amount", AS_OF),
        *[total("net_amount", AS_OF, days) for days in _WINDOWS],
        *[total(c, AS_OF) for c in ("margin", "discount_amount", "quantity", "lines")],
        *[total(c, AS_OF, 90) for c in ("margin", "discount_amount", "quantity", "lines")],
        *[
            value
            for value in frequency.order_value()
            if value.meta.output_name().endswith(("min", "max", "mean"))
        ],
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
        frequency.discount_share(),
    ]
