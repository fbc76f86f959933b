"""Sentences about the person's own numbers."""

import pytest
from decision_world import copies, decided, people, rules

from models.reasons import with_reasons


def sentences(currency: str = "EUR", months: int = 12, **facts: object) -> list[str | None]:
    row = with_reasons(people({"customer_id": "a", **facts}), currency, months)
    return list(row.select("reason_1", "reason_2", "reason_3").row(0))


def test_a_full_row_has_three_sentences():
    assert sentences() == [
        "Usually buys every 21 days; silent for 64 days.",
        "Buys mostly from Kitchen, most often Tea pot.",
        "Winning them back is worth about 40.00 EUR of margin within 12 months.",
    ]


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"orders": 1}, "Bought once, 64 days ago."),
        ({"orders": 1, "days_since_last_purchase": 1}, "Bought once, 1 day ago."),
        ({"usual_gap_days": None}, "Last bought 64 days ago."),
        ({"usual_gap_days": 0.4}, "Usually buys every day; silent for 64 days."),
        ({"usual_gap_days": 80.0}, "Usually buys every 80 days; last bought 64 days ago."),
    ],
)
def test_the_rhythm_is_told_as_it_is(facts, sentence):
    assert sentences(**facts)[0] == sentence


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"favourite_category": None}, "Buys Tea pot most often."),
        ({"favourite_product": None}, "Buys mostly from Kitchen."),
        ({"favourite_product": "A\r\n  {}  B "}, "Buys mostly from Kitchen, most often A {} B."),
    ],
)
def test_favourites_are_told_on_one_line(facts, sentence):
    assert sentences(**facts)[1] == sentence


def test_where_there_is_nothing_to_say_later_sentences_move_up():
    told = sentences(favourite_category=" ", favourite_product=None)
    assert told[1:] == ["Winning them back is worth about 40.00 EUR of margin within 12 months.", None]


def test_money_has_the_digits_of_its_currency():
    assert sentences("JPY", 1)[2] == "Winning them back is worth about 4,000 JPY of margin within 1 month."
    assert sentences("KWD", 6)[2] == "Winning them back is worth about 4.000 KWD of margin within 6 months."


def test_a_shop_without_products_has_no_favourites():
    frame = copies(1).drop("favourite_product", "favourite_category")
    row = decided(frame, rules()).winback.row(0, named=True)
    assert (row["favourite_product"], row["favourite_category"], row["reason_3"]) == (None, None, None)
