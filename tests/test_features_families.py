"""What single features say, on histories small enough to reckon by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from shop_world import COLUMNS, day, everything, history, line, priced

from features import feasts
from features.asof import AsOf
from features.history import History
from features.options import StageOptions
from features.table import feature_table


def found(history: History, as_of: AsOf, *names: str) -> list[tuple[Any, ...]]:
    table = feature_table(history, as_of, StageOptions())
    return table.select("customer_id", *names).rows()


def test_totals_end_with_the_day_and_begin_after_the_window() -> None:
    known = history([line("a", 0, 100, "1"), line("a", 23, 200, "2"), line("a", 30, 400, "3")])
    names = (
        "net_amount_7d",
        "net_amount_14d",
        "net_amount",
        "margin_7d",
        "active_days_7d",
        "active_days_14d",
    )
    assert found(known, day(30), *names) == [("a", 400, 600, 700, 120, 1, 2)]


def test_the_spread_of_order_values_is_exact_and_null_for_one() -> None:
    rows = [line("a", 0, 100, "1"), line("a", 1, 300, "2"), line("b", 0, 50, "3")]
    names = ("order_value_std", "order_value_variation", "order_value_last_ratio")
    assert found(history(rows), day(30), *names) == [("a", 100.0, 0.5, 1.5), ("b", None, None, 1.0)]


def test_a_day_that_comes_again_is_in_its_place() -> None:
    # In Newfoundland one minute of 7 November 2010 passed before clocks went back to 6 November, 23:01.
    times = [datetime(2010, 11, 7, 2, 30, 30, tzinfo=UTC), datetime(2010, 11, 7, 3, 0, tzinfo=UTC)]
    rows = [line("a", 0, 100, str(n)) | {"ordered_at": at} for n, at in enumerate(times)]
    shop = History.of(priced(rows, zone="America/St_Johns"), COLUMNS)
    found = feature_table(shop, AsOf(date(2010, 11, 10), 30), StageOptions())
    assert found.select("active_days", "gaps", "last_gap_days", "days_since_last_purchase").row(0) == (
        2,
        1,
        1,
        3,
    )


def test_a_country_whose_calendar_ends_has_no_next_holiday() -> None:
    # Ukraine has had no public holidays since martial law began.
    rows = [line("a", 0, 100, "1")]
    names = ("days_to_big_holiday", "big_holidays_in_window")
    shop = replace(history(rows), country="UA")
    assert feature_table(shop, AsOf(date(2026, 6, 1), 30), StageOptions()).select(names).rows() == [(None, 0)]


def test_habits_are_counted_in_the_shops_zone() -> None:
    # Noon UTC on Mondays is 21 hours in Tokyo.
    rows = [line("a", on, 100, str(on)) for on in (0, 7, 14, 15)]
    names = (
        "weekday_usual",
        "weekday_usual_share",
        "hour_usual",
        "hour_concentration",
        "month_concentration",
    )
    tokyo = History.of(priced(rows, zone="Asia/Tokyo"), COLUMNS)
    assert found(tokyo, day(30), *names) == [("a", 1, 0.75, 21, 1.0, 1.0)]


def test_orders_on_as_many_weekdays_as_orders_are_no_habit() -> None:
    rows = [line("a", on, 100, str(on)) for on in (0, 1, 2)] + [line("b", 0, 100, "4")]
    assert found(history(rows), day(30), "weekday_usual", "weekday_concentration") == [
        ("a", 1, pytest.approx(0, abs=1e-6)),
        ("b", 1, None),
    ]


def test_the_last_gap_and_the_silence_stand_against_the_own_gaps() -> None:
    rows = [line("a", on, 100, str(on)) for on in (0, 10, 20, 40)]
    names = ("last_gap_ratio", "last_gap_rank", "silence_rank")
    assert found(history(rows), day(51), *names) == [("a", 2.0, 1.0, pytest.approx(2 / 3))]


def test_the_next_purchase_is_negative_days_away_when_overdue() -> None:
    rows = [line("a", on, 100, str(on)) for on in (0, 10, 20)]
    assert found(history(rows), day(25), "days_to_next_purchase") == [("a", 5.0)]
    assert found(history(rows), day(40), "days_to_next_purchase") == [("a", -10.0)]


def goods(who: str, on: int, amount: int, product: str, category: str, **more: Any) -> dict[str, Any]:
    named = {"product_id": product, "category": category, "quantity": 1.0}
    return line(who, on, amount, f"{who}{on}{product}", **named, **more)


def test_breadth_falls_while_spend_holds() -> None:
    rows = [
        goods("a", 100, 100, "p", "P"),
        goods("a", 110, 100, "q", "Q"),
        goods("a", 120, 100, "r", "R"),
        goods("a", 200, 300, "p", "P"),
    ]
    names = ("categories", "categories_90d", "categories_trend_90d", "net_amount_trend_90d", "narrowing_90d")
    assert found(history(rows), day(210), *names) == [("a", 3, 1, -0.5, 0.0, 0.5)]


def test_a_product_is_new_when_it_was_never_bought_before_the_window() -> None:
    rows = [goods("a", 0, 100, "p", "P"), goods("a", 200, 100, "p", "P"), goods("a", 201, 100, "q", "P")]
    assert found(history(rows), day(210), "new_product_share_90d", "products_bought") == [("a", 0.5, 2)]


def test_the_price_level_compares_with_all_customers_category_by_category() -> None:
    rows = [goods("a", 0, 300, "p", "P"), goods("b", 0, 100, "p", "P"), goods("b", 1, 50, "q", "Q")]
    assert found(history(rows), day(30), "price_level") == [
        ("a", pytest.approx(1.5)),
        ("b", pytest.approx(150 / 250)),
    ]


def test_discounts_are_a_share_of_spend_and_of_orders() -> None:
    rows = [goods("a", 0, 100, "p", "P", discount_amount=100), goods("a", 1, 300, "p", "P")]
    names = ("full_price_share", "discounted_orders_share", "discount_share", "first_order_discount_share")
    assert found(history(rows), day(30), *names) == [("a", 0.75, 0.5, 0.2, 0.5)]


def test_discounts_of_late_are_null_when_nothing_was_bought_of_late() -> None:
    rows = [goods("a", 0, 100, "p", "P", discount_amount=100), goods("a", 300, 300, "p", "P")]
    names = ("discount_share", "discount_share_365d")
    assert found(history(rows), day(364), *names) == [("a", 0.2, 0.2)]
    assert found(history(rows), day(365), *names) == [("a", 0.2, 0.0)]
    assert found(history(rows), day(700), *names) == [("a", 0.2, None)]


def test_a_cancelled_order_is_friction_and_no_purchase() -> None:
    rows = [
        line("a", 0, 100, "1"),
        line("a", 5, 300, "2"),
        line("a", 9, -300, "3", returned_order_id="2", is_return=True),
    ]
    names = ("orders", "cancelled_orders", "cancelled_orders_share", "returned_share", "returned_amount_7d")
    assert found(history(rows), day(10), *names) == [("a", 1, 1, 0.5, 0.75, 300)]
    assert found(history(rows), day(8), *names) == [("a", 2, 0, 0.0, 0.0, 0)]


def told(**tables: pl.LazyFrame) -> History:
    return history([line("a", on, 100, str(on)) for on in (0, 20, 60)], **tables)


def test_a_contact_is_answered_by_a_purchase_within_two_weeks() -> None:
    contacts = pl.LazyFrame(
        {
            "customer_id": "a",
            "contacted_on": [day(n).day for n in (10, 30, 50, 55, 58)],
            "arm": ["treatment", "treatment", "control", "explore", "treatment"],
        }
    )
    names = ("contacts_received", "contacts_answered", "contacts_answered_share", "days_since_last_contact")
    known = told(contacts=contacts)
    # The last contact is too young to be judged.
    assert found(known, day(70), *names) == [("a", 4, 2, pytest.approx(2 / 3), 12)]


def test_each_kind_of_score_has_its_own_scale() -> None:
    at = [datetime(2024, 1, n, tzinfo=UTC) for n in (2, 3, 4, 5)]
    feedback = pl.LazyFrame(
        {
            "customer_id": "a",
            "occurred_at": at,
            "occurred_on": [one.date() for one in at],
            "kind": ["nps", "survey", "nps", "complaint"],
            "score": [9.0, 3.0, 6.0, None],
        }
    )
    names = ("nps_last", "nps_change", "survey_last", "score_min", "complaints", "days_since_last_complaint")
    assert found(told(feedback=feedback), day(70), *names) == [("a", 6.0, -3.0, 3.0, 3.0, 1, 66)]
    assert (
        "score_last"
        not in feature_table(told(feedback=feedback.drop("score")), day(70), StageOptions()).columns
    )


def test_a_complaint_after_the_last_purchase_is_told_from_one_before_it() -> None:
    at = datetime(2024, 1, 31, tzinfo=UTC)
    complaint = {"customer_id": "a", "occurred_at": at, "occurred_on": at.date(), "kind": "complaint"}
    known, names = told(feedback=pl.LazyFrame(complaint)), ("purchase_to_complaint_days",)
    assert found(known, day(20), *names) == [("a", None)]
    assert found(known, day(40), *names) == [("a", 10)]
    assert found(known, day(70), *names) == [("a", -30)]


def test_points_that_expire_soon_are_told_apart() -> None:
    points = pl.LazyFrame(
        {
            "customer_id": "a",
            "balance": [10.5, 5.0, 7.0, 100.0],
            "expires_on": [day(80).day, day(200).day, None, day(69).day],
        }
    )
    names = ("points_balance", "points_expiring", "days_to_points_expiry")
    assert found(told(points=points), day(70), *names) == [("a", 22.5, 10.5, 10)]


def test_milestones_count_orders_once_they_have_passed() -> None:
    rows = [line("a", on, 100, str(on)) for on in (0, 30, 31, 80)]
    names = ("milestones_passed", "orders_first_30d", "orders_first_90d")
    assert found(history(rows), day(60), *names) == [("a", 1, 2, None)]
    assert found(history(rows), day(90), *names) == [("a", 2, 2, 4)]


def test_a_cohort_came_in_the_same_month() -> None:
    rows = [line("a", 0, 100, "1"), line("a", 9, 100, "2"), line("b", 30, 100, "3"), line("c", 31, 100, "4")]
    assert found(history(rows), day(60), "cohort_customers", "cohort_repeat_share") == [
        ("a", 2, 0.5),
        ("b", 2, 0.5),
        ("c", 1, 0.0),
    ]


def test_the_first_category_is_what_most_was_spent_on_at_first() -> None:
    rows = [goods("a", 0, 100, "p", "P"), goods("a", 0, 200, "q", "Q"), goods("a", 1, 900, "p", "P")]
    assert found(history(rows), day(60), "first_category") == [("a", "Q")]


def test_neighbours_returned_in_the_last_complete_window_only() -> None:
    # At day 60, the last complete window of 30 days is (30, 60].
    rows = [
        line("a", 0, 100, "1"),
        line("a", 40, 100, "2"),
        line("b", 0, 100, "3"),
        line("b", 70, 100, "4"),
        line("c", 50, 100, "5"),
    ]
    people = pl.LazyFrame({"customer_id": ["a", "b", "c"], "region": ["n", "s", "s"]})
    known = history(rows, customers=people)
    assert found(known, day(60), "shop_return_rate", "region_return_rate") == [
        ("a", 0.5, pytest.approx(26 / 51)),
        ("b", 0.5, pytest.approx(25 / 51)),
        ("c", 0.5, pytest.approx(25 / 51)),
    ]


def test_moving_holidays_move() -> None:
    indonesia = feasts.big_holidays("ID", 2024)
    assert date(2023, 4, 22) in indonesia["eid_al_fitr"]
    assert date(2024, 4, 10) in indonesia["eid_al_fitr"]
    assert date(2024, 2, 10) in indonesia["lunar_new_year"]
    assert date(2024, 3, 29) in feasts.big_holidays("NL", 2024)["easter"]
    assert date(2024, 3, 20) in feasts.fast_days("ID", 2024)
    assert feasts.fast_days("NL", 2024) == frozenset()


def test_holidays_lie_ahead_of_the_day_and_within_the_window() -> None:
    rows = [goods("a", -11, 300, "p", "P"), goods("a", 20, 100, "p", "P")]
    as_of = AsOf(date(2024, 3, 15), 30)
    names = ("days_to_big_holiday", "big_holidays_in_window", "fast_days_in_window", "holiday_spend_share")
    # Good Friday on 29 March and Eid on 10 April; the fast ends on 9 April. 21 December is before Christmas,
    # 21 January is before the Lunar New Year.
    assert found(everything(rows), as_of, *names) == [("a", 14, 2, 25, 1.0)]
