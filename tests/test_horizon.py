"""Which horizon the data choose: what is counted, which errors follow, and what shops of known rhythm get."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from shop_world import COLUMNS, START, day, everything, histories, history, line

from features.asof import AsOf
from features.diary import count_silences, diary, merged
from features.options import ChurnOptions
from features.rhythm import order_days
from features.runs import Runs
from features.stages import count_gaps
from models.horizon import Choice, choose, chosen, error_curve, judged_days, proposed
from models.plots import horizon_png

FIRST, LAST = date(2020, 1, 1), date(2024, 12, 31)
SHAPE = {"silent_days": pl.Int32, "returned": pl.Boolean, "count": pl.Int64}


def judged(number: int, follow_up: int) -> AsOf:
    return AsOf(START + timedelta(days=number), follow_up, lookback_days=2 * follow_up)


def silences(*rows: tuple[int, bool, int]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SHAPE, orient="row")


def gaps(*days: int) -> pl.DataFrame:
    counted = pl.Series("gap_days", days, dtype=pl.Int32).value_counts(sort=False).sort("gap_days")
    return counted.with_columns(pl.col("count").cast(pl.Int64))


def rhythmic(gap: float, spread: float, leaving: float, years: float = 5, people: int = 600) -> Runs:
    """The diary of a shop whose customers come every so many days and leave at some rate per year."""
    rng = np.random.default_rng(11)
    span = (LAST - FIRST).days + 1
    rows = []
    for customer in range(people):
        here = min(rng.exponential(365 / leaving), span)
        on, left = rng.uniform(0, span - 1), 0.0
        while on < span and left <= here:
            rows.append((customer, FIRST + timedelta(days=int(on))))
            step = max(1.0, rng.normal(gap, spread))
            on, left = on + step, left + step
    since = LAST - timedelta(days=round(365 * years))
    frame = pl.DataFrame(rows, schema={"customer": pl.UInt32, "ordered_on": pl.Date}, orient="row")
    return Runs.of(order_days(Runs.of(frame.filter(pl.col("ordered_on") > since))))


def choice(days: Runs, years: float = 5, **options: Any) -> Choice:
    as_of, churn = AsOf(LAST, 90), ChurnOptions(**options)
    first = LAST - timedelta(days=round(365 * years) - 1)
    counted = count_silences(days, judged_days(as_of, first, churn))
    return choose(counted, count_gaps(days), as_of, first, churn)


def test_silences_are_counted_with_what_became_of_them():
    rows = [
        line("back", 10, 100, "a"),
        line("back", 45, 100, "b"),  # silent 30 on day 40, back on 45
        line("gone", 38, 100, "c"),
        line("late", 20, 100, "d"),
        line("late", 61, 100, "e"),  # a day after the follow-up
        line("before", 0, 100, "f"),  # 40 days before: outside of (0, 40]
        line("after", 41, 100, "g"),
        line("cancelled", 30, 100, "h"),
        line("cancelled", 70, -100, "i", returned_order_id="h"),
    ]
    days = diary(history(rows).parts[0], COLUMNS, day(90))
    counted = count_silences(days, [judged(40, 20)])
    assert counted.equals(silences((2, False, 1), (20, False, 1), (30, True, 1)))


def test_days_add_up_and_so_do_parts():
    rows = [line(name, on, 100, f"{name}{on}") for name in ("a", "b", "c") for on in (0, 25, 50, 75)]
    counted = [
        {"silences": count_silences(diary(part, COLUMNS, day(99)), [judged(60, 20), judged(50, 20)])}
        for part in everything(rows, parts=2).parts
    ]
    assert merged(counted)["silences"].equals(silences((0, False, 3), (10, True, 3)))


def test_the_errors_of_a_hand_made_shop():
    shop = silences(
        (5, True, 60), (30, True, 30), (70, True, 10), (5, False, 5), (59, False, 15), (70, False, 30)
    )
    curve = error_curve(shop, (30, 60, 90), 0.5)
    expected = pl.DataFrame(
        {
            "horizon_days": [30, 60, 90],
            "judged": [150, 150, 150],
            "type_1": [0.4, 0.1, 0.0],
            "type_2": [0.1, 0.4, 1.0],
            "loss": [0.25, 0.25, 0.5],
        }
    )
    assert curve.equals(expected)


def test_the_weight_decides_which_error_is_worse_and_ties_go_to_the_shorter():
    shop = silences(
        (5, True, 600), (40, True, 300), (70, True, 100), (5, False, 50), (40, False, 150), (70, False, 300)
    )
    as_of = AsOf(FIRST + timedelta(days=299), 90)

    def best(weight: float) -> int:
        options = ChurnOptions(horizon_candidates=(30, 60, 90, 100), type_1_weight=weight)
        return choose(shop, gaps(30), as_of, FIRST, options).horizon_days

    assert (best(0.5), best(0.45), best(0.55)) == (30, 30, 60)


def test_nobody_to_judge_gives_no_error_and_no_failure():
    curve = error_curve(silences((5, True, 3)), (30,), 0.5)
    assert curve.rows() == [(30, 3, 0.0, None, None)]


@given(
    st.lists(st.tuples(st.integers(0, 800), st.booleans(), st.integers(1, 50)), min_size=1, max_size=30),
    st.lists(st.integers(1, 900), min_size=2, max_size=8, unique=True).map(sorted),
)
def test_a_longer_horizon_never_raises_the_first_error_and_never_lowers_the_second(
    rows: list[tuple[int, bool, int]], candidates: list[int]
):
    curve = error_curve(silences(*rows), candidates, 0.5)
    assert curve["type_1"].drop_nulls().is_sorted(descending=True)
    assert curve["type_2"].drop_nulls().is_sorted()


@settings(max_examples=30, deadline=None)
@given(histories(), st.integers(100, 380))
def test_what_is_counted_does_not_hang_on_the_parts_or_on_later_rows(rows: list[dict[str, Any]], number: int):
    known = day(number)
    days = [judged(number - 40, 40), judged(number - 60, 40)]

    def counted(parts: int, until: AsOf | None) -> pl.DataFrame:
        found = everything(rows, until, parts).parts
        return merged([{"silences": count_silences(diary(p, COLUMNS, known), days)} for p in found])[
            "silences"
        ]

    assert counted(3, None).equals(counted(1, known))


def test_a_day_is_judged_only_when_its_whole_follow_up_is_known_and_twice_as_much_before():
    options = ChurnOptions(horizon_candidates=(30, 60, 90))
    as_of = AsOf(date(2024, 7, 28), 90)  # 210 days from the first: three times 60, not three times 90
    days = judged_days(as_of, date(2024, 1, 1), options)
    assert days == [
        AsOf(date(2024, 5, 29), 60, lookback_days=120),
        AsOf(date(2024, 4, 29), 60, lookback_days=120),
    ]
    assert days[0].is_complete(as_of.day)
    assert judged_days(AsOf(date(2024, 3, 29), 90), date(2024, 1, 1), options) == []


@pytest.mark.parametrize(
    ("gap", "spread", "leaving", "expected"),
    [(7, 2, 0.7, {30}), (30, 8, 0.5, {45, 60}), (90, 20, 0.4, {120}), (365, 30, 0.15, {365})],
    ids=["weekly", "monthly", "quarterly", "yearly"],
)
def test_a_shop_gets_the_horizon_of_its_rhythm(gap: float, spread: float, leaving: float, expected: set[int]):
    found = choice(rhythmic(gap, spread, leaving))
    assert found.horizon_days in expected
    assert found.notes == ()
    assert found.curve["horizon_days"].to_list() == list(ChurnOptions().horizon_candidates)


def test_the_age_of_a_shop_does_not_decide():
    days = rhythmic(30, 8, 0.5)
    assert choice(days, years=5).horizon_days == choice(days, years=3.5).horizon_days


def test_a_short_history_goes_by_the_gaps_and_says_so():
    as_of = AsOf(FIRST + timedelta(days=149), 90)
    found = choose(silences(), gaps(*range(1, 51)), as_of, FIRST, ChurnOptions())
    assert (found.horizon_days, found.curve.height) == (60, 2)
    assert " ".join(found.notes) == (
        "With 150 days of history no horizon can be judged by what came after it. As 90% of the gaps between "
        "orders last at most 45 days, 60 days it is; longer gaps may not have been seen yet, so look again "
        "when there is more history."
    )


def test_what_cannot_be_trained_because_of_the_gap_is_not_judged_either():
    options = ChurnOptions(horizon_candidates=(10, 20, 30, 40), gap_days=65)
    as_of, back_and_gone = AsOf(FIRST + timedelta(days=99), 90), silences((5, True, 500), (50, False, 500))
    assert choose(back_and_gone, gaps(5), as_of, FIRST, options).horizon_days == 10
    never = ChurnOptions(horizon_candidates=(10, 20, 30, 40), gap_days=90)
    assert judged_days(as_of, FIRST, never) == []
    assert choose(back_and_gone, gaps(5), as_of, FIRST, never).horizon_days == 10


def test_gaps_give_no_longer_horizon_than_can_be_trained():
    as_of = AsOf(FIRST + timedelta(days=99), 90)
    options = ChurnOptions(gap_days=11)
    assert choose(silences(), gaps(80, 90), as_of, FIRST, options).horizon_days == 30  # 2 * 45 + 11 > 100
    assert choose(silences(), gaps(80, 90), as_of, FIRST, ChurnOptions()).horizon_days == 45
    assert (
        choose(silences(), gaps(), as_of, FIRST, ChurnOptions())
        .notes[0]
        .endswith("bought twice: 45 days it is.")
    )


def test_too_few_people_do_not_choose():
    as_of = AsOf(FIRST + timedelta(days=999), 90)
    few = silences((5, True, 99), (200, False, 5000))
    found = choose(few, gaps(20), as_of, FIRST, ChurnOptions())
    assert found.horizon_days == 30
    assert found.notes[0].startswith("Only 99 customers came back after a silence and 5,000 did not")
    one = choose(silences((5, True, 1), (200, False, 5000)), gaps(20), as_of, FIRST, ChurnOptions())
    assert one.notes[0].startswith("Only 1 customer came back after")


def test_the_longest_candidate_that_can_be_judged_is_not_taken_for_the_best():
    yearly = rhythmic(365, 30, 0.15)
    found = choice(Runs.of(yearly.rows.filter(pl.col("ordered_on") > date(2022, 6, 30))), years=2.5)
    assert found.curve["horizon_days"].max() == 270
    assert found.horizon_days == 365
    assert "the longest, 270 days, errs least: longer may be better" in found.notes[0]


def test_what_is_told_names_both_errors_of_both_horizons():
    shop = silences(
        (5, True, 600), (40, True, 300), (70, True, 100), (5, False, 50), (40, False, 150), (70, False, 300)
    )
    options = ChurnOptions(horizon_candidates=(30, 60, 90))
    found = choose(shop, gaps(30), AsOf(FIRST + timedelta(days=299), 90), FIRST, options)
    assert chosen(found) == (
        "The horizon is 30 days from now on, chosen from the data (wrong about 40% of those who came back "
        "and 10% of those who did not)."
    )
    assert proposed(found, 30).startswith(
        "The data would choose the horizon in use, 30 days (wrong about 40%"
    )
    assert proposed(found, 75) == (
        "The data would choose a horizon of 30 days (wrong about 40% of those who came back and 10% of those "
        "who did not); 75 days stay in use. Set churn.horizon_days to change that."
    )


def test_the_picture_of_the_curve_is_the_same_twice():
    curve = error_curve(silences((5, True, 3), (40, False, 3)), (30, 60), 0.5)
    first = horizon_png(curve, 60)
    assert first.startswith(b"\x89PNG")
    assert first == horizon_png(curve, 60)
    assert first != horizon_png(curve, 30)


@pytest.mark.parametrize("candidates", [(), (60, 30), (30, 30), (0, 30)])
def test_candidates_rise(candidates: tuple[int, ...]):
    with pytest.raises(ValidationError):
        ChurnOptions(horizon_candidates=candidates)
