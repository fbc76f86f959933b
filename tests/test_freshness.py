from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.freshness import feed_measures, list_measures, stage_measures
from features.options import QualityOptions
from features.quality import Gate, load_suite

AS_OF = date(2024, 3, 1)  # a Friday


def daily(rows, source="transactions"):
    """Rows per day, from days back to rows."""
    return pl.DataFrame(
        [
            {"source": source, "day": AS_OF - timedelta(days=back), "rows": count}
            for back, count in rows.items()
        ],
        schema={"source": pl.String, "day": pl.Date, "rows": pl.Int64},
    )


def measured(rows, max_age=None, share=0.3):
    measures = feed_measures(daily(rows), AS_OF, max_age_days={"transactions": max_age}, min_day_share=share)
    return {name.removeprefix("transactions_"): value for name, value in measures.row(0, named=True).items()}


def steady(days=70, rows=100, **changed):
    return dict.fromkeys(range(days), rows) | {int(back[1:]): count for back, count in changed.items()}


def test_a_full_feed_has_nothing_too_old_and_nothing_short():
    assert measured(steady(), max_age=0) == {
        "newest_day": AS_OF,
        "age_days": 0,
        "days_too_old": 0,
        "day_rows": 100,
        "day_usual": 100.0,
        "day_rows_short": 0,
        "week_rows": 700,
        "week_usual": 700.0,
        "week_rows_short": 0,
    }


def test_a_feed_that_stopped_is_too_old_and_short():
    found = measured(steady(d0=0, d1=0, d2=0), max_age=1)
    assert (found["newest_day"], found["age_days"], found["days_too_old"]) == (date(2024, 2, 27), 3, 2)
    assert (found["day_rows"], found["day_rows_short"]) == (0, 30)
    assert (found["week_rows"], found["week_rows_short"]) == (400, 0)


def test_rows_after_the_day_are_not_seen():
    assert measured(steady(d0=0) | {-1: 100}, max_age=0)["days_too_old"] == 1


def test_a_source_without_any_row_counts_from_1970():
    measures = feed_measures(daily({}), AS_OF, max_age_days={"points": 3}, min_day_share=0.3)
    assert measures["points_days_too_old"].to_list() == [(AS_OF - date(1970, 1, 1)).days - 3]
    assert measures["points_day_rows_short"].to_list() == [None]


def test_a_source_without_a_limit_is_not_too_old():
    assert measured(steady(d0=0))["days_too_old"] is None


def test_a_day_on_which_the_shop_is_always_closed_is_not_missing():
    closed = dict.fromkeys(range(0, 70, 7), 0)
    found = measured(steady() | closed)
    assert (found["day_rows"], found["day_usual"], found["day_rows_short"]) == (0, 0.0, 0)


def test_the_last_day_is_compared_with_its_own_weekday():
    busy_fridays = dict.fromkeys(range(7, 70, 7), 1000)
    assert measured(steady() | busy_fridays)["day_rows_short"] == 200


@pytest.mark.parametrize(("usual", "found", "short"), [(19, 0, 0), (20, 0, 6), (20, 6, 0), (100, 29, 1)])
def test_a_shortfall_counts_when_it_is_beyond_chance(usual, found, short):
    assert measured(steady(rows=usual, d0=found))["day_rows_short"] == short


def test_a_shop_too_young_for_a_comparison_is_not_compared():
    young = measured(steady(days=34))
    assert (young["day_usual"], young["day_rows_short"], young["week_rows_short"]) == (None, None, None)
    assert measured(steady(days=35))["day_rows_short"] == 0


def test_a_share_of_zero_switches_the_comparison_off():
    assert measured(dict.fromkeys(range(7, 70), 100), share=0.0)["week_rows_short"] == 0


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), min_size=80, max_size=80), st.integers(0, 79))
def test_more_rows_never_make_a_feed_shorter_today(counts, back):
    rows = dict(enumerate(counts))
    before = measured(rows)
    after = measured(rows | {0: rows[0] + 50})
    for period in ("day", "week"):
        assert after[f"{period}_rows_short"] <= before[f"{period}_rows_short"]
    shuffled = feed_measures(
        daily(rows).sample(fraction=1, shuffle=True, seed=back),
        AS_OF,
        max_age_days={"transactions": None},
        min_day_share=0.3,
    )
    assert shuffled["transactions_day_usual"].to_list() == [before["day_usual"]]


def stages(**counts):
    rows = {"stage": list(counts), "count": list(counts.values())}
    return pl.DataFrame(rows, schema={"stage": pl.String, "count": pl.Int64})


def jump(now, before, days=1):
    return stage_measures(now, before, days=days, max_jump=0.15).row(0)


def test_a_jump_of_a_stage_beyond_the_limit_counts():
    stage, change, days, beyond = jump(stages(active=50, lapsed=50), stages(active=80, lapsed=20))
    assert (stage, change, days) == ("active", pytest.approx(-0.3), 1)
    assert beyond == pytest.approx(0.15)


def test_a_small_jump_is_fine():
    assert jump(stages(active=70, lapsed=30), stages(active=80, lapsed=20))[3] == 0.0


def test_a_jump_of_a_few_people_is_fine():
    assert jump(stages(active=4, lapsed=6), stages(active=8, lapsed=2))[3] == 0.0


def test_a_stage_that_was_not_there_before_counts():
    assert jump(stages(active=50, lapsed=50), stages(active=100))[:2] == ("active", -0.5)


def test_nights_without_one_shortly_before_are_not_compared():
    assert jump(stages(active=100), stages()) == (None, None, 1, None)
    assert jump(stages(active=100), stages(lapsed=100), days=30) == (None, None, 30, None)


@pytest.mark.parametrize(
    ("people", "earlier", "beyond"),
    [(300, [100, 20], 0), (301, [100, 20], 1), (5, [100], 0), (20, [1], 0), (10, [], None), (10, [0], None)],
)
def test_a_list_may_not_be_much_longer_than_the_longest_before(people, earlier, beyond):
    found = list_measures(people, earlier, max_growth=3.0).row(0)
    assert found == (people, max(earlier, default=0), beyond)


def test_the_suites_judge_these_measures():
    gate = Gate(None, QualityOptions())
    feeds = feed_measures(
        daily(steady(d0=0, d1=0)), AS_OF, max_age_days={"transactions": 1, "points": 9}, min_day_share=0.3
    )
    verdict = gate.check_measures(load_suite("feeds"), feeds, label="feeds")
    assert [failure.rule for failure in verdict.failures] == [
        "transactions_too_old",
        "points_too_old",
        "transactions_day_short",
    ]
    night = pl.concat(
        [
            stage_measures(stages(active=50, lapsed=50), stages(active=90, lapsed=10), days=1, max_jump=0.15),
            list_measures(1000, [10], max_growth=3.0),
        ],
        how="horizontal",
    )
    verdict = gate.check_measures(load_suite("night"), night, label="night")
    assert [failure.rule for failure in verdict.failures] == ["stage_jump", "list_jump"]
