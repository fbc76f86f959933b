"""What does each feature speak of? About a dozen things that a person can be told.

Every feature that a model reads belongs to exactly one group. Two readings of a person's own numbers go
before it, because what a feature is called is not always what it says:

- A window that is shorter than the silence holds no purchase: all that it says is that the person is silent.
- Who bought once has no rhythm, no usual basket and no range: features of these say "bought once".
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache

from features.errors import WinbackError


class Group(StrEnum):
    """What features speak of; of equals the first comes first."""

    RHYTHM = "rhythm"
    EXPERIENCE = "experience"
    PRICE = "price"
    BASKET = "basket"
    SPEND = "spend"
    RANGE = "range"
    SEASON = "season"
    SETTLED = "settled"
    CONTACT = "contact"
    SOURCE = "source"
    # These have no sentence: silence alone is what all have in common, habits explain nothing to a reader,
    # and the surroundings are not the person's own.
    SILENCE = "silence"
    HABIT = "habit"
    SURROUNDINGS = "surroundings"


UNTOLD = frozenset((Group.SILENCE, Group.HABIT, Group.SURROUNDINGS))


# `*` stands for a number.
FEATURES: Mapping[Group, tuple[str, ...]] = {
    Group.SILENCE: (
        "days_since_last_purchase",
        "overdue_ratio",
        "days_to_next_purchase",
        "p_alive",
        "p_no_purchase_*d",
        "expected_purchases_*d",
    ),
    Group.RHYTHM: (
        "orders_*d",
        "orders_trend_*d",
        "orders_share_*d",
        "active_days_*d",
        "active_days_trend_*d",
        "gap_days_mean",
        "gap_days_std",
        "gap_variation",
        "gap_days_median",
        "gap_days_q*",
        "gap_regularity",
        "last_gap_days",
        "last_gap_ratio",
        "last_gap_rank",
        "silence_rank",
        "clumpiness_*d",
        "usual_gap_days",
        "at_risk_limit_days",
        "lapse_limit_days",
    ),
    Group.BASKET: (
        "order_value_last",
        "order_value_last_ratio",
        "order_value_min",
        "order_value_max",
        "order_value_mean",
        "order_value_std",
        "order_value_variation",
        "lines_per_order",
        "units_per_order",
        "expected_order_amount",
        "lines_trend_*d",
        "quantity_trend_*d",
        "net_amount_trend_*d",
    ),
    Group.SPEND: (
        "lines",
        "lines_*d",
        "quantity",
        "quantity_*d",
        "net_amount",
        "net_amount_*d",
        "net_amount_share_*d",
        "margin",
        "margin_*d",
        "margin_trend_*d",
        "margin_share",
        "margin_share_*d",
    ),
    Group.EXPERIENCE: (
        "return_lines",
        "return_lines_*d",
        "return_lines_share",
        "return_lines_trend_*d",
        "returned_amount",
        "returned_amount_*d",
        "returned_share",
        "cancelled_orders",
        "cancelled_orders_365d",
        "cancelled_orders_share",
        "feedback_given",
        "days_since_last_feedback",
        "complaints",
        "complaints_*d",
        "days_since_last_complaint",
        "purchase_to_complaint_days",
        *(f"{kind}_{what}" for kind in ("score", "nps", "survey") for what in ("last", "change", "min")),
    ),
    Group.PRICE: (
        "discount_amount",
        "discount_amount_*d",
        "discount_amount_trend_*d",
        "discount_share",
        "discount_share_*d",
        "discounted_orders_share",
        "full_price_share",
        "price_level",
        "first_order_discount_share",
    ),
    Group.RANGE: (
        "categories",
        "categories_*d",
        "categories_trend_*d",
        "category_entropy",
        "favourite_category_share",
        "first_category",
        "products_bought",
        "products_*d",
        "products_trend_*d",
        "product_entropy",
        "favourite_product_share",
        "new_product_share_*d",
        "narrowing_*d",
    ),
    Group.SEASON: (
        "month_usual",
        "month_usual_share",
        "month_concentration",
        "orders_in_season_share",
        "orders_same_window_last_year",
        "holiday_spend_share",
    ),
    Group.SETTLED: (
        "orders",
        "active_days",
        "gaps",
        "tenure_days",
        "milestones_passed",
        "orders_first_*d",
        "order_value_first",
        "first_order_margin",
        "first_order_lines",
        "first_order_units",
        "days_to_first_order",
    ),
    Group.CONTACT: (
        "contacts_received",
        "contacts_received_*d",
        "days_since_last_contact",
        "contacts_answered",
        "contacts_answered_share",
    ),
    Group.SOURCE: ("acquisition_channel", "channel_return_rate"),
    Group.HABIT: tuple(
        f"{habit}_{what}"
        for habit in ("weekday", "hour", "month_day")
        for what in ("usual", "usual_share", "concentration")
    ),
    Group.SURROUNDINGS: (
        "season_sin",
        "season_cos",
        "holidays_in_window",
        "big_holidays_in_window",
        "days_to_big_holiday",
        "fast_days_in_window",
        "cohort_customers",
        "cohort_repeat_share",
        "cohort_active_share_*d",
        "shop_return_rate",
        "region_return_rate",
        "category_return_rate",
    ),
}
# Windows of these count purchases, so that an empty one says silence.
_COUNT_PURCHASES = frozenset((Group.RHYTHM, Group.BASKET, Group.SPEND, Group.PRICE, Group.RANGE))
# These compare a person with their own past; who bought once has none.
OWN_PAST = frozenset(
    (Group.RHYTHM, Group.BASKET, Group.SPEND, Group.RANGE, Group.SEASON, Group.HABIT)
)  # fmt: skip


@cache
def group_of(feature: str) -> Group:
    """The group that a feature of a model belongs to.

    Raises:
        WinbackError: when it belongs to none, or to several.
    """
    found = [group for group, names in FEATURES.items() if any(_matches(name, feature) for name in names)]
    if len(found) != 1:
        raise WinbackError(
            f"The feature {feature} belongs to {len(found)} groups of reasons, but must belong to one. "
            "Name it once in models/reasons/groups.py."
        )
    return found[0]


@cache
def window_days(feature: str) -> int | None:
    """Length of the window in which a feature counts purchases; None when it has none."""
    length = re.search(r"_(\d+)d$", feature)
    return int(length[1]) if length and group_of(feature) in _COUNT_PURCHASES else None


def _matches(name: str, feature: str) -> bool:
    return re.fullmatch(re.escape(name).replace(r"\*", r"\d+(?:_\d+)?"), feature) is not None
