"""What the project takes: its own public functions, called the way the nightly run calls them."""

from functools import partial
from itertools import islice

import deltalake  # noqa: F401 - imports are left out of the figures, and the lake imports it when it is opened
import polars as pl

from features import basket, frequency, rhythm
from features.books import Books
from features.engine import Threads
from features.history import History, Part, read_history
from features.known import Known
from features.options import StageOptions
from features.table import FACTS, KEYS, each_part, training_table
from tests.bench.places import AS_OF, MARGIN_RATE, ZONE, Clock, Place

STAGES = StageOptions()
_WINDOWS = (30, 60, 90, 180, 365)
_GAPS = ("gaps", "gap_days_mean", "gap_days_std", "gap_days_median", "last_gap_days")
# What baskets are made of: the common set has none.
_BASKET = {"product_name", "category"}
_NO_CAP = 10**12
_MONTHS = 12


def all_features(place: Place, clock: Clock) -> pl.DataFrame:
    """Every feature of one day, the lake read for it; a part's features are dropped once they are made.

    Returns:
        How many features and customers there are.
    """
    with clock.lap(), Threads() as threads:
        made = each_part(history(place), AS_OF, STAGES, threads, _size)
    return pl.DataFrame({"features": [made[0][0]], "customers": [sum(rows for _, rows in made)]})


def common_features(place: Place, clock: Clock) -> pl.DataFrame:
    """The common set of features, returns netted as always; see `references` for the same in other tools."""
    with clock.lap(), Threads() as threads:
        shop = history(place)
        parts = threads.map(partial(_common, columns=shop.columns - _BASKET), shop.parts)
        return pl.concat(threads.gather(parts))


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


def _common(part: Part, columns: frozenset[str]) -> pl.DataFrame:
    known = Known.of(Books.open(part, columns), AS_OF)
    bought = known.purchases
    found = pl.concat(
        [
            known.names.alias("customer_id").to_frame(),
            frequency.silence(known),
            frequency.counts("orders", bought, (None, *_WINDOWS)),
            frequency.counts("active_days", known.days, (None,)),
            bought.over((None, *_WINDOWS), "net_amount"),
            bought.over((None, 90), "margin", "discount_amount", "quantity", "lines"),
            frequency.order_value(bought).select("order_value_min", "order_value_max", "order_value_mean"),
            rhythm.rhythm(known.days, AS_OF, (0.5,)).select(_GAPS),
        ],
        how="horizontal",
    )
    return found.with_columns(
        frequency.trend("orders", 30),
        frequency.trend("net_amount", 90),
        frequency.share_of_lifetime("net_amount", 90),
        basket.discount_share(),
    ).drop("last_purchase_on")


def _size(_: int, features: pl.DataFrame) -> tuple[int, int]:
    return len(set(features.columns) - {*KEYS, *FACTS}), features.height
