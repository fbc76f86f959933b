"""How the shop's own systems write things down: ids, local times, euros; one frame per exported file."""

from datetime import date

import numpy as np
import polars as pl

from flows.demo_shop.people import OFFERS, SOURCES
from flows.demo_shop.plan import Draw, ShopPlan
from flows.demo_shop.visits import campaigns

EMAIL_COST = 0.05
_COUNTRIES = (("NL", "nl"), ("BE", "nl"), ("DE", "de"))
_NAMES = ("Anna", "Bram", "Chloé", "Daan", "Emma", "Finn", "Jürgen", "Lotte", "Noor", "Sem", "Zoë", "Tess")
_CONSENT = (("email", 0.80), ("sms", 0.35), ("ads", 0.50))
_SECOND_ID, _STAFF, _MEMBER, _UNSUBSCRIBED = 0.01, 0.004, 0.45, 0.01
_CAMPAIGN_HOUR = 9


def draw_accounts(plan: ShopPlan, block: int, people: pl.DataFrame) -> pl.DataFrame:
    """What the shop knows about each person of a block, in the order of `people`.

    A few people open a second account: `second_id`, used from `second_day` on.
    """
    rng = plan.stream(Draw.RECORDS, block)
    count = people.height
    number = pl.col("number").cast(pl.String).str.zfill(7)
    country = rng.choice(len(_COUNTRIES), count, p=(0.7, 0.18, 0.12))
    consents = {
        f"consent_{channel}": pl.Series(
            rng.choice(("yes", "no", ""), count, p=(share, 0.97 - share, 0.03))
        ).replace("", None)
        for channel, share in _CONSENT
    }
    twice = rng.random(count) < _SECOND_ID
    second_day = pl.Series(rng.integers(0, plan.days, count)).set(pl.Series(~twice), None)
    return people.select(
        pl.format("C{}", number).alias("customer_id"),
        pl.when(pl.Series(twice)).then(pl.format("D{}", number)).alias("second_id"),
        second_day.alias("second_day"),
        pl.format("c{}@example.test", "number").alias("email"),
        pl.col("acquired_day").floor().cast(pl.Int64),
        pl.Series([one.name for one in SOURCES]).gather(people["source"]).alias("acquisition_channel"),
        pl.Series("first_name", rng.choice(_NAMES, count)),
        pl.when(pl.Series(rng.random(count) < 0.3)).then(pl.format("+3160{}", number)).alias("phone"),
        pl.Series([one for one, _ in _COUNTRIES]).gather(country).alias("country"),
        pl.Series("region", rng.choice(("north", "south", "east", "west"), count)),
        pl.Series([one for _, one in _COUNTRIES]).gather(country).alias("language"),
        *(flags.alias(name) for name, flags in consents.items()),
        pl.Series("is_staff", np.where(rng.random(count) < _STAFF, "yes", "no")),
        pl.Series("is_member", rng.random(count) < _MEMBER),
        pl.Series("unsubscribed", rng.random(count) < _UNSUBSCRIBED),
    )


def customers_file(plan: ShopPlan, accounts: pl.DataFrame) -> pl.DataFrame:
    """`customers.csv`: one row per account; a second account has the same e-mail, written in another case."""
    second = accounts.filter(pl.col("second_id").is_not_null()).with_columns(
        pl.col("second_id").alias("customer_id"),
        pl.col("email").str.to_uppercase(),
        pl.max_horizontal("second_day", "acquired_day").alias("acquired_day"),
    )
    rows = pl.concat([accounts, second])
    return rows.select(
        "customer_id",
        _day(plan.start, "acquired_day").alias("acquired_at"),
        "acquisition_channel",
        "first_name",
        "email",
        "phone",
        "country",
        "region",
        "language",
        "consent_email",
        "consent_sms",
        "consent_ads",
        "is_staff",
    )


def identities_file(plan: ShopPlan, accounts: pl.DataFrame) -> pl.DataFrame:
    """`identities.csv`: both accounts of each person who has two."""
    twice = accounts.filter(pl.col("second_id").is_not_null())
    first = twice.select("customer_id", person_id="customer_id", since=_day(plan.start, "acquired_day"))
    since = pl.max_horizontal("second_day", "acquired_day").alias("since_day")
    second = twice.with_columns(since).select(
        pl.col("second_id").alias("customer_id"),
        pl.col("customer_id").alias("person_id"),
        _day(plan.start, "since_day").alias("since"),
    )
    return pl.concat([first, second]).sort("person_id", "customer_id")


def orders_file(
    plan: ShopPlan, block: int, lines: pl.DataFrame, accounts: pl.DataFrame, products: pl.DataFrame
) -> pl.DataFrame:
    """`orders-<month>.csv` of a block, all months: bought and returned lines (see `baskets`)."""
    product = products.select("sku", "product_name", "category")[lines["product"].to_numpy()]
    order = pl.format("{}{}", pl.lit(f"{block:04d}"), pl.col("sequence").cast(pl.String).str.zfill(7))
    return lines.hstack(product).select(
        pl.format(
            "{}{}", pl.when(pl.col("status") == "paid").then(pl.lit("O")).otherwise(pl.lit("R")), order
        ).alias("order_id"),
        pl.col("line").alias("line_id"),
        pl.when(~pl.col("guest")).then(_account(lines, accounts)).alias("customer_id"),
        _moment(plan.start).alias("ordered_at"),
        "sku",
        "product_name",
        "category",
        "quantity",
        _euros("price").alias("unit_price"),
        _euros("discount").alias("discount"),
        _euros("net").alias("net_amount"),
        _euros("cost").alias("cost"),
        "channel",
        "status",
        pl.when("names_order").then(pl.format("O{}", order)).alias("returned_order_id"),
    )


def contacts_file(plan: ShopPlan, contacts: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """`contacts.csv`: past campaigns, randomised within each, times in UTC."""
    sent = contacts.with_columns(pl.col("day").cast(pl.Int64), second=pl.lit(_CAMPAIGN_HOUR * 3600, pl.Int64))
    offers = pl.Series([OFFERS[one.offer] for one in campaigns(plan)], dtype=pl.String)
    list_id = pl.format("campaign-{}", pl.col("campaign").cast(pl.String).str.zfill(2))
    customer = _account(sent, accounts)
    return sent.select(
        customer.alias("customer_id"),
        _moment(plan.start).dt.replace_time_zone(plan.timezone).dt.convert_time_zone("UTC").alias("sent_at"),
        pl.when("treated").then(pl.lit("treatment")).otherwise(pl.lit("control")).alias("arm"),
        list_id.alias("list_id"),
        pl.format("{}-{}", list_id, customer).alias("enrolment_id"),
        pl.when("treated").then(offers.gather(contacts["campaign"])).alias("offer_id"),
        pl.when(pl.col("silent_days") <= 90)
        .then(pl.lit("silent_1_3_months"))
        .otherwise(pl.lit("silent_3_13_months"))
        .alias("stratum"),
        pl.col("probability").alias("assignment_probability"),
        pl.when("treated").then(EMAIL_COST).otherwise(0.0).alias("contact_cost"),
        pl.lit("email").alias("channel"),
    )


def feedback_file(plan: ShopPlan, voices: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """`feedback.csv`: what people said."""
    return voices.select(
        _account(voices, accounts).alias("customer_id"),
        _moment(plan.start).alias("occurred_at"),
        "kind",
        pl.col("score").cast(pl.Int64),
        "reason",
        "text",
    )


def points_file(plan: ShopPlan, lines: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """`points.csv`: members hold a point per ten euros spent, good until the end of next year."""
    spent = lines.filter(~pl.col("guest")).group_by("person").agg(pl.col("net").sum()).sort("person")
    members = accounts.with_row_index("person").with_columns(pl.col("person").cast(pl.Int64))
    members = members.filter("is_member").join(spent, on="person", maintain_order="left")
    expires = pl.lit(date(plan.end.year + 1, 12, 31))
    return members.filter(pl.col("net") >= 1000).select(
        "customer_id", (pl.col("net") // 1000).alias("balance"), expires.alias("expires_at")
    )


def suppressions_file(plan: ShopPlan, accounts: pl.DataFrame, deceased: pl.Series) -> pl.DataFrame:
    """`suppressions.csv`: who must not be contacted; `deceased` holds rows of `accounts`."""
    gone = accounts[deceased.to_numpy()].select(
        "customer_id", reason=pl.lit("deceased"), until=pl.lit(None, pl.Date)
    )
    paused = pl.int_range(pl.len()) % 4 == 0
    until = pl.lit(date(plan.end.year, 12, 31))
    stopped = accounts.filter("unsubscribed").select(
        "customer_id",
        pl.when(paused).then(pl.lit("paused")).otherwise(pl.lit("unsubscribed")).alias("reason"),
        pl.when(paused).then(until).alias("until"),
    )
    return pl.concat([stopped, gone]).sort("customer_id", "reason")


def products_file(products: pl.DataFrame) -> pl.DataFrame:
    """`products.csv`: the catalogue; the cost of a few products is not known."""
    return products.select(
        "sku",
        "product_name",
        "category",
        _euros("price").alias("list_price"),
        _euros("unit_cost").alias("unit_cost"),
    )


def _account(rows: pl.DataFrame, accounts: pl.DataFrame) -> pl.Series:
    """The account in use by the person of each row on its day."""
    mine = accounts[rows["person"].to_numpy()].select("customer_id", "second_id", "second_day")
    second = pl.col("second_day") <= rows["day"]
    return mine.select(
        pl.when(second).then("second_id").otherwise("customer_id").alias("account")
    ).to_series()


def _day(start: date, days: str) -> pl.Expr:
    return pl.lit(start) + pl.duration(days=days)


def _moment(start: date) -> pl.Expr:
    """The local time of `day` (since the start) and `second` (of the day)."""
    return pl.lit(start).cast(pl.Datetime("us")) + pl.duration(days="day", seconds="second")


def _euros(cents: str) -> pl.Expr:
    return pl.col(cents) / 100
