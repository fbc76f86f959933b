"""Which sentence may be said of whom? Each with the numbers it needs, and what must hold of them.

A group of features is told by the first of its sayings that holds; a group none of whose sayings holds is not
told, whatever the model says: a sentence never speaks against its own numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from models.reasons.groups import Group

# What is told of a person beyond what the model says: what, and in this order.
FACTS = ("known_rhythm", "points", "favourites", "worth")
# An order, or a window, that is this part of the usual has shrunk.
_SHRUNK = 0.75
_GREW = 1.5
# A complaint so long before the last purchase was got over.
_FRESH_DAYS = 180
_YEAR = 365


@dataclass(frozen=True)
class Saying:
    """One sentence about a person's own numbers.

    Attributes:
        key: of the sentence in the catalogue of a language.
        when: what must hold of the person.
        values: what stands in each place of the sentence; none of them may be null.
    """

    key: str
    when: pl.Expr
    values: Mapping[str, pl.Expr] = field(default_factory=dict)

    @cached_property
    def reads(self) -> frozenset[str]:
        """The columns it needs; a shop that does not have them does without the saying."""
        found = {name for one in (self.when, *self.values.values()) for name in one.meta.root_names()}
        return frozenset(found)

    def holds(self) -> pl.Expr:
        """Whether it can be said."""
        known = [value.is_not_null() for value in self.values.values()]
        return pl.all_horizontal(self.when.fill_null(value=False), *known)


def sayings(months: int) -> Mapping[str, tuple[Saying, ...]]:
    """What can be said of each group and fact, the most telling first.

    Args:
        months: the value horizon.
    """
    return {
        Group.RHYTHM: _rhythm(),
        Group.EXPERIENCE: _experience(),
        Group.PRICE: _price(),
        Group.BASKET: _basket(),
        Group.SPEND: _spend(),
        Group.RANGE: _range(),
        Group.SEASON: _season(),
        Group.SETTLED: _settled(),
        Group.CONTACT: _contact(),
        Group.SOURCE: _source(),
        "known_rhythm": (_once(), _unknown_rhythm(), _broken(), _within()),
        "points": _points(),
        "favourites": _favourites(),
        "worth": (Saying("worth", _TRUE, {"value": pl.col("value_if_returned"), "months": pl.lit(months)}),),
    }


_TRUE = pl.lit(value=True)
_SILENT, _ORDERS = pl.col("days_since_last_purchase"), pl.col("orders")
_SEVERAL = _ORDERS > 1
_GAP = pl.col("usual_gap_days").round().cast(pl.Int64).clip(lower_bound=1)


def _once() -> Saying:
    return Saying("bought_once", _ORDERS == 1, {"silent": _SILENT})


def _unknown_rhythm() -> Saying:
    return Saying("last_bought", pl.col("usual_gap_days").is_null(), {"silent": _SILENT})


def _broken(when: pl.Expr = _TRUE) -> Saying:
    return Saying("rhythm_broken", when & (_SILENT > _GAP), {"gap": _GAP, "silent": _SILENT})


def _within() -> Saying:
    return Saying("within_rhythm", _TRUE, {"gap": _GAP, "silent": _SILENT})


def _rhythm() -> tuple[Saying, ...]:
    last, slower = pl.col("last_gap_days"), pl.col("last_gap_ratio") >= _GREW
    grows = (_ORDERS > 2) & slower & (last >= _GAP * _GREW)
    values = {"gap": _GAP, "last_gap": last}
    return (
        Saying("rhythm_slowed", grows & (_SILENT > _GAP), {**values, "silent": _SILENT}),
        _broken(_SEVERAL),
        Saying("gaps_grow", grows, values),
    )


def _experience() -> tuple[Saying, ...]:
    complained, count = pl.col("days_since_last_complaint"), pl.col("complaints")
    returned, given_back = pl.col("return_lines"), pl.col("return_lines_share")
    gone, cancelled = pl.col("cancelled_orders"), pl.col("cancelled_orders_share")
    return (
        Saying("complained_and_left", (count > 0) & (complained < _SILENT), {"complained": complained}),
        Saying(
            "complained",
            (count > 0) & (complained - _SILENT <= _FRESH_DAYS),
            {"count": count, "complained": complained},
        ),
        *(_fell(kind) for kind in ("nps", "survey")),
        Saying(
            "gave_back",
            (returned > 0) & given_back.is_between(0.1, 1),
            {"returned": returned, "bought": (returned / given_back).round()},
        ),
        Saying(
            "cancelled",
            (gone > 0) & (cancelled >= 0.1),
            {"cancelled": gone, "placed": gone + _ORDERS},
        ),
    )


def _fell(kind: str) -> Saying:
    last = pl.col(f"{kind}_last")
    first = last - pl.col(f"{kind}_change")
    return Saying("score_fell", last.round() < first.round(), {"last": last.round(), "first": first.round()})


def _price() -> tuple[Saying, ...]:
    lately, ever = pl.col(f"discount_share_{_YEAR}d"), pl.col("discount_share")
    often, first = pl.col("discounted_orders_share"), pl.col("first_order_discount_share")
    less = 1 - pl.col("price_level")
    return (
        Saying("first_discounted", (_ORDERS == 1) & (first >= 0.05), {"share": first}),
        Saying(
            "discounts_rise",
            _SEVERAL & (lately >= 1.2 * ever) & (lately - ever >= 0.02),
            {"lately": lately, "ever": ever},
        ),
        Saying(
            "discounted_often",
            _SEVERAL & (often >= 0.5),
            {"discounted": (often * _ORDERS).round(), "orders": _ORDERS},
        ),
        Saying("pays_less", _SEVERAL & (less >= 0.1), {"less": less}),
    )


def _basket() -> tuple[Saying, ...]:
    last, mean = pl.col("order_value_last"), pl.col("order_value_mean")
    lately, ever = pl.col(f"lines_{_YEAR}d") / pl.col(f"orders_{_YEAR}d"), pl.col("lines_per_order")
    before = _ORDERS - pl.col(f"orders_{_YEAR}d")
    several = (pl.col(f"orders_{_YEAR}d") > 1) & (before > 1)
    return (
        Saying("order_smaller", _SEVERAL & _shrunk(last, mean), {"last": last, "mean": mean}),
        Saying("fewer_lines", several & (lately <= ever * _SHRUNK), {"lately": lately, "ever": ever}),
    )


def _shrunk(amount: pl.Expr, usual: pl.Expr) -> pl.Expr:
    """Amounts in minor units that are told apart when they are rounded to whole ones."""
    return (amount <= usual * _SHRUNK) & (amount <= usual - 1)


def _spend() -> tuple[Saying, ...]:
    ever, lately, tenure = pl.col("net_amount"), pl.col(f"net_amount_{_YEAR}d"), pl.col("tenure_days")
    # Half a year before the last one is enough to tell what a year was like.
    long = tenure >= 1.5 * _YEAR
    before = (ever - lately) * float(_YEAR) / (tenure - _YEAR)
    less = (lately > 0) & _shrunk(lately, before)
    return (Saying("spends_less", _SEVERAL & long & less, {"lately": lately, "before": before}),)


def _range() -> tuple[Saying, ...]:
    share, category = pl.col("favourite_category_share"), _plain("favourite_category")
    return (
        _fewer("categories"),
        _fewer("products"),
        Saying("one_category", (_ORDERS > 2) & (share >= 0.75), {"share": share, "category": category}),
    )


def _fewer(what: str) -> Saying:
    """Of two windows only the newer one and the difference as a share of both are known."""
    now, trend = pl.col(f"{what}_90d"), pl.col(f"{what}_trend_90d")
    before = (now * (1 - trend) / (1 + trend)).round()
    values = {"now": now, "before": before}
    return Saying(f"fewer_{what}", _SEVERAL & (now > 0) & (now <= before * _SHRUNK), values)


def _season() -> tuple[Saying, ...]:
    share, coming = pl.col("month_usual_share"), pl.col("orders_in_season_share")
    values = {"share": share, "orders": _ORDERS, "month": pl.col("month_usual")}
    return (Saying("buys_in_season", (_ORDERS > 2) & (share >= 0.5) & (coming <= 0.2), values),)


def _settled() -> tuple[Saying, ...]:
    few = _SEVERAL & (_ORDERS <= 3)
    return (_once(), Saying("never_settled", few, {"orders": _ORDERS, "silent": _SILENT}))


def _contact() -> tuple[Saying, ...]:
    received, answered = pl.col("contacts_received"), pl.col("contacts_answered")
    # The two weeks in which a purchase would be an answer are over.
    over = pl.col("days_since_last_contact") >= 14
    return (Saying("unanswered", (received > 0) & (answered == 0) & over, {"contacts": received}),)


def _source() -> tuple[Saying, ...]:
    rate, shop = pl.col("channel_return_rate"), pl.col("shop_return_rate")
    values = {"channel": _plain("acquisition_channel"), "rate": rate, "shop": shop}
    return (Saying("few_stay", (rate <= shop * 0.9) & (shop - rate >= 0.01), values),)


def _points() -> tuple[Saying, ...]:
    balance, expiring = pl.col("points_balance"), pl.col("points_expiring")
    values = {"balance": balance, "expiring": expiring, "next": pl.col("days_to_points_expiry")}
    return (Saying("points_expire", expiring >= 1, values),)


def _favourites() -> tuple[Saying, ...]:
    category, product = _plain("favourite_category"), _plain("favourite_product")
    return (
        Saying("favourite_both", _TRUE, {"category": category, "product": product}),
        Saying("favourite_category", _TRUE, {"category": category}),
        Saying("favourite_product", _TRUE, {"product": product}),
    )


def _plain(column: str) -> pl.Expr:
    """A shop's own text on one line; null when it is empty."""
    text = pl.col(column).cast(pl.String).str.replace_all(r"\s+", " ").str.strip_chars()
    return pl.when(text.str.len_chars() > 0).then(text)
