"""The rows of the catalogue: what each feature is called, counted in, means, and how it is made."""

from collections.abc import Mapping
from typing import NamedTuple

from features.acquisition import MILESTONES
from features.frequency import SHARE_WINDOWS, TREND_WINDOWS
from features.friction import SCORED
from features.habits import KINDS
from features.known import WINDOWS

MONEY = "minor units"
Values = tuple[int | str, ...]


class Family(NamedTuple):
    """Features of one kind from one source; a row is name, unit, meaning, formula."""

    name: str
    source: str
    rows: tuple[tuple[str, str, str, str], ...]
    shared: bool = False


# What the parameters in the rows below stand for.
PARAMETERS: Mapping[str, Values] = {
    "window": WINDOWS,
    "trend": TREND_WINDOWS,
    "share": SHARE_WINDOWS,
    "early": MILESTONES,
    "habit": tuple(KINDS),
    "kind": ("score", *SCORED),
    "group": ("region", "channel", "category"),
    "measure": ("orders", "active_days", "lines", "quantity", "net_amount", "margin", "discount_amount"),
    "sum": ("orders", "net_amount", "margin"),
}

_TREND = "(now - before) / (abs(now) + abs(before)), 0 when both are 0"

FAMILIES: tuple[Family, ...] = (
    Family(
        "Keys and facts",
        "purchases",
        (
            ("as_of", "date", "the day of the decision", "given"),
            ("customer_id", "text", "who", "given"),
            ("last_purchase_on", "date", "day of the last purchase; not learned from", "max day"),
        ),
    ),
    Family(
        "Recency, frequency, money",
        "purchases",
        (
            ("days_since_last_purchase", "days", "silence", "as_of - last day"),
            ("tenure_days", "days", "since the first purchase", "as_of - first day"),
            ("orders", "count", "purchases", "count"),
            ("orders_{window}d", "count", "purchases in the window", "count"),
            ("lines", "count", "order lines bought", "sum"),
            ("lines_{window}d", "count", "order lines bought in the window", "sum"),
            ("quantity", "units", "units bought", "sum, whole units per order"),
            ("quantity_{window}d", "units", "units bought in the window", "sum, whole units per order"),
            ("net_amount", MONEY, "paid", "sum"),
            ("net_amount_{window}d", MONEY, "paid in the window", "sum"),
            ("discount_amount", MONEY, "discount received", "sum"),
            ("discount_amount_{window}d", MONEY, "discount received in the window", "sum"),
            ("order_value_first", MONEY, "value of the first purchase", "first"),
            ("order_value_last", MONEY, "value of the last purchase", "last"),
            ("order_value_min", MONEY, "smallest purchase", "min"),
            ("order_value_max", MONEY, "greatest purchase", "max"),
            ("order_value_mean", MONEY, "mean purchase", "sum / count"),
            (
                "order_value_last_ratio",
                "ratio",
                "the last purchase against the mean one",
                "last / mean",
            ),
            (
                "order_value_std",
                MONEY,
                "spread of purchases; null for one",
                "sqrt(mean of squares - square of mean)",
            ),
            ("order_value_variation", "ratio", "spread against the mean; null for one", "spread / mean"),
            ("lines_per_order", "count", "lines of the mean purchase", "lines / orders"),
            ("units_per_order", "units", "units of the mean purchase", "quantity / orders"),
            ("{measure}_trend_{trend}d", "-1 to 1", "the window against the one before it", _TREND),
            (
                "{sum}_share_{share}d",
                "share",
                "the window's part of the whole history",
                "window / whole, null unless above 0",
            ),
        ),
    ),
    Family(
        "Recency, frequency, money",
        "lines",
        (
            ("margin", MONEY, "net margin, returns included", "sum"),
            ("margin_{window}d", MONEY, "net margin in the window, returns included", "sum"),
            ("margin_share", "share", "net margin as a part of what was paid", "margin / net_amount"),
        ),
    ),
    Family(
        "Rhythm",
        "order days",
        (
            ("active_days", "days", "days with a purchase", "count"),
            ("active_days_{window}d", "days", "days with a purchase in the window", "count"),
            ("gaps", "count", "gaps between order days", "order days - 1"),
            ("gap_days_mean", "days", "mean gap", "sum / count"),
            ("gap_days_std", "days", "spread of the gaps; null below two", "sample standard deviation"),
            ("gap_variation", "ratio", "0 like clockwork, 1 at random, more in bursts", "spread / mean"),
            ("gap_days_median", "days", "median gap", "quantile 0.5, linear"),
            (
                "gap_days_q{quantile}",
                "days",
                "a quantile of the gaps, per cent in the name",
                "quantile, linear",
            ),
            ("last_gap_days", "days", "the gap before the last order day", "last"),
            (
                "last_gap_ratio",
                "ratio",
                "the last gap against the usual one; above 1 is slower",
                "last gap / median",
            ),
            (
                "last_gap_rank",
                "share",
                "own gaps no longer than the last one; null below two",
                "count / count",
            ),
            ("silence_rank", "share", "own gaps shorter than the present silence", "count / count"),
            (
                "gap_regularity",
                "number",
                "shape k of the gaps: 1 at random, more is more even",
                "Wheat and Morrison 1990, at most 50",
            ),
            (
                "clumpiness_{days}d",
                "0 to 1",
                "how clustered the order days of the window are",
                "Zhang, Bradlow and Small 2015",
            ),
        ),
    ),
    Family(
        "Rhythm",
        "purchases",
        (
            (
                "{habit}_usual",
                "number",
                "value on most purchases (Monday is 1)",
                "mode, of equals the smallest",
            ),
            ("{habit}_usual_share", "share", "purchases on that value", "count / count"),
            (
                "{habit}_concentration",
                "0 to 1",
                "0 evenly spread, 1 all on one value; null for one purchase",
                "1 - entropy / log(min(orders, values))",
            ),
        ),
    ),
    Family(
        "Stage",
        "order days",
        (
            (
                "usual_gap_days",
                "days",
                "the median gap, drawn towards the shop's",
                "(n own + w shop) / (n + w)",
            ),
            ("at_risk_limit_days", "days", "silent longer: at risk", "shrunk quantile of the gaps"),
            ("lapse_limit_days", "days", "silent longer: lapsed", "max(floor, shrunk quantile of the gaps)"),
            (
                "overdue_ratio",
                "ratio",
                "silence counted in usual gaps",
                "days_since_last_purchase / usual_gap_days",
            ),
            (
                "days_to_next_purchase",
                "days",
                "until the next purchase is usual; negative: overdue",
                "usual_gap_days - days_since_last_purchase",
            ),
            ("stage", "text", "new, active, at_risk, lapsed or lost; not learned from", "first that matches"),
        ),
        shared=True,
    ),
    Family(
        "Latent attrition",
        "order days",
        (
            ("p_alive", "probability", "has not left for good", "MBG/NBD fitted at the as_of"),
            (
                "p_no_purchase_{horizon}d",
                "probability",
                "buys nothing in the next days",
                "MBG/NBD fitted at the as_of",
            ),
            (
                "expected_purchases_{horizon}d",
                "order days",
                "order days in the next days",
                "MBG/NBD fitted at the as_of",
            ),
        ),
        shared=True,
    ),
    Family(
        "Latent attrition",
        "purchases",
        (("expected_order_amount", MONEY, "value of the next purchases", "Gamma-Gamma fitted at the as_of"),),
        shared=True,
    ),
    Family(
        "Basket",
        "lines",
        (
            ("categories", "count", "categories bought", "distinct"),
            ("categories_{recent}d", "count", "categories bought in the window", "distinct"),
            ("categories_trend_{recent}d", "-1 to 1", "breadth of the window against the one before", _TREND),
            ("category_entropy", "nats", "variety of categories", "entropy of the shares of lines"),
            (
                "favourite_category",
                "text",
                "category on most lines; not learned from",
                "mode; then amount, name",
            ),
            ("favourite_category_share", "share", "lines of that category", "lines / lines"),
            ("products_bought", "count", "products bought", "distinct"),
            ("products_{recent}d", "count", "products bought in the window", "distinct"),
            ("products_trend_{recent}d", "-1 to 1", "breadth of the window against the one before", _TREND),
            ("product_entropy", "nats", "variety of products", "entropy of the shares of lines"),
            (
                "favourite_product",
                "text",
                "product on most lines; not learned from",
                "mode; then amount, name",
            ),
            ("favourite_product_share", "share", "lines of that product", "lines / lines"),
            (
                "new_product_share_{recent}d",
                "share",
                "products of the window never bought before it",
                "new / distinct, null for none",
            ),
            (
                "narrowing_{recent}d",
                "-2 to 2",
                "spend holds while breadth falls: above 0",
                "net_amount_trend - categories_trend",
            ),
            ("full_price_share", "share", "spend on lines without a discount", "amount / amount"),
        ),
    ),
    Family(
        "Basket",
        "purchases",
        (
            ("discount_share", "share", "discount of the price before it", "discount / (paid + discount)"),
            (
                "discount_share_{lately}d",
                "share",
                "discount of the price before it in the window; null without a purchase in it",
                "discount / (paid + discount)",
            ),
            ("discounted_orders_share", "share", "purchases with a discount", "count / count"),
        ),
    ),
    Family(
        "Basket",
        "lines",
        (
            (
                "price_level",
                "ratio",
                "paid against the categories' mean prices so far",
                "paid / sum(units x mean price of all customers)",
            ),
        ),
        shared=True,
    ),
    Family(
        "Friction",
        "lines",
        (
            ("return_lines", "count", "lines given back", "count"),
            ("return_lines_{window}d", "count", "lines given back in the window", "count"),
            ("return_lines_share", "share", "lines given back of all bought", "count / count"),
            ("return_lines_trend_{recent}d", "-1 to 1", "the window against the one before it", _TREND),
            ("returned_amount", MONEY, "amount given back", "sum"),
            ("returned_amount_{window}d", MONEY, "amount given back in the window", "sum"),
            ("returned_share", "share", "amount given back of all paid", "sum / sum"),
            ("cancelled_orders", "count", "orders taken back in full", "count"),
            ("cancelled_orders_365d", "count", "orders taken back in full in the window", "count"),
            ("cancelled_orders_share", "share", "of all orders", "cancelled / (cancelled + orders)"),
        ),
    ),
    Family(
        "Friction",
        "feedback",
        (
            ("feedback_given", "count", "answers, complaints and tickets", "count"),
            ("days_since_last_feedback", "days", "since the last one", "as_of - last day"),
            ("complaints", "count", "complaints and tickets", "count"),
            ("complaints_{recent}d", "count", "complaints and tickets in the window", "count"),
            ("days_since_last_complaint", "days", "since the last one", "as_of - last day"),
            (
                "purchase_to_complaint_days",
                "days",
                "from the last purchase to the last complaint; above 0: nothing bought since",
                "day - day",
            ),
            ("{kind}_last", "score", "the last score (all kinds, or of one)", "last"),
            ("{kind}_change", "score", "the last score against the first", "last - first"),
            ("{kind}_min", "score", "the lowest score", "min"),
        ),
    ),
    Family(
        "Friction",
        "contacts",
        (
            ("contacts_received", "count", "contacts (not controls)", "count"),
            ("contacts_received_{recent}d", "count", "contacts in the window", "count"),
            ("days_since_last_contact", "days", "since the last one", "as_of - last day"),
            (
                "contacts_answered",
                "count",
                "contacts that a purchase followed within 14 days (the same day counts)",
                "count, of those 14 days old",
            ),
            ("contacts_answered_share", "share", "of contacts at least 14 days old", "count / count"),
        ),
    ),
    Family(
        "Friction",
        "points",
        (
            (
                "points_balance",
                "points",
                "held now; not learned from, since past balances are not known",
                "sum",
            ),
            ("points_expiring", "points", "expire within 30 days; not learned from", "sum"),
            (
                "days_to_points_expiry",
                "days",
                "until the next points expire; not learned from",
                "first day - as_of",
            ),
        ),
    ),
    Family(
        "Calendar",
        "as_of",
        (
            (
                "season_sin",
                "-1 to 1",
                "place of the outcome window's middle in the year",
                "sin(2 pi day / 365.25)",
            ),
            ("season_cos", "-1 to 1", "the same, the other axis", "cos(2 pi day / 365.25)"),
            ("holidays_in_window", "days", "public holidays in the outcome window", "count"),
            (
                "big_holidays_in_window",
                "count",
                "those that people shop for (New Year, Easter, Eid, Diwali, Christmas...)",
                "count",
            ),
            ("days_to_big_holiday", "days", "until the next of them", "day - as_of"),
            (
                "fast_days_in_window",
                "days",
                "days of Ramadan in the outcome window",
                "the 30 days before its end",
            ),
        ),
    ),
    Family(
        "Calendar",
        "purchases",
        (
            (
                "orders_in_season_share",
                "share",
                "purchases in the outcome window's days of any year",
                "count / count",
            ),
            (
                "orders_same_window_last_year",
                "count",
                "purchases in the outcome window a year earlier",
                "count",
            ),
            (
                "holiday_spend_share",
                "share",
                "spend in the four weeks that end with a big holiday",
                "sum / sum",
            ),
        ),
    ),
    Family(
        "Acquisition",
        "purchases",
        (
            ("first_order_margin", MONEY, "margin of the first purchase", "first"),
            ("first_order_lines", "count", "lines of the first purchase", "first"),
            ("first_order_units", "units", "units of the first purchase", "first"),
            (
                "first_order_discount_share",
                "share",
                "discount of the first purchase's price before it",
                "discount / (paid + discount)",
            ),
            ("first_category", "text", "category of the first day", "greatest amount; then name"),
            (
                "milestones_passed",
                "count",
                "milestones of 30, 90, 180 and 365 days since the first purchase",
                "count",
            ),
            ("orders_first_{early}d", "count", "purchases up to the milestone; null before it", "count"),
        ),
    ),
    Family(
        "Acquisition",
        "customers",
        (
            ("acquisition_channel", "text", "how they came", "given"),
            (
                "days_to_first_order",
                "days",
                "from becoming a customer to the first purchase",
                "first day - day",
            ),
        ),
    ),
    Family(
        "Acquisition",
        "purchases",
        (
            ("cohort_customers", "count", "customers whose first purchase fell into the same month", "count"),
            ("cohort_repeat_share", "share", "of them, who bought on another day so far", "count / count"),
            ("cohort_active_share_{recent}d", "share", "of them, who bought in the window", "count / count"),
        ),
        shared=True,
    ),
    Family(
        "Neighbourhood",
        "purchases, customers",
        (
            (
                "shop_return_rate",
                "share",
                "bought in the last complete outcome window, of all who had bought before",
                "count / count",
            ),
            (
                "{group}_return_rate",
                "share",
                "the same among people of the same group, drawn towards the shop's",
                "(returned + 50 shop) / (people + 50)",
            ),
        ),
        shared=True,
    ),
)
