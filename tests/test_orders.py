"""Net purchases, as they were known on each day."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from shop_world import START, books, day, line, priced, transactions

from features.known import Known
from features.labels import labels
from features.lines import priced_lines
from features.orders import as_known, orders, purchases


def ordered(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Orders of rows, sorted as the lake sorts them."""
    lines = priced(rows).sort("customer_id", "ordered_at", "order_id").collect()
    numbers = lines["customer_id"].rle_id().alias("customer")
    return orders(lines.with_columns(numbers))


def cancelled(rows: list[dict[str, Any]]) -> dict[str, date | None]:
    return dict(ordered(rows).select("order_id", "cancelled_on").sort("order_id").iter_rows())


def on(number: int) -> date:
    return START + timedelta(days=number)


def test_an_order_is_all_its_positive_lines() -> None:
    rows = [line("a", 0, 100, "1", quantity=2.0), line("a", 0, 250, "1", quantity=1.0), line("a", 5, 50, "2")]
    found = ordered(rows).select("order_id", "net_amount", "lines", "quantity")
    assert found.rows() == [("1", 350, 2, 3), ("2", 50, 1, 0)]


def test_lines_of_one_order_at_different_times_are_one_order() -> None:
    rows = [line("a", 0, 100, "1"), line("a", 1, 50, "2"), line("a", 2, 250, "1"), line("b", 1, 10, "1")]
    found = as_known(ordered(rows), on(2)).select("customer", "order_id", "ordered_on", "net_amount", "lines")
    assert found.rows() == [(0, "1", on(0), 350, 2), (0, "2", on(1), 50, 1), (1, "1", on(1), 10, 1)]


def test_lines_of_a_later_day_do_not_reach_an_order_as_it_stood_before() -> None:
    rows = [line("a", 0, 100, "1"), line("a", 1, 50, "2"), line("a", 2, 250, "1"), line("a", 2, 1, "1")]
    stood = [
        as_known(ordered(rows), on(n)).select("order_id", "net_amount", "lines").rows() for n in range(3)
    ]
    assert stood[0] == [("1", 100, 1)]
    assert stood[1] == [("1", 100, 1), ("2", 50, 1)]
    assert stood[2] == [("1", 351, 3), ("2", 50, 1)]


def test_an_order_that_was_given_back_counts_again_once_it_grows() -> None:
    rows = [line("a", 0, 100, "1"), line("a", 1, -100, "1"), line("a", 4, 30, "1"), line("a", 9, -30, "1")]
    counted = [purchases(ordered(rows), day(n))["net_amount"].to_list() for n in (0, 1, 3, 4, 8, 9)]
    assert counted == [[100], [], [], [130], [130], []]


def test_a_sale_under_the_name_of_an_earlier_return_does_not_change_what_the_return_took_back() -> None:
    rows = [line("a", 0, 100, "1", product_id="p"), line("a", 3, -100, "r", product_id="p")]
    assert cancelled(rows) == {"1": on(3)}
    assert cancelled([*rows, line("a", 5, 70, "r", product_id="q")]) == {"1": on(3), "r": None}


def test_a_return_nets_the_order_it_names() -> None:
    rows = [line("a", 0, 100, "1"), line("a", 1, 100, "2"), line("a", 9, -100, "r", returned_order_id="1")]
    assert cancelled(rows) == {"1": on(9), "2": None}


def test_a_return_without_a_name_nets_the_latest_earlier_order_with_the_product() -> None:
    rows = [
        line("a", 0, 100, "1", product_id="p"),
        line("a", 3, 100, "2", product_id="p"),
        line("a", 5, 100, "3", product_id="q"),
        line("a", 7, -100, "r", product_id="p"),
        line("a", 9, 100, "4", product_id="p"),
    ]
    assert cancelled(rows) == {"1": None, "2": on(7), "3": None, "4": None}


def test_a_return_that_fits_no_order_nets_nothing() -> None:
    rows = [line("a", 0, 100, "1", product_id="p"), line("a", 2, -100, "r", product_id="z")]
    assert cancelled(rows) == {"1": None}


def test_another_customers_return_nets_nothing_of_mine() -> None:
    rows = [line("a", 0, 100, "1", product_id="p"), line("b", 2, -100, "r", product_id="p")]
    assert cancelled(rows) == {"1": None}


def test_parts_given_back_cancel_an_order_on_the_day_the_last_part_comes() -> None:
    rows = [
        line("a", 0, 100, "1"),
        line("a", 4, -60, "r1", returned_order_id="1"),
        line("a", 8, -40, "r2", returned_order_id="1"),
    ]
    assert cancelled(rows) == {"1": on(8)}
    assert cancelled(rows[:2]) == {"1": None}


def test_a_cancellation_is_not_known_before_its_day() -> None:
    rows = [line("a", 0, 100, "1"), line("a", 9, -100, "r", returned_order_id="1")]
    assert purchases(ordered(rows), day(8)).height == 1
    assert purchases(ordered(rows), day(9)).height == 0


def test_an_order_of_nothing_is_no_purchase() -> None:
    assert purchases(ordered([line("a", 0, 0, "1")]), day(5)).is_empty()


def test_guests_have_no_orders() -> None:
    assert books([line(None, 0, 100, "1")]).orders.is_empty()


@pytest.mark.parametrize(("rate", "expected"), [(0.3, [30, -15]), ({"default": 0.3, "X": 0.5}, [50, -25])])
def test_margin_is_assumed_only_where_no_cost_is_known(rate: Any, expected: list[int]) -> None:
    rows = [
        line("a", 0, 100, "1", category="X"),
        line("a", 1, -50, "2", category="X"),
        line("a", 2, 100, "3", cost_amount=120),
    ]
    found = priced_lines(transactions(rows), None, "UTC", rate).collect()
    assert found["margin"].to_list() == [*expected, -20]
    assert found["margin_assumed"].to_list() == [True, True, False]


def test_the_products_table_gives_costs_per_unit() -> None:
    products = pl.LazyFrame({"product_id": ["p"], "unit_cost": [30]})
    rows = [
        line("a", 0, 100, "1", product_id="p", quantity=2.0),
        line("a", 1, -50, "2", product_id="p", quantity=-1.0),
    ]
    found = priced_lines(transactions(rows), products, "UTC", 0.3).collect()
    assert found["margin"].to_list() == [40, -20]


def labelled(rows: list[dict[str, Any]], number: int = 30, gap: int = 0, **more: Any) -> dict[str, Any]:
    known = Known.of(books(rows, **more), day(number, gap=gap))
    return labels(known, months=[1, 2], known_until=day(number + 400)).to_dicts()[0]


def test_a_purchase_on_the_last_day_of_the_window_counts_and_the_day_after_does_not() -> None:
    assert labelled([line("a", 0, 100, "1"), line("a", 60, 100, "2")])["returned"]
    assert not labelled([line("a", 0, 100, "1"), line("a", 61, 100, "2")])["returned"]
    assert not labelled([line("a", 0, 100, "1"), line("a", 30, 100, "2")])["returned"]


def test_a_return_is_told_with_the_days_until_its_first_purchase() -> None:
    rows = [line("a", 0, 100, "1"), line("a", 52, 100, "3"), line("a", 40, 100, "2")]
    assert labelled(rows)["days_to_return"] == 10
    assert labelled([*rows, line("a", 45, -100, "r", returned_order_id="2")])["days_to_return"] == 22
    assert labelled(rows[:1])["days_to_return"] is None


def test_a_purchase_in_the_gap_is_no_return_to_wait_for() -> None:
    rows = [line("a", 0, 100, "1"), line("a", 33, 100, "2"), line("a", 50, 100, "3")]
    assert labelled(rows, gap=3)["days_to_return"] == 20


def test_each_customer_has_a_wait_of_their_own() -> None:
    rows = [line(who, 0, 100, f"{who}1") for who in "abc"]
    rows += [line("c", 40, 100, "c2"), line("a", 31, 100, "a2")]
    known = Known.of(books(rows), day(30))
    found = labels(known, months=[1], known_until=day(400))["days_to_return"]
    assert (found.dtype, found.to_list()) == (pl.Int32, [1, None, 10])


def test_a_purchase_in_the_gap_is_told_apart() -> None:
    found = labelled([line("a", 0, 100, "1"), line("a", 33, 100, "2")], gap=3)
    assert (found["returned"], found["in_gap"]) == (False, True)


def test_a_purchase_cancelled_within_the_window_is_none() -> None:
    rows = [line("a", 0, 100, "1"), line("a", 40, 100, "2")]
    assert not labelled([*rows, line("a", 60, -100, "r", returned_order_id="2")])["returned"]
    assert labelled([*rows, line("a", 61, -100, "r", returned_order_id="2")])["returned"]


def test_margin_is_summed_over_the_window_and_per_month() -> None:
    rows = [
        line("a", 0, 100, "1"),
        line("a", 31, 1000, "2", cost_amount=400),
        line("a", 85, 1000, "3", cost_amount=1),
    ]
    found = labelled(rows)
    assert (found["window_margin"], found["margin_month_01"], found["margin_month_02"]) == (600, 600, 999)


def test_months_that_are_not_over_are_unknown() -> None:
    known = Known.of(books([line("a", 0, 100, "1")]), day(30))
    found = labels(known, months=[1, 2], known_until=day(62))
    assert found["margin_month_01"].to_list() == [0]
    assert found["margin_month_02"].to_list() == [None]


def test_contacted_people_are_marked_and_controls_are_weighted() -> None:
    def contact(arm: str, number: int, probability: float | None) -> pl.LazyFrame:
        return pl.LazyFrame(
            {
                "customer_id": ["a"],
                "contacted_on": [on(number)],
                "arm": [arm],
                "assignment_probability": [probability],
            },
            schema_overrides={"assignment_probability": pl.Float64},
        )

    rows = [line("a", 0, 100, "1")]
    assert labelled(rows, contacts=contact("treatment", 10, 0.9))["contacted"]
    assert not labelled(rows, contacts=contact("treatment", 0, 0.9))["contacted"]
    assert not labelled(rows, contacts=contact("treatment", 61, 0.9))["contacted"]
    control = labelled(rows, contacts=contact("control", 10, 0.1))
    assert (control["contacted"], control["weight"]) == (False, 10.0)
    universal = labelled(rows, contacts=contact("universal", 10, 0.02))
    assert (universal["contacted"], universal["weight"]) == (False, 1.0)


def test_whoever_was_held_out_twice_stands_for_all_whom_either_list_contacted() -> None:
    """Of 100 who stay silent two lists with a tenth held out leave one; of 100 who buy in between, ten."""

    def held_out(*numbers: int) -> dict[str, Any]:
        count = len(numbers)
        contacts = pl.LazyFrame(
            {
                "customer_id": ["a"] * count,
                "contacted_on": [on(number) for number in numbers],
                "arm": ["control"] * count,
                "assignment_probability": [0.1] * count,
            }
        )
        return labelled([line("a", 0, 100, "1")], contacts=contacts)

    assert held_out(10)["weight"] == pytest.approx(100 / 10)
    assert held_out(10, 45)["weight"] == pytest.approx(100 / 1)
    assert held_out(10, 10)["weight"] == pytest.approx(100 / 10), "the same draw, told twice"


def test_daily_margins_hold_returns() -> None:
    found = books([line("a", 0, 100, "1"), line("a", 0, -50, "2")]).margins
    assert found.rows() == [(0, START, 15)]
