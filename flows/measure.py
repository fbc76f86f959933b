"""The flow that measures what delivered lists earned, against the people held out of them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from features.asof import AsOf
from features.errors import DataRefused
from flows import inputs
from flows.artifacts import summarise
from flows.console import step
from flows.days import name_of_run
from flows.earned import over_all, sentences
from flows.earned_in_mlflow import CUMULATIVE, MEASUREMENTS, SECOND_LIFETIME, record
from flows.lists import write_parquet
from flows.lock import hold
from flows.settings import Settings
from flows.trials import Accounts, arrived, trials
from flows.workspace import existing, publish_folder
from models.measurement import WHOLE, Judgement, measured
from models.observed import NET_PROFIT, Trial
from models.over_time import LIFETIMES, SECOND_LIFETIMES, cumulative, lifetime
from models.soundness import contamination

# Lists that are told one by one; the table holds them all.
_LISTS_TOLD = 5
_MISSING_ORDERS = "Orders that have not arrived would count as people who did not come back."


@flow(name="winback-measure", flow_run_name=name_of_run, validate_parameters=False)
def measure(config: str, as_of: str | None = None, overrides: list[str] | None = None) -> dict[str, Any]:
    """Measure every delivered list whose outcome window is over, and whose orders have arrived.

    Args:
        config: path of the config file.
        as_of: the last day that is known, YYYY-MM-DD; default the last complete day.
        overrides: `key.path=value`.
    """
    settings, day = inputs.opened(config, overrides or [], as_of)
    with hold(existing(settings.root), "winback measure"):
        summary = compare(settings, day)
        late = record(settings, day)
    told = {**summary, "sentences": [*summary["sentences"], *late]}
    return summarise("measure", told)


@task(name="compare the arms", cache_policy=NO_CACHE)
def compare(settings: Settings, as_of: AsOf) -> dict[str, Any]:
    """Write the table of measurements, when there is anything to measure, and say what it says.

    Raises:
        DataRefused: when the orders of the last days have not arrived.
    """
    lists = trials(settings, as_of)
    over = [trial for trial in lists if trial.window.is_complete(as_of.day)]
    newest = inputs.newest_order(settings)
    complete = [trial for trial in over if arrived(trial, newest)]
    counts = {"lists_measured": len(complete), "lists_without_orders": len(over) - len(complete)}
    summary: dict[str, Any] = {"status": "done", "as_of": as_of.day.isoformat(), "counts": counts}
    if not over:
        return {**summary, "sentences": [_not_yet(settings, as_of, lists)]}
    _refuse_late_feed(settings, as_of, newest)
    left = list(_left(over, newest))
    if not complete:
        return {**summary, "sentences": left}
    with step("Measuring delivered lists"):
        tables = _tables(settings, as_of, complete, newest)
    folder = inputs.workspace(settings).measurements(as_of.day)
    with publish_folder(folder) as aside:
        for name, table in tables.items():
            write_parquet(table, aside / name)
    whole = tables[MEASUREMENTS].filter(pl.col("outcome") == NET_PROFIT, pl.col("by") == WHOLE)
    verdicts = {str(one): whole.filter(pl.col("verdict") == str(one)).height for one in Judgement}
    return {
        **summary,
        "counts": counts | verdicts,
        "paths": {"measurements": str(folder / MEASUREMENTS)},
        "sentences": [*_told(tables, verdicts, settings.currency), *left],
    }


def _tables(
    settings: Settings, as_of: AsOf, lists: Sequence[Trial], newest: date | None
) -> dict[str, pl.DataFrame]:
    books = Accounts.read(settings, as_of, lists)
    currency, seed = settings.currency, settings.seed
    seen, tables, later = [], [], [pl.DataFrame(schema=SECOND_LIFETIMES)]
    for trial in lists:
        people = books.of(trial)
        seen.append((trial, people))
        touched = contamination(books.enrolments, books.who, trial.list_id, trial.window)
        tables.append(measured(trial, people, touched, currency, seed))
        over = [trial.over(days) for days in LIFETIMES]
        past = [one for one in over if one.window.is_complete(as_of.day) and arrived(one, newest)]
        later += [lifetime(one, books.of(one), currency, seed) for one in past]
    return {
        MEASUREMENTS: pl.concat(tables),
        SECOND_LIFETIME: pl.concat(later),
        CUMULATIVE: cumulative(seen, currency, seed),
    }


def _told(tables: Mapping[str, pl.DataFrame], verdicts: Mapping[str, int], currency: str) -> Iterator[str]:
    by_list = tables[MEASUREMENTS].partition_by("as_of", "list_id", maintain_order=True)
    if len(by_list) > 1:
        counted = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
        yield f"{len(by_list)} lists are measured: {counted}."
        yield over_all(tables[CUMULATIVE], currency)
    for rows in by_list[-_LISTS_TOLD:]:
        own = pl.col("list_id") == rows["list_id"][0]
        yield from sentences(rows, tables[SECOND_LIFETIME].filter(own), currency)


def _refuse_late_feed(settings: Settings, as_of: AsOf, newest: date | None) -> None:
    """A feed that is late by the shop's own rule is refused, whatever windows it may still cover."""
    allowed = settings.sources["transactions"].max_age_days
    if allowed is None or newest is None:
        return
    if (as_of.day - newest).days > allowed:
        raise DataRefused(
            f"The newest order is of {newest}, more than sources.transactions.max_age_days ({allowed}) "
            f"before {as_of.day}. {_MISSING_ORDERS} Run winback ingest, deliver what is missing, or measure "
            "by an earlier --as-of."
        )


def _left(over: Sequence[Trial], newest: date | None) -> Iterator[str]:
    """Which lists are left unmeasured although their days are over: their orders have not all arrived."""
    left = [trial for trial in over if not arrived(trial, newest)]
    if not left:
        return
    first = min(left, key=lambda trial: (trial.window.outcome_end, trial.as_of))
    one = f"The list of {first.as_of} is not measured"
    many = f"{len(left)} lists are not measured, first that of {first.as_of}"
    found = "the lake holds no orders" if newest is None else f"the newest order is of {newest}"
    yield (
        f"{one if len(left) == 1 else many}: its outcome window lasts until {first.window.outcome_end}, but "
        f"{found}. {_MISSING_ORDERS} Run winback ingest, or deliver what is missing."
    )


def _not_yet(settings: Settings, as_of: AsOf, lists: Sequence[Trial]) -> str:
    if lists:
        first = min(lists, key=lambda trial: (trial.window.outcome_end, trial.as_of))
        return (
            f"No list can be measured by {as_of.day} yet. The first will be that of {first.as_of}, when its "
            f"outcome window is over: on {first.window.outcome_end}."
        )
    if any(day < as_of.day for day in inputs.workspace(settings).days("lists")):
        return (
            "There are lists, but none of them was acknowledged as delivered, so there is nothing to "
            "measure. Say that one was delivered with winback acknowledge."
        )
    return (
        f"There is no list of before {as_of.day}, so there is nothing to measure. winback nightly writes one."
    )
