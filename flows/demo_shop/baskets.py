"""What is in each order, what it cost, and what came back.

Money is in cents. `quantity * price - discount == net` holds for every bought line; a returned line gives
back its share of what was paid.
"""

import numpy as np
import polars as pl

from flows.demo_shop.calendar import Calendar, Season
from flows.demo_shop.people import CAUSES, SOURCES, Cause
from flows.demo_shop.plan import Draw, Flags, Floats, Ints, ShopPlan
from flows.demo_shop.products import PER_CATEGORY, place_weights, shelf_weights

_GUESTS = 0.042
_SECONDS = 86_400
_CHANNELS = ("web", "app", "phone")


def add_guests(
    plan: ShopPlan, block: int, visits: pl.DataFrame, people: int, calendar: Calendar
) -> pl.DataFrame:
    """Visits of people without an account among those of the block's people.

    A guest shops like a randomly drawn person, once. The result has a row per order, in order of time, with
    `guest` and `sequence` (1 is the first order of the block).
    """
    rng = plan.stream(Draw.BASKETS, block, 0)
    count = int(rng.binomial(visits.height, _GUESTS))
    season = np.full(count, int(Season.ALL_YEAR))
    passed = rng.random(count) * calendar.passed[Season.ALL_YEAR, -1]
    guests = pl.DataFrame(
        {
            "person": rng.integers(people, size=count),
            "day": calendar.day(season, passed),
            "order": np.ones(count, np.int64),
            "progress": np.zeros(count),
            "complained": np.zeros(count, np.bool_),
            "coupon": np.zeros(count, np.bool_),
            "guest": np.ones(count, np.bool_),
        }
    )
    everybody = pl.concat([visits.with_columns(guest=pl.lit(value=False)), guests])
    ordered = everybody.sort("day", "guest", "person", "order").with_row_index("sequence", 1)
    return ordered.with_columns(pl.col("sequence").cast(pl.Int64))


def fill_baskets(
    plan: ShopPlan, block: int, visits: pl.DataFrame, people: pl.DataFrame, products: pl.DataFrame
) -> pl.DataFrame:
    """One row per bought line.

    Returns:
        `person`, `guest`, `complained`, `sequence` (of the order), `line`, `day` (whole, since the start),
        `second` (of the day), `channel`, `product`, `quantity`, and in cents `price`, `discount`, `net`,
        `cost` (null where nobody knows it).
    """
    rng = plan.stream(Draw.BASKETS, block, 1)
    orders = visits.hstack(people[visits["person"].to_numpy()].select(_TASTE))
    orders = orders.with_columns(pl.Series("rate", _order_discounts(plan, rng, orders)))
    second = 3600 * (7 + 16 * rng.beta(3, 2.2, orders.height))
    orders = orders.with_columns(
        pl.Series("second", second).cast(pl.Int64),
        pl.Series("channel", rng.choice(_CHANNELS, orders.height, p=(0.62, 0.33, 0.05))),
    )
    lines = orders[np.repeat(np.arange(orders.height), _line_counts(rng, orders))]
    product = _choose_products(rng, lines)
    quantity = 1 + rng.poisson(0.35, lines.height)
    day = lines["day"].to_numpy().astype(np.int64)
    dearer = 1 + 0.02 * (day // 182)
    price = np.round(products["price"].to_numpy()[product] * dearer).astype(np.int64)
    clearance = rng.random(lines.height) < 0.02
    rate = np.where(clearance, 0.5, lines["rate"].to_numpy())
    discount = np.round(price * quantity * rate).astype(np.int64)
    unit_cost = (products["unit_cost"].gather(product) * pl.Series(dearer)).round().cast(pl.Int64)
    return lines.select(
        "person",
        "guest",
        "complained",
        "sequence",
        pl.int_range(1, pl.len() + 1).over("sequence").alias("line"),
        pl.Series("day", day),
        "second",
        "channel",
        pl.Series("product", product),
        pl.Series("quantity", quantity),
        pl.Series("price", price),
        pl.Series("discount", discount),
        pl.Series("net", price * quantity - discount),
        (unit_cost * pl.Series(quantity)).alias("cost"),
    )


def draw_returns(plan: ShopPlan, block: int, lines: pl.DataFrame) -> pl.DataFrame:
    """Lines that came back until the end of the plan: the columns of `lines`, negative, and three more.

    `status` is `cancelled` (the whole order, within two days) or `returned`; `returns` is the sequence of the
    order that is given back; `names_order` says whether the shop wrote that down.
    """
    rng = plan.stream(Draw.RETURNS, block)
    per_order = lines.select("sequence", "complained").unique("sequence", keep="first").sort("sequence")
    count = per_order.height
    cancelled = rng.random(count) < 0.012
    per_order = per_order.select(
        "sequence",
        pl.Series("cancelled", cancelled),
        pl.Series("delay", np.where(cancelled, rng.integers(0, 3, count), rng.integers(4, 26, count))),
        pl.Series("chance", np.where(per_order["complained"].to_numpy(), 0.4, 0.05)),
        pl.Series("names_order", rng.random(count) < 0.9),
        pl.Series("later", rng.integers(600, 3_500, count)),
    )
    found = lines.join(per_order, on="sequence", how="left", maintain_order="left")
    back = pl.Series(rng.random(found.height)) < found["chance"]
    part = pl.Series(rng.random(found.height))
    kept = found.with_columns(part.alias("part")).filter(pl.col("cancelled") | back)
    kept = kept.filter(pl.col("day") + pl.col("delay") < plan.days)
    units = pl.when("cancelled").then("quantity").otherwise(1 + (pl.col("part") * pl.col("quantity")).floor())
    kept = kept.with_columns(units=units.cast(pl.Int64))
    share = pl.col("units") / pl.col("quantity")
    return kept.select(
        "person",
        "guest",
        "complained",
        "sequence",
        "line",
        pl.col("day") + pl.col("delay"),
        pl.min_horizontal(pl.col("second") + pl.col("later"), _SECONDS - 1),
        "channel",
        "product",
        (-pl.col("units")).alias("quantity"),
        "price",
        pl.lit(0, pl.Int64).alias("discount"),
        (-(pl.col("net") * share).round().cast(pl.Int64)).alias("net"),
        (-(pl.col("cost") * share).round().cast(pl.Int64)).alias("cost"),
        pl.when("cancelled").then(pl.lit("cancelled")).otherwise(pl.lit("returned")).alias("status"),
        pl.col("sequence").alias("returns"),
        pl.col("cancelled").or_("names_order").alias("names_order"),
    )


_TASTE = (
    "source",
    "cause",
    "season",
    "price_sensitivity",
    "basket",
    "favourite_category",
    "favourite_product",
)


def _leaving_for(orders: pl.DataFrame, cause: Cause) -> Floats:
    """How far each order's person is on the way out for one cause, 0 to 1."""
    mine = orders["cause"].to_numpy() == CAUSES.index(cause)
    return np.where(mine, orders["progress"].to_numpy(), 0.0)


def _order_discounts(plan: ShopPlan, rng: np.random.Generator, orders: pl.DataFrame) -> Floats:
    """Discount rate of each order: bargain hunters more often, nearly always before they leave over price."""
    source = orders["source"].to_numpy()
    first_by_coupon = (source == [one.name for one in SOURCES].index("coupon")) & (
        orders["order"].to_numpy() == 1
    )
    day = pl.lit(plan.start) + pl.duration(days=pl.col("day").floor().cast(pl.Int64))
    sales_weeks = orders.select(day.dt.month().is_in([11, 12, 1])).to_series().to_numpy()
    leaving = _leaving_for(orders, Cause.PRICE)
    chance = 0.05 + 0.35 * orders["price_sensitivity"].to_numpy() + 0.12 * sales_weeks
    chance = np.maximum(np.where(first_by_coupon, 0.9, chance), 0.97 * leaving)
    rate = rng.choice((0.1, 0.2, 0.3), len(chance), p=(0.6, 0.3, 0.1)) + 0.1 * (leaving > 0.4)
    rate = np.where(rng.random(len(chance)) < chance, rate, 0.0)
    return np.where(orders["coupon"].to_numpy(), np.maximum(rate, 0.1), rate)


def _line_counts(rng: np.random.Generator, orders: pl.DataFrame) -> Ints:
    shrinking = 1 - 0.85 * _leaving_for(orders, Cause.COMPETITOR)
    return 1 + rng.poisson(orders["basket"].to_numpy() * shrinking)


def _choose_products(rng: np.random.Generator, lines: pl.DataFrame) -> Ints:
    count = lines.height
    elsewhere = rng.choice(len(shelf_weights()), count, p=shelf_weights())
    loyal = rng.random(count) < np.where(lines["season"].to_numpy() == Season.ALL_YEAR, 0.5, 0.85)
    category = np.where(loyal, lines["favourite_category"].to_numpy(), elsewhere)
    any_product = category * PER_CATEGORY + rng.choice(PER_CATEGORY, count, p=place_weights())
    favourite: Flags = rng.random(count) < 0.35
    return np.where(favourite, lines["favourite_product"].to_numpy(), any_product).astype(np.int64)
