"""Of what follows a return only the part that a contact has won counts."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from features.attrition import probability_columns
from models.won import Won, fit_won, won_notes

HORIZON = 30
ALIVE, SILENT, _ = probability_columns(HORIZON)


def shop(people: int, *, level: float, steepness: float, back: float, seed: int = 3) -> pl.DataFrame:
    """People of whom MBG/NBD says something, and who buy as the two-state view has it."""
    rng = np.random.default_rng(seed)
    said, buys = rng.uniform(0.01, 0.99, people), rng.uniform(0.05, 0.9, people)
    there = 1 / (1 + np.exp(-level - steepness * np.log(said / (1 - said))))
    chance = buys * (there + back * (1 - there))
    return pl.DataFrame(
        {
            "customer_id": [f"c{place}" for place in range(people)],
            ALIVE: said,
            SILENT: 1 - said * buys,
            "there": there,
            "chance_if_there": buys,
            "returned": rng.random(people) < chance,
            "weight": 1.0,
            "as_of": pl.Series([0] * people),
            "stage": np.where(said < 0.3, "lapsed", "active"),
        }
    )


def test_who_is_still_there_and_how_many_of_the_gone_return_is_found_again():
    rows = shop(40_000, level=-1.0, steepness=1.4, back=0.2)
    won = fit_won(rows, HORIZON)
    level, steepness, back = won.parameters
    doubts = np.sqrt(np.diag(np.array(won.covariance)))
    assert abs(level - -1.0) < 3 * doubts[0] < 0.5
    assert abs(steepness - np.log(1.4)) < 3 * doubts[1] < 0.5
    assert 1 / (1 + np.exp(-back)) == pytest.approx(0.2, abs=0.05)
    assert won.still_there(rows) == pytest.approx(rows["there"].to_numpy(), abs=0.07)


def test_the_share_is_the_gone_among_those_moved_over_the_gone_among_those_who_do_not_buy():
    won = Won((0.0, 0.0, float(np.log(0.25 / 0.75))), ((0.0,) * 3,) * 3, ALIVE, SILENT)
    one = pl.DataFrame({ALIVE: [0.5], SILENT: [1 - 0.5 * 0.4]})
    a, q, d = 0.5, 0.4, 0.1
    moved = (1 - a) * d * (1 - d) / (a * q * (1 - q) + (1 - a) * d * (1 - d))
    stay_away = (1 - a) * (1 - d) / (1 - a * q - (1 - a) * d)
    assert won.share(one)[0][0] == pytest.approx(moved / stay_away)


def test_of_the_surely_gone_all_counts_and_of_others_less_the_surer_they_are_there():
    won = fit_won(shop(5000, level=0.0, steepness=1.0, back=0.1), HORIZON)
    said = np.array([1e-4, 0.1, 0.5, 0.9, 0.999])
    share, error = won.share(pl.DataFrame({ALIVE: said, SILENT: 1 - said * 0.5}))
    assert share[0] > 0.95
    assert (np.diff(share) < 0).all()
    assert (share > 0).all()
    assert (error >= 0).all()
    assert error[2] > 0


def test_more_customers_leave_less_doubt_and_rows_of_one_customer_do_not():
    few, many = (shop(count, level=0.0, steepness=1.0, back=0.2) for count in (1000, 8000))
    again = pl.concat([few, few, few])
    doubt = [float(fit_won(rows, HORIZON).share(few)[1].mean()) for rows in (few, many, again)]
    assert doubt[1] < 0.6 * doubt[0]
    assert doubt[2] == pytest.approx(doubt[0], rel=1e-6)


@pytest.mark.parametrize("drop", [[], [ALIVE, SILENT]])
def test_where_attrition_is_not_known_everything_that_follows_counts(drop):
    rows = shop(100, level=0.0, steepness=1.0, back=0.2)
    blank: dict[str, Any] = {name: pl.lit(None, pl.Float64) for name in (ALIVE, SILENT)}
    won = fit_won(rows.drop(drop) if drop else rows.with_columns(**blank), HORIZON)
    share, error = won.share(rows)
    assert (share.tolist(), error.tolist()) == ([1.0] * 100, [0.0] * 100)
    assert won_notes(won, rows) == []


def test_one_person_of_whom_nothing_is_known_keeps_everything():
    won = fit_won(shop(1000, level=0.0, steepness=1.0, back=0.2), HORIZON)
    share, _ = won.share(
        pl.DataFrame(
            {ALIVE: [None, 0.9], SILENT: [None, 0.5]},
            schema_overrides={ALIVE: pl.Float64, SILENT: pl.Float64},
        )
    )
    assert share[0] == 1.0
    assert share[1] < 1.0


def test_what_was_written_reads_the_same():
    won = fit_won(shop(1000, level=0.0, steepness=1.0, back=0.2), HORIZON)
    assert Won.from_json(won.to_json()) == won


def test_a_note_says_how_much_counts_stage_by_stage():
    rows = shop(3000, level=0.0, steepness=1.0, back=0.2)
    (note,) = won_notes(fit_won(rows, HORIZON), rows)
    assert "of the active" in note
    assert "of the lapsed" in note
