"""Does a shop fit? What is counted, where the limits lie, and what is said about them."""

from dataclasses import asdict, replace
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from shop_world import COLUMNS, START, day, everything, histories, history, line

from features.asof import AsOf
from features.diary import count_habits, diary, merged
from features.errors import DataRefused
from features.stages import count_gaps
from models.fitness import Diagnosis, Figures, Fit, as_markdown, refuse_unfit, told, verdict

GOOD = Figures(
    horizon_days=60,
    customers=5000,
    one_time_share=0.3,
    median_gap_days=25.0,
    gap_regularity=1.6,
    repeat_margin_share=0.8,
    snapshots=20,
    snapshots_needed=5,
    returned_per_snapshot=900.0,
    stayed_away_per_snapshot=2000.0,
)


def fit(**changes: Any) -> Fit:
    return verdict(replace(GOOD, **changes)).fit


def test_habits_are_counted_with_their_sums():
    rows = [
        line("twice", 0, 1000, "a", cost_amount=600),
        line("twice", 0, 500, "a2", cost_amount=400),  # the same day: one order day
        line("twice", 40, 2000, "b", cost_amount=1500),
        line("thrice", 5, 100, "c", cost_amount=0),
        line("thrice", 15, 100, "d", cost_amount=0),
        line("thrice", 45, 100, "e", cost_amount=0),
        line("once", 10, 700, "f", cost_amount=0),
        line("new", 70, 300, "g", cost_amount=0),
    ]
    until = day(90, horizon=30, gap=5)
    days = diary(history(rows).parts[0], COLUMNS, until)
    counts = count_habits(days, until, [day(8, horizon=30, gap=5), day(41, horizon=30, gap=5)])
    assert dict(counts["totals"].iter_rows()) == {
        "customers": 3,  # new had its first order 20 days ago, a gap and an outcome window take 35
        "one_time": 1,
        "margin": 500 + 500 + 300 + 700 + 300,
        "repeat_margin": 500 + 200,
        "leans": 250_000,  # gaps of 10 and 30: (2 * 30 / 40 - 1) squared, in millionths
        "pairs": 1,
    }
    assert counts["snapshots"].rows() == [
        (START.replace(day=9), 2, 2),
        (date(2024, 2, 11), 2, 0),  # thrice ordered in the gap: not asked
    ]


def test_the_figures_of_a_hand_made_shop():
    rows = [line("a", on, 100, f"a{on}", cost_amount=50) for on in (0, 10, 40)]
    rows += [line("b", on, 100, f"b{on}", cost_amount=50) for on in (3, 33)]
    rows += [line("c", 4, 100, "c", cost_amount=50)]
    until = day(60, horizon=20)
    days = diary(history(rows).parts[0], COLUMNS, until)
    counts = {
        "gaps": count_gaps(days),
        **count_habits(days, until, [day(39, horizon=20), day(20, horizon=20)]),
    }
    assert Figures.of(counts, until, tests=3) == Figures(
        horizon_days=20,
        customers=3,
        one_time_share=1 / 3,
        median_gap_days=30.0,
        gap_regularity=(1 - 0.25) / (2 * 0.25),
        repeat_margin_share=0.5,
        snapshots=2,
        snapshots_needed=4,
        returned_per_snapshot=1.5,  # one of three after day 39, two after day 20
        stayed_away_per_snapshot=1.5,
    )


def test_a_shop_without_anything_has_figures_too():
    none = diary(history([]).parts[0], COLUMNS, day(60))
    counts = {"gaps": count_gaps(none), **count_habits(none, day(60), [])}
    figures = Figures.of(counts, day(60), tests=3)
    assert [value for value in asdict(figures).values() if value is not None] == [30, 0, 0, 4, 0]
    assert verdict(figures).fit is Fit.DOES_NOT_FIT


@settings(max_examples=30, deadline=None)
@given(histories(), st.integers(60, 420))
def test_figures_do_not_hang_on_the_parts_or_on_later_rows(rows: list[dict[str, Any]], number: int):
    until = day(number)
    snapshots = [day(number - 30), day(number - 61)]

    def counted(parts: int, known: AsOf | None) -> dict[str, pl.DataFrame]:
        found = everything(rows, known, parts).parts
        return merged([count_habits(diary(part, COLUMNS, until), until, snapshots) for part in found])

    apart, together = counted(3, None), counted(1, until)
    for name, frame in together.items():
        assert_frame_equal(apart[name], frame)


def test_a_shop_with_a_rhythm_fits():
    assert verdict(GOOD) == Diagnosis(Fit.FITS, ())
    assert told(verdict(GOOD)) == "This shop fits: its customers come back often enough to learn from."


@pytest.mark.parametrize(
    ("name", "fits", "weak", "unfit"),
    [
        ("one_time_share", 0.84, 0.85, 0.95),
        ("repeat_margin_share", 0.15, 0.14, 0.04),
        ("snapshots", 5, 4, 0),
        ("returned_per_snapshot", 100.0, 99.0, 9.0),
        ("stayed_away_per_snapshot", 100.0, 99.0, 9.0),
    ],
)
def test_where_the_limits_lie(name: str, fits: float, weak: float, unfit: float):
    found = [fit(**{name: value}) for value in (fits, weak, unfit)]
    assert found == [Fit.FITS, Fit.WEAK, Fit.DOES_NOT_FIT]


def test_a_long_gap_or_bursts_make_a_shop_weak_and_no_worse():
    assert [fit(median_gap_days=days) for days in (60.0, 61.0, 400.0)] == [Fit.FITS, Fit.WEAK, Fit.WEAK]
    assert [fit(gap_regularity=k) for k in (0.5, 0.4, 0.01)] == [Fit.FITS, Fit.WEAK, Fit.WEAK]


def test_what_nobody_shows_is_not_held_against_a_shop():
    assert fit(gap_regularity=None, median_gap_days=None, repeat_margin_share=None) is Fit.FITS


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 30), st.floats(0, 500), st.floats(0, 1))
def test_a_shop_never_fits_better_when_fewer_come_again(
    once: float, repeat: float, snapshots: int, back: float, more: float
):
    figures = replace(
        GOOD,
        one_time_share=once,
        repeat_margin_share=repeat,
        snapshots=snapshots,
        returned_per_snapshot=back,
    )
    worse = replace(figures, one_time_share=once + (1 - once) * more, returned_per_snapshot=back * (1 - more))
    order = list(Fit)
    assert order.index(verdict(worse).fit) >= order.index(verdict(figures).fit)


def test_a_shop_where_three_per_cent_buy_again_is_told_so():
    figures = replace(GOOD, one_time_share=0.97, repeat_margin_share=0.04, returned_per_snapshot=20.0)
    with pytest.raises(DataRefused) as refused:
        refuse_unfit(verdict(figures), even_if_unfit=False)
    assert refused.value.exit_code == 3
    assert str(refused.value) == (
        "winback does not fit this shop, and training was not started:\n"
        "  - Of 5,000 customers, 97.0% bought only once and 3.0% ever again. Work on the second order of new "
        "customers first: there is hardly anybody to win back.\n"
        "  - Orders after the first bring 4.0% of the margin. No list can earn more than a part of that: see "
        "whether it is worth the contacts.\n"
        "  - On a usual day 20 customers come back within 60 days. Deliver more customers or history, or "
        "choose a longer churn.horizon_days.\n"
        "To train all the same, set train.even_if_unfit: true."
    )


def test_a_tiny_shop_is_not_told_to_choose_a_longer_horizon_and_a_shorter_one():
    tiny = replace(GOOD, returned_per_snapshot=20.0, stayed_away_per_snapshot=30.0, snapshots=2)
    advice = {one.advice for one in verdict(tiny).reasons}
    worse = "; another churn.horizon_days would mend this and make something else worse."
    assert advice == {f"Deliver more customers or history{worse}", f"Deliver more history{worse}"}
    few = verdict(replace(GOOD, returned_per_snapshot=20.0, median_gap_days=70.0))
    assert all("or choose a longer churn.horizon_days." in one.advice for one in few.reasons)


def test_forced_or_only_weak_is_not_refused():
    refuse_unfit(verdict(replace(GOOD, one_time_share=0.97)), even_if_unfit=True)
    refuse_unfit(verdict(replace(GOOD, one_time_share=0.9)), even_if_unfit=False)


def test_the_document_shows_every_figure_and_what_speaks_against_the_shop():
    figures = replace(GOOD, one_time_share=0.9, gap_regularity=None, gap_days=7)
    text = as_markdown(figures, verdict(figures))
    assert text.startswith("# Does it fit? Weak.\n\n- **weak**: Of 5,000 customers, 90.0% bought only once")
    for row in ("| one_time_share | 90.0% |", "| gap_regularity | not defined |", "| customers | 5,000 |"):
        assert row in text
    assert all(f"| {name} |" in text for name in asdict(figures))
    windows = {"horizon_days", "gap_days"}
    assert set(figures.metrics()) == {f"fit.{name}" for name in asdict(figures) if name not in windows}


@pytest.mark.parametrize(("snapshots", "found"), [(0, "after it and its gap of 400 days."), (2, "need 5.")])
def test_a_gap_that_leaves_too_few_days_is_named_too(snapshots: int, found: str):
    [reason] = verdict(replace(GOOD, snapshots=snapshots, gap_days=400)).reasons
    assert reason.found.endswith(found)
    assert reason.advice == (
        "Deliver more history, or choose a shorter churn.gap_days, or choose a shorter churn.horizon_days."
    )
    [usual] = verdict(replace(GOOD, snapshots=snapshots)).reasons
    assert "gap" not in f"{usual.found} {usual.advice}"
