"""What the pipeline gets to see of a world: the tables of a shop, and the days it decides on."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from features.asof import AsOf
from features.history import History
from tests.proof.chances import WINDOW
from tests.proof.worlds import BARGAIN_DISCOUNT, CHANNELS, FIRST_LIST, WEEK, Numbers, People, Shop

# A Monday, so that lists are made at the end of Sundays.
OPENING = date(2022, 1, 3)
_COLUMNS = frozenset({"quantity", "discount_amount"})
CONTACTS = pl.Schema(
    {
        "customer_id": pl.String(),
        "arm": pl.String(),
        "assignment_probability": pl.Float64(),
        "contacted_on": pl.Date(),
    }
)


def as_of(day: int) -> AsOf:
    """The decision at the end of a day of the world."""
    return AsOf(OPENING + timedelta(days=day), WINDOW)


def list_day(week: int) -> int:
    """The day on which the list of a week is made."""
    return FIRST_LIST + WEEK * week


def names(people: People) -> pl.Series:
    """The id of each person; sorted as the people are."""
    return pl.Series("customer_id", [f"p{number:06d}" for number in range(people.count)])


def numbers(customer_ids: pl.Series) -> Numbers:
    """The people whom ids name."""
    return customer_ids.str.slice(1).cast(pl.Int64).to_numpy()


def history(shop: Shop, contacts: pl.DataFrame | None = None) -> History:
    """Everything a shop has written down by now.

    Args:
        shop: on some day.
        contacts: of its own lists (`CONTACTS`).
    """
    ids = names(shop.people)
    channel = np.array(CHANNELS)[shop.people.traits.channel]
    customers = pl.DataFrame({"customer_id": ids, "acquisition_channel": channel}).lazy()
    own = None if contacts is None or contacts.is_empty() else contacts.lazy()
    return History.of(_lines(shop, ids).lazy(), _COLUMNS, customers=customers, contacts=own)


def _lines(shop: Shop, ids: pl.Series) -> pl.DataFrame:
    """Priced lines (`features.lines.priced_lines`): each order is one line, placed at noon."""
    orders, traits = shop.orders(), shop.people.traits
    first = shop.people.joined[orders.person] == orders.day
    off = first & traits.bargain[orders.person]
    discount = np.where(off, orders.amount * (BARGAIN_DISCOUNT / (1 - BARGAIN_DISCOUNT)), 0.0)
    on = (np.datetime64(OPENING) + orders.day).astype("datetime64[D]")
    lines = pl.DataFrame(
        {
            "customer_id": ids.gather(orders.person),
            "ordered_on": pl.Series(on),
            "order_id": pl.int_range(len(orders.day), eager=True).cast(pl.String),
            "net_amount": orders.amount,
            "quantity": traits.units[orders.person].astype(np.float64),
            "discount_amount": np.rint(discount).astype(np.int64),
            "margin": np.rint(orders.margin).astype(np.int64),
        }
    )
    noon = pl.col("ordered_on").cast(pl.Datetime("us")) + pl.duration(hours=12)
    return lines.with_columns(
        ordered_local=noon,
        ordered_at=noon.dt.replace_time_zone("UTC"),
        product_id=pl.lit(None, pl.String),
        returns=pl.lit(value=False),
    )
