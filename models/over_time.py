"""What do lists earn in the long run: each over a year, and all of them together?

A second lifetime compares the arms of one list over 30, 90, 180 and 365 days since it was delivered. By then
anybody may have been on a later list; that is part of what became of them, in both arms alike.

Over all lists the difference is the coefficient of the treatment in a regression on enrolments with an
effect for every list and cell, weighted so that it is that on the people contacted, its standard error
clustered by person (Liang and Zeger, Biometrika 1986). Where nothing is adjusted for that is the mean of the
lists' own differences, weighed by how many people each was to contact.
"""

from collections.abc import Sequence

import polars as pl

from models.measurement import FIGURES, cells_of, days_of, figures, numbered_apart, shaped
from models.observed import NET_MARGIN, RETURN_RATE, Trial

LIFETIMES = (30, 90, 180, 365)
_SEEN = [name for name in FIGURES if name != "verdict"]

SECOND_LIFETIMES = pl.Schema(
    {
        "list_id": pl.String(),
        "as_of": pl.Date(),
        "acknowledged_on": pl.Date(),
        "days": pl.Int64(),
        "counted_from": pl.Date(),
        "counted_until": pl.Date(),
        **{name: FIGURES[name] for name in _SEEN},
    }
)
CUMULATIVE = pl.Schema(
    {
        "lists": pl.Int64(),
        "first_list": pl.Date(),
        "last_list": pl.Date(),
        "people": pl.Int64(),
        **FIGURES,
    }
)


def lifetime(trial: Trial, people: pl.DataFrame, currency: str, seed: int) -> pl.DataFrame:
    """How the arms of a list differ over the days of its window (`SECOND_LIFETIMES`).

    Args:
        trial: the list over that many days (`Trial.over`).
        people: what `models.observed.observed` gives for it.
        currency: reporting currency.
        seed: of the draws.
    """
    days = trial.window.horizon_days
    fixed = {"list_id": trial.list_id, "as_of": trial.as_of, "days": days, **days_of(trial.window)}
    # The same draws for all lengths of time, so that one list's figures can be read beside each other.
    found = figures(
        people, cells_of(people), currency, (seed, trial.list_id), outcomes=(RETURN_RATE, NET_MARGIN)
    )
    return shaped([{**fixed, **row} for row in found], SECOND_LIFETIMES)


def cumulative(lists: Sequence[tuple[Trial, pl.DataFrame]], currency: str, seed: int) -> pl.DataFrame:
    """How the arms of all lists together differ, per enrolment (`CUMULATIVE`).

    Args:
        lists: each list, and what `models.observed.observed` gives for it; at least one.
        currency: reporting currency.
        seed: of the draws.
    """
    days = [trial.as_of for trial, _ in lists]
    everyone = pl.concat([people for _, people in lists], how="diagonal")
    cell = numbered_apart([cells_of(people) for _, people in lists])
    fixed = {
        "lists": len(lists),
        "first_list": min(days),
        "last_list": max(days),
        "people": everyone["person_id"].n_unique(),
    }
    found = figures(everyone, cell, currency, (seed, "cumulative"), clustered=True)
    return shaped([{**fixed, **row} for row in found], CUMULATIVE)
