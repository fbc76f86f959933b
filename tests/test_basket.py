"""What each customer bought: on lines few enough to count by hand, and against counting one by one."""

import math
from collections import Counter, defaultdict
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from shop_world import START, day

from features.asof import AsOf
from features.basket import KEYS, baskets, price_level, shelf_prices
from features.goods import goods

SCHEMA = {
    "customer": pl.UInt32,
    "ordered_on": pl.Date,
    "product_id": pl.String,
    "product_name": pl.String,
    "category": pl.String,
    "net_amount": pl.Int64,
    "discount_amount": pl.Int64,
    "quantity": pl.Float64,
}
ALL = frozenset({"product_id", "category", "quantity", "discount_amount"})


def sale(
    who: int, on: int, amount: int, product: str | None, category: str | None, **more: Any
) -> dict[str, Any]:
    known = {"product_id": product, "category": category, "quantity": 1.0}
    return {"customer": who, "ordered_on": day(on).day, "net_amount": amount, **known, **more}


def sales(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Lines in the order in which the lake holds them."""
    return pl.DataFrame(rows, schema=SCHEMA).sort("customer", "ordered_on", maintain_order=True)


def table(rows: list[dict[str, Any]], as_of: AsOf, columns: frozenset[str] = ALL) -> pl.DataFrame:
    """Everything about everyone who has a line by then, of all parts at once."""
    lines = sales(rows)
    customers = lines.filter(pl.col("ordered_on") <= as_of.day)["customer"].unique().sort()
    return asked(lines, customers, as_of, columns)


def asked(
    lines: pl.DataFrame, customers: pl.Series, as_of: AsOf, columns: frozenset[str] = ALL
) -> pl.DataFrame:
    found = baskets(goods(lines, columns), customers, as_of)
    told = found.features.insert_column(0, customers)
    if found.shelf is None or found.paid is None:
        return told
    return told.with_columns(price_level(found.paid, shelf_prices(found.shelf)))


def found(rows: list[dict[str, Any]], as_of: AsOf, *names: str) -> list[tuple[Any, ...]]:
    return table(rows, as_of).select("customer", *names).rows()


def test_breadth_is_counted_over_the_lifetime_and_lately() -> None:
    rows = [sale(3, on, 100, p, p.upper()) for on, p in ((100, "p"), (110, "q"), (120, "r"), (200, "p"))]
    names = ("categories", "categories_90d", "categories_trend_90d", "products_bought", "products_90d")
    assert found(rows, day(210), *names) == [(3, 3, 1, -0.5, 3, 1)]
    assert found(rows, day(119), *names) == [(3, 2, 2, 1.0, 2, 2)]


def test_a_product_is_new_when_it_was_never_bought_before_the_window() -> None:
    rows = [sale(0, 0, 100, "p", "P"), sale(0, 200, 100, "p", "P"), sale(0, 201, 100, "q", "P")]
    assert found(rows, day(210), "new_product_share_90d", "products_bought") == [(0, 0.5, 2)]
    assert found(rows, day(150), "new_product_share_90d") == [(0, None)]


def test_a_product_is_new_again_when_features_read_no_further_back() -> None:
    rows = [sale(0, 0, 100, "p", "P"), sale(0, 200, 100, "p", "P"), sale(0, 201, 100, "p", "P")]
    short = AsOf(day(210).day, 30, lookback_days=100)
    names = ("new_product_share_90d", "products_bought", "favourite_product_share", "first_category")
    assert found(rows, short, *names) == [(0, 1.0, 1, 1.0, "P")]


def test_the_favourite_is_on_most_lines_then_cost_most_then_comes_first_by_name() -> None:
    rows = [
        *(sale(0, on, 1, "p", "P") for on in (0, 1)),
        sale(0, 2, 900, "q", "Q"),
        sale(1, 0, 100, "p", "P"),
        sale(1, 1, 200, "q", "Q"),
        sale(2, 0, 100, "q", "Q"),
        sale(2, 1, 100, "p", "P"),
    ]
    names = ("favourite_product", "favourite_category", "favourite_product_share")
    assert found(rows, day(9), *names) == [
        (0, "p", "P", pytest.approx(2 / 3)),
        (1, "q", "Q", 0.5),
        (2, "p", "P", 0.5),
    ]


def test_a_product_goes_by_its_name_and_else_by_its_id() -> None:
    rows = [
        sale(0, 0, 100, "p1", "P", product_name="Tea"),
        sale(1, 0, 100, "p2", "P"),
        sale(2, 0, 100, "p3", "P", product_name="Cup"),
        sale(2, 1, 100, "p3", "P"),
        sale(2, 2, 100, "p3", "P", product_name="Big cup"),
        sale(2, 9, 100, "p3", "P", product_name="Zebra"),
    ]
    assert found(rows, day(5), "favourite_product") == [(0, "Tea"), (1, "p2"), (2, "p3")]
    assert found(rows, day(9), "favourite_product") == [(0, "Tea"), (1, "p2"), (2, "p3")]
    named = [row for row in rows if row["product_name" if "product_name" in row else "product_id"] != "p3"]
    assert found(named, day(5), "favourite_product")[-1] == (2, "Cup")


def test_the_price_level_compares_with_all_customers_category_by_category() -> None:
    rows = [sale(0, 0, 300, "p", "P"), sale(1, 0, 100, "p", "P"), sale(1, 1, 50, "q", "Q")]
    assert found(rows, day(30), "price_level") == [(0, pytest.approx(1.5)), (1, pytest.approx(150 / 250))]


def test_lines_without_units_have_no_price() -> None:
    rows = [
        sale(0, 0, 300, "p", "P"),
        sale(0, 1, 999, "p", "P", quantity=None),
        sale(1, 0, 200, "p", "P", quantity=2.0),
        sale(2, 0, 70, "p", "P", quantity=0.0),
    ]
    levels = [(0, pytest.approx(300 * 3 / 500)), (1, pytest.approx(100 * 3 / 500)), (2, None)]
    assert found(rows, day(30), "price_level") == levels


def test_the_full_price_share_counts_amounts_with_or_without_a_product() -> None:
    rows = [
        sale(0, 0, 100, "p", None, discount_amount=5),
        sale(0, 1, 300, None, None),
        sale(1, 0, 0, "p", None, discount_amount=9),
    ]
    names = ("full_price_share", "products_bought", "categories", "favourite_category", "price_level")
    assert found(rows, day(9), *names) == [(0, 0.75, 1, None, None, None), (1, None, 1, None, None, None)]


def test_the_first_category_is_what_most_was_spent_on_at_first() -> None:
    rows = [sale(0, 0, 100, "p", "P"), sale(0, 0, 200, "q", "Q"), sale(0, 1, 900, "p", "P")]
    rows += [sale(1, 0, 100, "q", "Q"), sale(1, 0, 50, "p", "P"), sale(1, 0, 50, "p", "P")]
    rows += [sale(2, 0, 100, "q", None), sale(2, 1, 50, "p", "P")]
    assert found(rows, day(60), "first_category") == [(0, "Q"), (1, "P"), (2, None)]


def test_who_is_asked_for_gets_a_row_and_nobody_else() -> None:
    lines = sales([sale(who, 0, 100 + who, "p", "P") for who in (1, 2, 4)])
    customers = pl.Series("customer", [0, 2, 4, 7], dtype=pl.UInt32)
    told = asked(lines, customers, day(3)).select(
        "customer", "products_bought", "first_category", "price_level"
    )
    # The shelf is everyone's.
    mean = 307 / 3
    assert told.rows() == [
        (0, None, None, None),
        (2, 1, "P", pytest.approx(102 / mean)),
        (4, 1, "P", pytest.approx(104 / mean)),
        (7, None, None, None),
    ]


def test_what_the_shop_does_not_have_is_absent() -> None:
    rows = [sale(0, 0, 100, "p", "P")]
    assert table(rows, day(3), frozenset()).columns == ["customer"]
    assert table(rows, day(3), frozenset({"discount_amount"})).columns == ["customer", "full_price_share"]
    without_units = table(rows, day(3), ALL - {"quantity"})
    assert set(table(rows, day(3)).columns) - set(without_units.columns) == {"price_level"}
    without_products = table(rows, day(3), ALL - {"product_id"})
    assert [name for name in without_products.columns if "product" in name] == []


def test_a_part_without_a_line_has_the_same_columns() -> None:
    nobody, someone = table([], day(3)), table([sale(0, 0, 100, "p", "P")], day(3))
    assert nobody.height == 0
    assert nobody.schema == someone.schema


lines_drawn = st.lists(
    st.builds(
        sale,
        st.integers(0, 4),
        st.integers(0, 400),
        st.integers(0, 500),
        st.sampled_from([None, "p", "q", "r"]),
        st.sampled_from([None, "P", "Q"]),
        discount_amount=st.sampled_from([None, 0, 5]),
        quantity=st.sampled_from([None, 0.0, 0.5, 1.0, 3.0]),
    ),
    min_size=1,
    max_size=40,
)
as_ofs = st.builds(
    lambda on, lookback: AsOf(day(on).day, 30, lookback_days=lookback),
    st.integers(0, 420),
    st.sampled_from([None, 60, 150]),
)


@settings(deadline=None, max_examples=40)
@given(lines_drawn, as_ofs)
def test_counting_one_by_one_gives_the_same(rows: list[dict[str, Any]], as_of: AsOf) -> None:
    told = table(rows, as_of).drop("price_level", "first_category", "product_entropy", "category_entropy")
    assert told.rows(named=True) == [reckoned(rows, who, as_of) for who in told["customer"]]


def reckoned(rows: list[dict[str, Any]], who: int, as_of: AsOf) -> dict[str, Any]:
    """The same features of one customer, line by line."""
    back = as_of.lookback_days or 10_000
    known = [
        row for row in rows if row["customer"] == who and 0 <= (as_of.day - row["ordered_on"]).days < back
    ]
    amount = sum(row["net_amount"] for row in known)
    full = sum(row["net_amount"] for row in known if not row["discount_amount"])
    told = {"customer": who, "full_price_share": full / amount if amount else None}
    products = breadth(known, as_of, "product_id")
    new = sum(first > 0 for first in products["new"]) / len(products["new"]) if products["new"] else None
    categories = breadth(known, as_of, "category")
    return told | {
        "products_bought": products["many"],
        "products_90d": products["now"],
        "products_trend_90d": products["trend"],
        "favourite_product_share": products["share"],
        "favourite_product": products["favourite"],
        "new_product_share_90d": new,
        "categories": categories["many"],
        "categories_90d": categories["now"],
        "categories_trend_90d": categories["trend"],
        "favourite_category_share": categories["share"],
        "favourite_category": categories["favourite"],
    }


def breadth(known: list[dict[str, Any]], as_of: AsOf, column: str) -> dict[str, Any]:
    bought = defaultdict(list)
    for row in known:
        if row[column] is not None:
            bought[row[column]].append(((as_of.day - row["ordered_on"]).days, row["net_amount"]))
    if not bought:
        return dict.fromkeys(("many", "now", "trend", "share", "favourite", "new"))
    now = [name for name, lines in bought.items() if any(age < 90 for age, _ in lines)]
    before = [name for name, lines in bought.items() if any(90 <= age < 180 for age, _ in lines)]
    both = len(now) + len(before)
    ranked = sorted(bought, key=lambda name: (-len(bought[name]), -sum(a for _, a in bought[name]), name))
    return {
        "many": len(bought),
        "now": len(now),
        "trend": (len(now) - len(before)) / both if both else 0.0,
        "share": len(bought[ranked[0]]) / sum(map(len, bought.values())),
        "favourite": ranked[0],
        "new": [all(age < 90 for age, _ in bought[name]) for name in now],
    }


@settings(deadline=None, max_examples=25)
@given(lines_drawn, as_ofs)
def test_entropy_is_that_of_the_shares_of_lines(rows: list[dict[str, Any]], as_of: AsOf) -> None:
    back = as_of.lookback_days or 10_000
    for who, entropy in table(rows, as_of).select("customer", "product_entropy").rows():
        counted = Counter(
            row["product_id"]
            for row in rows
            if row["customer"] == who
            and 0 <= (as_of.day - row["ordered_on"]).days < back
            and row["product_id"]
        )
        shares = [n / counted.total() for n in counted.values()]
        expected = -sum(share * math.log(share) for share in shares) if shares else None
        assert entropy == (expected if expected is None else pytest.approx(expected, abs=1e-5))


@settings(deadline=None, max_examples=25)
@given(lines_drawn, as_ofs)
def test_nothing_after_the_day_changes_a_basket(rows: list[dict[str, Any]], as_of: AsOf) -> None:
    past = [row for row in rows if row["ordered_on"] <= as_of.day]
    # The first category of all is read however far back it lies, but never ahead.
    assert_frame_equal(table(rows, as_of), table(past, as_of), check_exact=True)


@settings(deadline=None, max_examples=25)
@given(lines_drawn, as_ofs, st.integers(0, 5))
def test_how_customers_lie_in_parts_does_not_matter(
    rows: list[dict[str, Any]], as_of: AsOf, cut: int
) -> None:
    lines = sales(rows)
    first = pl.col("customer") < cut
    parts = [part for part in (lines.filter(first), lines.filter(~first)) if part.height]
    made = [baskets(goods(part, ALL), part["customer"].unique().sort(), as_of) for part in parts]
    shelf = pl.concat([one.shelf for one in made if one.shelf is not None]).group_by(KEYS).sum().sort(KEYS)
    prices = shelf_prices(shelf)
    told = pl.concat(
        [one.features.with_columns(price_level(one.paid, prices)) for one in made if one.paid is not None]
    )
    whole = asked(lines, lines["customer"].unique().sort(), as_of).drop("customer")
    assert_frame_equal(told, whole, check_exact=True)


def test_the_calendar_of_these_tests_starts_with_the_shops() -> None:
    assert day(0).day == START == date(2024, 1, 1)
