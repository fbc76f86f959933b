"""Only offers that could be the one made come together."""

import polars as pl
from decision_world import copies, rules
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.contenders import contenders
from models.options import OfferOptions
from models.profit import APPRAISALS, appraise

IDS = ("a", "b", "c", "d")


def offers(*rows: tuple[str, float, float, float]) -> pl.DataFrame:
    """Offers of one customer on e-mail: id, EIP, cautious EIP, expected cost."""
    return pl.DataFrame(
        [
            {
                "customer_id": "x",
                "offer_id": name,
                "channel": "email",
                "offer_cost": cost,
                "contact_cost": 0.0,
                "expected_cost": cost,
                "uplift": 0.1,
                "evidence": "C",
                "expected_incremental_profit": eip,
                "expected_incremental_profit_low": low,
                "harmful": False,
            }
            for name, eip, low, cost in rows
        ],
        schema=APPRAISALS,
    )


def left(*rows: tuple[str, float, float, float], scarce: tuple[str, ...] = ()) -> list[str]:
    return contenders(offers(*rows), "salt", scarce)["offer_id"].to_list()


def test_an_offer_that_is_dearer_and_no_better_is_out():
    assert left(("a", 9.0, 1.0, 5.0), ("b", 8.5, 1.0, 6.0), ("c", 8.0, 1.0, 5.0)) == ["a"]


def test_cheaper_ones_stay_and_so_do_equals():
    rows = ("a", 9.0, 1.0, 5.0), ("b", 7.0, 1.0, 3.0), ("c", 7.0, 1.0, 3.0), ("d", 6.0, 1.0, 4.0)
    assert left(*rows) == ["a", "b", "c"]


def test_a_scarce_offer_puts_nothing_out():
    rows = ("a", 9.0, 1.0, 5.0), ("b", 8.0, 1.0, 7.0), ("c", 7.0, 1.0, 6.0)
    assert left(*rows) == ["a"]
    assert left(*rows, scarce=("a",)) == ["a", "b", "c"]


def test_the_best_stays_even_when_it_does_not_pay():
    assert left(("a", 9.0, -1.0, 5.0), ("b", -3.0, -5.0, 1.0)) == ["a"]


@given(
    st.lists(
        st.tuples(st.sampled_from(IDS), st.floats(1, 9), st.just(0.5), st.floats(0, 9)),
        min_size=1,
        max_size=4,
        unique_by=lambda row: row[0],
    ),
    st.floats(0, 5),
)
@settings(deadline=None)
def test_whatever_money_costs_the_best_offer_is_among_them(
    rows: list[tuple[str, float, float, float]], price: float
):
    best = max(eip - price * cost for _, eip, _, cost in rows)
    kept = [row for row in rows if row[0] in left(*rows)]
    assert max(eip - price * cost for _, eip, _, cost in kept) == best


def test_without_costs_apart_a_single_channel_leaves_one_offer():
    rule = rules(offers=tuple(OfferOptions(id=name, cost=place) for place, name in enumerate(IDS)))
    every = appraise(copies(3), rule.offers, rule.effect, rule.contact, "EUR")
    kept = contenders(every, "salt")
    assert_frame_equal(kept, every.filter(pl.col("offer_id") == "a"))
