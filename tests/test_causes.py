"""Why people left: every customer has one cause, from what they said before anything else."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from causes_world import CAUSES, row, said
from decision_world import DAY, copies, decided, rules
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.cause_table import UNKNOWN, CauseOptions
from models.causes import ANSWERS, guessed, with_guesses, with_said
from models.eligibility import Known
from models.keywords import holds_any, plain, spoken
from models.reasons import Group
from models.reasons.attribution import why

# The good customer of the decision's world bought for the last time so many days ago.
SILENT = 64


def causes_of(*rows: dict[str, Any], causes: CauseOptions = CAUSES, who: int = 1) -> list[str | None]:
    """The causes of so many customers, c0000 and on, each a person of their own."""
    frame = copies(who).select("customer_id", "last_purchase_on", person_id="customer_id")
    found = with_said(frame, frame.select("customer_id", "person_id"), said(*rows, causes=causes))
    return found["cause"].to_list()


def test_a_reason_code_stands_for_its_cause_however_it_is_written():
    for code in ("too_expensive", "Too expensive", " TOO-EXPENSIVE "):
        assert causes_of(row("c0000", 9, code)) == ["price"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Honestly it got TOO EXPENSIVE for me!", "price"),
        ("Terlalu mahal, kak", "price"),
        ("It is an expensively made thing", None),
        ("barangnya rusak waktu sampai", "quality"),
        ("I called twice and nobody called back", "service"),
        ("Sorry, I've moved abroad.", "moved"),
        ("I cannot afford it, and the service was RUDE", "service"),
        ("We can\u2019t afford it", "price"),
        ("lovely", None),
        ("", None),
    ],
)
def test_words_stand_for_a_cause_whole_and_in_any_language(text: str, cause: str | None):
    assert causes_of(row("c0000", 9, text=text, kind="survey")) == [cause]


def test_words_in_the_column_of_codes_are_read_too():
    assert causes_of(row("c0000", 9, "It was too expensive for us")) == ["price"]


def test_a_code_comes_before_words():
    assert causes_of(row("c0000", 9, "found_another_shop", text="too expensive")) == ["competitor"]


def test_the_answers_are_causes_and_nothing_of_the_words_is_kept():
    found = said(
        row("c0000", 9, "moved_away", text="to 1 Secret Street"), row("c0001", 3, kind="nps", score=2)
    )
    assert found.to_dicts() == [
        {
            "customer_id": "c0000",
            "said_at": datetime(2024, 5, 22, 23, 59, tzinfo=UTC),
            "said_on": date(2024, 5, 22),
            "asked": True,
            "cause": "moved",
            "place": list(CAUSES.table).index("moved"),
            "for_good": False,
        }
    ]
    assert found.schema == ANSWERS
    assert "Secret" not in str(decided(copies(1), rules(), Known(answers=found)))


def test_the_newest_answer_counts():
    rows = (
        row("c0000", 9, "too_expensive"),
        row("c0000", 8, "found_another_shop"),
        row("c0000", 10, "quality"),
    )
    assert causes_of(*rows) == ["competitor"]


def test_of_the_same_moment_an_answer_comes_before_a_complaint_and_the_table_decides_the_rest():
    complaint = row("c0000", 9, "poor_service", kind="Complaint")
    assert causes_of(complaint, row("c0000", 9, "too_expensive")) == ["price"]
    both = row("c0000", 9, "too_expensive"), row("c0000", 9, "quality")
    assert causes_of(*both) == causes_of(*reversed(both)) == ["quality"]


def test_an_answer_to_nothing_known_is_unknown_and_keeps_older_ones_away():
    assert causes_of(row("c0000", 9, "other"), row("c0000", 20, "too_expensive")) == [UNKNOWN]
    assert causes_of(row("c0000", 9, text="so long"), row("c0000", 20, "too_expensive")) == ["price"]


@pytest.mark.parametrize("kind", ["complaint", "ticket", "return"])
def test_a_complaint_that_fits_no_cause_says_nothing(kind: str):
    assert causes_of(row("c0000", 9, "other", kind=kind), row("c0000", 20, "too_expensive")) == ["price"]
    assert causes_of(row("c0000", 9, "late_delivery", kind=kind)) == ["delivery"]


def test_who_bought_again_got_over_it():
    assert causes_of(row("c0000", SILENT + 1, "too_expensive")) == [None]
    assert causes_of(row("c0000", SILENT, "too_expensive")) == ["price"]


def test_what_was_said_too_long_ago_does_not_count():
    soon = CauseOptions(max_age_days=30)
    assert causes_of(row("c0000", 30, "too_expensive"), causes=soon) == [None]
    assert causes_of(row("c0000", 29, "too_expensive"), causes=soon) == ["price"]


def test_what_holds_for_good_holds_after_any_time_any_answer_and_any_purchase():
    assert causes_of(row("c0000", 4000, "passed_away"), row("c0000", 1, "too_expensive")) == ["deceased"]
    assert causes_of(row("c0000", 4000, "moved_away"), row("c0000", 1, "too_expensive")) == ["price"]


def test_what_is_said_after_the_day_is_not_known_in_the_shops_own_time():
    assert causes_of(row("c0000", -0.5, "too_expensive")) == [None]
    last_minute = row("c0000", 0, "too_expensive")
    assert said(last_minute).height == 1
    assert said(last_minute, zone="Asia/Jakarta").is_empty()


def test_what_one_id_said_holds_for_the_person():
    who = pl.DataFrame({"customer_id": ["c0000", "c0001", "x"], "person_id": ["c0000", "c0001", "c0000"]})
    frame = copies(2).join(who, on="customer_id")
    assert with_said(frame, who, said(row("x", 9, "moved_away")))["cause"].to_list() == ["moved", None]


def test_words_are_alike_without_case_accents_and_punctuation():
    written = ["Très-Cher!", "tre\u0300s cher", "TRES  CHER", "\u201ctre\u0300s\u201d cher\u2026"]
    assert plain(written) == ["tres cher"] * 4


KINDS = st.sampled_from(["exit", "survey", "complaint", "return", "nps"])
CODES = st.sampled_from([None, "other", *(word for rule in CAUSES.table.values() for word in rule.reasons)])
TEXTS = st.sampled_from([None, "", "too expensive", "it was rude, and late", "mahal", "pindah rumah", "hm"])
SAID = st.builds(
    lambda place, ago, reason, text, kind: row(f"c{place:04d}", ago, reason, text=text, kind=kind),
    st.integers(0, 4),
    st.integers(-30, 500),
    CODES,
    TEXTS,
    KINDS,
)


@given(st.lists(SAID, max_size=12), st.randoms())
@settings(deadline=None, max_examples=60)
def test_everybody_has_one_cause_whatever_the_order_of_the_rows_and_whatever_comes_later(rows, random):
    frame = copies(5).select("customer_id", "last_purchase_on", person_id="customer_id")
    who = frame.select("customer_id", "person_id")
    found = with_guesses(with_said(frame, who, said(*rows)), pl.lit(value=True), None)
    assert found["customer_id"].to_list() == frame["customer_id"].to_list()
    assert found["cause"].is_in([*CAUSES.table, UNKNOWN]).all()
    mixed = [one for one in rows if one["occurred_at"].date() <= DAY]
    random.shuffle(mixed)
    assert_frame_equal(found, with_guesses(with_said(frame, who, said(*mixed)), pl.lit(value=True), None))


@given(st.text(max_size=30), st.text(max_size=30))
@settings(deadline=None)
def test_words_are_found_between_any_others_and_are_plain_already(one: str, other: str):
    (words,) = plain([one])
    assert plain([words]) == [words]
    text = pl.DataFrame({"text": [f"{other} {one} {other}"]})
    found = text.select(holds_any(spoken(pl.col("text")), [one] if words else [])).item()
    assert found is bool(words)


def grounds(**moved: float) -> pl.DataFrame:
    """Somebody who complained and took discounts, with what the model says of some groups."""
    features = {
        "customer_id": "c0000",
        "orders": 5,
        "days_since_last_purchase": 64,
        "usual_gap_days": 21.0,
        "complaints": 1,
        "days_since_last_complaint": 60,
        "discounted_orders_share": 0.8,
        "value_if_returned": 4000.0,
    }
    return pl.DataFrame([{**features, **{why(group): moved.get(group, 0.0) for group in Group}}])


@pytest.mark.parametrize(
    ("moved", "cause"),
    [
        ({"experience": 0.5, "price": 0.3}, ["service"]),
        ({"experience": 0.3, "price": 0.5}, ["price"]),
        ({"rhythm": 0.9, "price": 0.3}, ["price"]),
        ({"rhythm": 0.9}, []),
        ({"basket": 0.9}, []),
        ({}, []),
    ],
    ids=str,
)
def test_the_models_first_reason_that_stands_for_a_cause_and_is_borne_out_gives_it(
    moved: dict[str, float], cause: list[str]
):
    assert guessed(grounds(**moved), 12, CAUSES)["cause"].to_list() == cause
