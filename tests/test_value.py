"""V1, V0 and S in a shop whose truth is known."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from value_world import CONTRACT, LAST, Truth, true_values, value_rows

from features.labels import margin_month
from models.followup import followup
from models.matrix import to_matrix
from models.options import ValueOptions, XgbOptions
from models.value import Worth, fit_worth
from models.window import fit_window

XGB = XgbOptions(rounds=30, early_stopping=5, learning_rate=0.2, colsample_bytree=1.0, threads=1)


def worths(rows: pl.DataFrame, **value: float) -> tuple[Worth, Worth, list[str]]:
    p0 = np.full(len(rows), 0.5)
    window, _ = fit_window(rows, CONTRACT, XGB, 7, p0)
    options = ValueOptions(**value)  # type: ignore[arg-type]  # months are whole numbers
    return fit_worth(rows, CONTRACT, LAST, window=window, xgb=XGB, value=options, seed=7)


def means(worth: Worth, rows: pl.DataFrame) -> dict[str, float]:
    found = rows.select("stage").with_columns(
        value=worth.predict(to_matrix(rows, CONTRACT), rows["stage"])[0]
    )
    return dict(found.group_by("stage").agg(pl.col("value").mean()).iter_rows())


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return value_rows(Truth(people=3000))


@pytest.fixture(scope="module")
def fitted(rows: pl.DataFrame) -> tuple[Worth, Worth, list[str]]:
    return worths(rows)


def test_values_come_out_as_they_are(rows: pl.DataFrame, fitted: tuple[Worth, Worth, list[str]]) -> None:
    won, left, notes = fitted
    truth, v1, v0 = true_values(Truth()), means(won, rows), means(left, rows)
    assert notes == []
    assert (won.months, left.months, won.tail, left.tail) == (12, 12, 0.0, 0.0)
    for stage in ("active", "lapsed"):
        assert v1[stage] == pytest.approx(truth[stage, True], rel=0.06)
        assert v0[stage] == pytest.approx(truth[stage, False], rel=0.1)


def test_a_return_is_worth_more_where_staying_away_means_gone(
    rows: pl.DataFrame, fitted: tuple[Worth, Worth, list[str]]
) -> None:
    won, left, _ = fitted
    v1, v0 = means(won, rows), means(left, rows)
    assert v0["lapsed"] < 0.6 * v0["active"]
    assert v1["lapsed"] - v0["lapsed"] > v1["active"] - v0["active"] > 0


def test_days_that_have_not_seen_all_months_teach_those_they_have() -> None:
    rows = value_rows(Truth())
    recent = pl.col(margin_month(12)).is_null()
    doubled = rows.with_columns(
        pl.when(recent).then(2 * pl.col(margin_month(k))).otherwise(margin_month(k)).alias(margin_month(k))
        for k in range(3, 12)
    )
    before, after = (means(worths(some)[1], rows)["active"] for some in (rows, doubled))
    assert 1.2 * before < after < 2 * before


def test_goods_that_come_back_make_values_negative() -> None:
    rows = value_rows(Truth(rate=0.02, dead=1.0, returned=-300))
    left = worths(rows, discount_rate=0.0)[1]
    assert means(left, rows)["lapsed"] == pytest.approx(12 * -300, rel=0.1)


def test_the_tail_is_told_as_a_share_of_the_value() -> None:
    rows = value_rows(Truth(stays=1.0), days=8)
    won, _, notes = worths(rows, discount_rate=0.0)
    assert won.months < 12
    # Nobody leaves, so every month is worth the same; the decay that is believed lies below.
    beyond = 12 - won.months
    assert 0.6 * beyond / 12 < won.extrapolated_share < 1.05 * beyond / 12
    assert notes[0].startswith(f"{won.extrapolated_share:.0%} of the value if returned is extrapolated")


def test_what_lies_after_the_window_is_unknown_to_a_short_history() -> None:
    won, left, notes = worths(value_rows(Truth(), days=1))
    assert (won.tail, left.tail) == (0.0, 0.0)
    assert all("is unknown and counted as 0" in note for note in notes)


def test_more_customers_make_the_mean_surer() -> None:
    errors = []
    for people in (600, 2400):
        rows = value_rows(Truth(people=people))
        won = worths(rows)[0]
        errors.append(won.predict(to_matrix(rows, CONTRACT), rows["stage"])[1].mean())
    assert errors[1] < 0.8 * errors[0]


def test_the_same_rows_counted_twice_make_the_mean_no_surer() -> None:
    rows = value_rows(Truth())
    twice = pl.concat([rows, rows]).sort("as_of", "customer_id")
    once, again = (
        worths(some)[0].predict(to_matrix(rows, CONTRACT), rows["stage"])[1].mean() for some in (rows, twice)
    )
    assert again == pytest.approx(once, rel=0.2)


def test_the_same_rows_give_the_same_bytes(
    rows: pl.DataFrame, fitted: tuple[Worth, Worth, list[str]]
) -> None:
    assert worths(rows) == fitted


def test_shares_of_what_is_seen_are_those_of_the_months() -> None:
    rows = pl.DataFrame(
        {
            "as_of": [date(2024, 1, 1), date(2024, 2, 1)],
            "stage": ["active"] * 2,
            "weight": [1.0, 1.0],
            "margin_month_01": [500, 500],
            "margin_month_02": [100, 80],
            "margin_month_03": [50, None],
        }
    )
    found = followup(rows, 1, 3, np.ones(3), np.array([400.0, 0.0]))
    assert found.before.tolist() == [100.0, 500.0]
    assert found.later.tolist() == [150.0, 80.0]
    assert found.share.tolist() == [1.0, 1 / 1.5]
    assert found.whole.tolist() == [250.0, 500 + 80 * 1.5]
