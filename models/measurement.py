"""What did a delivered list really earn, against the people held out of it?

Intention to treat: everybody who was drawn for treatment against everybody who was drawn as a control, over
the same days, whatever became of the contact. Never a before and after. The whole list decides; of its groups
(tier, offer, stage, cause) one in twenty looks like a success by chance alone.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

import numpy as np
import polars as pl

from features.asof import AsOf
from features.money import exponent, units
from models.arms import Difference, differences
from models.cells import Numbers, cells
from models.observed import COVARIATES, GROUPS, NET_MARGIN, NET_PROFIT, RETURN_RATE, Trial
from models.power import smallest_difference, smallest_lift
from models.soundness import Contamination, split_p_value

# With fewer buyers than this, or fewer people in an arm, no interval is to be believed.
_LEAST_BUYERS, _LEAST_IN_ARM = 10, 20
_RATE_DIGITS, _MONEY_DIGITS = 6, 4
# The whole list, where the groups have the name of their column.
WHOLE = "list"

FIGURES = pl.Schema(
    {
        "outcome": pl.String(),
        "treated": pl.Int64(),
        "controls": pl.Int64(),
        "treated_mean": pl.Float64(),
        "control_mean": pl.Float64(),
        "difference": pl.Float64(),
        "standard_error": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "total": pl.Float64(),
        "smallest_difference": pl.Float64(),
        "verdict": pl.String(),
    }
)
MEASUREMENTS = pl.Schema(
    {
        "list_id": pl.String(),
        "as_of": pl.Date(),
        "acknowledged_on": pl.Date(),
        "counted_from": pl.Date(),
        "counted_until": pl.Date(),
        "by": pl.String(),
        "group": pl.String(),
        **FIGURES,
        "smallest_lift_points": pl.Float64(),
        "control_share_drawn": pl.Float64(),
        "split_p_value": pl.Float64(),
        "in_two_arms": pl.Int64(),
        "in_two_enrolments": pl.Int64(),
        "controls_contacted": pl.Int64(),
    }
)


class Judgement(StrEnum):
    """Whether contacting paid: the 90 % interval of net profit lies above 0, below 0, or on both sides."""

    WORKED = "worked"
    DID_NOT = "did not"
    TOO_SMALL = "too small to tell"


def measured(
    trial: Trial, people: pl.DataFrame, touched: Contamination, currency: str, seed: int
) -> pl.DataFrame:
    """One row per outcome of the whole list and of each group (`MEASUREMENTS`).

    Money is in major units per person contacted. The doubts about the split and about people in two places
    are those of the whole list, on its own rows.

    Args:
        trial: the list.
        people: what `models.observed.observed` gives.
        touched: what `models.soundness.contamination` gives.
        currency: reporting currency.
        seed: of the draws; each list and group draws its own.
    """
    known = {"list_id": trial.list_id, "as_of": trial.as_of, **days_of(trial.window)}
    rows = []
    for by, group, some in _parts(people):
        name = trial.list_id if by == WHOLE else f"{trial.list_id}|{by}|{group}"
        doubts = _doubts(some, touched) if by == WHOLE else {}
        fixed = {**known, "by": by, "group": group, **doubts, **_lift(some)}
        rows += [{**fixed, **row} for row in figures(some, cells_of(some), currency, (seed, name))]
    return shaped(rows, MEASUREMENTS)


def figures(
    people: pl.DataFrame,
    cell: Numbers,
    currency: str,
    seed: tuple[int, str],
    *,
    outcomes: Sequence[str] = (RETURN_RATE, NET_MARGIN, NET_PROFIT),
    clustered: bool = False,
) -> Iterator[dict[str, Any]]:
    """The figures of some enrolments (`FIGURES`), outcome by outcome; null where nothing can be said.

    Args:
        people: their rows; a covariate is null where its whole list does not have it.
        cell: who may be compared with whom.
        currency: reporting currency.
        seed: of the run, and what is drawn for.
        outcomes: columns to compare.
        clustered: whether people can stand in several rows (`person_id`).
    """
    treated = people["treated"].to_numpy()
    found = differences(
        {name: people[name].cast(pl.Float64).to_numpy() for name in outcomes},
        treated,
        cell,
        _number(*seed),
        [people[name].fill_null(0.0).to_numpy() for name in COVARIATES if name in people.columns],
        people["person_id"].rank("dense").cast(pl.Int64).to_numpy() if clustered else None,
        1 - people["control_probability"].to_numpy(),
    )
    sizes = (int(treated.sum()), int((~treated).sum()))
    verdict = str(_judged(people, sizes, found.get(NET_PROFIT)))
    for name in outcomes:
        row = {"outcome": name, "treated": sizes[0], "controls": sizes[1], "verdict": verdict}
        yield row | (_numbers(found[name], name, sizes[0], currency) if found else {})


def cells_of(people: pl.DataFrame) -> Numbers:
    """Who of a list may be compared with whom (`models.cells.cells`)."""
    groups = list(people.select("control_probability", "stratum").iter_rows())
    return cells(groups, people["treated"].to_numpy())


def numbered_apart(lists: Sequence[Numbers]) -> Numbers:
    """Cells of several lists one after the other, so that nobody is compared across lists."""
    first, found = 0, []
    for cell in lists:
        found.append(np.where(cell >= 0, cell + first, -1))
        first += int(cell.max(initial=-1)) + 1
    return np.concatenate(found)


def days_of(window: AsOf) -> dict[str, Any]:
    """The days that a row is about."""
    return {
        "acknowledged_on": window.day,
        "counted_from": window.outcome_start + timedelta(days=1),
        "counted_until": window.outcome_end,
    }


def shaped(rows: Sequence[Mapping[str, Any]], schema: pl.Schema) -> pl.DataFrame:
    """Rows as a table; what a row does not say is null."""
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def _parts(people: pl.DataFrame) -> Iterator[tuple[str, str | None, pl.DataFrame]]:
    """The whole list, then group by group."""
    yield WHOLE, None, people
    for name in GROUPS:
        if name in people.columns:
            values = people[name].cast(pl.String)
            for value in values.drop_nulls().unique().sort():
                yield name, value, people.filter(values == value)


def _numbers(one: Difference, outcome: str, treated: int, currency: str) -> dict[str, float | None]:
    unit = 1 if outcome == RETURN_RATE else units(currency)
    digits = _RATE_DIGITS if outcome == RETURN_RATE else exponent(currency) + _MONEY_DIGITS
    row = {
        "treated_mean": one.treated,
        "control_mean": one.control,
        "difference": one.value,
        "standard_error": one.error,
        "low": one.low,
        "high": one.high,
        "smallest_difference": smallest_difference(one.error),
    }
    major = {
        name: round(number / unit, digits) + 0.0 if math.isfinite(number) else None
        for name, number in row.items()
    }
    difference = major["difference"]
    return {**major, "total": None if difference is None else round(difference * treated, digits)}


def _judged(people: pl.DataFrame, sizes: tuple[int, int], profit: Difference | None) -> Judgement:
    few = min(sizes) < _LEAST_IN_ARM or people[RETURN_RATE].sum() < _LEAST_BUYERS
    if profit is None or few:
        return Judgement.TOO_SMALL
    if profit.low > 0:
        return Judgement.WORKED
    return Judgement.DID_NOT if profit.high < 0 else Judgement.TOO_SMALL


def _doubts(people: pl.DataFrame, touched: Contamination) -> dict[str, Any]:
    drawn = float(people["control_probability"].sum()) / max(people.height, 1)
    return {
        "control_share_drawn": round(drawn, _RATE_DIGITS),
        "split_p_value": split_p_value(people),
        "in_two_arms": touched.in_two_arms,
        "in_two_enrolments": touched.in_two_enrolments,
        "controls_contacted": touched.controls_contacted,
    }


def _lift(people: pl.DataFrame) -> dict[str, float | None]:
    """The smallest lift of the return rate that these people can show, in points."""
    groups = people.group_by(chance=1 - pl.col("control_probability")).agg(
        pl.col("treated").sum(), controls=(~pl.col("treated")).sum()
    )
    held = people.filter(~pl.col("treated"))
    # One buyer in two more people (Laplace): small control arms often hold no buyer at all.
    base = (float(held[RETURN_RATE].sum()) + 1) / (held.height + 2)
    shown = smallest_lift(base, list(groups.sort("chance").iter_rows()))
    return {"smallest_lift_points": None if shown is None else round(100 * shown, 2)}


def _number(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}|{name}".encode()).digest()[:8], "big")
