"""What came of a replayed night, by what is known today: of its people, and of trials held after it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from features.asof import AsOf
from features.engine import Engine
from features.history import History
from features.outcomes import outcomes
from features.snapshots import drawn
from flows import inputs
from flows.recipe import assumed_response
from flows.settings import Settings
from models.afterwards import TRIAL, calibration, organic, randomised, worth
from models.matured import share_judged


def followed(
    settings: Settings, night: AsOf, until: AsOf, said: pl.DataFrame, engine: Engine
) -> dict[str, Any]:
    """How well a night did, when its outcome window is over.

    Args:
        settings: the config.
        night: the night.
        until: the last day that is known today.
        said: what the night said of everybody (`models.backtest.PEOPLE`).
        engine: where the heavy steps are done.
    """
    if not night.is_complete(until.day):
        return {"window_complete": False}
    history = inputs.history(settings, until)
    share = share_judged(said.height)
    months = range(1, settings.value.horizon_months + 1)
    sample = outcomes(history, {night: share}, until, engine, months)[night]
    listed, judged = sample, said
    if share < 1:
        of_list = history.only(said.filter("listed")["customer_id"])
        listed = outcomes(of_list, {night: 1.0}, until, engine)[night]
        judged = said.filter(drawn(share))
    response, currency = assumed_response(settings), settings.currency
    return {
        "window_complete": True,
        **calibration(judged, sample, response, currency, settings.seed),
        **worth(judged, sample, settings.value, currency),
        **organic(said, listed, sample, currency),
    }


def trial_after(  # noqa: PLR0917 - which days, then of whom
    settings: Settings, night: AsOf, days: int, until: AsOf, said: pl.DataFrame, engine: Engine
) -> pl.DataFrame:
    """Randomised contacts of the days after a night, with what followed each (`TRIAL`).

    Args:
        settings: the config.
        night: the night.
        days: so many days after it; then comes the next night.
        until: the last day that is known today.
        said: what the night said of everybody (`models.backtest.PEOPLE`).
        engine: where the heavy steps are done.
    """
    history = inputs.history(settings, until)
    people = randomised(_contacts(history, night, days))
    windows = [night.at(day) for day in people["contacted_on"].unique().sort()]
    over = [window for window in windows if window.is_complete(until.day)]
    if not over:
        return pl.DataFrame(schema=TRIAL)
    some = history.only(people["customer_id"].unique().sort())
    happened = outcomes(some, dict.fromkeys(over, 1.0), until, engine)
    earned = pl.concat(
        frame.select("customer_id", contacted_on="as_of", margin=pl.col("window_margin").cast(pl.Float64))
        for frame in happened.values()
    )
    return (
        people.join(earned, on=["customer_id", "contacted_on"])
        .join(said.select("customer_id", picked="chosen"), on="customer_id")
        .select(TRIAL.names())
        .sort("customer_id", "contacted_on", "treated", "propensity")
    )


def _contacts(history: History, night: AsOf, days: int) -> pl.DataFrame:
    """Contacts of so many days after a night."""
    on = pl.col("contacted_on")
    names = ("customer_id", "contacted_on", "arm", "assignment_probability", "list_id")
    types = (pl.String, pl.Date, pl.String, pl.Float64, pl.String)
    after = night.at(night.day + timedelta(days=days)).last_days(on, days)
    parts: Sequence[pl.LazyFrame] = [part.contacts for part in history.parts if part.contacts is not None]
    empty = pl.DataFrame(schema=dict(zip(names, types, strict=True)))
    return pl.concat([empty, *(part.select(names).filter(after).collect() for part in parts)])
