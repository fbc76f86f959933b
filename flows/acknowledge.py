"""The flow that records that a list has been delivered to the tool: rest time and measurement start then."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from features.asof import AsOf
from features.errors import ConfigError, DataRefused
from features.options import parse_day
from features.wording import counted
from flows import enrolments, inputs
from flows.artifacts import summarise
from flows.days import name_of_run
from flows.lock import hold
from flows.settings import Settings
from flows.workspace import existing
from models.eligibility import enrolled_again, enrolled_before
from models.outputs import Manifest
from models.persons import persons

_LISTS_NAMED = 3


@flow(name="winback-acknowledge", flow_run_name=name_of_run, validate_parameters=False)
def acknowledge(
    config: str,
    as_of: str,
    on: str | None = None,
    overrides: list[str] | None = None,
    list_id: str | None = None,
) -> dict[str, Any]:
    """Record that the list of a day has been delivered; the first acknowledgement stays.

    Args:
        config: path of the config file.
        as_of: the day of the list, YYYY-MM-DD.
        on: the day on which it was delivered, YYYY-MM-DD; default today, in the shop's time zone.
        overrides: `key.path=value`.
        list_id: the list that was delivered; refused when the workspace has another one of that day.
    """
    settings, day = inputs.opened(config, overrides or [], as_of)
    with hold(existing(settings.root), "winback acknowledge"):
        summary = confirm(settings, day, on, list_id)
    return summarise("acknowledge", summary)


@task(name="acknowledge the list", cache_policy=NO_CACHE)
def confirm(settings: Settings, as_of: AsOf, on: str | None, list_id: str | None = None) -> dict[str, Any]:
    """Write the acknowledgement beside the list, unless there is one.

    Raises:
        ConfigError: when the day of the delivery is not after the list's day, or is still to come.
        DataRefused: when there is no list or another one than `list_id`, its people could no longer be
            contacted on that day, or another list that counts holds some of them.
    """
    folder = inputs.workspace(settings).list(as_of.day)
    manifest, before = enrolments.read_manifest(folder), enrolments.delivered(folder)
    _refuse_another(list_id, manifest)
    today = inputs.today(settings)
    delivered_on = today if on is None else parse_day(on, "--on")
    if manifest is not None and (before is None or on is not None):
        _refuse_impossible(as_of.day, delivered_on, today)
    if before is None:
        _refuse_void(as_of.day, delivered_on, manifest)
        _refuse_enrolled_twice(settings, delivered_on, today, manifest)
        told = enrolments.acknowledge(folder, delivered_on)
        said = f"The list of {as_of.day} is delivered: acknowledged on {told.acknowledged_on}."
    else:
        told = before
        said = (
            f"The list of {as_of.day} was delivered on {told.acknowledged_on} already; nothing was changed."
        )
    return {
        "status": "done" if before is None else "unchanged",
        "as_of": as_of.day.isoformat(),
        "acknowledged_on": told.acknowledged_on.isoformat(),
        "paths": {"list": str(folder)},
        "run_ids": {"list": told.list_id},
        "sentences": [said],
    }


def _refuse_impossible(as_of: date, on: date, today: date) -> None:
    if not as_of < on <= today:
        raise ConfigError(
            f"The list of {as_of} cannot have been delivered on {on}: that is before it was made, or still "
            f"to come (today is {today}). Give the day of the delivery with --on."
        )


def _refuse_void(as_of: date, on: date, manifest: Manifest | None) -> None:
    # Where there is no list the record itself says so.
    if manifest is not None and on > manifest.contact_by:
        raise DataRefused(
            f"The list of {as_of} was to be used by {manifest.contact_by} and has been void since: its "
            f"people may be on a later list. If it was delivered in time, say when with --on; not on {on}."
        )


def _refuse_another(list_id: str | None, manifest: Manifest | None) -> None:
    """A night that was repeated may have made another list than the one that the tool has."""
    if list_id is None or manifest is None or list_id == manifest.list_id:
        return
    raise DataRefused(
        f"The list of {manifest.as_of} is list {manifest.list_id}, not list {list_id}: it was made anew, "
        "or the id is mistyped. People and arms may differ, so one is not acknowledged under the name of the "
        f"other. Acknowledge list {manifest.list_id} only if a tool has got that one; contacts made with "
        "another list belong in the contacts table."
    )


def _refuse_enrolled_twice(settings: Settings, on: date, today: date, manifest: Manifest | None) -> None:
    """When a list is not acknowledged in time its people are free, and may be on a later one meanwhile."""
    if manifest is None:
        return
    places, windows = inputs.workspace(settings), AsOf(on, manifest.horizon_days, manifest.gap_days)
    everyone = enrolments.read_enrolments(places.root / "lists", date.max)
    known = inputs.told_people(settings)
    who = persons(everyone["customer_id"], known.customers, known.identities)
    people = everyone.join(who, on="customer_id")
    _refuse_enrolled_before(enrolled_before(people, manifest.as_of, on), manifest)
    _refuse_enrolled_again(enrolled_again(people, manifest.as_of, windows, today), manifest, places.root)


def _refuse_enrolled_before(before: pl.DataFrame, manifest: Manifest) -> None:
    if before.is_empty():
        return
    raise DataRefused(
        f"{_twice(before, manifest)}: an earlier list with some of its people was acknowledged after this "
        f"one was made: {_named(before)}. Leave it unacknowledged, and put its contacts into the contacts "
        "table, so that they are known."
    )


def _refuse_enrolled_again(again: pl.DataFrame, manifest: Manifest, root: Path) -> None:
    if again.is_empty():
        return
    raise DataRefused(
        f"{_twice(again, manifest)}: nobody had acknowledged it by {manifest.contact_by}, so they were free, "
        f"and are on {counted(again['as_of'].n_unique(), 'later list')}: {_named(again)}. Leave it "
        "unacknowledged, and put its contacts into the contacts table, so that they are known. Only if no "
        f"tool has got what came later: take these lists out of {root}/lists, acknowledge this one, and make "
        "them anew (winback nightly)."
    )


def _twice(people: pl.DataFrame, manifest: Manifest) -> str:
    who = counted(people["person_id"].n_unique(), "person", "people")
    return f"{who} of the list of {manifest.as_of} (list {manifest.list_id}) would be enrolled twice at once"


def _named(people: pl.DataFrame) -> str:
    lists = [
        f"{name} of {day}" for day, name in people.select("as_of", "list_id").unique().sort("as_of").rows()
    ]
    more = len(lists) - _LISTS_NAMED
    return ", ".join(lists[:_LISTS_NAMED]) + (f" and {more:,} more" if more > 0 else "")
