"""The population stability index: known values, laws of counting, and what counts as unusual."""

import math
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.drift import Column, Learned, Profile, chance_psi, moved, psi, total

DAYS = [date(2024, month, 1) for month in range(1, 7)]


def frame(
    seed: int = 0, days: list[date] | None = None, people: int = 500, shift: float = 0.0
) -> pl.DataFrame:
    """A few features as they come: a number, many zeros, a flag, a category, an unknown, the season."""
    rng = np.random.default_rng(seed)
    frames = [_one_day(day, rng, people, shift) for day in (DAYS if days is None else days)]
    return pl.concat(frames)


def _one_day(day: date, rng: np.random.Generator, people: int, shift: float) -> pl.DataFrame:
    spent = rng.lognormal(3 + shift, 1, people)
    return pl.DataFrame(
        {
            "as_of": [day] * people,
            "spent": spent,
            "complaints": rng.poisson(0.2, people),
            "flag": rng.random(people) < 0.3,
            "channel": rng.choice(["shop", "web"], people),
            "gap": [None if one < 15 else one for one in spent.tolist()],
            "season_sin": [math.sin(day.month)] * people,
        }
    )


NAMES = ("spent", "complaints", "flag", "channel", "gap", "season_sin")


def found(profile: Profile, rows: pl.DataFrame) -> dict[str, dict[str, float | None]]:
    return {row["column"]: row for row in moved(profile, profile.count(rows)).to_dicts()}


def test_the_index_of_two_bins_is_the_sum_by_hand():
    by_hand = (0.3 - 0.5) * math.log(0.3 / 0.5) + (0.7 - 0.5) * math.log(0.7 / 0.5)
    assert psi(np.array([30, 70]), np.array([50, 50])) == pytest.approx(by_hand)
    assert psi(np.array([50, 50]), np.array([30, 70])) == pytest.approx(by_hand)


def test_an_empty_bin_counts_as_half_a_row_of_the_smaller_side_but_never_less_than_a_ten_thousandth():
    few = (0.5 - 0.005) * math.log(0.5 / 0.005) + (0.5 - 1) * math.log(0.5)
    assert psi(np.array([50, 50]), np.array([0, 1000])) == pytest.approx(few)
    many = (0.5 - 1e-4) * math.log(0.5 / 1e-4) + (0.5 - 1) * math.log(0.5)
    assert psi(np.array([10**6, 10**6]), np.array([0, 10**7])) == pytest.approx(many)
    assert psi(np.array([0, 0]), np.array([3, 4])) == 0


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=12))
def test_the_same_shares_have_an_index_of_zero_however_many_rows(counts: list[int]):
    now = np.array(counts)
    assert psi(now, 7 * now) == pytest.approx(0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 5))
def test_order_and_split_of_the_rows_do_not_matter(seed: int, parts: int):
    rows = frame()
    profile = Profile.of(rows, NAMES)
    mixed = rows.sample(fraction=1, shuffle=True, seed=seed)
    again = Profile.of(mixed, NAMES)
    assert again.to_json() == profile.to_json()
    size = -(-rows.height // parts)
    apart = total(profile.count(part) for part in mixed.iter_slices(size))
    assert moved(profile, apart).equals(moved(profile, profile.count(rows)))


def test_the_training_rows_themselves_have_not_moved():
    rows = frame()
    table = moved(Profile.of(rows, NAMES), Profile.of(rows, NAMES).count(rows))
    assert table["psi"].to_list() == [0] * len(NAMES)
    assert (table["null_share"] == table["null_share_learned"]).all()


def test_another_night_of_the_same_shop_is_not_unusual_and_a_changed_unit_is():
    profile = Profile.of(frame(), NAMES)
    tonight = frame(seed=9, days=[date(2024, 7, 1)])
    assert [
        name for name, row in found(profile, tonight).items() if row["psi"] and row["psi"] > row["usual_psi"]
    ] == []
    cents = found(profile, tonight.with_columns(pl.col("spent") * 100))["spent"]
    assert cents["psi"] > 1
    assert cents["usual_psi"] < 0.25


def test_a_season_is_of_the_day_and_never_moves_until_it_differs_between_people():
    profile = Profile.of(frame(), NAMES)
    tonight = frame(seed=9, days=[date(2024, 9, 1)])
    assert found(profile, tonight)["season_sin"]["psi"] is None
    broken = tonight.with_columns(pl.when(pl.col("flag")).then(5.0).otherwise(-5.0).alias("season_sin"))
    assert found(profile, broken)["season_sin"]["psi"] > 1


def test_what_training_days_did_among_themselves_is_usual():
    level = pl.col("spent") * pl.col("as_of").dt.month()
    rows = frame().with_columns(spent=level)
    profile = Profile.of(rows, ["spent"])
    tonight = frame(seed=9, days=[date(2025, 6, 1)]).with_columns(spent=level)
    row = found(profile, tonight)["spent"]
    assert row["psi"] > 0.25
    assert row["psi"] < row["usual_psi"]


def test_with_fewer_than_three_training_days_nobody_knows_what_is_usual():
    profile = Profile.of(frame(days=DAYS[:2]), ["spent"])
    told = found(profile, frame(days=[date(2024, 7, 1)], shift=3))["spent"]
    assert (told["usual_psi"], told["usual_null_change"]) == (None, None)


@pytest.mark.parametrize("people", [20, 100])
def test_chance_alone_stays_below_the_noise_in_a_small_shop(people: int):
    rng = np.random.default_rng(5)
    over = 0
    for _ in range(300):
        now, then = (rng.multinomial(n, [0.1] * 10) for n in (people, 10 * people))
        over += psi(now, then) > chance_psi(now, then)
    assert over <= 3


def test_the_share_of_unknown_values_is_told_beside_that_of_training():
    rows = pl.DataFrame(
        {"as_of": [DAYS[0]] * 4 + [DAYS[1]] * 4 + [DAYS[2]] * 4, "gap": [1.0, 2.0, 3.0, None] * 3}
    )
    tonight = pl.DataFrame({"gap": [None, math.nan, math.inf, 2.0]})
    row = found(Profile.of(rows, ["gap"]), tonight)["gap"]
    assert (row["null_share"], row["null_share_learned"]) == (0.75, 0.25)


def test_a_value_that_many_hold_has_a_bin_of_its_own():
    column = pl.Series("x", [0] * 80 + list(range(1, 21)), dtype=pl.Int64)
    rows = pl.DataFrame({"as_of": [DAYS[0]] * 100, "x": column})
    (kept,) = Profile.of(rows, ["x"]).columns.values()
    below, zeros, *above = kept.count(pl.Series([-1, 0, 0, 5, 30]))[:-1].tolist()
    assert (below, zeros, sum(above)) == (1, 2, 2)


def test_a_value_that_training_never_saw_is_among_the_others():
    kept = Column((), ("shop", "web"), (5, 5, 0, 0))
    assert kept.count(pl.Series(["web", "fax", None, "shop"])).tolist() == [1, 1, 1, 1]
    assert kept.count(pl.Series(["web"], dtype=pl.Enum(["fax", "web"]))).tolist() == [0, 1, 0, 0]


def test_columns_without_values_can_be_profiled_and_counted():
    rows = pl.DataFrame(
        {"as_of": DAYS[:3], "x": [None] * 3, "c": [None] * 3},
        schema_overrides={"x": pl.Float64, "c": pl.String},
    )
    profile = Profile.of(rows, ["x", "c"])
    assert found(profile, rows.clear())["x"]["null_share"] == 0
    assert found(profile, rows)["c"]["null_share"] == 1


def test_what_is_kept_beside_a_model_comes_back_as_it_was(tmp_path: Path):
    rows = frame()
    scores = ("p0", "expected_margin", "value_if_returned", "value_if_not_returned")
    predictions = rows.select("as_of", *(pl.col("spent").alias(name) for name in scores))
    learned = Learned.of(rows, NAMES, predictions)
    learned.save(tmp_path)
    assert Learned.load(tmp_path) == learned
    assert Learned.load(tmp_path / "nowhere") is None
    assert learned.scores.columns.keys() == set(scores)


def test_days_may_come_in_any_distance():
    days = [DAYS[0] + timedelta(days=91 * n) for n in range(4)]
    assert Profile.of(frame(days=days), ["spent"]).columns["spent"].usual_psi is not None
